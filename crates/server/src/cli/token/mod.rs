//! `countersign token`: tokens on the command line.
//!
//! `decode` reads and believes nothing, `verify` answers yes or no, `sign` makes a token, and `explain` says why one is
//! accepted or not. Secrets come from files, stdin and the environment, never from an argument.

mod claims;
mod decode;
mod elsewhere;
mod explain;
mod judge;
mod keys;
mod parts;
mod sign;
mod times;
mod verify;

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Read, stdin},
    sync::LazyLock,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use self::{claims::BAD, parts::NoToken};
pub(crate) use self::{
    elsewhere::{Elsewhere, elsewhere},
    times::span,
};
use crate::{
    cli::{No, output},
    settings::Refusal,
    ui::Language,
};

/// Make, check and read tokens.
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token from a secret or a private key.
    Sign(sign::Sign),
    /// Check a token: exit code 0 and its claims if it is valid, else 1 and the check that failed.
    Verify(verify::Verify),
    /// Show what a token says, without checking any of it.
    Decode(decode::Decode),
    /// Say claim by claim why a token is accepted or not, here and by other verifiers.
    Explain(explain::Explain),
}

impl Token {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Sign(sign) => sign.run(),
            Command::Verify(verify) => verify.run().await,
            Command::Decode(decode) => decode.run(),
            Command::Explain(explain) => explain.run().await,
        }
    }
}

/// The token that a command is about.
#[derive(Debug, Args)]
struct TokenArgument {
    /// The token; `-` reads it from stdin, `@FILE` from a file. What `/login` answers will do as well.
    #[arg(value_name = "TOKEN", default_value = "-")]
    token: String,
}

impl TokenArgument {
    fn is_stdin(&self) -> bool {
        self.token == "-"
    }

    fn read(&self) -> anyhow::Result<String> {
        if self.is_stdin() && stdin().is_terminal() {
            output::talk("paste the token, then press Enter and Ctrl-D");
        }
        let text = match self.token.strip_prefix('@') {
            None if !self.is_stdin() => self.token.clone(),
            _ => {
                let bytes = read(&self.token)?;
                let text =
                    str::from_utf8(&bytes).map_err(|_| Refusal("the token is no text".to_owned()));
                text?.to_owned()
            }
        };
        Ok(bare(&text))
    }
}

/// A token as it stands in an `Authorization` header or in the answer of a login, without what is around it.
fn bare(text: &str) -> String {
    let text = text.trim();
    if let Ok(answer) = serde_json::from_str::<serde_json::Value>(text)
        && let Some(token) = answer.get("access_token").and_then(serde_json::Value::as_str)
    {
        return token.to_owned();
    }
    let mut text = text.trim_matches('"');
    for word in ["authorization:", "bearer "] {
        if let Some((start, rest)) = text.split_at_checked(word.len())
            && start.eq_ignore_ascii_case(word)
        {
            text = rest.trim();
        }
    }
    text.to_owned()
}

/// Says that a text is no token, and what it may be; the answer is no. For machines, one member says so beside the
/// reason.
fn no_token(no_token: &NoToken, json: Option<&str>) -> anyhow::Result<()> {
    if let Some(member) = json {
        let (code, detail) = (no_token.error.code(), no_token.error.to_string());
        let answer =
            serde_json::json!({ member: false, "check": "form", "code": code, "detail": detail });
        output::data(&answer.to_string());
    }
    output::talk(&format!("{BAD}no token{BAD:#}: {} ({})", no_token.error, no_token.error.code()));
    if let Some(guess) = no_token.guess {
        output::talk(&format!("  {guess}"));
    }
    Err(No(String::new()).into())
}

/// What there is to say of a part of a token, by the name that the text has: the page `/debugger` says the same.
fn words(name: &str) -> &'static str {
    static WORDS: LazyLock<BTreeMap<String, String>> =
        LazyLock::new(|| serde_json::from_str(Language::En.token_js()).unwrap_or_default());
    WORDS.get(name).map(String::as_str).unwrap_or_default()
}

/// More than any key, key set or token is long.
const LONGEST: u64 = 256 * 1024;

/// Reads a file named as `path` or `@path`, or stdin for `-`.
fn read(source: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let path = source.strip_prefix('@').unwrap_or(source);
    let name = if source == "-" { "stdin" } else { path };
    if source == "-" {
        stdin().take(LONGEST + 1).read_to_end(&mut bytes).context("stdin")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| name.to_owned())?;
        file.take(LONGEST + 1).read_to_end(&mut bytes).with_context(|| name.to_owned())?;
    }
    if bytes.len() as u64 > LONGEST {
        return Err(Refusal(format!("{name} is longer than 256 KiB")).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_what_it_is_usually_copied_with() {
        for text in [
            "a.b.c",
            "  a.b.c\n",
            "\"a.b.c\"",
            "Bearer a.b.c",
            "authorization: bearer a.b.c",
            r#"{"access_token":"a.b.c","token_type":"Bearer"}"#,
        ] {
            assert_eq!(bare(text), "a.b.c", "{text}");
        }
        assert_eq!(bare("{\"a\":1}"), "{\"a\":1}");
    }
}
