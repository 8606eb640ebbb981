//! Whether a secret is one that nobody can guess.

/// Guesses, as a power of ten, under which a secret counts as weak: 64 bits of work.
const ENOUGH: f64 = 19.0;

/// Words of tutorials, defaults and documentation: a secret made of them is publicly known, however long.
const WELL_KNOWN: [&str; 12] = [
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "a-string-secret-at-least-256-bits-long",
    "changeme",
    "change-me",
    "change_me",
    "please-change",
    "insecure",
    "supersecret",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "shhhhh",
];

/// Says why an HS* secret is weak; `None` when it is good enough.
///
/// A secret of random bytes is never weak; one that somebody typed often is, and one that stands in a
/// tutorial always: whoever guesses it signs tokens for everyone (RFC 8725 §3.5). The answer does not
/// repeat the secret.
#[must_use]
pub fn weakness(secret: &[u8]) -> Option<&'static str> {
    if secret.len() < 32 {
        return Some("it has fewer than 32 bytes");
    }
    let mut bytes = secret.to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    if bytes.len() < 8 {
        return Some("it repeats a few bytes");
    }
    let text = str::from_utf8(secret).ok();
    let lower = text.map(str::to_lowercase).unwrap_or_default();
    if WELL_KNOWN.iter().any(|known| lower.contains(known)) {
        return Some("it is publicly known");
    }
    if repeats(secret) {
        return Some("it is one piece, said again");
    }
    if counts(secret) {
        return Some("it counts up or down");
    }
    let text = text?;
    // Only the beginning is scored: past it a secret that is good so far stays good.
    let start: String = text.chars().take(64).collect();
    if zxcvbn::zxcvbn(&start, &["countersign", "secret", "jwt"]).guesses_log10() < ENOUGH {
        return Some("it can be guessed");
    }
    None
}

/// Says whether it is nothing but its own beginning, again and again.
fn repeats(secret: &[u8]) -> bool {
    let again =
        |piece: usize| secret.iter().skip(piece).zip(secret).all(|(one, other)| one == other);
    (1..=secret.len() / 2).any(again)
}

/// Says whether each byte is as far from the one before it as the next is.
fn counts(secret: &[u8]) -> bool {
    let mut steps = secret.windows(2).map(|pair| match pair {
        [one, next] => next.wrapping_sub(*one),
        _ => 0,
    });
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{fill, hex};

    #[test]
    fn secrets_that_somebody_typed_are_weak() {
        for secret in [
            "short",
            "your-256-bit-secret-your-256-bit-secret",
            "secretsecretsecretsecretsecretsecret",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "00000000000000000000000000000000",
            "0123456789abcdef0123456789abcdef",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "passwordpasswordpasswordpassword1",
            "changeme-changeme-changeme-changeme",
            "qwertyuiopasdfghjklzxcvbnmqwertyuiop",
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
            "a-string-secret-at-least-256-bits-long",
        ] {
            assert!(weakness(secret.as_bytes()).is_some(), "{secret}");
        }
    }

    #[test]
    fn bytes_with_a_pattern_are_weak() {
        let counting: Vec<u8> = (0x80..0xa0).collect();
        let downwards: Vec<u8> = (0..32).map(|byte| 3_u8.wrapping_sub(byte * 5)).collect();
        let again = [b"\x8f\xe1\x02\x93\x44\xb5\xd6\x07".as_slice(); 4].concat();
        for secret in [&[0; 32][..], &[0xab; 40], &counting, &downwards, &again] {
            assert!(weakness(secret).is_some(), "{secret:?}");
        }
    }

    #[test]
    fn random_secrets_are_not() {
        for _ in 0..50 {
            let mut bytes = [0; 32];
            fill(&mut bytes).expect("randomness");
            assert_eq!(weakness(&bytes), None);
            assert_eq!(weakness(hex(&bytes).as_bytes()), None);
        }
        assert_eq!(weakness(b"k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO"), None);
    }
}
