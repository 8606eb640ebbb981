//! What the pages say, in each language: `locales/` has the texts, `build.rs` makes this module's functions of them.

use axum::http::{HeaderMap, HeaderValue, header::ACCEPT_LANGUAGE};

include!(concat!(env!("OUT_DIR"), "/texts.rs"));

/// The cookie that keeps the language that somebody chose.
pub(crate) const LANGUAGE_COOKIE: &str = "language";

impl Language {
    /// The language of this tag, or of its first part (RFC 4647 §3.4).
    pub(crate) fn find(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The language that a visitor chose, else the one that the browser likes best, else the first.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let chosen = super::cookie(headers, LANGUAGE_COOKIE);
        let lines = headers.get_all(ACCEPT_LANGUAGE).iter().map(HeaderValue::to_str);
        let mut liked: Vec<(f32, Self)> = Vec::new();
        for range in lines.flatten().flat_map(|line| line.split(',')).take(32) {
            let mut parts = range.split(';').map(str::trim);
            let language = parts.next().and_then(Self::find);
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
            // What is not wanted at all is said with 0 (RFC 9110 §12.4.2).
            if let (Some(language), weight @ 0.001..=1.0) = (language, weight.unwrap_or(1.0)) {
                liked.push((weight, language));
            }
        }
        // Of those liked alike the first: the sort keeps their order.
        liked.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        chosen
            .and_then(|tag| Self::find(&tag))
            .or(liked.first().map(|(_, language)| *language))
            .unwrap_or(Self::ALL[0])
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;

    use super::*;

    fn of(accepts: &'static str, cookie: &'static str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accepts));
        headers.insert(COOKIE, HeaderValue::from_static(cookie));
        Language::of(&headers).tag()
    }

    #[test]
    fn the_language_is_the_chosen_one_or_the_one_liked_best() {
        for (accepts, cookie, tag) in [
            ("", "", "en"),
            ("de", "", "de"),
            ("de-CH, en;q=0.9", "", "de"),
            ("fr, en;q=0.4, de;q=0.8", "", "de"),
            ("en, de", "", "en"),
            ("de;q=0, en;q=0.1", "", "en"),
            ("de;q=NaN", "", "en"),
            ("*", "", "en"),
            ("de", "a=b; language=en", "en"),
            ("de", "language=xx", "de"),
            ("de", "language=", "de"),
        ] {
            assert_eq!(of(accepts, cookie), tag, "{accepts} {cookie}");
        }
    }
}
