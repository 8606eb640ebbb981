//! One test for each known attack on libraries of this kind, by the rule it breaks.

use std::time::Duration;

use countersign_jwt::{
    Algorithm, Claims, Error, Jwks, MAX_TOKEN_LEN, SigningKey, Timestamp, VerifyingKey,
};
use serde_json::{Value, json};

use crate::support::{
    HEADER, NOW, SECRET, encode, forge, is_malformed, key, refusal_of, token, verifier, verify,
    with_header, with_payload,
};

#[test]
fn a_token_signed_with_none_is_refused() {
    let payload = encode(r#"{"exp":1800000060}"#);
    for none in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "none\\u0000",
        "n\u{43e}ne",
        "",
        "foo",
        "hs256",
        "HS256 ",
    ] {
        let header = encode(format!(r#"{{"alg":"{none}","typ":"JWT"}}"#));
        assert_eq!(
            verify(&format!("{header}.{payload}.")),
            Err(Error::AlgorithmMismatch),
            "{none:?}"
        );
        assert_eq!(
            verify(&with_header(format!(r#"{{"alg":"{none}"}}"#))),
            Err(Error::AlgorithmMismatch),
            "{none:?}"
        );
    }
}

#[test]
fn a_token_with_none_is_refused_by_a_set_of_keys() {
    let other = SigningKey::generate(Algorithm::Hs256).unwrap().with_derived_kid();
    let keys =
        Jwks::new([key().with_derived_kid().verifying_key(), other.verifying_key()]).unwrap();
    let verifier = verifier().with_keys(keys);
    let header = encode(r#"{"alg":"none"}"#);
    assert_eq!(refusal_of(&verifier, &format!("{header}.e30.")), Err(Error::AlgorithmMismatch));
}

#[test]
fn a_header_without_a_usable_alg_is_refused() {
    for header in
        ["{}", r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, r#"{"alg":1}"#, r#"{"typ":"JWT"}"#]
    {
        assert!(is_malformed(&verify(&with_header(header))), "{header}");
    }
}

#[test]
fn a_missing_or_shortened_signature_is_refused() {
    let token = token();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert!(is_malformed(&verify(signed)));
    assert_eq!(verify(&format!("{signed}.")), Err(Error::SignatureInvalid));
    for length in 2..signature.len() {
        assert!(verify(&format!("{signed}.{}", &signature[..length])).is_err());
    }
    assert_eq!(verify(&format!("{signed}.{}", encode([0; 32]))), Err(Error::SignatureInvalid));
    assert_eq!(verify(&format!("{signed}.{}", encode([0; 31]))), Err(Error::SignatureInvalid));
    assert_eq!(verify(&format!("{signed}.{}", encode([0; 600]))), Err(Error::SignatureInvalid));
    assert_eq!(verify(&format!("{signed}.{signature}AAAA")), Err(Error::SignatureInvalid));
    assert!(is_malformed(&verify(&format!("{signed}.{signature}AA"))));
}

#[test]
fn a_secret_made_of_a_key_file_is_refused() {
    let secrets: [&[u8]; 6] = [
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
        b" \x01\r\n-----BEGIN RSA PUBLIC KEY-----\\nMIIBCgKCAQEA\\n-----END RSA PUBLIC KEY-----",
        b"\xEF\xBB\xBF{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\",\"y\":\"\"}",
        b"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 someone",
        b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
    ];
    for secret in secrets {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            assert_eq!(SigningKey::from_secret(algorithm, secret).unwrap_err(), Error::SecretIsKey);
            assert_eq!(
                VerifyingKey::from_secret(algorithm, secret).unwrap_err(),
                Error::SecretIsKey
            );
            assert_eq!(
                countersign_jwt::dangerous::short_secret_key(algorithm, secret).unwrap_err(),
                Error::SecretIsKey
            );
        }
    }
}

#[test]
fn the_key_decides_the_algorithm_and_the_token_never_does() {
    let secret = [&SECRET[..], SECRET].concat();
    let algorithms = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];
    for signing in algorithms {
        let key = SigningKey::from_secret(signing, &secret).unwrap();
        let token = key.sign(&Claims::at((), NOW).expires_in(Duration::from_secs(60))).unwrap();
        for verifying in algorithms {
            let verifier =
                verifier().with_keys(VerifyingKey::from_secret(verifying, &secret).unwrap());
            let expected = (signing != verifying).then_some(Error::AlgorithmMismatch);
            assert_eq!(refusal_of(&verifier, &token).err(), expected, "{signing} by {verifying}");
        }
    }
}

#[test]
fn a_kid_of_another_algorithm_does_not_lend_its_key() {
    let small = SigningKey::generate(Algorithm::Hs256).unwrap().with_kid("small");
    let large = SigningKey::from_secret(Algorithm::Hs512, &[&SECRET[..], SECRET].concat())
        .unwrap()
        .with_kid("large");
    let keys = Jwks::new([small.verifying_key(), large.verifying_key()]).unwrap();
    let token = with_header(r#"{"alg":"HS256","kid":"large"}"#);
    assert_eq!(refusal_of(&verifier().with_keys(keys), &token), Err(Error::AlgorithmMismatch));
}

#[cfg(not(feature = "asymmetric"))]
#[test]
fn an_algorithm_that_is_not_built_in_is_refused_when_the_key_is_made() {
    for &algorithm in Algorithm::ALL {
        if !algorithm.is_symmetric() {
            assert_eq!(
                SigningKey::generate(algorithm).unwrap_err(),
                Error::AlgorithmUnavailable(algorithm)
            );
            assert_eq!(
                SigningKey::from_secret(algorithm, &[&SECRET[..], SECRET].concat()).unwrap_err(),
                Error::AlgorithmUnavailable(algorithm)
            );
        }
    }
}

#[test]
fn a_secret_shorter_than_the_hash_is_refused() {
    for (algorithm, minimum) in
        [(Algorithm::Hs256, 32), (Algorithm::Hs384, 48), (Algorithm::Hs512, 64)]
    {
        let bytes: Vec<u8> = (0..64).collect();
        for length in 0..minimum {
            let error = SigningKey::from_secret(algorithm, &bytes[..length]).unwrap_err();
            assert_eq!(error, Error::SecretTooShort { minimum });
        }
        assert!(SigningKey::from_secret(algorithm, &bytes[..minimum]).is_ok());
    }
}

#[test]
fn keys_and_addresses_in_the_header_are_ignored() {
    let header = r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"},"jku":"http://attacker/","x5u":"file:///etc/passwd","x5c":["AA"]}"#;
    assert!(verify(&with_header(header)).is_ok());
    let (signed, _) =
        with_header(header).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert_eq!(verify(&format!("{signed}.{}", encode([0; 32]))), Err(Error::SignatureInvalid));
}

#[test]
fn a_kid_is_compared_and_nothing_else() {
    let verifier = verifier().with_keys(key().with_kid("known").verifying_key());
    let long = "k".repeat(3000);
    for kid in [
        "",
        "unknown",
        "Known",
        "known ",
        "../../dev/null",
        "x' UNION SELECT 'k';--",
        "|sleep 10",
        &long,
    ] {
        let token = with_header(json!({"alg": "HS256", "kid": kid}).to_string());
        assert_eq!(refusal_of(&verifier, &token), Err(Error::UnknownKey), "{kid}");
    }
    assert!(refusal_of(&verifier, &with_header(r#"{"alg":"HS256","kid":"\u006bnown"}"#)).is_ok());
    assert!(refusal_of(&verifier, &with_header(r#"{"alg":"HS256"}"#)).is_ok());
    for kid in ["null", "1", "[]", "{}", "true", "[\"known\"]"] {
        assert!(is_malformed(&refusal_of(
            &verifier,
            &with_header(format!(r#"{{"alg":"HS256","kid":{kid}}}"#))
        )));
    }
}

#[test]
fn a_token_of_five_parts_is_refused() {
    assert!(is_malformed(&verify("e30.e30.e30.e30.e30")));
    let header = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#);
    assert!(is_malformed(&verify(&format!("{header}.AAAA.AAAA.AAAA.AAAA"))));
}

#[test]
fn json_in_place_of_a_compact_token_is_refused() {
    let token = token();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let general =
        json!({"protected": header, "payload": payload, "signature": signature}).to_string();
    assert!(is_malformed(&verify(&general)));
    let polyglot = format!(r#"{{"  {header}.{payload}. ":"","signature":"{signature}"}}"#);
    assert!(is_malformed(&verify(&polyglot)));
}

#[test]
fn an_extension_that_must_be_understood_is_refused() {
    for crit in [r#"["x"]"#, "[]", r#""exp""#, "null", r#"["alg"]"#, r#"["x","x"]"#, "{}", "false"]
    {
        let header = format!(r#"{{"alg":"HS256","crit":{crit},"x":1}}"#);
        assert_eq!(verify(&with_header(header)), Err(Error::HeaderUnsupported), "{crit}");
    }
}

#[test]
fn an_unencoded_payload_is_refused() {
    for b64 in ["false", "null", "0", "\"false\""] {
        let header = format!(r#"{{"alg":"HS256","b64":{b64}}}"#);
        assert_eq!(verify(&with_header(header)), Err(Error::HeaderUnsupported), "{b64}");
    }
    assert_eq!(
        verify(&with_header(r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#)),
        Err(Error::HeaderUnsupported)
    );
}

#[test]
fn a_text_of_dots_or_beyond_the_limit_is_refused() {
    assert!(is_malformed(&verify(&".".repeat(1_000_000))));
    assert!(is_malformed(&verify("")));
    assert!(is_malformed(&verify(".")));
    assert!(is_malformed(&verify("..")));
    let padded =
        |length| with_payload(format!(r#"{{"exp":1800000060,"x":"{}"}}"#, "x".repeat(length)));
    let fits =
        (0..MAX_TOKEN_LEN).rev().find(|&length| padded(length).len() <= MAX_TOKEN_LEN).unwrap();
    assert!(verify(&padded(fits)).is_ok());
    assert!(is_malformed(&verify(&padded(fits + 2))));
    assert!(is_malformed(&verify(&with_header(format!(
        r#"{{"alg":"HS256","x":"{}"}}"#,
        "x".repeat(1_000_000)
    )))));
}

#[test]
fn deep_nesting_is_refused_without_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [70, 500] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(is_malformed(&verify(&with_payload(format!(
                r#"{{"exp":1800000060,"x":{nested}}}"#
            )))));
            assert!(is_malformed(&verify(&with_header(format!(
                r#"{{"alg":"HS256","x":{nested}}}"#
            )))));
        }
    }
}

#[test]
fn base64_that_is_not_canonical_is_refused() {
    let token = token();
    let parts: Vec<_> = token.split('.').collect();
    for part in 0..3 {
        for damage in ["=", "==", "+", "/", " ", "\n", "####", "\u{e4}", "%3D"] {
            for text in [format!("{}{damage}", parts[part]), format!("{damage}{}", parts[part])] {
                let mut parts = parts.clone();
                parts[part] = &text;
                assert!(is_malformed(&verify(&parts.join("."))), "{damage:?} at part {part}");
            }
        }
    }
    // The last of 43 characters carries two bits that belong to no byte.
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = ALPHABET.iter().position(|&byte| byte == token.as_bytes()[token.len() - 1]).unwrap();
    for stray in 1..4 {
        let changed =
            format!("{}{}", &token[..token.len() - 1], char::from(ALPHABET[last | stray]));
        assert!(is_malformed(&verify(&changed)), "{stray}");
    }
    // So does a payload of one byte more than a multiple of three.
    assert!(is_malformed(&verify(&format!("{}.e31.{}", parts[0], parts[2]))));
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    for payload in [
        r#"{"exp":1,"exp":9000000000}"#,
        r#"{"exp":1800000060,"\u0065xp":9000000000}"#,
        r#"{"exp":1800000060,"x":1,"x":1}"#,
        r#"{"exp":1800000060,"":1,"":2}"#,
    ] {
        assert!(is_malformed(&verify(&with_payload(payload))), "{payload}");
    }
    for header in [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","\u0061lg":"none"}"#,
        r#"{"alg":"HS256","kid":"a","kid":"a"}"#,
        r#"{"alg":"HS256","x":1,"x":1}"#,
    ] {
        assert!(is_malformed(&verify(&with_header(header))), "{header}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_even_where_nobody_reads_it() {
    let payload = |bytes: &[u8]| [br#"{"exp":1800000060,"x":""#, bytes, b"\"}"].concat();
    for bytes in
        [&b"\xFF"[..], b"\xC0\xAF", b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"\x80", b"\xE2\x82"]
    {
        assert!(is_malformed(&verify(&with_payload(payload(bytes)))));
        assert!(is_malformed(&verify(&with_header(
            [&br#"{"alg":"HS256","x":""#[..], bytes, b"\"}"].concat()
        ))));
    }
    assert!(is_malformed(&verify(&with_payload(payload(br"\ud800")))));
    assert!(is_malformed(&verify(&with_payload(payload(br"\udc00\ud800")))));
    assert!(is_malformed(&verify(&with_payload(
        [&b"\xEF\xBB\xBF"[..], br#"{"exp":1800000060}"#].concat()
    ))));
    let utf16: Vec<u8> =
        r#"{"exp":1800000060}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(is_malformed(&verify(&with_payload(utf16))));
}

#[test]
fn a_payload_that_is_not_one_object_is_refused() {
    for payload in [
        "",
        "null",
        "true",
        "1",
        "\"text\"",
        "[]",
        r#"[{"exp":1800000060}]"#,
        r#"{"exp":1800000060}{}"#,
        r#"{"exp":1800000060},"#,
        r#"{"exp":1800000060"#,
        r#"{"exp":1800000060,}"#,
        "{exp:1800000060}",
        "{'exp':1800000060}",
        "{\"exp\":1800000060}\0",
        "{\"exp\":1800000060,\"x\":\"\u{1}\"}",
        r#"{"exp":01800000060}"#,
        r#"{"exp":+1}"#,
        r#"{"exp":NaN}"#,
        r#"{"exp":Infinity}"#,
        r#"{"exp":0x7fffffff}"#,
        r#"{"exp":1.}"#,
        r#"{"exp":.5}"#,
        r#"{"exp":1e}"#,
    ] {
        assert!(is_malformed(&verify(&with_payload(payload))), "{payload:?}");
        assert!(is_malformed(&verify(&with_header(payload))), "{payload:?}");
    }
    assert!(verify(&with_payload(" \r\n{ \"exp\" :\t1800000060 } ")).is_ok());
}

#[test]
fn a_registered_claim_of_the_wrong_type_is_refused_and_not_taken_for_absent() {
    for name in ["exp", "nbf", "iat"] {
        for wrong in ["\"1800000060\"", "\"never\"", "null", "true", "[]", "{}", "[1800000060]"] {
            let payload = match name {
                "exp" => format!(r#"{{"exp":{wrong}}}"#),
                _ => format!(r#"{{"exp":1800000060,"{name}":{wrong}}}"#),
            };
            assert_eq!(
                verify(&with_payload(payload)),
                Err(Error::ClaimInvalid(name)),
                "{name}: {wrong}"
            );
        }
    }
    for name in ["iss", "sub", "jti"] {
        for wrong in ["1", "null", "true", "[]", "{}", "[\"a\"]"] {
            let payload = format!(r#"{{"exp":1800000060,"{name}":{wrong}}}"#);
            assert_eq!(
                verify(&with_payload(payload)),
                Err(Error::ClaimInvalid(name)),
                "{name}: {wrong}"
            );
        }
    }
}

#[test]
fn a_time_out_of_range_is_refused_and_a_fraction_is_not() {
    for name in ["exp", "nbf", "iat"] {
        for wrong in [
            "-1",
            "-9223372036854775808",
            "18446744073709551616",
            "1e999",
            "-1e300",
            "1e300",
            "1e17",
            "-0.5",
        ] {
            let payload = match name {
                "exp" => format!(r#"{{"exp":{wrong}}}"#),
                _ => format!(r#"{{"exp":1800000060,"{name}":{wrong}}}"#),
            };
            assert_eq!(
                verify(&with_payload(payload)),
                Err(Error::ClaimInvalid(name)),
                "{name}: {wrong}"
            );
        }
    }
    assert!(
        verify(&with_payload(r#"{"exp":1800000000.5,"nbf":1799999999.5,"iat":1.8e9}"#)).is_ok()
    );
    assert!(verify(&with_payload(r#"{"exp":9223372036854775807}"#)).is_ok());
    let strict = verifier().leeway(Duration::ZERO);
    assert!(refusal_of(&strict, &with_payload(r#"{"exp":1800000000.5}"#)).is_ok());
    assert_eq!(
        refusal_of(&strict, &with_payload(r#"{"exp":1800000000}"#)),
        Err(Error::TokenExpired)
    );
    assert_eq!(
        refusal_of(&strict, &with_payload(r#"{"exp":1799999999.5}"#)),
        Err(Error::TokenExpired)
    );
    assert_eq!(
        refusal_of(&strict, &with_payload(r#"{"exp":1800000060,"nbf":1800000000.5}"#)),
        Err(Error::TokenNotYetValid)
    );
}

#[test]
fn a_token_without_an_expiry_or_past_it_is_refused() {
    assert_eq!(verify(&with_payload("{}")), Err(Error::ClaimMissing("exp")));
    assert_eq!(verify(&with_payload(r#"{"exp":0}"#)), Err(Error::TokenExpired));
    assert_eq!(verify(&with_payload(r#"{"exp":1799999970}"#)), Err(Error::TokenExpired));
    assert!(verify(&with_payload(r#"{"exp":1799999971}"#)).is_ok());
}

#[test]
fn a_token_not_yet_valid_or_too_old_is_refused() {
    assert_eq!(
        verify(&with_payload(r#"{"exp":1900000000,"nbf":1800000031}"#)),
        Err(Error::TokenNotYetValid)
    );
    assert!(verify(&with_payload(r#"{"exp":1900000000,"nbf":1800000030}"#)).is_ok());

    let aged = verifier().max_age(Duration::from_secs(100));
    let refusal = |payload: &str| refusal_of(&aged, &with_payload(payload)).err();
    assert_eq!(refusal(r#"{"exp":1900000000}"#), Some(Error::ClaimMissing("iat")));
    assert_eq!(refusal(r#"{"exp":1900000000,"iat":1799999869}"#), Some(Error::TokenTooOld));
    assert_eq!(refusal(r#"{"exp":1900000000,"iat":1799999870}"#), None);
    assert_eq!(refusal(r#"{"exp":1900000000,"iat":1800000031}"#), Some(Error::TokenNotYetValid));
}

#[test]
fn leeway_is_bounded() {
    let verifier = verifier().leeway(Duration::MAX);
    assert_eq!(
        refusal_of(&verifier, &with_payload(r#"{"exp":1799999700}"#)),
        Err(Error::TokenExpired)
    );
    assert!(refusal_of(&verifier, &with_payload(r#"{"exp":1799999701}"#)).is_ok());
    let late = verifier.clock(Timestamp::new(i64::MAX));
    assert_eq!(
        refusal_of(&late, &with_payload(r#"{"exp":9223372036854775806}"#)),
        Err(Error::TokenExpired)
    );
}

#[test]
fn an_issuer_is_compared_whole() {
    let verifier = verifier().issuer("https://good.example").issuer("https://also.example");
    let refusal = |iss: Value| {
        refusal_of(&verifier, &with_payload(json!({"exp": 1_800_000_060, "iss": iss}).to_string()))
            .err()
    };
    assert_eq!(refusal(json!("https://good.example")), None);
    assert_eq!(refusal(json!("https://also.example")), None);
    for iss in [
        "",
        "good",
        "https://good.exampl",
        "https://good.example.evil",
        "https://good.example/",
        "HTTPS://good.example",
    ] {
        assert_eq!(refusal(json!(iss)), Some(Error::IssuerMismatch), "{iss}");
    }
    assert_eq!(refusal(json!(["https://good.example"])), Some(Error::ClaimInvalid("iss")));
    assert_eq!(refusal_of(&verifier, &token()), Err(Error::IssuerMismatch));
    let escaped = with_payload(r#"{"exp":1800000060,"iss":"https:\/\/good.example"}"#);
    assert!(refusal_of(&verifier, &escaped).is_ok());
}

#[test]
fn an_audience_is_a_member_and_never_a_part() {
    let verifier = verifier().audience("posts").audience("mail");
    let refusal = |aud: Value| {
        refusal_of(&verifier, &with_payload(json!({"exp": 1_800_000_060, "aud": aud}).to_string()))
            .err()
    };
    for aud in [json!("posts"), json!("mail"), json!(["x", "posts"]), json!(["posts"])] {
        assert_eq!(refusal(aud.clone()), None, "{aud}");
    }
    for aud in [
        json!(""),
        json!([""]),
        json!("post"),
        json!("posts2"),
        json!(["x"]),
        json!([]),
        json!("p\"osts"),
    ] {
        assert_eq!(refusal(aud.clone()), Some(Error::AudienceMismatch), "{aud}");
    }
    for aud in [
        json!(null),
        json!(1),
        json!({"posts": 1}),
        json!([["posts"]]),
        json!(["posts", 1]),
        json!(true),
    ] {
        assert_eq!(refusal(aud.clone()), Some(Error::ClaimInvalid("aud")), "{aud}");
    }
    assert_eq!(refusal_of(&verifier, &token()), Err(Error::AudienceMismatch));
    assert!(
        refusal_of(&verifier, &with_payload(r#"{"exp":1800000060,"aud":"p\u006fsts"}"#)).is_ok()
    );
}

#[test]
fn an_audience_that_was_not_configured_is_refused() {
    for aud in [r#""posts""#, r#"["posts"]"#, "[]", r#""""#] {
        let token = with_payload(format!(r#"{{"exp":1800000060,"aud":{aud}}}"#));
        assert_eq!(verify(&token), Err(Error::AudienceMismatch), "{aud}");
    }
}

#[test]
fn a_token_of_another_kind_is_refused() {
    for typ in ["JWT", "jwt", "Jwt"] {
        assert!(verify(&with_header(json!({"alg": "HS256", "typ": typ}).to_string())).is_ok());
    }
    for typ in [
        "",
        "at+jwt",
        "refresh+jwt",
        "logout+jwt",
        "dpop+jwt",
        "JWT ",
        "JOSE",
        "application/at+jwt",
    ] {
        let token = with_header(json!({"alg": "HS256", "typ": typ}).to_string());
        assert_eq!(verify(&token), Err(Error::TypeMismatch), "{typ}");
    }
    for typ in ["null", "1", "[]"] {
        assert!(is_malformed(&verify(&with_header(format!(r#"{{"alg":"HS256","typ":{typ}}}"#)))));
    }

    for expected in ["at+jwt", "application/at+jwt"] {
        let verifier = verifier().typ(expected);
        for typ in ["at+jwt", "application/at+jwt"] {
            assert!(
                refusal_of(
                    &verifier,
                    &with_header(json!({"alg": "HS256", "typ": typ}).to_string())
                )
                .is_ok()
            );
        }
        for header in [
            json!({"alg": "HS256", "typ": "JWT"}),
            json!({"alg": "HS256"}),
            json!({"alg": "HS256", "typ": "xat+jwt"}),
        ] {
            assert_eq!(
                refusal_of(&verifier, &with_header(header.to_string())),
                Err(Error::TypeMismatch),
                "{header}"
            );
        }
    }
}

#[test]
fn the_signature_is_checked_before_any_claim() {
    let key = SigningKey::generate(Algorithm::Hs256).unwrap();
    let expired =
        key.sign(&Claims::at((), Timestamp::new(1)).expires_in(Duration::from_secs(1))).unwrap();
    assert_eq!(verify(&expired), Err(Error::SignatureInvalid));
    let good = token();
    let (header, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let not_json = format!("{header}.{}.{signature}", encode("not json"));
    assert_eq!(verify(&not_json), Err(Error::SignatureInvalid));
    assert_eq!(verify(&forge(HEADER, "{}").replace(HEADER, "")), Err(Error::ClaimMissing("exp")));
}

#[test]
fn the_form_is_checked_before_the_signature_however_long_that_is() {
    for header in [HEADER, r#"{"typ":"JWT","alg":"HS256"}"#] {
        for signature in [&[0; 32][..], &[0; 200], &[0; 2000]] {
            let token =
                |payload: &str| format!("{}.{payload}.{}", encode(header), encode(signature));
            assert_eq!(verify(&token("e30")), Err(Error::SignatureInvalid));
            assert!(is_malformed(&verify(&token("e3"))), "bits of no byte");
            assert!(is_malformed(&verify(&token("e30AA"))), "a character too many");
        }
    }
}

#[test]
fn nothing_shows_a_secret() {
    let key = key().with_kid("k");
    let verifier = verifier().with_keys(key.verifying_key());
    for text in [
        format!("{key:?}"),
        format!("{:?}", key.verifying_key()),
        format!("{verifier:?}"),
        format!("{:?}", verifier.keys()),
    ] {
        assert!(text.contains("Hs256") && text.contains('k'), "{text}");
        assert!(!text.contains("32 bytes") && !text.contains("51, 50"), "{text}");
    }
    let refused = verify(&token().replace('.', "secret-part.")).unwrap_err();
    assert!(!format!("{refused:?} {refused}").contains("secret-part"));
}
