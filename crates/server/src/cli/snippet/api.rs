//! What an API has to know that checks tokens by itself.

use auth::Config;

use crate::settings::Refusal;

#[derive(Debug)]
pub(super) struct Api {
    pub(super) algorithm: &'static str,
    /// The file with the secret, where the algorithm takes one; else keys come from the key set.
    pub(super) secret_file: Option<Text>,
    pub(super) key_set: Text,
    /// Where the pages of an API's documentation log in.
    pub(super) login: Text,
    pub(super) issuer: Text,
    pub(super) audience: Text,
    pub(super) typ: Text,
    /// In seconds.
    pub(super) leeway: u64,
    is_public: bool,
}

/// A text of the settings, which may be any.
#[derive(Debug)]
pub(super) struct Text(String);

impl Text {
    /// As a literal that Python, JavaScript and Go read alike: that of JSON, with nothing in it that would move a cursor or
    /// turn the direction of reading.
    pub(super) fn quoted(&self) -> String {
        let literal = serde_json::Value::from(self.0.as_str()).to_string();
        let mut quoted = String::with_capacity(literal.len());
        for letter in literal.chars() {
            let acts = letter.is_control()
                || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
            match acts {
                true => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
                false => quoted.push(letter),
            }
        }
        quoted
    }

    /// As a literal of Rust.
    pub(super) fn quoted_in_rust(&self) -> String {
        format!("{:?}", self.0)
    }
}

impl Api {
    pub(super) fn new(config: &Config) -> Result<Self, Refusal> {
        let tokens = &config.tokens;
        let secret_file = match (tokens.algorithm.is_symmetric(), config.keys.secret_file.first()) {
            (false, _) => None,
            (true, Some(path)) => {
                // The API is started elsewhere.
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                let path = path
                    .to_str()
                    .ok_or_else(|| Refusal("keys.secret_file: its path is not UTF-8".to_owned()))?;
                Some(Text(path.to_owned()))
            }
            (true, None) => {
                return Err(Refusal(format!(
                    "tokens.algorithm is {}, and its secret lies in the database, where no other program reads it: set \
                     tokens.algorithm = \"ES256\", for a key whose public half is given to anybody, or keys.secret_file",
                    tokens.algorithm.name()
                )));
            }
        };
        let http = &config.http;
        let own = || format!("http://{}", http.listen);
        let url = http.public_url.as_ref().map_or_else(own, |url| url.as_str().to_owned());
        if http.public_url.is_none() && http.listen.port() == 0 {
            return Err(Refusal(
                "http.listen leaves the port open, and an API has to know it: set one, or http.public_url"
                    .to_owned(),
            ));
        }
        Ok(Self {
            algorithm: tokens.algorithm.name(),
            secret_file,
            key_set: Text(format!("{url}/.well-known/jwks.json")),
            login: Text(format!("{url}/login")),
            issuer: Text(tokens.issuer.clone()),
            audience: Text(tokens.audience.clone()),
            typ: Text(tokens.typ.clone()),
            leeway: tokens.leeway.as_secs(),
            is_public: http.public_url.is_some(),
        })
    }

    /// What has to be known outside of the code.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.secret_file.is_some() {
            notes.push(
                "whoever reads the secret can also make tokens; with tokens.algorithm = \"ES256\" the API can only check them"
                    .to_owned(),
            );
        } else if !self.is_public {
            notes.push(
                "http.public_url is not set, so this is for an API on the same machine".to_owned(),
            );
        }
        notes
    }

    pub(super) fn is_ec(&self) -> bool {
        self.algorithm.starts_with("ES")
    }

    pub(super) fn is_ed(&self) -> bool {
        self.algorithm == "EdDSA"
    }

    pub(super) fn is_rsa(&self) -> bool {
        self.algorithm.starts_with("RS") || self.algorithm.starts_with("PS")
    }

    /// The curve of the algorithm, as a key names it.
    pub(super) fn curve(&self) -> &'static str {
        match self.algorithm {
            "ES384" => "P-384",
            "ES512" => "P-521",
            _ => "P-256",
        }
    }

    pub(super) fn go_curve(&self) -> String {
        self.curve().replace('-', "")
    }

    /// The name of the algorithm in `countersign_jwt::Algorithm`.
    pub(super) fn rust_algorithm(&self) -> String {
        self.algorithm.replace("HS", "Hs")
    }
}
