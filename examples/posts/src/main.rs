//! The sample API as a process of its own: it knows the issuer's keys and nothing else of the issuer.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use auth::{
    Clock, Ids,
    storage::{Db, DbOptions},
};
use clap::Parser;
use guard::{Guard, RemoteKeys};
use jwt::{Algorithm, Jwks, Verifier, VerifyingKey};
use posts::App;

/// A resource server: /posts for callers with an access token of the issuer.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The address to listen on; port 0 asks for a free one.
    #[arg(long, default_value = "127.0.0.1:8001")]
    listen: SocketAddr,
    /// The issuer's public keys: the address of its key set, or a file with it.
    #[arg(long, value_name = "URL|FILE", required_unless_present = "secret_file")]
    jwks: Option<String>,
    /// A file with the issuer's HS256 secret; may be given several times while the secret changes.
    #[arg(long, value_name = "FILE", conflicts_with = "jwks")]
    secret_file: Vec<PathBuf>,
    /// The issuer that tokens must name.
    #[arg(long, default_value = "countersign")]
    issuer: String,
    /// The audience that tokens must name.
    #[arg(long, default_value = "countersign")]
    audience: String,
    /// Where the posts lie: `sqlite://path` or `postgres://…`; in memory when left out.
    #[arg(long, default_value = "sqlite::memory:")]
    database_url: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let options = Options::parse();

    let clock = Clock::system();
    let app = App {
        guard: guard(&options)?,
        db: Db::open(&DbOptions::new(&options.database_url)).await?,
        ids: Ids::new(clock.clone()),
        clock,
    };
    let router = posts::router(app).await?;
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;
    Ok(())
}

/// Who is calling? Whoever has a token that one of the issuer's keys verifies.
fn guard(options: &Options) -> anyhow::Result<Guard> {
    let verifier =
        Verifier::new(Jwks::default()).issuer(&options.issuer).audience(&options.audience);
    Ok(match &options.jwks {
        Some(url) if url.contains("://") => Guard::new(RemoteKeys::at(url, verifier)?),
        Some(path) => {
            let json = std::fs::read_to_string(path).with_context(|| path.clone())?;
            Guard::new(verifier.with_keys(Jwks::from_json(&json)?))
        }
        None => {
            let key = |path: &PathBuf| -> anyhow::Result<VerifyingKey> {
                let secret = auth::keys::read_secret(path)?;
                let key = VerifyingKey::from_secret(Algorithm::Hs256, &secret);
                Ok(key.with_context(|| path.display().to_string())?.with_derived_kid())
            };
            let keys = options.secret_file.iter().map(key).collect::<anyhow::Result<Vec<_>>>()?;
            Guard::new(verifier.with_keys(Jwks::new(keys)?))
        }
    })
}
