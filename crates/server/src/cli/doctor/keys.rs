//! Checks of the keys: their states, their times, where they lie and who has them.

use auth::{
    checkup::KeysFound,
    keys::{Key, Place, State},
    storage::Engine,
};
use jwt::{Algorithm, Timestamp};

use super::{Facts, Finding, facts::Unknown, or_ok};
use crate::cli::{token::span, unfit::has_master_key};

/// Seconds by which servers may be late with what is due: they look twenty times while a key waits, or each minute.
const LATE: i64 = 300;

/// The keys, or why they are not judged: that they cannot be read is told once, by `keys`.
fn found(facts: &Facts) -> Result<&KeysFound, Vec<Finding>> {
    facts.keys.as_ref().map_err(|unknown| match unknown {
        Unknown::Skipped(why) | Unknown::NotYet(why) => vec![Finding::skipped(why)],
        Unknown::Failed(_) => vec![Finding::skipped("the keys could not be read")],
    })
}

pub(super) fn keys(facts: &Facts) -> Vec<Finding> {
    let failure = |why: &String| {
        vec![Finding::failure(
            why,
            "no server starts with these settings on this database",
            "name the files of the keys and the master key as the servers have them: keys.secret_file, \
             keys.private_key_file, keys.master_key_file",
        )]
    };
    match &facts.keys {
        Err(Unknown::Skipped(why) | Unknown::NotYet(why)) => vec![Finding::skipped(why)],
        // What is wrong with the files themselves is told once.
        Err(Unknown::Failed(_)) if !facts.unfit_for("secret_strength").is_empty() => {
            vec![Finding::skipped("the files of the keys are not in order: see secret_strength")]
        }
        Err(Unknown::Failed(why)) => failure(why),
        Ok(KeysFound { trouble: Some(why), .. }) => failure(why),
        Ok(KeysFound { all, .. }) => {
            let live = all.iter().filter(|key| key.state != State::Gone).count();
            vec![Finding::ok(match live {
                1 => "one key can be read".to_owned(),
                several => format!("{several} keys can be read"),
            })]
        }
    }
}

pub(super) fn signing_key(facts: &Facts) -> Vec<Finding> {
    let keys = match found(facts) {
        Ok(found) => &found.all,
        Err(skipped) => return skipped,
    };
    let active: Vec<&Key> = keys.iter().filter(|key| key.state == State::Active).collect();
    vec![match active.as_slice() {
        [key] => Finding::ok(format!("{} signs, in the {}", name(key), key.place.name())),
        [] => Finding::failure(
            "no key signs",
            "nobody can log in or refresh",
            "start a server: it makes a key where none signs",
        ),
        several => Finding::failure(
            format!(
                "several keys sign: {}",
                several.iter().map(|key| name(key)).collect::<Vec<_>>().join(", ")
            ),
            "a key in a file was named, and no server has been started with it since; or the table was changed by hand",
            "restart the servers with these settings; the file signs then, and the key of the database retires",
        ),
    }]
}

pub(super) fn pending_keys(facts: &Facts) -> Vec<Finding> {
    let keys = match found(facts) {
        Ok(found) => &found.all,
        Err(skipped) => return skipped,
    };
    let file_signs = keys.iter().any(|key| key.state == State::Active && key.place == Place::File);
    let pending = || keys.iter().filter(|key| key.state == State::Pending);
    let mut all = Vec::new();
    for key in pending() {
        let late = since(key.active_at, facts.now).filter(|late| *late > LATE && !file_signs);
        let Some(late) = late else { continue };
        all.push(Finding::warning(
            format!("{} should sign for {} and does not", name(key), time(late)),
            "no server does the work of keys: the key before it goes on signing, for longer than it should",
            "start a server; if one runs, look into its log for the job keys",
        ));
    }
    or_ok(all, || match pending().next() {
        None => "no key waits".to_owned(),
        Some(key) if file_signs => format!("{} waits for as long as a file signs", name(key)),
        Some(key) => match since(key.active_at, facts.now) {
            Some(ahead @ i64::MIN..0) => {
                format!("{} signs in {}", name(key), time(ahead.saturating_neg()))
            }
            _ => format!("{} is about to sign", name(key)),
        },
    })
}

pub(super) fn rotation(facts: &Facts) -> Vec<Finding> {
    let keys = match found(facts) {
        Ok(found) => &found.all,
        Err(skipped) => return skipped,
    };
    let Some(active) = keys.iter().find(|key| key.state == State::Active) else {
        return vec![Finding::skipped("no key signs")];
    };
    if active.place == Place::File {
        let finding =
            "the key that signs is in a file: whoever holds it decides when it is replaced";
        return vec![Finding::ok(finding)];
    }
    let age = since(active.active_at, facts.now).unwrap_or_default();
    let due = i64::try_from(facts.config.keys.rotation.as_secs()).unwrap_or(i64::MAX);
    let waits = keys.iter().any(|key| key.state == State::Pending);
    let late = age.saturating_sub(due);
    let mut all = Vec::new();
    if late > LATE && !waits {
        all.push(Finding::warning(
            format!(
                "{} signs since {} ago, {} longer than keys.rotation allows",
                name(active),
                time(age),
                time(late)
            ),
            "no server rotates: a key that leaked stays of use to whoever has it",
            "start a server; it rotates by itself. At once: countersign key rotate",
        ));
    }
    or_ok(all, || match due.saturating_sub(age) {
        left @ 1.. => format!("{} is replaced in {}", name(active), time(left)),
        _ => format!("{} is about to be replaced", name(active)),
    })
}

pub(super) fn retiring_keys(facts: &Facts) -> Vec<Finding> {
    let keys = match found(facts) {
        Ok(found) => &found.all,
        Err(skipped) => return skipped,
    };
    let mut all = Vec::new();
    let mut retiring = 0;
    for key in keys.iter().filter(|key| key.state == State::Retiring) {
        retiring += 1;
        if key.place == Place::File {
            let setting = match key.algorithm.starts_with("HS") {
                true => "keys.secret_file",
                false => "keys.private_key_file",
            };
            all.push(Finding::warning(
                format!("{}, in a file, verifies for ever", name(key)),
                "whoever has that file makes tokens that are accepted, although it signs no more",
                format!(
                    "take it out of {setting} when the last of its tokens has expired: {} after it signed last",
                    time(i64::try_from(facts.config.tokens.access_lifetime.as_secs()).unwrap_or(i64::MAX))
                ),
            ));
            continue;
        }
        let overdue = match key.gone_at {
            Some(gone_at) => facts.now.seconds().saturating_sub(gone_at.seconds()) > LATE,
            None => true,
        };
        if overdue {
            all.push(Finding::warning(
                format!("{} should be gone and still verifies", name(key)),
                "no server does the work of keys: what it signed is good for longer than it should be",
                format!("start a server; or end it now: countersign key revoke {}", key.kid),
            ));
        }
    }
    or_ok(all, || match retiring {
        0 => "no key of before verifies".to_owned(),
        1 => "one key of before verifies until its last token has expired".to_owned(),
        several => format!("{several} keys of before verify until their last tokens have expired"),
    })
}

pub(super) fn keys_at_rest(facts: &Facts) -> Vec<Finding> {
    let mut all = facts.unfit_for("keys_at_rest");
    let keys = match found(facts) {
        Ok(found) => found,
        Err(skipped) if all.is_empty() => return skipped,
        Err(_) => return all,
    };
    let in_database = |key: &&Key| key.place == Place::Database && key.state != State::Gone;
    let plain = keys.all.iter().filter(in_database).filter(|key| !key.sealed).count();
    let secret_is_plain = keys.server_secret_sealed == Some(false);
    let postgres = matches!(facts.database, Ok(Engine::Postgres));
    let set =
        "set keys.master_key_file (make one with: openssl rand -hex 32) and restart the servers";
    if has_master_key(&facts.config) && (plain > 0 || secret_is_plain) {
        all.push(Finding::warning(
            "there is a master key, and keys in the database are not encrypted under it",
            "whoever reads the database or a backup of it makes tokens for every account",
            "restart the servers with it: the start encrypts what is there",
        ));
    } else if postgres && plain > 0 && all.is_empty() {
        all.push(Finding::warning(
            "signing keys lie unencrypted in PostgreSQL",
            "whoever reads the database or a backup of it makes tokens for every account",
            set,
        ));
    } else if postgres && secret_is_plain && all.is_empty() {
        all.push(Finding::warning(
            "the server secret lies unencrypted in PostgreSQL",
            "whoever reads the database or a backup of it makes refresh tokens for every login that is alive",
            set,
        ));
    }
    or_ok(all, || {
        match plain > 0 || secret_is_plain {
        false => "what is in the database is encrypted under the master key".to_owned(),
        true => "keys lie unencrypted in a file for its owner alone; keys.master_key_file would keep them from whoever \
                 has a backup of it"
            .to_owned(),
    }
    })
}

pub(super) fn key_strength(facts: &Facts) -> Vec<Finding> {
    let keys = match found(facts) {
        Ok(KeysFound { trouble: Some(_), .. }) => {
            return vec![Finding::skipped("the keys could not be read")];
        }
        Ok(found) => found,
        Err(skipped) => return skipped,
    };
    let weak = keys.weak.iter().map(|(kid, why)| {
        Finding::failure(
            format!("the secret {kid} in the database is weak: {why}"),
            "whoever guesses it makes tokens for every account",
            format!("countersign key rotate --immediate, and then: countersign key revoke {kid}"),
        )
    });
    or_ok(weak.collect(), || "no key in the database is easy to guess".to_owned())
}

pub(super) fn shared_secret(facts: &Facts) -> Vec<Finding> {
    let keys = match found(facts) {
        Ok(found) => &found.all,
        Err(skipped) => return skipped,
    };
    let shared = |key: &&Key| {
        let symmetric = key.algorithm.parse().is_ok_and(|known: Algorithm| known.is_symmetric());
        key.place == Place::File && key.state == State::Active && symmetric
    };
    let all = keys.iter().filter(shared).map(|key| {
        Finding::warning(
            format!("{} signs, with the secret of a file", name(key)),
            "if another service verifies with the same secret, it can make tokens for every account too, and so can \
             whoever breaks into it",
            "take ES256 as soon as another service verifies: set tokens.algorithm = \"ES256\", take the secret from the \
             services, and let them fetch /.well-known/jwks.json; nobody is signed out",
        )
    });
    or_ok(all.collect(), || "tokens are signed with nothing that others were given".to_owned())
}

fn name(key: &Key) -> String {
    format!("key {} ({})", key.kid, key.algorithm)
}

/// Seconds since a time; less than nothing for one that is to come.
fn since(time: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    Some(now.seconds().saturating_sub(time?.seconds()))
}

fn time(seconds: i64) -> String {
    span(seconds.unsigned_abs())
}
