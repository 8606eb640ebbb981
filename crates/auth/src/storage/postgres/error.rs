//! What an error of PostgreSQL means: to the caller, and to whether it may be tried again.

use std::{error::Error as _, io};

use deadpool_postgres::PoolError;
use tokio_postgres::{
    Error,
    error::{DbError, SqlState},
};

use crate::storage::{Cause, StorageError};

/// An error, and what may be done about it.
pub(in crate::storage) struct Trouble {
    pub(in crate::storage) fate: Fate,
    pub(in crate::storage) error: StorageError,
}

/// What became of a statement and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) enum Fate {
    /// The connection broke; the statement may have been done.
    Lost,
    /// No answer in time; the statement may have been done, and another try would wait as long.
    Silent,
    /// The server said that it ends the connection instead of doing the statement.
    Ended,
    /// The prepared statement no longer fits the tables; not done.
    Stale,
    /// It collided with another transaction; not done.
    Collided,
    /// The server's last word.
    Final,
}

impl Trouble {
    pub(super) fn silent() -> Self {
        Self {
            fate: Fate::Silent,
            error: StorageError::unavailable("the database did not answer in time"),
        }
    }

    pub(super) fn refused(reason: &'static str) -> Self {
        Self { fate: Fate::Final, error: StorageError::refused(reason) }
    }
}

pub(in crate::storage) fn classify(error: &Error) -> Trouble {
    let Some(answer) = error.as_db_error() else {
        let broken = error.is_closed()
            || error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>)
            || error.to_string().starts_with("timeout");
        return if broken {
            Trouble { fate: Fate::Lost, error: StorageError::unavailable(describe(error)) }
        } else {
            Trouble { fate: Fate::Final, error: StorageError::refused(describe(error)) }
        };
    };
    let code = answer.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        let name = answer.constraint().unwrap_or("unknown");
        let constraint = name.strip_suffix("_key").unwrap_or(name).to_owned();
        return Trouble { fate: Fate::Final, error: StorageError::Conflict { constraint } };
    }
    let fate = if *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
    {
        Fate::Collided
    } else if *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN {
        Fate::Ended
    } else if *code == SqlState::INVALID_SQL_STATEMENT_NAME
        || answer.routine() == Some("RevalidateCachedQuery")
    {
        Fate::Stale
    } else {
        Fate::Final
    };
    // Connection (08), resources and disk (53), operator (57), system (58), too busy; a replica after a failover.
    let passing = fate != Fate::Final
        || ["08", "53", "57", "58"].contains(&code.code().get(..2).unwrap_or(""))
        || [SqlState::LOCK_NOT_AVAILABLE, SqlState::READ_ONLY_SQL_TRANSACTION].contains(code)
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT;
    let text = describe_answer(answer);
    let error = if passing { StorageError::unavailable(text) } else { StorageError::refused(text) };
    Trouble { fate, error }
}

/// Why there is no connection.
pub(super) fn connecting(error: PoolError) -> Cause {
    match error {
        PoolError::Backend(error) => describe(&error).into(),
        error => error.to_string().into(),
    }
}

/// The error with its cause, in one line without values.
fn describe(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(answer), _) => describe_answer(answer),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// What the server said, without values: details, and the messages of data errors (classes 22 and 23), quote them.
fn describe_answer(answer: &DbError) -> String {
    let code = answer.code().code();
    let mut text = match code.get(..2) {
        Some("22" | "23" | "P0") => format!("the database answered {code}"),
        _ => format!("the database answered {code}: {}", answer.message()),
    };
    for (what, name) in [
        ("constraint", answer.constraint()),
        ("table", answer.table()),
        ("column", answer.column()),
    ] {
        if let Some(name) = name {
            text.push_str(&format!(", {what} {name}"));
        }
    }
    text
}
