use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// What the scanner must agree with: `serde_json`, and duplicates sought in the plainest way.
fn reference(text: &str) -> Option<Vec<(String, Value)>> {
    struct Pairs(Vec<(String, Value)>);

    impl<'de> serde::Deserialize<'de> for Pairs {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;

            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Pairs;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Pairs, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(Pairs(pairs))
                }
            }

            deserializer.deserialize_map(Visitor)
        }
    }

    let Pairs(pairs) = serde_json::from_str(text).ok()?;
    let mut names: Vec<_> = pairs.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    (names.len() == pairs.len()).then_some(pairs)
}

fn scanned(text: &str) -> Option<Vec<(String, Value)>> {
    let mut members = Vec::new();
    object(text, &mut members).ok()?;
    let pair = |member: &Member| {
        (
            member.name(text).into_owned(),
            serde_json::from_str(member.value(text)).expect("the value is valid JSON"),
        )
    };
    Some(members.iter().map(pair).collect())
}

fn agree(text: &str) {
    // Numbers beyond f64 are valid JSON, though serde_json refuses them.
    match reference(text) {
        Some(expected) => assert_eq!(scanned(text), Some(expected), "{text}"),
        None => {
            let mut members = Vec::new();
            if object(text, &mut members).is_ok() {
                let error = serde_json::from_str::<Value>(text).unwrap_err().to_string();
                assert!(error.contains("number out of range"), "{text}: {error}");
            }
        }
    }
}

/// Texts that are JSON or nearly so.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("tru".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        "-?[0-9]{0,3}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,2})?",
        string(),
    ];
    let value = leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|values| format!("[{}]", values.join(","))),
            object_of(inner),
        ]
    });
    object_of(value)
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-z]{0,9}",
        2 => any::<char>().prop_map(|char| serde_json::to_string(&char).unwrap().trim_matches('"').to_owned()),
        1 => any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
        1 => "\\\\[\"/bfnrtux\\\\]",
        1 => Just("\u{1}".to_owned()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn object_of(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => "\"[a-d]{1,2}\"", 1 => "\"[a-c]{7,9}\"", 1 => Just("\"\\u0061\"".to_owned()), 1 => string()];
    let blank = prop_oneof![4 => Just(""), 1 => Just(" \n"), 1 => Just("\t\r")];
    prop::collection::vec((name, value, blank), 0..7).prop_map(|members| {
        let members: Vec<_> = members
            .iter()
            .map(|(name, value, blank)| format!("{blank}{name}{blank}:{blank}{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scanner_agrees_with_a_plain_parser(text in json()) {
        agree(&text);
    }

    #[test]
    fn the_scanner_agrees_on_damaged_texts(text in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        *at.get_mut(&mut bytes) = byte;
        if let Ok(text) = String::from_utf8(bytes) {
            agree(&text);
        }
    }

    #[test]
    fn the_scanner_never_panics(text in any::<String>()) {
        agree(&text);
        agree(&format!("{{\"{text}\":1}}"));
    }

    #[test]
    fn a_fingerprint_is_exact_for_short_names(a in "[a-e]{0,9}", b in "[a-e]{0,9}", after in ".{0,9}") {
        let (print, text) = (fingerprint(a.as_bytes()), format!("{a}\"{after}"));
        let (name, end) = Json::new(&text).name(0).unwrap();
        prop_assert_eq!((name.print, name.range, end), (print, 0..a.len(), a.len() + 1));
        prop_assert_eq!(print >> 63 == 1, a.len() >= 8);
        if a.len() < 8 {
            prop_assert_eq!(print == fingerprint(b.as_bytes()), a == b);
        }
    }

    #[test]
    fn a_text_is_clean_without_backslash_and_control_character(text in "[ -~é]{0,40}", damage in "[\\\\\\x00-\\x1f]?", at in any::<prop::sample::Index>()) {
        let at = text.char_indices().map(|(at, _)| at).nth(at.index(41)).unwrap_or(text.len());
        let damaged = format!("{}{damage}{}", &text[..at], &text[at..]);
        let expected = !damaged.bytes().any(|byte| byte < 0x20 || byte == b'\\');
        prop_assert_eq!(grammar::is_clean(damaged.as_bytes()), expected);
    }

    #[test]
    fn eight_digits_are_read_at_once(number in 0_u64..100_000_000, bytes in "[-0-9.e/:]{8}") {
        let read = |text: &str| grammar::eight_digits(u64::from_le_bytes(text.as_bytes().try_into().unwrap()));
        prop_assert_eq!(read(&format!("{number:08}")), Some(number));
        prop_assert_eq!(read(&bytes), bytes.bytes().all(|byte| byte.is_ascii_digit()).then(|| bytes.parse().unwrap()));
    }

    #[test]
    fn a_quote_is_found_where_it_stands(bytes in any::<[u8; 8]>()) {
        let expected = bytes.iter().position(|&byte| byte == b'"');
        let found = grammar::quotes(u64::from_le_bytes(bytes));
        prop_assert_eq!((found != 0).then(|| found.trailing_zeros() as usize / 8), expected);
    }
}

#[test]
fn nesting_is_bounded_exactly() {
    let nested =
        |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(object(&nested(MAX_DEPTH), &mut Vec::new()).is_ok());
    assert_eq!(object(&nested(MAX_DEPTH + 1), &mut Vec::new()), Err("the JSON nests too deeply"));
    assert!(object(&"[".repeat(8000), &mut Vec::new()).is_err());
    assert!(object(&"{\"a\":".repeat(1600), &mut Vec::new()).is_err());
}

#[test]
fn a_duplicate_is_found_among_few_and_among_many() {
    for count in [2, FEW_MEMBERS, FEW_MEMBERS + 1, 500] {
        let members: Vec<_> = (0..count).map(|number| format!("\"m{number}\":1")).collect();
        let unique = format!("{{{}}}", members.join(","));
        assert_eq!(object(&unique, &mut Vec::new()), Ok(()), "{count}");
        let twice = format!("{{{},\"m\\u0030\":2}}", members.join(","));
        assert_eq!(object(&twice, &mut Vec::new()), Err(DUPLICATE), "{count}");
    }
}
