//! What verifiers of others make of a token: measured with one token of each algorithm, and 17 of them as they come.

use serde::Serialize;

use crate::ui::{Elsewhere as Texts, Language};

/// How many verifiers were run.
const VERIFIERS: usize = 17;

/// A verifier that refuses some algorithms, as it is called in a language.
type Name = fn(Texts) -> &'static str;

/// The algorithms that were measured, with the verifiers that refused a sound token of each.
const REFUSED_BY: [(&str, &[Name]); 4] = [
    ("ES256", &[]),
    ("RS256", &[]),
    ("EdDSA", &[Texts::jsonwebtoken, Texts::python_jose, Texts::haproxy, Texts::joserfc]),
    ("PS256", &[Texts::haproxy, Texts::joserfc]),
];

/// What is known of an algorithm elsewhere.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Elsewhere {
    /// How many verifiers were given such a token; `None` if none was.
    pub(super) measured: Option<usize>,
    pub(super) refused_by: Vec<&'static str>,
    pub(super) advice: String,
}

/// What verifiers of others make of this algorithm, by its name in the header.
pub(crate) fn elsewhere(algorithm: &str, language: Language) -> Elsewhere {
    let texts = language.elsewhere();
    let measured = REFUSED_BY.iter().find(|(name, _)| *name == algorithm);
    let advice = match algorithm {
        "HS256" | "HS384" | "HS512" => texts.secret().to_owned(),
        "Ed25519" => texts.ed25519().to_owned(),
        "none" => texts.none().to_owned(),
        _ => match measured {
            Some((_, [])) => texts.all(VERIFIERS),
            Some(_) => texts.some(VERIFIERS),
            None => texts.unmeasured(VERIFIERS),
        },
    };
    let refused_by = measured.map_or(&[][..], |(_, refused_by)| refused_by);
    Elsewhere {
        measured: measured.map(|_| VERIFIERS),
        refused_by: refused_by.iter().map(|name| name(texts)).collect(),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use jwt::Algorithm;

    use super::*;

    #[test]
    fn what_was_measured_is_told_apart_from_what_was_not() {
        let refused = |name| elsewhere(name, Language::En).refused_by.len();
        assert_eq!([refused("ES256"), refused("EdDSA"), refused("PS256")], [0, 4, 2]);
        assert_eq!(elsewhere("ES256", Language::En).measured, Some(17));
        for name in ["HS256", "Ed25519", "ES384", "none"] {
            assert_eq!(elsewhere(name, Language::En).measured, None, "{name}");
        }
        for (name, _) in REFUSED_BY {
            assert!(name.parse::<Algorithm>().is_ok(), "{name}");
        }
    }
}
