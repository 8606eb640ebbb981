//! One SQLite connection: how it is set up, how a statement runs on it, what its errors mean.

use std::{collections::HashMap, fs, io, path::Path, thread, time::Duration};

use rusqlite::{
    Error, ErrorCode, OpenFlags,
    config::DbConfig,
    ffi,
    types::{ToSql, ToSqlOutput, ValueRef},
};

use crate::storage::{
    StorageError, Value, sql,
    tx::Output,
    value::{Answer, Cell, Columns},
};

/// How long a connection waits for a lock that another process holds.
const BUSY: Duration = Duration::from_secs(5);

/// More than the program has statements.
const STATEMENTS: usize = 512;

pub(in crate::storage) struct Connection {
    pub(super) raw: rusqlite::Connection,
    texts: HashMap<&'static str, Text>,
}

/// A statement as SQLite wants it, and the names of the columns it answered with last.
struct Text {
    sql: String,
    columns: Columns,
}

impl Connection {
    /// Opens the connection that writes; makes the file if there is none.
    pub(super) fn writer(path: Option<&Path>) -> Result<Self, StorageError> {
        if let Some(path) = path {
            create(path).map_err(|error| {
                StorageError::unavailable(format!(
                    "cannot open or make the file {}: {error}",
                    path.display()
                ))
            })?;
        }
        let before = path.map(identity);
        let this = Self::open(path)?;
        this.set_up(path.is_some()).map_err(|error| classify(&this.raw, error))?;
        // From here on the file is locked against being replaced. A restore that came in between has put another file
        // under its name, and what would be written to this one would be lost.
        if before != path.map(identity) {
            return Err(StorageError::unavailable("the file was replaced while it was opened"));
        }
        Ok(this)
    }

    /// Opens a connection that only reads.
    pub(super) fn reader(path: Option<&Path>) -> Result<Self, StorageError> {
        let this = Self::open(path)?;
        this.raw
            .pragma_update(None, "query_only", true)
            .map_err(|error| classify(&this.raw, error))?;
        Ok(this)
    }

    /// Opens a connection beside the writer of a file.
    pub(super) fn beside(path: &Path) -> Result<Self, StorageError> {
        Self::open(Some(path))
    }

    fn open(path: Option<&Path>) -> Result<Self, StorageError> {
        // Without SQLITE_OPEN_URI, so that a file called `file:…` is a file; without a mutex, because each connection
        // stays on its thread.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let raw = match path {
            Some(path) => rusqlite::Connection::open_with_flags(path, flags),
            None => rusqlite::Connection::open_in_memory_with_flags(flags),
        };
        let raw = raw.map_err(StorageError::unavailable)?;
        let set = || {
            raw.busy_timeout(BUSY)?;
            raw.pragma_update(None, "synchronous", "FULL")?;
            raw.pragma_update(None, "foreign_keys", true)?;
            // Nothing stored in the file may call functions, or be taken for a string because it is quoted wrongly.
            raw.pragma_update(None, "trusted_schema", false)?;
            raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
            // A statement is planned once. Without this SQLite plans many of them, joins above all, again whenever their
            // bindings change, as they do with each use; that takes longer than to run them.
            raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
            raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)
        };
        set().map_err(|error| classify(&raw, error))?;
        raw.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self { raw, texts: HashMap::new() })
    }

    fn set_up(&self, file: bool) -> Result<(), Error> {
        if !file {
            return Ok(());
        }
        // Two processes that start at once on a new file: the change to WAL does not wait for the other's lock.
        let mut waited = Duration::ZERO;
        let mode = loop {
            let pause = Duration::from_millis(20);
            match self
                .raw
                .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))
            {
                Err(Error::SqliteFailure(error, _))
                    if error.code == ErrorCode::DatabaseBusy && waited < BUSY =>
                {
                    thread::sleep(pause);
                    waited += pause;
                }
                result => break result?,
            }
        };
        if mode != "wal" {
            // Readers would block the writer, and the durability we promise is WAL's.
            let reason = format!("the file cannot be used in WAL mode, only in mode {mode}");
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_NOLFS), Some(reason)));
        }
        // A burst leaves a large log; give its space back at the next checkpoint.
        self.raw.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))
    }

    /// Runs one statement to its end.
    pub(in crate::storage) fn run(
        &mut self,
        sql: &'static str,
        binds: &[Value],
    ) -> Result<Output, StorageError> {
        let raw = &self.raw;
        let text = self
            .texts
            .entry(sql)
            .or_insert_with(|| Text { sql: sql::to_sqlite(sql), columns: Columns::from([]) });
        run(raw, text, binds).map_err(|error| classify(raw, error))
    }

    /// Runs a statement that was made at run time once for each row of values.
    pub(super) fn run_made(
        &self,
        sql: &str,
        rows: impl IntoIterator<Item = impl AsRef<[Value]>>,
    ) -> Result<Output, StorageError> {
        let mut text = Text { sql: sql::to_sqlite(sql), columns: Columns::from([]) };
        let mut all = Output::default();
        for binds in rows {
            let output = run(&self.raw, &mut text, binds.as_ref())
                .map_err(|error| classify(&self.raw, error))?;
            all.rows.extend(output.rows);
            all.changed += output.changed;
        }
        Ok(all)
    }
}

fn run(raw: &rusqlite::Connection, text: &mut Text, binds: &[Value]) -> Result<Output, Error> {
    let mut statement = raw.prepare_cached(&text.sql)?;
    if statement.parameter_count() != binds.len() {
        return Err(Error::InvalidParameterCount(binds.len(), statement.parameter_count()));
    }
    for (index, value) in (1..).zip(binds) {
        statement.raw_bind_parameter(index, value)?;
    }

    // The names are the same from call to call, until a migration changes them.
    if !text.columns.iter().map(String::as_str).eq(statement.column_names()) {
        text.columns = statement.column_names().map(String::from).collect();
    }

    let before = raw.total_changes();
    let mut answer = Answer::new(text.columns.clone());
    let mut cursor = statement.raw_query();
    while let Some(row) = cursor.next()? {
        for index in 0..text.columns.len() {
            answer.push(row.get_ref(index)?.into());
        }
    }
    // `changes` speaks of the last statement that changes rows, which a CREATE TABLE is not.
    let changed = if raw.total_changes() == before { 0 } else { raw.changes() };
    Ok(Output { rows: answer.into_rows(), changed })
}

impl<'a> From<ValueRef<'a>> for Cell<'a> {
    fn from(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Int(value),
            ValueRef::Real(_) => Self::Foreign("REAL"),
            ValueRef::Text(value) => match str::from_utf8(value) {
                Ok(value) => Self::Text(value),
                Err(_) => Self::Foreign("text that is not UTF-8"),
            },
            ValueRef::Blob(value) => Self::Blob(value),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Int(value) => value.map(ValueRef::Integer),
            Self::Bool(value) => value.map(|value| ValueRef::Integer(value.into())),
            Self::Text(value) => value.as_deref().map(|value| ValueRef::Text(value.as_bytes())),
            Self::Blob(value) => value.as_deref().map(ValueRef::Blob),
            Self::Id(value) => value.as_ref().map(|value| ValueRef::Blob(value.as_bytes())),
        };
        Ok(ToSqlOutput::Borrowed(value.unwrap_or(ValueRef::Null)))
    }
}

/// Makes the file if there is none, readable by its owner only; SQLite gives the log beside it the same mode.
fn create(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Which file stands under this name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        fs::metadata(path).ok().map(|_| (0, 0))
    }
}

/// What an error of SQLite means to a caller. Its texts name tables, columns and statements, never values.
pub(in crate::storage) fn classify(raw: &rusqlite::Connection, error: Error) -> StorageError {
    if let Error::SqliteFailure(failure, Some(message)) = &error
        && let ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID = failure.extended_code
    {
        let primary = failure.extended_code != ffi::SQLITE_CONSTRAINT_UNIQUE;
        return StorageError::Conflict { constraint: conflict(raw, message, primary) };
    }
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SchemaChanged
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::FileLockingProtocolFailed,
        ) => StorageError::unavailable(error),
        _ => StorageError::refused(error),
    }
}

/// The name PostgreSQL gives the violated index, without `_key`.
///
/// SQLite says `UNIQUE constraint failed: users.email` for an index on columns, whatever the index is called, and
/// `UNIQUE constraint failed: index 'users_email'` for one on expressions.
fn conflict(raw: &rusqlite::Connection, message: &str, primary: bool) -> String {
    let what = message.split_once(": ").map_or(message, |(_, what)| what);
    if let Some(name) = what.strip_prefix("index '").and_then(|name| name.strip_suffix('\'')) {
        return name.strip_suffix("_key").unwrap_or(name).to_owned();
    }
    let columns: Vec<_> = what.split(", ").filter_map(|column| column.split_once('.')).collect();
    let Some((table, _)) = columns.first() else {
        return what.to_owned();
    };
    if primary {
        return format!("{table}_pkey");
    }
    let columns = columns.iter().map(|(_, column)| *column).collect::<Vec<_>>();
    let created = raw
        .prepare_cached(
            "SELECT i.name FROM pragma_index_list(?1) AS i WHERE i.\"unique\" AND i.origin = 'c' AND ?2 = \
             (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno))",
        )
        .and_then(|mut statement| statement.query_row((table, columns.join(",")), |row| row.get::<_, String>(0)));
    match created {
        Ok(name) => name.strip_suffix("_key").map(str::to_owned).unwrap_or(name),
        Err(_) => format!("{table}_{}", columns.join("_")),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound() {
        let mut connection = Connection::writer(None).unwrap();
        connection
            .raw
            .execute_batch("CREATE TABLE t (id BLOB NOT NULL PRIMARY KEY, n INTEGER) STRICT")
            .unwrap();
        let statements = [
            "INSERT INTO t (id, n) VALUES ($1, $2)",
            "UPDATE t SET n = $2 WHERE id = $1",
            "SELECT one.n FROM t AS one JOIN t AS two ON two.id = one.id WHERE one.id = $1 AND one.n = $2",
        ];
        for id in 0..9 {
            for sql in statements {
                connection.run(sql, &[vec![id].into(), i64::from(id).into()]).unwrap();
            }
        }
        for sql in statements {
            let statement = connection.raw.prepare_cached(&sql::to_sqlite(sql)).unwrap();
            assert_eq!(statement.get_status(StatementStatus::Run), 9, "{sql}");
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}
