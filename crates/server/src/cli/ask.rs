//! Asking whoever sits in front: whether something is to be done, and for what is not to be seen.

use std::io::{BufRead, IsTerminal, Read, Write, stderr, stdin};

use anyhow::Context;
use zeroize::Zeroizing;

use crate::{
    cli::{No, instance::refuse_shared_file},
    settings::Refusal,
};

/// The variable with the password of an account.
pub(crate) const PASSWORD_VARIABLE: &str = "COUNTERSIGN_USER_PASSWORD";

/// Goes on only with a yes. Without a terminal there is nobody to say it.
pub(crate) fn confirm(question: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Refusal("there is no terminal to ask at: pass --yes".to_owned()).into());
    }
    drop(write!(stderr(), "{question} [y/N] "));
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(No("nothing was changed".to_owned()).into()),
    }
}

/// A password from where it was said to be: `-` for stdin, `@FILE`, else the environment, else whoever sits in front.
pub(crate) fn password(source: Option<&str>) -> anyhow::Result<Zeroizing<String>> {
    match source {
        Some("-") => {
            let mut text = Zeroizing::new(String::new());
            stdin().lock().read_to_string(&mut text).context("the password on stdin")?;
            Ok(first_line(&text))
        }
        Some(source) => {
            let path = source.strip_prefix('@').ok_or_else(|| {
                Refusal(
                    "--password takes - for stdin or @FILE, never the password itself".to_owned(),
                )
            })?;
            refuse_shared_file(path.as_ref())?;
            let text = std::fs::read_to_string(path);
            let text = Zeroizing::new(text.with_context(|| format!("the password file {path}"))?);
            Ok(first_line(&text))
        }
        None => match std::env::var(PASSWORD_VARIABLE) {
            Ok(text) => Ok(Zeroizing::new(text)),
            Err(_) => prompt(),
        },
    }
}

fn prompt() -> anyhow::Result<Zeroizing<String>> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Refusal(format!(
            "there is no terminal to ask for the password at: pass --password - or --password @FILE, or set \
             {PASSWORD_VARIABLE}"
        ))
        .into());
    }
    let first = Zeroizing::new(rpassword::prompt_password("Password: ")?);
    let again = Zeroizing::new(rpassword::prompt_password("The same again: ")?);
    if first != again {
        return Err(No("the two are not the same; nothing was changed".to_owned()).into());
    }
    Ok(first)
}

/// What stands before the end of the first line: editors and `echo` add one.
pub(crate) fn first_line(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
}
