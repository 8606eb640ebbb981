//! Pages for people, made on the server.

pub mod docs;
pub mod outbox;

use axum::http::{HeaderMap, header::ACCEPT};

/// Says whether a request comes from somebody who looks at pages: its `Accept` names `text/html`.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    accepted.flat_map(|line| line.split(',')).any(|element| {
        let media = element.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("text/html")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_who_names_html() {
        let wants = |text: &'static str| {
            wants_page(&HeaderMap::from_iter([(ACCEPT, text.parse().expect("a value"))]))
        };
        assert!(wants("text/html") && wants("application/json, Text/HTML;q=0.9"));
        assert!(!wants("*/*") && !wants("application/json") && !wants("text/html-like"));
        assert!(!wants_page(&HeaderMap::new()));
    }
}
