//! Sessions: logins that the server remembers until logout, held by a cookie.

mod cache;
pub(crate) mod http;
mod memory;
pub(crate) mod storage;

use std::{fmt, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use jwt::Timestamp;
use uuid::Uuid;

use self::{
    cache::{Cache, Resumed},
    memory::MemorySessions,
    storage::DatabaseSessions,
};
use crate::{
    Auth, Clock, Error,
    audit::{Actor, Cause, Scribe},
    config::{self, Store, WhenStale},
    http::{Client, cookie::SessionCookie, csrf::CrossSite},
    revocation::{self, Revocation, Revocations},
    secret::{OpaqueSecret, SecretHash},
    storage::Db,
    tokens::CustomClaims,
    users::{self, User, UserId},
};

/// Logins of each kind that an account may have in the database; a further one takes the place of the one that was not
/// used the longest.
pub(crate) const PER_USER: i64 = 10_000;

/// The last use is written at most this often, and what is known of a session is believed this long: one that
/// is used a thousand times a minute is read and written once. Where sessions are to end sooner, more often.
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
    /// When it was last used: a cookie to the minute, tokens when they were last refreshed.
    pub last_used_at: Timestamp,
    /// What it was begun with: the name of a browser or program.
    pub device: String,
    /// The address that it was begun or last refreshed from, where it is known.
    pub address: Option<IpAddr>,
}

pub(crate) type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Where sessions held by a cookie live. The secret of one is never kept, only its hash.
///
/// Each function is one atomic step.
pub(crate) trait SessionStore: Send + Sync {
    /// Begins a session, and ends the one it replaces and this user's dead ones. Returns the id of the replaced
    /// one, if there was one; `Err` when there is no such user, or none who may log in.
    fn create(&self, begun: Begun, scribe: Scribe) -> Answer<'_, Result<Option<Uuid>, Refused>>;

    /// The session with this secret, dead or alive.
    fn find(&self, secret: SecretHash) -> Answer<'_, Option<Session>>;

    /// Notes that a session was used.
    fn touch(&self, secret: SecretHash, now: Timestamp) -> Answer<'_, ()>;

    /// A page of this user's live sessions, the newest first.
    fn list(&self, page: Page) -> Answer<'_, Vec<Session>>;

    /// How many live sessions there are, [`COUNTED`] at most.
    fn count(&self, dead: Dead) -> Answer<'_, u64>;

    /// The sessions that are held outside of the database.
    fn held(&self, which: Which) -> Vec<Ended>;

    /// Forgets sessions that are held outside of the database, whose step has been taken, and returns their ids.
    fn forget(&self, which: Which) -> Vec<Uuid>;
}

/// So many sessions of a kind are counted at most: who wants to know how many there are waits for no more.
pub const COUNTED: usize = 100_000;

/// A session that begins, and what ends with its beginning.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) session: Session,
    pub(crate) secret: SecretHash,
    /// The generation of the account when its password was checked.
    pub(crate) generation: i64,
    /// The session that came with the request for this one.
    pub(crate) replaced: Option<SecretHash>,
    pub(crate) dead: Dead,
}

/// Sessions of a user, the newest first: those after an id, so many at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) user: UserId,
    pub(crate) after: Option<Uuid>,
    pub(crate) limit: usize,
    pub(crate) dead: Dead,
}

/// The account is gone, disabled or changed since its password was checked.
#[derive(Debug)]
pub(crate) struct Refused;

/// Which sessions end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    /// This one, whosever it is.
    One(Uuid),
    /// This one, if it is this user's.
    Own(UserId, Uuid),
    /// All of this user but one.
    AllBut(UserId, Uuid),
    /// All of this user.
    All(UserId),
}

/// A session that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) id: Uuid,
    /// Whose it was, where that is known.
    pub(crate) user: Option<UserId>,
    /// By when its access tokens have expired.
    pub(crate) until: Timestamp,
}

impl Ended {
    pub(crate) fn revocation(&self) -> Revocation {
        Revocation::of_session(self.id, self.until)
    }
}

/// The end of sessions, as an answer tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The sessions that ended.
    pub sessions: Vec<Uuid>,
    /// By when every instance refuses their tokens and cookies.
    pub effective_by: Timestamp,
    /// By when their access tokens have expired even where nobody hears of revocations.
    pub access_expires_at: Timestamp,
}

/// The times before which a session is over: of its beginning, of its last use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dead {
    pub(crate) created_before: i64,
    pub(crate) used_before: i64,
}

impl Dead {
    /// Those held by a cookie.
    pub(crate) fn by_cookie(config: &config::Config, now: Timestamp) -> Self {
        Self::at(now, config.sessions.absolute, config.sessions.idle)
    }

    /// Those held by tokens.
    pub(crate) fn by_tokens(config: &config::Config, now: Timestamp) -> Self {
        Self::at(now, config.tokens.refresh_absolute, config.tokens.refresh_lifetime)
    }

    fn at(now: Timestamp, absolute: Duration, idle: Duration) -> Self {
        Self {
            created_before: now.saturating_sub(absolute).seconds(),
            used_before: now.saturating_sub(idle).seconds(),
        }
    }

    pub(crate) fn holds(self, session: &Session) -> bool {
        session.created_at.seconds() < self.created_before
            || session.last_used_at.seconds() < self.used_before
    }
}

/// Everything there is about sessions held by a cookie: their store, their limits, their cookie.
pub(crate) struct Sessions {
    store: Box<dyn SessionStore>,
    cache: Cache,
    revocations: Arc<Revocations>,
    refuses_when_stale: bool,
    db: Db,
    clock: Clock,
    idle: i64,
    absolute: i64,
    touch_every: u64,
    cookie: SessionCookie,
    cross_site: CrossSite,
    claims: CustomClaims,
}

impl Sessions {
    pub(crate) fn new(
        config: &config::Config,
        public_url: &config::PublicUrl,
        db: &Db,
        clock: &Clock,
        revocations: &Arc<Revocations>,
        claims: CustomClaims,
    ) -> Self {
        let idle = seconds(config.sessions.idle);
        let store: Box<dyn SessionStore> = match config.sessions.store {
            Store::Database => Box::new(DatabaseSessions::new(db.clone())),
            Store::Memory => Box::new(MemorySessions::new(db.clone())),
        };
        Self {
            store,
            cache: Cache::default(),
            revocations: Arc::clone(revocations),
            refuses_when_stale: config.revocation.when_stale == WhenStale::Closed,
            db: db.clone(),
            clock: clock.clone(),
            idle,
            touch_every: (idle / 4).clamp(1, TOUCH_EVERY).unsigned_abs(),
            absolute: seconds(config.sessions.absolute),
            cookie: SessionCookie::new(public_url),
            cross_site: CrossSite::new(public_url, &config.http.cors_origins),
            claims,
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn store(&self) -> &dyn SessionStore {
        &*self.store
    }

    /// The live session with this secret and its user; `None` for one that is unknown, over, or of a
    /// user who may not log in.
    ///
    /// What was read within the last minute is believed as long as no revocation concerns it: every change that
    /// matters here, on whichever instance, is one.
    pub(crate) async fn resume(
        &self,
        secret: &OpaqueSecret,
    ) -> Result<Option<Arc<Resumed>>, Error> {
        let (hash, now) = (secret.hash(), self.clock.now());
        if let Some(known) = self.cache.get(&hash) {
            let fresh = now.seconds().abs_diff(known.read_at.seconds()) < self.touch_every;
            // An instance that is to refuse what it cannot be sure of does not believe its memory either.
            let sure = !self.refuses_when_stale || !self.revocations.is_stale();
            if fresh && sure && !self.is_revoked(&known) {
                return Ok((!self.dead(now).holds(&known.session)).then_some(known));
            }
            self.cache.remove(&hash);
        }
        let Some(mut session) = self.store.find(hash).await? else { return Ok(None) };
        if self.dead(now).holds(&session) {
            return Ok(None);
        }
        let user = users::storage::user_by_id(&self.db, session.user_id).await?;
        let Some(user) = user.filter(|user| !user.disabled) else { return Ok(None) };
        if now.duration_since(session.last_used_at).as_secs() >= self.touch_every {
            session.last_used_at = now;
            // A disk that is full keeps nobody from reading: the session is good, its last use unwritten.
            if let Err(error) = self.store.touch(hash, now).await {
                tracing::warn!(%error, "the last use of a session was not written");
            }
        }
        let resumed = Arc::new(Resumed { session, user, read_at: now });
        // A change that was made after the rows were read is known by now, or will be when this is used.
        if !self.is_revoked(&resumed) {
            self.cache.insert(hash, Arc::clone(&resumed));
        }
        Ok(Some(resumed))
    }

    /// How many sessions end that are held outside of the database.
    pub(crate) fn held(&self, which: Which) -> usize {
        self.store.held(which).len()
    }

    /// Drops what is held outside of the database of sessions that have ended there.
    pub(crate) fn forget(&self, which: Which) -> Vec<Uuid> {
        self.store.forget(which)
    }

    /// Has what is remembered of a user's sessions read again, after a change that ends none of them.
    pub(crate) fn reread(&self, user: UserId) {
        self.cache.remove_of(user);
    }

    fn is_revoked(&self, resumed: &Resumed) -> bool {
        let Resumed { session, user, .. } = resumed;
        self.revocations.concern(session.id, user.id, user.generation)
    }

    fn dead(&self, now: Timestamp) -> Dead {
        let now = now.seconds();
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
    /// Begins a session held by a cookie and returns it with its secret, which is shown only now.
    ///
    /// The session that `replaced` belongs to, if any, ends in the same step: a login never goes on
    /// under an id that somebody may have planted before it (OWASP ASVS 7.2.4).
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the account is gone, disabled or changed by now; storage errors.
    pub async fn session_create(
        &self,
        user: &User,
        client: &Client,
        replaced: Option<SecretHash>,
    ) -> Result<(Session, OpaqueSecret), Error> {
        let secret = OpaqueSecret::generate()?;
        let session = self.new_session(user, client);
        let now = session.created_at;
        let sessions = self.sessions();
        let begun = Begun {
            session: session.clone(),
            secret: secret.hash(),
            generation: user.generation,
            replaced,
            dead: sessions.dead(now),
        };
        // The account may have gone, or been disabled, since its password was checked.
        let scribe = self.scribe_of(Actor::Owner, client);
        let Ok(replaced) = sessions.store.create(begun, scribe).await? else {
            return Err(Error::InvalidCredentials);
        };
        if let Some(replaced) = replaced {
            self.revocations().add([Revocation::of_session(replaced, now)]);
            tracing::info!(session = %replaced, "session ended");
        }
        tracing::info!(user = %user.id.0, session = %session.id, "session began");
        Ok((session, secret))
    }

    /// A session that begins now, not yet stored.
    pub(crate) fn new_session(&self, user: &User, client: &Client) -> Session {
        let now = self.clock().now();
        Session {
            id: self.ids().next(),
            user_id: user.id,
            created_at: now,
            last_used_at: now,
            device: client.device.clone(),
            address: client.address,
        }
    }

    /// The live sessions of a user by cookie and by tokens alike, the newest first: those after an id, and so many at
    /// most.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn sessions_of(
        &self,
        user: UserId,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Session>, Error> {
        let now = self.clock().now();
        let page = |dead| Page { user, after, limit, dead };
        let by_cookie = page(self.sessions().dead(now));
        let mut sessions = self.sessions().store.list(by_cookie).await?;
        let by_tokens = page(self.tokens_dead(now));
        sessions.extend(storage::sessions_by_tokens(self.db(), by_tokens).await?);
        sessions.sort_unstable_by_key(|session| std::cmp::Reverse(session.id));
        sessions.truncate(limit);
        Ok(sessions)
    }

    /// How many live sessions there are by cookie and by tokens; of either kind [`COUNTED`] are counted at most.
    ///
    /// Those that live in memory are this instance's.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn sessions_count(&self) -> Result<(u64, u64), Error> {
        let now = self.clock().now();
        let by_cookie = self.sessions().store.count(self.sessions().dead(now)).await?;
        Ok((by_cookie, storage::count_by_tokens(self.db(), self.tokens_dead(now)).await?))
    }

    /// Ends one session of a user; `None` when this user has none of this id.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn session_end(&self, user: UserId, id: Uuid) -> Result<Option<Ending>, Error> {
        let ending = self.end_all(&[Which::Own(user, id)], Cause::Ended).await?;
        Ok(Some(ending).filter(|ending| !ending.sessions.is_empty()))
    }

    /// Ends all sessions of a user but one.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn sessions_end_others(&self, user: UserId, keep: Uuid) -> Result<Ending, Error> {
        self.end_all(&[Which::AllBut(user, keep)], Cause::Ended).await
    }

    /// Ends sessions in one step with the revocation that makes it known; in effect here when this returns.
    pub(crate) async fn end_all(&self, which: &[Which], reason: Cause) -> Result<Ending, Error> {
        let now = self.clock().now();
        let until = self.access_expires_at(now);
        // What has ended already is not written again, however often it is asked for.
        let (mut ended, mut new) = (Vec::new(), Vec::new());
        for which in which {
            let known = match which {
                Which::One(id) => {
                    let until = self.revocations().ended_session(*id);
                    until.map(|until| Ended { id: *id, user: None, until })
                }
                Which::Own(..) | Which::AllBut(..) | Which::All(_) => None,
            };
            match known {
                Some(known) => ended.push(known),
                None => new.push(*which),
            }
        }
        if !new.is_empty() {
            let store = &self.sessions().store;
            let held = new.iter().flat_map(|which| store.held(*which)).collect();
            let end = storage::End { which: new, held, reason, now, until };
            let step = storage::sessions_end(self.db(), end, self.scribe());
            ended.extend(step.await?);
        }
        Ok(self.ended(ended, which, now).await)
    }

    /// Puts into effect here what has ended in the database.
    pub(crate) async fn ended(
        &self,
        mut ended: Vec<Ended>,
        which: &[Which],
        now: Timestamp,
    ) -> Ending {
        let forgotten = which.iter().flat_map(|which| self.sessions().forget(*which));
        ended.extend(forgotten.map(|id| Ended { id, user: None, until: now }));
        self.revocations().add(ended.iter().map(Ended::revocation));
        for Ended { id, .. } in &ended {
            tracing::info!(session = %id, "session ended");
        }
        let access_expires_at = ended.iter().map(|ended| ended.until).max();
        let mut sessions: Vec<Uuid> = ended.into_iter().map(|ended| ended.id).collect();
        sessions.sort_unstable();
        sessions.dedup();
        Ending {
            sessions,
            effective_by: revocation::effective_by(self.clock()).await,
            access_expires_at: access_expires_at.unwrap_or(now),
        }
    }
}

pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
