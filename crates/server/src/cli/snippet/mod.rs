//! `countersign snippet`: what a gateway or an API needs to work with this server, filled in from its settings.

mod api;
mod gateway;
mod recipe;

use askama::Template;
use clap::{Args, ValueEnum};
use serde_json::json;

use self::{
    api::Api,
    gateway::{Gateway, Wanted},
    recipe::Recipe,
};
use crate::{
    cli::{flags::Flags, output},
    settings::Refusal,
};

/// Print the configuration of a gateway that asks this server who sends a request, or the code of an API that checks tokens
/// by itself, filled in from the settings.
#[derive(Debug, Args)]
#[command(
    after_help = "For example:  countersign snippet nginx --config countersign.toml --upstream \
    http://127.0.0.1:3000 > /etc/nginx/conf.d/countersign.conf"
)]
pub(crate) struct Snippet {
    /// What it is for.
    #[arg(value_enum, value_name = "FOR")]
    target: Target,
    /// Where the gateway finds the API. Without it, `http://127.0.0.1:3000`.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The path of the API on the host of the gateway. Without it, `/api`.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// The role that the gateway asks for. Without it, whoever is signed in gets through.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Print one JSON object: `{"for", "text", "notes"}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

/// What there is a recipe for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A gateway, on one host with this server and an API.
    Nginx,
    /// The same.
    Caddy,
    /// The same, which runs the script of `haproxy-lua`.
    Haproxy,
    /// The script for HAProxy.
    HaproxyLua,
    /// The same as nginx.
    Traefik,
    /// The same.
    Envoy,
    /// An API in Python that checks tokens by itself.
    Fastapi,
    /// One in JavaScript.
    Express,
    /// One in Go.
    Go,
    /// One in Rust.
    Axum,
}

impl Snippet {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let (text, notes) = self.recipe()?;
        if self.json {
            let target = self.target.to_possible_value();
            let target = target.as_ref().map(clap::builder::PossibleValue::get_name);
            output::data(&json!({ "for": target, "text": text, "notes": notes }).to_string());
        } else {
            output::data(text.trim_end());
            for note in &notes {
                output::talk(&format!("note: {note}"));
            }
        }
        Ok(())
    }

    /// The recipe, and what has to change outside of it.
    fn recipe(&self) -> anyhow::Result<(String, Vec<String>)> {
        let config = self.flags.load()?;
        let of_api =
            matches!(self.target, Target::Fastapi | Target::Express | Target::Go | Target::Axum);
        if of_api {
            if self.upstream.is_some() || self.path.is_some() || self.role.is_some() {
                let why = "--upstream, --path and --role are for gateways; this is code of an API";
                return Err(Refusal(why.to_owned()).into());
            }
            let api = &Api::new(&config)?;
            let recipe = match self.target {
                Target::Fastapi => Recipe::Fastapi { api },
                Target::Express => Recipe::Express { api },
                Target::Go => Recipe::Go { api },
                _ => Recipe::Axum { api },
            };
            return Ok((recipe.render()?, api.notes()));
        }
        let wanted = Wanted {
            upstream: self.upstream.as_deref(),
            path: self.path.as_deref(),
            role: self.role.as_deref(),
        };
        let gateway = &Gateway::new(&config, &wanted)?;
        let recipe = match self.target {
            Target::Caddy => Recipe::Caddy { gateway },
            Target::Haproxy => Recipe::Haproxy { gateway },
            Target::HaproxyLua => Recipe::HaproxyLua { gateway },
            Target::Traefik => Recipe::Traefik { gateway },
            Target::Envoy => Recipe::Envoy { gateway },
            _ => Recipe::Nginx { gateway },
        };
        Ok((recipe.render()?, gateway.notes()))
    }
}
