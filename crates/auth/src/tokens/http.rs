use axum::http::request::Parts;
use guard::{Authenticate, Denied, Verdict, authenticate_bearer};
use jwt::Verifier;
use uuid::Uuid;

/// Accepts this installation's own access tokens.
///
/// Beside what any verifier checks, `sub` and `sid` must be UUIDs in their canonical form: the server
/// writes them so, and a second spelling of one id would be a second name for one account.
pub(crate) struct AccessTokens(Verifier);

impl AccessTokens {
    pub(crate) fn new(verifier: Verifier) -> Self {
        Self(verifier)
    }
}

impl Authenticate for AccessTokens {
    fn scheme(&self) -> Option<&'static str> {
        Some("Bearer")
    }

    fn authenticate<'a>(&'a self, request: &'a Parts) -> Verdict<'a> {
        Box::pin(async {
            let principal = authenticate_bearer(&self.0, request)?;
            match &principal {
                Some(caller)
                    if !is_canonical_v7(caller.subject())
                        || !caller.session().is_some_and(is_canonical_v7) =>
                {
                    Err(Denied::refused("token_malformed", "sub or sid is not a UUID of version 7"))
                }
                _ => Ok(principal),
            }
        })
    }
}

fn is_canonical_v7(text: &str) -> bool {
    let mut canonical = Uuid::encode_buffer();
    Uuid::try_parse(text).is_ok_and(|id| {
        id.get_version_num() == 7 && id.hyphenated().encode_lower(&mut canonical) == text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_of_a_version_7_uuid_passes() {
        assert!(is_canonical_v7("01980b1e-7a4c-7def-8123-456789abcdef"));
        for text in [
            "",
            "1",
            "01980B1E-7A4C-7DEF-8123-456789ABCDEF",
            "01980b1e7a4c7def8123456789abcdef",
            "{01980b1e-7a4c-7def-8123-456789abcdef}",
            "urn:uuid:01980b1e-7a4c-7def-8123-456789abcdef",
            "01980b1e-7a4c-4def-8123-456789abcdef",
            "01980b1e-7a4c-7def-8123-456789abcdef ",
        ] {
            assert!(!is_canonical_v7(text), "{text:?}");
        }
    }
}
