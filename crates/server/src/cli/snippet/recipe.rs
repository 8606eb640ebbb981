//! The recipes themselves, which lie in `templates/snippets`.
#![expect(unused_qualifications, reason = "the code that askama makes for an enum")]

use askama::Template;

use super::{api::Api, gateway::Gateway};

/// All recipes, one file each.
#[derive(Template)]
pub(super) enum Recipe<'a> {
    #[template(path = "snippets/nginx.conf", escape = "none")]
    Nginx { gateway: &'a Gateway },
    #[template(path = "snippets/Caddyfile", escape = "none")]
    Caddy { gateway: &'a Gateway },
    #[template(path = "snippets/haproxy.cfg", escape = "none")]
    Haproxy { gateway: &'a Gateway },
    #[template(path = "snippets/countersign.lua", escape = "none")]
    HaproxyLua { gateway: &'a Gateway },
    #[template(path = "snippets/traefik.yaml", escape = "none")]
    Traefik { gateway: &'a Gateway },
    #[template(path = "snippets/envoy.yaml", escape = "none")]
    Envoy { gateway: &'a Gateway },
    #[template(path = "snippets/caller.py", escape = "none")]
    Fastapi { api: &'a Api },
    #[template(path = "snippets/caller.mjs", escape = "none")]
    Express { api: &'a Api },
    #[template(path = "snippets/caller.go", escape = "none")]
    Go { api: &'a Api },
    #[template(path = "snippets/caller.rs", escape = "none")]
    Axum { api: &'a Api },
}
