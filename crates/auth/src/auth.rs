//! [`Auth`]: the one handle to everything.

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use guard::{Denied, Guard, Principal};

use crate::{
    Clock, Error, Ids,
    config::{Config, PublicUrl},
    http,
    jobs::{self, Jobs},
    keys::{Following, KeyRing, Keys},
    passwords::Hasher,
    revocation::{Feed, Revocations},
    sessions::{Sessions, http::SessionCookies},
    storage::{Db, DbOptions, Migration, Migrations, StorageError},
    tokens::{CustomClaims, RefreshTokens, http::AccessTokens},
    users::{User, UserId},
};

/// The tables of all slices, on both engines.
const MIGRATIONS: Migrations = Migrations {
    table: "countersign_migrations",
    steps: &[
        Migration {
            name: "V1__accounts",
            sqlite: include_str!("../migrations/sqlite/V1__accounts.sql"),
            postgres: include_str!("../migrations/postgres/V1__accounts.sql"),
        },
        Migration {
            name: "V2__logins",
            sqlite: include_str!("../migrations/sqlite/V2__logins.sql"),
            postgres: include_str!("../migrations/postgres/V2__logins.sql"),
        },
        Migration {
            name: "V3__keys",
            sqlite: include_str!("../migrations/sqlite/V3__keys.sql"),
            postgres: include_str!("../migrations/postgres/V3__keys.sql"),
        },
    ],
};

/// Users, passwords, sessions, tokens and keys of one installation; cheap to clone and to share.
///
/// Its methods are the rules, one group for each noun; [`Auth::router`] puts them on HTTP, and
/// [`Auth::guard`] protects an application's own routes.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    db: Db,
    clock: Clock,
    ids: Ids,
    hasher: Hasher,
    keys: Arc<KeyRing>,
    sessions: Arc<Sessions>,
    refresh_tokens: RefreshTokens,
    custom_claims: CustomClaims,
    revocations: Arc<Revocations>,
    /// Reads revocations for as long as this installation is held.
    _feed: Feed,
    /// Follows the keys for as long.
    _following: Following,
    /// Does periodic work for as long.
    #[cfg_attr(not(feature = "testing"), expect(dead_code, reason = "held, and never asked"))]
    jobs: Jobs,
    guard: Guard,
    logout: Guard,
}

/// Settings and parts from which an [`Auth`] is made.
#[derive(Debug)]
pub struct AuthBuilder {
    config: Config,
    db: Option<Db>,
    clock: Clock,
    claims: CustomClaims,
    switch_at_once: bool,
}

impl AuthBuilder {
    /// Uses a database that is open already, in place of `database.url`.
    #[must_use]
    pub fn db(mut self, db: Db) -> Self {
        self.db = Some(db);
        self
    }

    /// Uses another clock than that of this machine.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Gives users claims of the application's own: members of their access tokens, and
    /// [`Principal::claim`](guard::Principal::claim) by token and by cookie alike.
    ///
    /// Keep them few and free of secrets: whoever holds a token reads them, and it travels with every request. They
    /// are as old as the token. The claims that every token has are not replaced.
    ///
    /// ```
    /// # extern crate countersign_auth as auth;
    /// use auth::{Auth, Config};
    /// use serde_json::json;
    ///
    /// let builder = Auth::builder(Config::default()).claims(|user| {
    ///     let domain = user.email.as_str().rsplit_once('@').map(|(_, domain)| domain);
    ///     [("tenant".to_owned(), json!(domain))].into_iter().collect()
    /// });
    /// # drop(builder);
    /// ```
    #[must_use]
    pub fn claims(
        mut self,
        claims: impl Fn(&User) -> serde_json::Map<String, serde_json::Value> + Send + Sync + 'static,
    ) -> Self {
        self.claims = CustomClaims::new(claims);
        self
    }

    /// Lets a change of `tokens.algorithm` take effect at once, in place of publishing the new key first: right where nobody
    /// else verifies. Tokens of the old key stay good either way.
    #[must_use]
    pub fn switch_keys_at_once(mut self) -> Self {
        self.switch_at_once = true;
        self
    }

    /// Opens the database alone and returns the keys of the installation, to look at and to change beside the instances
    /// that run. Starts nothing, and makes no key.
    ///
    /// # Errors
    /// As [`AuthBuilder::build`].
    pub async fn keys(self) -> Result<Keys, Error> {
        let db = open(&self.config, self.db).await?;
        Keys::new(&self.config, &db, &self.clock)
    }

    /// Opens the database, brings its tables up to date, loads or makes the keys, and starts the
    /// hashing threads.
    ///
    /// # Errors
    /// [`Error::Configuration`] says which setting is wrong; [`Error::StorageUnavailable`].
    pub async fn build(self) -> Result<Auth, Error> {
        let Self { config, db, clock, claims, switch_at_once } = self;
        let public_url = public_url(&config)?;
        let db = open(&config, db).await?;
        let keys = Keys::new(&config, &db, &clock)?;
        let (keys, secret) = KeyRing::open(&keys, &config.tokens, &clock, switch_at_once).await?;
        let revocations = Arc::new(Revocations::default());
        let feed = Feed::start(&db, &clock, &revocations, keys.changed()).await?;

        let access_tokens = AccessTokens {
            keys: Arc::clone(&keys),
            revocations: Some(Arc::clone(&revocations)),
            when_stale: config.revocation.when_stale,
            has_custom: claims.are_given(),
        };
        let sessions =
            Sessions::new(&config, &public_url, &db, &clock, &revocations, claims.clone());
        let sessions = Arc::new(sessions);
        let logout = Guard::new(AccessTokens { revocations: None, ..access_tokens.clone() });
        let guard = Guard::any(vec![
            Box::new(access_tokens),
            Box::new(SessionCookies(Arc::clone(&sessions))),
        ]);
        let ids = Ids::new(clock.clone());
        let following = keys.follow();
        let all = vec![keys.job(), jobs::sweep(&config, &db, &clock)];
        let jobs = Jobs::start(&db, &clock, ids.next(), all);
        Ok(Auth(Arc::new(Inner {
            ids,
            hasher: Hasher::start()?,
            refresh_tokens: RefreshTokens::new(&secret)?,
            custom_claims: claims,
            config,
            db,
            clock,
            keys,
            sessions,
            revocations,
            _feed: feed,
            _following: following,
            jobs,
            guard,
            logout,
        })))
    }
}

impl Auth {
    /// Begins an installation with these settings.
    #[must_use]
    pub fn builder(config: Config) -> AuthBuilder {
        AuthBuilder {
            config,
            db: None,
            clock: Clock::system(),
            claims: CustomClaims::default(),
            switch_at_once: false,
        }
    }

    /// The routes of this installation, to be merged into or nested under an application's own.
    ///
    /// The address of a client is known when the application is served with
    /// [`into_make_service_with_connect_info::<SocketAddr>`](Router::into_make_service_with_connect_info).
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// The guard for an application's own routes: it accepts access tokens and session cookies.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.0.guard.clone()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The maker of ids.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// The account of a caller.
    ///
    /// # Errors
    /// 401 `account_unknown` when it is gone since the proof was made; storage errors.
    pub async fn caller(&self, caller: &Principal) -> Result<User, Error> {
        let id = uuid::Uuid::try_parse(caller.subject()).ok().map(UserId);
        let user = match id {
            Some(id) => self.user(id).await?,
            None => None,
        };
        user.ok_or_else(|| Denied::refused("account_unknown", "the account is gone").into())
    }

    /// Does a periodic job now, if this instance is the one that does it; says whether it is.
    ///
    /// # Errors
    /// Those of the job.
    #[cfg(feature = "testing")]
    pub async fn run_job(&self, name: &str) -> Result<bool, Error> {
        self.0.jobs.run(name).await
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.0.keys
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(crate) fn refresh_tokens(&self) -> &RefreshTokens {
        &self.0.refresh_tokens
    }

    /// The guard of a logout: it also accepts an access token whose session has ended already.
    pub(crate) fn logout_guard(&self) -> &Guard {
        &self.0.logout
    }

    pub(crate) fn custom_claims(&self) -> &CustomClaims {
        &self.0.custom_claims
    }

    /// The logins that have ended and whose tokens could still be alive, as this instance knows them.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }
}

impl FromRef<Auth> for Guard {
    fn from_ref(auth: &Auth) -> Self {
        auth.guard()
    }
}

async fn open(config: &Config, db: Option<Db>) -> Result<Db, Error> {
    config.check().map_err(Error::Configuration)?;
    let db = match db {
        Some(db) => db,
        None => open_database(config).await?,
    };
    db.migrate(MIGRATIONS).await?;
    Ok(db)
}

async fn open_database(config: &Config) -> Result<Db, Error> {
    let url = config.database.url.as_deref().ok_or_else(|| {
        Error::Configuration("database.url is not set, and no open database was given".to_owned())
    })?;
    let options = DbOptions { pooler: config.database.pooler, ..DbOptions::new(url) };
    Db::open(&options).await.map_err(|error| match error {
        // The cause names what is wrong with the URL, and nothing of the URL itself.
        StorageError::Refused(cause) => Error::Configuration(format!("database.url: {cause}")),
        other => other.into(),
    })
}

/// Where browsers reach the installation: `http.public_url`, else the address it listens on.
fn public_url(config: &Config) -> Result<PublicUrl, Error> {
    match &config.http.public_url {
        Some(url) => Ok(url.clone()),
        None => format!("http://{}", config.http.listen).parse().map_err(Error::Configuration),
    }
}
