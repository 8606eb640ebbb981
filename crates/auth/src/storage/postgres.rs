//! PostgreSQL: a pool of connections, bounded waits, and the retries that a caller need not know of.

mod error;
mod listener;
mod session;
mod solo;

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::{
    Config, NoTls,
    config::{Host, SslMode},
};

pub(super) use error::classify;
use error::{Fate, Trouble};
pub use listener::Listener;
pub(super) use session::Session;
pub(super) use solo::{Solo, others};

use super::{
    StorageError, Tx, Value,
    sql::Kind,
    tx::{Engine, Output},
};

/// Connections of one process. The server's usual limit is 100 for all.
const CONNECTIONS: usize = 16;

/// How long a call waits for a connection, a new one included.
const ACQUIRE: Duration = Duration::from_secs(2);

/// How long the server may work on one statement, waiting for locks included.
const STATEMENT_MILLISECONDS: u32 = 4_000;

/// How long this side waits for its answer: longer than the server's limit, so that it only decides when the server or
/// the network has stopped.
const ANSWER: Duration = Duration::from_secs(5);

/// So often a connection that had died is replaced within one call: after a restart of the server every pooled one has.
const RECONNECTS: u32 = 3;

/// How long a transaction that collided is tried again, and how often.
const COLLISIONS: Duration = Duration::from_secs(5);
const TRIES: u32 = 100;

pub(super) struct Postgres {
    pool: Pool,
    config: Config,
    pooler: bool,
    /// Spreads the pauses of callers that collided with each other.
    turn: AtomicU32,
}

impl Postgres {
    pub(super) async fn open(url: &str, pooler: bool) -> Result<Self, StorageError> {
        let config = configure(url)?;
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let mut pool = Pool::builder(Manager::from_config(config.clone(), NoTls, manager))
            .max_size(CONNECTIONS);
        if !pooler {
            pool = pool.post_create(Hook::async_fn(|client, _| {
                Box::pin(async move {
                    // Longer than a statement, so that it only meets a transaction whose process has stopped.
                    let settings = format!(
                        "SET statement_timeout = {STATEMENT_MILLISECONDS}; \
                         SET idle_in_transaction_session_timeout = {}",
                        2 * STATEMENT_MILLISECONDS
                    );
                    client.batch_execute(&settings).await.map_err(HookError::Backend)
                })
            }));
        }
        let pool = pool.build().map_err(StorageError::unavailable)?;
        Ok(Self { pool, config, pooler, turn: AtomicU32::new(0) })
    }

    /// Runs one statement, again when that cannot do it twice.
    pub(super) async fn run(
        &self,
        sql: &'static str,
        binds: &[Value],
        kind: Kind,
    ) -> Result<Output, StorageError> {
        let mut patience = Patience::new(self);
        loop {
            let client = patience.client().await?;
            match session::run(&client, self.pooler, sql, binds).await {
                Ok(output) => return Ok(output),
                Err(trouble) => {
                    let unsure = trouble.fate == Fate::Lost;
                    release(client, &trouble);
                    if (unsure && kind == Kind::Write) || !patience.again(trouble.fate).await {
                        return Err(trouble.error);
                    }
                }
            }
        }
    }

    /// Runs a closure as one transaction, again when it collided or its connection died before the commit.
    pub(super) async fn transaction<T, F>(&self, f: F) -> Result<T, StorageError>
    where
        F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, StorageError>> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let mut patience = Patience::new(self);
        loop {
            let client = patience.client().await?;
            match self.attempt(client, &f).await {
                Ok(result) => return result,
                Err(trouble) => {
                    if !patience.again(trouble.fate).await {
                        return Err(trouble.error);
                    }
                }
            }
        }
    }

    /// One try: `Ok` is what the caller is told, `Err` may be tried again.
    async fn attempt<T, F>(&self, client: Object, f: &F) -> Result<Result<T, StorageError>, Trouble>
    where
        F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, StorageError>> + Send + Sync,
        T: Send,
    {
        let session = Session::begin(client, self.pooler).await?;
        let mut tx = Tx::new(Engine::Postgres(session));
        let result = AssertUnwindSafe(async { f(&mut tx).await }).catch_unwind().await;
        let result =
            result.unwrap_or_else(|_| Err(StorageError::refused("the transaction panicked")));
        let (keep, result) = tx.verdict(result);
        let Engine::Postgres(session) = tx.engine else {
            return Ok(Err(StorageError::refused("the transaction lost its connection")));
        };
        match session.end(keep).await {
            Ok(()) => Ok(result),
            Err(trouble) => Err(trouble),
        }
    }

    /// A connection of its own, outside of the pool and without its limits, for migrations.
    pub(super) async fn connect(&self) -> Result<tokio_postgres::Client, StorageError> {
        let connected = timeout(ACQUIRE, self.config.connect(NoTls)).await;
        let (client, connection) = connected
            .map_err(|_| StorageError::unavailable("the database did not answer in time"))?
            .map_err(|error| classify(&error).error)?;
        // Ends with the client.
        tokio::spawn(connection);
        if !self.pooler {
            let unlimited =
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";
            client.batch_execute(unlimited).await.map_err(|error| classify(&error).error)?;
        }
        Ok(client)
    }

    /// Listens on a channel, over a connection of its own; `None` behind a pooler.
    pub(super) async fn listen(
        &self,
        channel: &'static str,
    ) -> Result<Option<Listener>, StorageError> {
        if self.pooler {
            return Ok(None);
        }
        Listener::open(&self.config, channel).await.map(Some)
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    async fn client(&self) -> Result<Object, StorageError> {
        match timeout(ACQUIRE, self.pool.get()).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(StorageError::Unavailable(error::connecting(error))),
            Err(_) => {
                Err(StorageError::unavailable("no connection to the database was free in time"))
            }
        }
    }
}

/// Gives a connection back, or throws it away when its state is unknown.
fn release(client: Object, trouble: &Trouble) {
    match trouble.fate {
        Fate::Lost | Fate::Silent | Fate::Ended => drop(Object::take(client)),
        Fate::Stale | Fate::Collided | Fate::Final => drop(client),
    }
}

/// Decides how often one call is tried.
struct Patience<'a> {
    postgres: &'a Postgres,
    /// When the connection at hand was asked for.
    asked: std::time::Instant,
    deadline: Instant,
    reconnects: u32,
    tries: u32,
}

impl<'a> Patience<'a> {
    fn new(postgres: &'a Postgres) -> Self {
        let deadline = Instant::now() + COLLISIONS;
        Self { postgres, asked: std::time::Instant::now(), deadline, reconnects: 0, tries: 0 }
    }

    async fn client(&mut self) -> Result<Object, StorageError> {
        self.asked = std::time::Instant::now();
        self.postgres.client().await
    }

    /// Waits for the moment to try again, or says that it is not to be tried.
    async fn again(&mut self, fate: Fate) -> bool {
        let pool = &self.postgres.pool;
        match fate {
            Fate::Final | Fate::Silent => false,
            Fate::Lost | Fate::Ended => {
                // A server that ended one connection has often ended all: those as old as this one are not worth a try.
                drop(pool.retain(|_, metrics| metrics.created > self.asked));
                self.reconnects += 1;
                self.reconnects <= RECONNECTS
            }
            Fate::Stale => {
                // What a migration made stale here it made stale everywhere.
                pool.manager().statement_caches.clear();
                self.reconnects += 1;
                self.reconnects <= RECONNECTS
            }
            Fate::Collided => {
                self.tries += 1;
                // Those who collided step aside for different times, longer with each try.
                let turn = self.postgres.turn.fetch_add(1, Ordering::Relaxed) % 8 + 1;
                sleep(Duration::from_millis(u64::from(self.tries.min(8) * turn) / 2)).await;
                self.tries < TRIES && Instant::now() < self.deadline
            }
        }
    }
}

/// Reads the URL and refuses what we cannot keep.
fn configure(url: &str) -> Result<Config, StorageError> {
    let tls = || {
        StorageError::refused(
            "the database URL asks for TLS, which is not supported yet: use a loopback address, a socket, or a tunnel",
        )
    };
    if url.contains("sslmode=verify-") {
        return Err(tls());
    }
    // The parser's error names the option, not its value.
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let option = std::error::Error::source(&error)
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        StorageError::refused(format!("the database URL cannot be read{option}"))
    })?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(tls());
    }
    let near = |host: &Host| match host {
        Host::Tcp(name) => matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    if config.get_ssl_mode() != SslMode::Disable && !config.get_hosts().iter().all(near) {
        tracing::warn!(
            "the connection to the database is not encrypted; sslmode=disable in its URL accepts that"
        );
    }
    // Encryption that can be stripped on the way protects nothing, and there is none to offer.
    config.ssl_mode(SslMode::Disable);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(ACQUIRE);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(2 * ANSWER);
    }
    if config.get_application_name().is_none() {
        config.application_name("countersign");
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_asks_for_tls_is_refused_and_none_is_shown() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let error = configure(&format!("postgres://me:hunter2@127.0.0.1/db?sslmode={mode}"))
                .unwrap_err();
            assert!(
                matches!(&error, StorageError::Refused(cause) if cause.to_string().contains("TLS")),
                "{mode}"
            );
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        for mode in ["?sslmode=disable", "?sslmode=prefer", ""] {
            assert!(configure(&format!("postgres://me@127.0.0.1/db{mode}")).is_ok(), "{mode}");
        }
        let error = configure("postgres://me:hunter2@127.0.0.1:port/db").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
