//! One connection: running a statement on it, and a transaction from its beginning to its end.

use deadpool_postgres::{ClientWrapper, Object};
use futures_util::{FutureExt, TryStreamExt, pin_mut};
use tokio::time::timeout;
use tokio_postgres::{
    RowStream,
    types::{FromSql, IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};
use uuid::Uuid;

use super::{
    ANSWER,
    error::{Fate, Trouble, classify},
    release,
};
use crate::storage::{
    StorageError, Value,
    tx::Output,
    value::{Answer, Cell},
};

/// A connection inside of a transaction. Dropped before its end it is rolled back.
pub(in crate::storage) struct Session {
    client: Option<Object>,
    pooler: bool,
    /// Why the transaction cannot be kept, when it may be tried again.
    trouble: Option<Trouble>,
}

impl Session {
    pub(super) async fn begin(client: Object, pooler: bool) -> Result<Self, Trouble> {
        let mut session = Self { client: Some(client), pooler, trouble: None };
        match session.command("BEGIN ISOLATION LEVEL SERIALIZABLE").await {
            Ok(()) => Ok(session),
            Err(trouble) => {
                session.give_back(&trouble);
                Err(trouble)
            }
        }
    }

    /// Behind a transaction pooler nobody can listen; other engines of this protocol, which are run that way, may not know
    /// the statement.
    pub(in crate::storage) fn carries_notifications(&self) -> bool {
        !self.pooler
    }

    pub(in crate::storage) async fn run(
        &mut self,
        sql: &'static str,
        binds: &[Value],
    ) -> Result<Output, StorageError> {
        let client = self.client.as_ref().ok_or_else(gone)?;
        run(client, self.pooler, sql, binds).await.map_err(|trouble| {
            if trouble.fate == Fate::Final {
                return trouble.error;
            }
            // The closure is told something, the caller is not if another try succeeds.
            self.trouble = Some(trouble);
            StorageError::unavailable("the transaction has to start again")
        })
    }

    /// Commits or rolls back; an error says whether the whole may be tried again.
    pub(super) async fn end(mut self, keep: bool) -> Result<(), Trouble> {
        if let Some(trouble) = self.trouble.take() {
            if matches!(trouble.fate, Fate::Collided | Fate::Stale)
                && self.command("ROLLBACK").await.is_err()
            {
                self.give_back(&Trouble::silent());
            } else {
                self.give_back(&trouble);
            }
            return Err(trouble);
        }
        let ended = self.command(if keep { "COMMIT" } else { "ROLLBACK" }).await;
        match ended {
            Ok(()) => {
                // Back to the pool.
                self.client = None;
                Ok(())
            }
            Err(mut trouble) => {
                self.give_back(&trouble);
                if !keep {
                    // A connection that breaks rolls back as well.
                    return Ok(());
                }
                if trouble.fate != Fate::Collided {
                    // It may have been kept: nothing but the caller's own look can tell.
                    trouble.fate = Fate::Final;
                }
                Err(trouble)
            }
        }
    }

    async fn command(&self, sql: &str) -> Result<(), Trouble> {
        let client =
            self.client.as_ref().ok_or_else(|| Trouble::refused("the connection is gone"))?;
        match timeout(ANSWER, client.batch_execute(sql)).await {
            Ok(done) => done.map_err(|error| classify(&error)),
            Err(_) => Err(Trouble::silent()),
        }
    }

    fn give_back(&mut self, trouble: &Trouble) {
        if let Some(client) = self.client.take() {
            release(client, trouble);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // The caller's future was dropped. One poll sends the command; whoever has the connection next comes after
            // it.
            let _ = client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}

fn gone() -> StorageError {
    StorageError::refused("the connection is gone")
}

/// Runs one statement with the types of its values.
///
/// Left to inference, `$1 + 1`, `$1 IS NULL OR …` and a bare `SELECT $1` have no type or another one.
pub(super) async fn run(
    client: &ClientWrapper,
    pooler: bool,
    sql: &'static str,
    binds: &[Value],
) -> Result<Output, Trouble> {
    let work = async {
        if pooler {
            return run_made(client, sql, binds).await;
        }
        let types: Vec<_> = binds.iter().map(Value::type_).collect();
        let statement = client.prepare_typed_cached(sql, &types).await?;
        collect(client.query_raw(&statement, binds).await?).await
    };
    match timeout(ANSWER, work).await {
        Ok(result) => result.map_err(|error: tokio_postgres::Error| classify(&error)),
        Err(_) => Err(Trouble::silent()),
    }
}

/// Runs one statement without giving it a name.
pub(super) async fn run_made(
    client: &tokio_postgres::Client,
    sql: &str,
    binds: &[Value],
) -> Result<Output, tokio_postgres::Error> {
    let typed = binds.iter().map(|value| (value, value.type_()));
    collect(client.query_typed_raw(sql, typed).await?).await
}

async fn collect(stream: RowStream) -> Result<Output, tokio_postgres::Error> {
    pin_mut!(stream);
    let mut answer: Option<Answer> = None;
    while let Some(row) = stream.try_next().await? {
        let answer = answer.get_or_insert_with(|| {
            Answer::new(row.columns().iter().map(|column| column.name().to_owned()).collect())
        });
        for (index, column) in row.columns().iter().enumerate() {
            answer.push(match row.try_get(index)? {
                Cell::Foreign(_) => Cell::Foreign(column.type_().name()),
                cell => cell,
            });
        }
    }
    let rows = answer.map(Answer::into_rows).unwrap_or_default();
    Ok(Output { rows, changed: stream.rows_affected().unwrap_or(0) })
}

impl Value {
    fn type_(&self) -> Type {
        match self {
            Self::Int(_) => Type::INT8,
            Self::Bool(_) => Type::BOOL,
            Self::Text(_) => Type::TEXT,
            Self::Blob(_) => Type::BYTEA,
            Self::Id(_) => Type::UUID,
        }
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Int(value) => value.to_sql_checked(kind, out),
            Self::Bool(value) => value.to_sql_checked(kind, out),
            Self::Text(value) => value.to_sql_checked(kind, out),
            Self::Blob(value) => value.to_sql_checked(kind, out),
            Self::Id(value) => value.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each value knows its type; the inner `to_sql_checked` compares it.
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT2 => Self::Int(i16::from_sql(kind, raw)?.into()),
            Type::BOOL => Self::Bool(bool::from_sql(kind, raw)?),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
                Self::Text(<&str>::from_sql(kind, raw)?)
            }
            Type::BYTEA => Self::Blob(<&[u8]>::from_sql(kind, raw)?),
            Type::UUID => Self::Id(Uuid::from_sql(kind, raw)?),
            // Whose name is the column's to tell, which lives longer.
            _ => Self::Foreign("another type"),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
