//! What the readers of TOML and of values say, in words for people.

use super::nearest;

/// What is wrong with how a file is written, and how it is written right.
pub(super) fn of_syntax(said: &str) -> (String, Option<String>) {
    let known = SYNTAX.iter().find(|(begins, ..)| said.starts_with(begins));
    let (wrong, right) = match known {
        Some((_, wrong, right)) => ((*wrong).to_owned(), *right),
        None => (format!("this is not TOML: {said}"), LINE),
    };
    (wrong, Some(right.to_owned()))
}

const LINE: &str =
    "each line is `name = value`, below its `[section]`; a text stands in double quotes";
const TEXT: &str = "a text stands in double quotes: name = \"text\"";
const LIST: &str = "a list is written [\"one\", \"two\"]";

/// How a message begins, what it means, and what would be right.
const SYNTAX: &[(&str, &str, &str)] = &[
    (
        "unclosed table",
        "the name of the section has no ] behind it",
        "a section begins with [name]",
    ),
    ("string values must be quoted", "the value is missing, or is a text without quotes", TEXT),
    ("invalid basic string", "the text does not end with a double quote", TEXT),
    ("invalid literal string", "the text does not end with a single quote", TEXT),
    ("missing opening quote", "the text does not begin with a quote", TEXT),
    (
        "missing escaped value",
        "there is no such character behind a backslash",
        "a backslash is written twice, or the text stands in single quotes",
    ),
    ("key with no value", "there is no = and no value behind the name", LINE),
    ("missing value", "there is no value behind the =", LINE),
    ("invalid key-value pair", "this is neither a setting nor a section", LINE),
    ("extra `=`", "there is one = too many", LINE),
    ("unexpected key or value", "the line goes on where it should end", LINE),
    ("unexpected content", "the line goes on where it should end", LINE),
    (
        "invalid unquoted key",
        "a name has letters, digits, _ and - alone",
        "a setting is written name = value, not name: value",
    ),
    (
        "duplicate key",
        "this stands here for the second time",
        "leave one of the two: a section and a setting stand once in a file",
    ),
    (
        "missing comma between array elements",
        "there is no comma between two values of the list",
        LIST,
    ),
    ("unclosed array", "the list has no ] behind it", LIST),
    ("extra comma in array", "there is one comma too many in the list", LIST),
    (
        "invalid boolean",
        "this is neither true nor false",
        "both are written small and without quotes",
    ),
    ("invalid float", "this is no number", TEXT),
    ("unexpected leading zero", "a number does not begin with 0", TEXT),
];

/// What is wrong with the value of a setting, and what was meant.
pub(super) fn of_value(said: &str) -> (String, Option<String>) {
    let said = said.trim_end();
    if let Some((said, meant)) = said.split_once("; did you mean ") {
        return (said.to_owned(), Some(format!("did you mean {meant}")));
    }
    let mut quoted = said.split('`').skip(1).step_by(2);
    if said.starts_with("unknown variant ") {
        let wrong = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let meant = nearest(wrong, known.iter().map(|name| (*name).to_owned()));
        let message = format!("{wrong:?} is none of {}", known.join(", "));
        return (message, meant.map(|meant| format!("did you mean {meant}?")));
    }
    match said.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((is, wanted)) => {
            let wanted = match wanted {
                "a string" => "a text in double quotes",
                "a boolean" => "true or false, without quotes",
                "a sequence" => "a list, such as [\"one\", \"two\"]",
                other => other,
            };
            let is = is.replace("integer `", "the number ").replace("boolean `", "");
            let is = is.replace("floating point `", "the number ").replace("string ", "the text ");
            let is = is.replace("sequence", "a list").replace("map", "a section");
            (format!("it is {}, and has to be {wanted}", is.trim_end_matches('`')), None)
        }
        None => (said.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;

    #[test]
    fn slips_of_the_pen_are_told_in_plain_words() {
        for (text, words) in [
            ("[tokens", "has no ] behind it"),
            ("[tokens]x", "goes on where it should end"),
            ("[t]\na = x", "a text without quotes"),
            ("[t]\na =", "the value is missing"),
            ("[t]\na = \"x", "does not end with a double quote"),
            ("[t]\na = 'x", "does not end with a single quote"),
            ("[t]\na \"x\"", "no = and no value"),
            ("[t]\na = = 1", "one = too many"),
            ("[t]\na: \"x\"", "letters, digits"),
            ("[t]\na = 1\na = 2", "for the second time"),
            ("[t]\n[t]", "for the second time"),
            ("[t]\na = [\"1\" \"2\"]", "no comma"),
            ("[t]\na = [1", "has no ] behind it"),
            ("[t]\na = 127.0.0.1:8000", "this is no number"),
            ("[t]\na = True", "neither true nor false"),
            ("[t]\na = \"\\z\"", "behind a backslash"),
            ("}", "neither a setting nor a section"),
            ("[t]\na = 012", "does not begin with 0"),
        ] {
            let (_, errors) = DeTable::parse_recoverable(text);
            let told: Vec<_> = errors.iter().map(|error| of_syntax(error.message())).collect();
            assert!(told.iter().any(|(wrong, _)| wrong.contains(words)), "{text:?}: {told:?}");
            assert!(told.iter().all(|(_, right)| right.is_some()), "{text:?}: {told:?}");
        }
        let (wrong, right) = of_syntax("something new");
        assert_eq!(wrong, "this is not TOML: something new");
        assert_eq!(right.as_deref(), Some(LINE));
    }

    #[test]
    fn values_are_told_with_what_they_have_to_be() {
        for (said, wrong, meant) in [
            (
                "unknown variant `jw`, expected one of `jwt`, `session`, `both`",
                "\"jw\" is none of jwt, session, both",
                Some("did you mean jwt?"),
            ),
            (
                "unknown variant `x`, expected `database` or `memory`",
                "\"x\" is none of database, memory",
                None,
            ),
            (
                "\"es256\" is no signature algorithm; did you mean ES256?",
                "\"es256\" is no signature algorithm",
                Some("did you mean ES256?"),
            ),
            (
                "invalid type: integer `30`, expected a string",
                "it is the number 30, and has to be a text in double quotes",
                None,
            ),
            (
                "invalid type: string \"yes\", expected a boolean",
                "it is the text \"yes\", and has to be true or false, without quotes",
                None,
            ),
            (
                "invalid type: boolean `true`, expected a string",
                "it is true, and has to be a text in double quotes",
                None,
            ),
            ("anything else\n", "anything else", None),
        ] {
            assert_eq!(of_value(said), (wrong.to_owned(), meant.map(str::to_owned)));
        }
    }
}
