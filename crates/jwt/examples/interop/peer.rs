//! The other library: a process that answers one JSON request a line with one JSON answer a line.
//!
//! It is asked for `describe`, `generate`, `sign`, `verify` and `thumbprint`; an answer is `{"ok": …}`, or `{"error": …}`
//! with the library's own words.

use std::{
    fmt,
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use countersign_jwt::Error;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

/// Why a check did not pass.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The peer answered with an error, in these words.
    Refused(String),
    /// Anything else, which is never what was wanted.
    Wrong(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(words) => write!(f, "they say {words}"),
            Self::Wrong(reason) => f.write_str(reason),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Wrong(format!("we say {}: {error}", error.code()))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Wrong(format!("not the JSON that was expected: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Wrong(format!("the peer does not answer: {error}"))
    }
}

/// A key in one of the forms in which it is handed over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyText {
    /// The bytes of a shared secret, in base64url.
    Secret(String),
    Pem(String),
    Jwk(Value),
    Jwks(Value),
}

/// A key that the peer made, in each form it writes. Of a shared secret both halves are the same.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Generated {
    pub(crate) private: Vec<KeyText>,
    pub(crate) public: Vec<KeyText>,
}

#[derive(Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Request<'a> {
    Describe,
    Generate {
        algorithm: &'a str,
    },
    Sign {
        algorithm: &'a str,
        key: &'a KeyText,
        kid: &'a str,
        claims: &'a RawValue,
    },
    Verify {
        algorithm: &'a str,
        key: &'a KeyText,
        token: &'a str,
        issuer: &'a str,
        audience: &'a str,
    },
    Thumbprint {
        key: &'a KeyText,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer<T> {
    Ok(T),
    Error(String),
}

/// What a peer says of itself.
#[derive(Deserialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    /// What it runs on, for the title of its table.
    pub(crate) runtime: String,
}

pub(crate) struct Peer {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    gone: bool,
}

impl Peer {
    /// Starts the process, and asks it what it is.
    pub(crate) fn start(interpreter: &str, file: &str) -> Result<(Self, Description), Failure> {
        let mut process = Command::new(interpreter)
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Failure::Wrong("the peer has no pipes".into()));
        };
        let mut peer = Self { process, requests, answers: BufReader::new(answers), gone: false };
        let description = peer.ask(&Request::Describe)?;
        Ok((peer, description))
    }

    /// Says whether it has ended, or answers no more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Request<'_>) -> Result<T, Failure> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let answer = self.exchange(&line);
        self.gone |= answer.is_err();
        match serde_json::from_str(&answer?)? {
            Answer::Ok(value) => Ok(value),
            Answer::Error(words) => Err(Failure::Refused(words)),
        }
    }

    fn exchange(&mut self, line: &[u8]) -> std::io::Result<String> {
        self.requests.write_all(line)?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(answer),
        }
    }

    pub(crate) fn generate(&mut self, algorithm: &str) -> Result<Generated, Failure> {
        self.ask(&Request::Generate { algorithm })
    }

    pub(crate) fn sign(
        &mut self,
        algorithm: &str,
        key: &KeyText,
        kid: &str,
        claims: &RawValue,
    ) -> Result<String, Failure> {
        self.ask(&Request::Sign { algorithm, key, kid, claims })
    }

    /// Verifies a token and returns its claims.
    pub(crate) fn verify(
        &mut self,
        algorithm: &str,
        key: &KeyText,
        token: &str,
        issuer: &str,
        audience: &str,
    ) -> Result<Value, Failure> {
        self.ask(&Request::Verify { algorithm, key, token, issuer, audience })
    }

    /// Returns the thumbprint (RFC 7638) of a JWK.
    pub(crate) fn thumbprint(&mut self, key: &KeyText) -> Result<String, Failure> {
        self.ask(&Request::Thumbprint { key })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when it has no more requests to read; one that hangs does not see that.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
