//! Both ways with another library.

use std::time::Duration;

use countersign_jwt::{Algorithm, Claims, SigningKey, Verifier};
use jsonwebtoken as other;
use serde_json::{Value, json};

#[test]
fn tokens_pass_between_this_library_and_jsonwebtoken() {
    let names = [
        (Algorithm::Hs256, other::Algorithm::HS256),
        (Algorithm::Hs384, other::Algorithm::HS384),
        (Algorithm::Hs512, other::Algorithm::HS512),
    ];
    for (algorithm, theirs) in names {
        let key = SigningKey::generate(algorithm).unwrap().with_derived_kid();
        let secret = key.expose_secret().unwrap();
        let custom = json!({"name": "Zoë \"Z\" \u{1F980}\n", "nested": {"a": [1, 2.5, null]}});
        let claims =
            Claims::new(&custom).issuer("i").audience("a").expires_in(Duration::from_secs(60));

        let mut validation = other::Validation::new(theirs);
        validation.set_audience(&["a"]);
        validation.set_issuer(&["i"]);
        let token = key.sign(&claims).unwrap();
        let read =
            other::decode::<Value>(&token, &other::DecodingKey::from_secret(secret), &validation)
                .unwrap();
        assert_eq!(read.header.kid.as_deref(), key.kid());
        assert_eq!(read.claims["name"], custom["name"]);
        assert_eq!(read.claims["nested"], custom["nested"]);

        let header = other::Header { kid: key.kid().map(Into::into), ..other::Header::new(theirs) };
        let token =
            other::encode(&header, &read.claims, &other::EncodingKey::from_secret(secret)).unwrap();
        let verifier = Verifier::new(key.verifying_key()).issuer("i").audience("a");
        let verified = verifier.verify::<Value>(&token).unwrap();
        assert_eq!(*verified.claims(), read.claims);
        assert_eq!(verified.kid(), key.kid());
    }
}
