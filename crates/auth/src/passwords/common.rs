/// The 1,000 most common passwords of those that have eight characters, in lower case, one a line. They are the most
/// frequent ones of the list that Django's `CommonPasswordValidator` comes with, which was counted in passwords that had
/// leaked; shorter ones are refused for their length.
const COMMON: &str = include_str!("common.txt");

/// Says whether a password is one of the most common ones, however its letters are capitalised.
pub(super) fn is_common(password: &str) -> bool {
    let lower = password.to_lowercase();
    COMMON.lines().any(|common| common == lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passwords::{MIN_LENGTH, Password, weakness};

    #[test]
    fn the_thousand_most_common_passwords_are_refused_in_any_capitals() {
        assert_eq!(COMMON.lines().count(), 1_000);
        for common in COMMON.lines() {
            assert!(common.chars().count() >= MIN_LENGTH && common == common.to_lowercase());
            for text in [common.to_owned(), common.to_uppercase()] {
                let reason = weakness(&Password::parse(&text).expect("sound"), &[]);
                assert_eq!(reason.as_deref(), Some("it is one of the most common passwords"));
            }
        }
        assert!(!is_common("four unrelated gravel words"));
    }
}
