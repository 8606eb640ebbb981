//! Checks of the database and of clocks.

use auth::{
    checkup::ClockDifference,
    storage::{Condition, Engine},
};

use super::{Facts, Finding, facts::Unknown};
use crate::cli::report::refusal;

/// Milliseconds by which clocks of machines that are kept right may differ.
const NEAR: u64 = 2_000;

pub(super) fn database(facts: &Facts) -> Vec<Finding> {
    let refused = facts.unfit_for("database");
    match &facts.database {
        _ if !refused.is_empty() => refused,
        Ok(Engine::Sqlite) => vec![Finding::ok("SQLite answers")],
        Ok(Engine::Postgres) => vec![Finding::ok("PostgreSQL answers")],
        Err(Unknown::Skipped(why)) => vec![Finding::skipped(why)],
        Err(Unknown::NotYet(why)) => vec![Finding::warning(
            why,
            "no server was started with these settings so far; if one was, its data lie elsewhere",
            "start a server; or name the installation with --config, --data-dir or --database-url",
        )],
        Err(Unknown::Failed(why)) if refusal(why).is_some() => {
            vec![Finding::failure(why, "no server starts", refusal(why).unwrap_or_default())]
        }
        Err(Unknown::Failed(why)) => vec![Finding::failure(
            why,
            "no server starts, and those that run answer 503 to all but the check of a token",
            match facts.config.database.url.as_deref() {
                Some(url) if url.starts_with("postgres") => {
                    "see that PostgreSQL runs, that it can be reached from here, and that database.url is right"
                }
                _ => {
                    "see that the file is one of SQLite and that this user can read it, and that database.url is right"
                }
            },
        )],
    }
}

pub(super) fn migrations(facts: &Facts) -> Vec<Finding> {
    let version = env!("CARGO_PKG_VERSION");
    vec![match &facts.tables {
        Err(unknown) => return Finding::unknown(unknown),
        Ok(Condition::Current) => Finding::ok("the tables are those of this version"),
        Ok(Condition::Missing) => Finding::warning(
            "the tables are not made yet: the first start makes them",
            "no server was started on this database so far; if one was, it is on another one",
            "start a server, or name the right database with database.url",
        ),
        Ok(Condition::Behind(missing)) => Finding::warning(
            format!("the tables are older than version {version}: {} to come", missing.join(", ")),
            "servers of this version bring them up to date when they start",
            "take a backup, then start a server of this version",
        ),
        Ok(Condition::Newer(newer)) => Finding::failure(
            format!("the tables are newer than version {version}: {}", newer.join(", ")),
            "no server of this version starts on them",
            "install the version that the other servers have",
        ),
        Ok(Condition::Changed(changed)) => Finding::failure(
            format!("migration {changed} is not the one that version {version} has"),
            "somebody has changed it, here or in the program; no server of this version starts",
            "install the version that made the tables, or put back a backup",
        ),
    }]
}

pub(super) fn database_clock(facts: &Facts) -> Vec<Finding> {
    let ClockDifference { ahead, round_trip } = match &facts.clock_difference {
        Err(unknown) => return Finding::unknown(unknown),
        Ok(None) => return vec![Finding::skipped("SQLite has no clock but that of this machine")],
        Ok(Some(difference)) => *difference,
    };
    // What the question itself took is no difference.
    let trip = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
    let sure = ahead.unsigned_abs().saturating_sub(trip / 2);
    let seconds = sure / 1_000;
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    let finding =
        format!("the clock of this machine is {seconds} s {side} that of the database server");
    let leeway = u64::try_from(facts.config.tokens.leeway.as_millis()).unwrap_or(u64::MAX);
    let mend = "let both machines, and those of all instances, keep time by NTP";
    vec![match sure {
        _ if sure <= NEAR => {
            Finding::ok("the clocks of this machine and of the database server agree")
        }
        _ if sure <= leeway => Finding::warning(
            finding,
            "instances on machines whose clocks differ do not agree on when something expires",
            mend,
        ),
        _ => Finding::failure(
            finding,
            "the difference is larger than tokens.leeway: tokens of one instance are refused by another, or live longer",
            mend,
        ),
    }]
}

pub(super) fn clock(facts: &Facts) -> Vec<Finding> {
    let newest = match &facts.log {
        Err(unknown) => return Finding::unknown(unknown),
        Ok(log) => log.newest,
    };
    let ahead = newest.map_or(0, |newest| newest.seconds().saturating_sub(facts.now.seconds()));
    let leeway = i64::try_from(facts.config.tokens.leeway.as_secs()).unwrap_or(i64::MAX);
    let finding = format!("the newest event in the audit log is {ahead} s in the future");
    let means = "the clock of this machine is behind, or that of a server was ahead: what was made then lives too long";
    let mend = "let all machines keep time by NTP; log out whom it concerns, if a clock was ahead";
    vec![match ahead {
        i64::MIN..=5 => Finding::ok("nothing in the audit log is in the future"),
        _ if ahead <= leeway => Finding::warning(finding, means, mend),
        _ => Finding::failure(finding, means, mend),
    }]
}
