//! What verifiers of others make of a token: measured with one token of each algorithm, and 17 of them as they come.

use serde::Serialize;

/// How many verifiers were run.
const VERIFIERS: usize = 17;

/// The algorithms that were measured, with the verifiers that refused a sound token of each.
const REFUSED_BY: [(&str, &[&str]); 4] = [
    ("ES256", &[]),
    ("RS256", &[]),
    (
        "EdDSA",
        &[
            "jsonwebtoken 9 on npm, and express-jwt and passport-jwt, which use it",
            "python-jose",
            "HAProxy 2.6",
            "joserfc, unless told to allow it",
        ],
    ),
    ("PS256", &["HAProxy 2.6", "joserfc, unless told to allow it"]),
];

/// What is known of an algorithm elsewhere.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Elsewhere {
    /// How many verifiers were given such a token; `None` if none was.
    pub(super) measured: Option<usize>,
    pub(super) refused_by: &'static [&'static str],
    pub(super) advice: &'static str,
}

/// What verifiers of others make of this algorithm, by its name in the header.
pub(super) fn elsewhere(algorithm: &str) -> Elsewhere {
    let measured = REFUSED_BY.iter().find(|(name, _)| *name == algorithm);
    let advice = match algorithm {
        "HS256" | "HS384" | "HS512" => {
            "whoever has the secret verifies it, and can make tokens too; take ES256 as soon as another \
             service verifies"
        }
        "Ed25519" => {
            "most verifiers do not know this name of EdDSA (RFC 9864); ES256 is known to all that were measured"
        }
        "none" => "a sound verifier refuses it: it is not signed",
        _ => match measured {
            Some((_, [])) => "accepted by all 17 verifiers that were measured",
            Some(_) => "not accepted by all 17 verifiers that were measured; ES256 is",
            None => "not measured; ES256 is accepted by all 17 verifiers that were",
        },
    };
    Elsewhere {
        measured: measured.map(|_| VERIFIERS),
        refused_by: measured.map_or(&[], |(_, refused_by)| refused_by),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use jwt::Algorithm;

    use super::*;

    #[test]
    fn what_was_measured_is_told_apart_from_what_was_not() {
        let refused = |name| elsewhere(name).refused_by.len();
        assert_eq!([refused("ES256"), refused("EdDSA"), refused("PS256")], [0, 4, 2]);
        assert_eq!(elsewhere("ES256").measured, Some(17));
        for name in ["HS256", "Ed25519", "ES384", "none"] {
            assert_eq!(elsewhere(name).measured, None, "{name}");
        }
        for (name, _) in REFUSED_BY {
            assert!(name.parse::<Algorithm>().is_ok(), "{name}");
        }
    }
}
