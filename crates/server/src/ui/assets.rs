//! The files that pages name: one style sheet, scripts, the mark.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use guard::Problem;
use sha2::{Digest, Sha256};

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Each file: its name, its type, its bytes. A script names others beside it, such as `./page.js`.
const FILES: &[(&str, &str, &str)] = &[
    ("clock.js", SCRIPT, include_str!("../../static/clock.js")),
    ("debugger.js", SCRIPT, include_str!("../../static/debugger.js")),
    ("learn.js", SCRIPT, include_str!("../../static/learn.js")),
    ("mark.svg", "image/svg+xml", include_str!("../../static/mark.svg")),
    ("page.js", SCRIPT, include_str!("../../static/page.js")),
    ("token.js", SCRIPT, include_str!("../../static/token.js")),
    ("style.css", "text/css; charset=utf-8", include_str!("../../static/style.css")),
];

/// What the files are together: a name for it, which changes when one of them does.
#[derive(Debug, Clone)]
pub(super) struct Assets(Arc<str>);

impl Assets {
    pub(super) fn new() -> Self {
        let mut hash = Sha256::new();
        for (name, _, text) in FILES {
            // With their lengths, so that no two lists of files look alike.
            hash.update(format!("{name} {}\n", text.len()));
            hash.update(text);
        }
        let hash = hash.finalize();
        let digits: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self(digits.into())
    }

    /// The path of a file.
    pub(super) fn path(&self, name: &str) -> String {
        format!("/static/{}/{name}", self.0)
    }
}

/// `/static/{version}/{name}`.
pub(super) fn routes() -> Router {
    Router::new().route("/static/{version}/{name}", get(file)).with_state(Assets::new())
}

/// A file; for ever where its version is asked for. An instance of another version is asked too while a new one is
/// rolled out: its answer is this one's file, which is not to be kept.
async fn file(
    State(assets): State<Assets>,
    Path((version, name)): Path<(String, String)>,
) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(found, ..)| *found == name) else {
        let detail = "there is nothing at this path";
        return Problem::new(StatusCode::NOT_FOUND, "not_found", detail).into_response();
    };
    let keep = match *version == *assets.0 {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let header = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    ([header(CONTENT_TYPE, kind), header(CACHE_CONTROL, keep)], *text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a page costs a visitor who has to wait for it.
    #[test]
    fn all_scripts_together_are_below_40_kb() {
        let scripts = FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT);
        assert!(scripts.map(|(_, _, text)| text.len()).sum::<usize>() < 40_000);
    }

    #[test]
    fn a_script_names_files_that_are_there_and_asks_no_other_host() {
        for (name, _, text) in FILES {
            assert!(!text.contains("//cdn") && !text.contains("https://"), "{name}");
            for import in text.split("from \"./").skip(1) {
                let other = import.split('"').next().unwrap_or_default();
                assert!(FILES.iter().any(|(found, ..)| *found == other), "{name} names {other}");
            }
        }
    }
}
