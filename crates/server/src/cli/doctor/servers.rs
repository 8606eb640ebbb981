//! Checks of what servers do, and of what they need for it.

use auth::checkup::{ATTEMPTS, DeliveriesFound};
use jwt::Timestamp;

use super::{Facts, Finding, facts::Unknown, or_ok};
use crate::cli::token::span;

/// Seconds after which an event should have been sealed: servers seal every second.
const UNSEALED: i64 = 60;
/// Seconds after which an event should have been sent: servers look every few seconds, and leave a receiver that cannot
/// take any alone for a minute.
const UNSENT: i64 = 600;

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
        let runs = runs(facts);
        found.push(Finding::warning(
            format!("events are not sealed for {}: no server does it ({runs})", span(waits.unsigned_abs())),
            "until they are sealed, whoever can write to the database can change them without a trace",
            "start a server; if one runs, look into its log for the job audit-seal",
        ));
    }
    or_ok(found, || "the audit log is sealed".to_owned())
}

pub(super) fn mail(facts: &Facts) -> Vec<Finding> {
    let refused = facts.unfit_for("mail");
    if !refused.is_empty() {
        return refused;
    }
    let verify = facts.config.accounts.verify_email;
    vec![match &facts.mail {
        Err(Unknown::Skipped(why) | Unknown::NotYet(why)) => Finding::skipped(why),
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
        Err(Unknown::Skipped(why) | Unknown::NotYet(why)) => Finding::skipped(why),
        Err(Unknown::Failed(why)) => Finding::failure(
            why,
            "letters wait in the database, and are given up after two days",
            "see that mail.url, mail.password_file and mail.ca_file are right, and that the server can be reached from here",
        ),
        Ok(server) => Finding::ok(format!("{server} greets and lets us in")),
    }]
}

pub(super) fn webhooks(facts: &Facts) -> Vec<Finding> {
    let refused = facts.unfit_for("webhooks");
    match (&facts.webhooks, &facts.deliveries) {
        _ if !refused.is_empty() => refused,
        (Err(Unknown::Skipped(why) | Unknown::NotYet(why)), _) => vec![Finding::skipped(why)],
        (Err(Unknown::Failed(why)), _) => vec![Finding::failure(
            why,
            "no server starts with these settings",
            "mend it; countersign webhook test sends an event",
        )],
        (Ok(false), Ok(DeliveriesFound { waiting: waiting @ 1.., .. })) => vec![Finding::warning(
            format!("webhooks.url is not set, and events wait for a receiver: {waiting}"),
            "they are dropped when they are five days old",
            "set webhooks.url and webhooks.secret_file as they were, or let them go",
        )],
        (Ok(false), _) => {
            vec![Finding::skipped("webhooks.url is not set: events are sent nowhere")]
        }
        // That the database cannot be read is told elsewhere.
        (Ok(true), Err(_)) => {
            vec![Finding::ok("events can be signed, and there is a receiver for them")]
        }
        (Ok(true), Ok(found)) => owed(facts, found),
    }
}

/// What waits for the receiver for longer than it should.
fn owed(facts: &Facts, found: &DeliveriesFound) -> Vec<Finding> {
    let since = |time: Option<Timestamp>| {
        time.map_or(0, |time| facts.now.seconds().saturating_sub(time.seconds()))
    };
    let (late, age) = (since(found.due), span(since(found.oldest).unsigned_abs()));
    let DeliveriesFound { waiting, refused, attempts, .. } = found;
    let all = u64::try_from(ATTEMPTS).unwrap_or(u64::MAX);
    let mend = "see what it answers: countersign webhook test; and look into the log of a server for its reasons";
    let mut told = Vec::new();
    if late > UNSENT {
        let runs = runs(facts);
        told.push(Finding::warning(
            format!("events that should have been sent wait for {age}: no server does it ({runs})"),
            "the receiver does not learn what happens; after five days they are dropped",
            "start a server with these settings; if one runs, look into its log for the receiver",
        ));
    }
    // One refusal is tried again after seconds.
    if attempts.saturating_add(2) >= all {
        told.push(Finding::failure(
            format!(
                "the receiver does not take events ({refused} of {waiting}, one of them {attempts} times): after {all} \
                 attempts they are given up"
            ),
            "what is given up is dropped, and the receiver never learns of it",
            mend,
        ));
    } else if *attempts > 1 {
        told.push(Finding::warning(
            format!(
                "the receiver does not take events ({refused} of {waiting}, one of them {attempts} times; the oldest is \
                 {age} old)"
            ),
            format!("they are sent again, ever later, and given up after {all} attempts in three days"),
            mend,
        ));
    }
    or_ok(told, || match waiting {
        0 => "the receiver has all events".to_owned(),
        waiting => format!("events are on their way to the receiver: {waiting}"),
    })
}

/// Whether a server does its work, as far as the database tells.
fn runs(facts: &Facts) -> &'static str {
    match &facts.work {
        Ok(Some(until)) if *until > facts.now => "one ran a few minutes ago, or still does",
        _ => "none has run for some time",
    }
}
