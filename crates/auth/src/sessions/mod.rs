//! Sessions: logins that the server remembers until logout, held by a cookie.

pub(crate) mod http;
mod memory;
mod storage;

use std::{fmt, pin::Pin, time::Duration};

use jwt::Timestamp;
use uuid::Uuid;

use self::{memory::MemorySessions, storage::DatabaseSessions};
use crate::{
    Auth, Clock, Error,
    config::{self, Store},
    http::{cookie::SessionCookie, csrf::CrossSite},
    secret::{OpaqueSecret, SecretHash},
    storage::Db,
    users::{self, User, UserId},
};

/// The last use is written at most this often: a session that is read a thousand times a minute is
/// written once.
const TOUCH_EVERY: i64 = 60;

/// One login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its public id: the claim `sid`, and what lists show.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Timestamp,
}

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Where sessions live. The secret of one is never kept, only its hash.
///
/// Each function is one atomic step.
pub(crate) trait SessionStore: Send + Sync {
    /// Begins a session, and ends the one it replaces and this user's dead ones; `false` when there is no
    /// such user, or none who may log in.
    fn create(&self, begun: Begun) -> Answer<'_, bool>;

    /// The session with this secret, dead or alive.
    fn find(&self, secret: SecretHash) -> Answer<'_, Option<Session>>;

    /// Notes that a session was used.
    fn touch(&self, secret: SecretHash, now: Timestamp) -> Answer<'_, ()>;

    /// Ends the session with this secret and says which it was.
    fn remove(&self, secret: SecretHash) -> Answer<'_, Option<Session>>;
}

/// A session that begins, and what ends with its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) secret: SecretHash,
    pub(crate) replaced: Option<SecretHash>,
    pub(crate) dead: Dead,
}

/// The limits before which a session is dead: the one for its beginning, the one for its last use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dead {
    created_before: i64,
    used_before: i64,
}

impl Dead {
    fn holds(self, session: &Session) -> bool {
        session.created_at.seconds() < self.created_before
            || session.last_used_at.seconds() < self.used_before
    }
}

/// Everything there is about sessions: their store, their limits, their cookie.
pub(crate) struct Sessions {
    store: Box<dyn SessionStore>,
    db: Db,
    clock: Clock,
    idle: i64,
    absolute: i64,
    cookie: SessionCookie,
    cross_site: CrossSite,
}

impl Sessions {
    pub(crate) fn new(
        config: &config::Config,
        public_url: &config::PublicUrl,
        db: &Db,
        clock: &Clock,
    ) -> Self {
        let store: Box<dyn SessionStore> = match config.sessions.store {
            Store::Database => Box::new(DatabaseSessions::new(db.clone())),
            Store::Memory => Box::new(MemorySessions::default()),
        };
        Self {
            store,
            db: db.clone(),
            clock: clock.clone(),
            idle: seconds(config.sessions.idle),
            absolute: seconds(config.sessions.absolute),
            cookie: SessionCookie::new(public_url),
            cross_site: CrossSite::new(public_url, &config.http.cors_origins),
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn store(&self) -> &dyn SessionStore {
        &*self.store
    }

    /// The live session with this secret and its user; `None` for one that is unknown, over, or of a
    /// user who may not log in.
    pub(crate) async fn resume(
        &self,
        secret: &OpaqueSecret,
    ) -> Result<Option<(Session, User)>, Error> {
        let hash = secret.hash();
        let Some(session) = self.store.find(hash).await? else { return Ok(None) };
        if self.dead().holds(&session) {
            return Ok(None);
        }
        let user = users::storage::user_by_id(&self.db, session.user_id).await?;
        let Some(user) = user.filter(|user| !user.disabled) else { return Ok(None) };
        let now = self.clock.now();
        if now.seconds().saturating_sub(session.last_used_at.seconds()) >= TOUCH_EVERY {
            // A disk that is full keeps nobody from reading: the session is good, its last use unwritten.
            if let Err(error) = self.store.touch(hash, now).await {
                tracing::warn!(%error, "the last use of a session was not written");
            }
        }
        Ok(Some((session, user)))
    }

    fn dead(&self) -> Dead {
        let now = self.clock.now().seconds();
        Dead {
            created_before: now.saturating_sub(self.absolute),
            used_before: now.saturating_sub(self.idle),
        }
    }

    fn ends_at(&self, session: &Session) -> Timestamp {
        let idle = session.last_used_at.seconds().saturating_add(self.idle);
        Timestamp::new(idle.min(session.created_at.seconds().saturating_add(self.absolute)))
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("idle", &self.idle).finish_non_exhaustive()
    }
}

impl Auth {
    /// Begins a session and returns it with its secret, which is shown only now.
    ///
    /// The session that `replaced` belongs to, if any, ends in the same step: a login never goes on
    /// under an id that somebody may have planted before it (OWASP ASVS 7.2.4).
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the account is gone or disabled by now; storage errors.
    pub async fn session_create(
        &self,
        user: &User,
        replaced: Option<SecretHash>,
    ) -> Result<(Session, OpaqueSecret), Error> {
        let secret = OpaqueSecret::generate()?;
        let now = self.clock().now();
        let session =
            Session { id: self.ids().next(), user_id: user.id, created_at: now, last_used_at: now };
        let sessions = self.sessions();
        let begun = Begun {
            session: session.clone(),
            secret: secret.hash(),
            replaced,
            dead: sessions.dead(),
        };
        // The account may have gone, or been disabled, since its password was checked.
        if !sessions.store.create(begun).await? {
            return Err(Error::InvalidCredentials);
        }
        tracing::info!(user = %user.id.0, session = %session.id, "session began");
        Ok((session, secret))
    }

    /// Ends the session with this secret and returns it; `None` when there was none alive or dead.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn session_end(&self, secret: &OpaqueSecret) -> Result<Option<Session>, Error> {
        let ended = self.sessions().store.remove(secret.hash()).await?;
        if let Some(session) = &ended {
            tracing::info!(user = %session.user_id.0, session = %session.id, "session ended");
        }
        Ok(ended)
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
