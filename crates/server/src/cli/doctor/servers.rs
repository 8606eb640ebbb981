//! Checks of what servers do, and of what they need for it.

use super::{Facts, Finding, facts::Unknown, or_ok};
use crate::cli::token::span;

/// Seconds after which an event should have been sealed: servers seal every second.
const UNSEALED: i64 = 60;

pub(super) fn seeded_accounts(facts: &Facts) -> Vec<Finding> {
    match &facts.seeded {
        Err(unknown) => Finding::unknown(unknown),
        Ok(seeded) => or_ok(seeded.iter().map(Finding::from).collect(), || {
            "nobody can log in with a password of dev".to_owned()
        }),
    }
}

pub(super) fn audit(facts: &Facts) -> Vec<Finding> {
    let log = match &facts.log {
        Err(unknown) => return Finding::unknown(unknown),
        Ok(log) => log,
    };
    let mut found = Vec::new();
    if !log.head_is_sound {
        found.push(Finding::failure(
            "the head of the audit chain was changed",
            "somebody has written to the audit log past the servers, and they seal nothing any more",
            "run: countersign audit verify; it tells what was changed",
        ));
    }
    let waits = log
        .oldest_unsealed
        .map_or(0, |oldest| facts.now.seconds().saturating_sub(oldest.seconds()));
    if waits > UNSEALED && log.head_is_sound {
        let runs = match &facts.work {
            Ok(Some(until)) if *until > facts.now => "one ran a few minutes ago, or still does",
            _ => "none has run for some time",
        };
        found.push(Finding::warning(
            format!("events are not sealed for {}: no server does it ({runs})", span(waits.unsigned_abs())),
            "until they are sealed, whoever can write to the database can change them without a trace",
            "start a server; if one runs, look into its log for the job audit-seal",
        ));
    }
    or_ok(found, || "the audit log is sealed".to_owned())
}

pub(super) fn mail(facts: &Facts) -> Vec<Finding> {
    let verify = facts.config.accounts.verify_email;
    vec![match &facts.mail {
        Err(Unknown::Skipped(why)) => Finding::skipped(why),
        Err(Unknown::Failed(why)) => Finding::failure(
            why,
            "no server starts with these settings",
            "mend it; countersign mail preview shows letters, countersign mail send-test sends one",
        ),
        Ok(false) if verify => Finding::failure(
            "accounts.verify_email is on, and mail.url is not set",
            "no server starts with these settings: nobody could confirm an address",
            "set mail.url and mail.from",
        ),
        Ok(false) => Finding::warning(
            "mail.url is not set: no mail is sent",
            "forgotten passwords stay forgotten, and no address can be confirmed or changed",
            "set mail.url and mail.from",
        ),
        Ok(true) => Finding::ok("letters can be made, and there is a server for them"),
    }]
}

pub(super) fn mail_server(facts: &Facts) -> Vec<Finding> {
    vec![match &facts.mail_server {
        Err(Unknown::Skipped(why)) => Finding::skipped(why),
        Err(Unknown::Failed(why)) => Finding::failure(
            why,
            "letters wait in the database, and are given up after two days",
            "see that mail.url, mail.password_file and mail.ca_file are right, and that the server can be reached from here",
        ),
        Ok(server) => Finding::ok(format!("{server} greets and lets us in")),
    }]
}
