//! [`Auth`]: the one handle to everything.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::{FromRef, Request},
    response::Response,
};
use guard::{Denied, Guard, Principal};
use tower::Service;

use crate::{
    Clock, Error, Ids,
    accounts::Letters,
    audit::{By, Chain, Log, upkeep},
    checkup::{Checkup, Probe},
    config::Config,
    courier::Courier,
    http,
    jobs::{self, Jobs},
    keys::{self, Following, KeyRing, Keys},
    limits::Limits,
    mail::{Deliverer, Mailer, Outbox, Templates, Way},
    passwords::Hasher,
    revocation::{self, Feed, Revocations},
    sessions::{Sessions, http::SessionCookies},
    storage::{Db, DbOptions, Migration, Migrations, StorageError},
    tokens::{CustomClaims, Inspector, RefreshTokens, http::AccessTokens},
    users::{User, UserId},
    webhooks::{self, Chosen, Webhook},
};

/// The tables of all slices, on both engines.
pub(crate) const MIGRATIONS: Migrations = Migrations {
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
        Migration {
            name: "V4__outbox",
            sqlite: include_str!("../migrations/sqlite/V4__outbox.sql"),
            postgres: include_str!("../migrations/postgres/V4__outbox.sql"),
        },
        Migration {
            name: "V5__links",
            sqlite: include_str!("../migrations/sqlite/V5__links.sql"),
            postgres: include_str!("../migrations/postgres/V5__links.sql"),
        },
        Migration {
            name: "V6__limits",
            sqlite: include_str!("../migrations/sqlite/V6__limits.sql"),
            postgres: include_str!("../migrations/postgres/V6__limits.sql"),
        },
        Migration {
            name: "V7__events",
            sqlite: include_str!("../migrations/sqlite/V7__events.sql"),
            postgres: include_str!("../migrations/postgres/V7__events.sql"),
        },
        Migration {
            name: "V8__admin",
            sqlite: include_str!("../migrations/sqlite/V8__admin.sql"),
            postgres: include_str!("../migrations/postgres/V8__admin.sql"),
        },
        Migration {
            name: "V9__webhooks",
            sqlite: include_str!("../migrations/sqlite/V9__webhooks.sql"),
            postgres: include_str!("../migrations/postgres/V9__webhooks.sql"),
        },
    ],
};

/// Users, passwords, sessions, tokens and keys of one installation; cheap to clone and to share.
///
/// Its methods are the rules, one group for each noun; [`Auth::router`] puts them on HTTP, and
/// [`Auth::guard`] protects an application's own routes.
#[derive(Debug, Clone)]
pub struct Auth {
    inner: Arc<Inner>,
    /// On whose behalf things are done by this handle.
    by: Arc<By>,
}

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
    limits: Limits,
    custom_claims: CustomClaims,
    revocations: Arc<Revocations>,
    /// Reads revocations for as long as this installation is held.
    _feed: Feed,
    /// Follows the keys for as long.
    _following: Following,
    /// Does periodic work for as long.
    jobs: Jobs,
    /// Sends mail for as long, where there is a way for it.
    sends_mail: bool,
    /// Sends letters for as long as this installation is held.
    _deliverer: Option<Courier>,
    /// Sends events for as long.
    _webhooks: Option<Courier>,
    outbox: Option<Outbox>,
    guard: Guard,
    logout: Guard,
    chain: Chain,
    probe: Probe,
}

/// Settings and parts from which an [`Auth`] is made.
#[derive(Debug)]
pub struct AuthBuilder {
    config: Config,
    db: Option<Db>,
    clock: Clock,
    claims: CustomClaims,
    outbox: Option<Outbox>,
    switch_at_once: bool,
    beside: bool,
    by: Arc<By>,
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

    /// Keeps letters in memory in place of sending them, for a developer or a test to look at: [`Auth::outbox`].
    #[must_use]
    pub fn keep_mail(mut self) -> Self {
        self.outbox = Some(Outbox::default());
        self
    }

    /// Lets a change of `tokens.algorithm` take effect at once, in place of publishing the new key first: right where nobody
    /// else verifies. Tokens of the old key stay good either way.
    #[must_use]
    pub fn switch_keys_at_once(mut self) -> Self {
        self.switch_at_once = true;
        self
    }

    /// Leaves letters, webhooks and periodic work to the servers of the installation: for a command that runs beside them, and is
    /// gone before a letter would be.
    #[must_use]
    pub fn beside_servers(mut self) -> Self {
        self.beside = true;
        self
    }

    /// Records what is done by the handle, and by the start, as done on somebody's behalf: [`Auth::acting`].
    #[must_use]
    pub fn acting(mut self, by: By) -> Self {
        self.by = Arc::new(by);
        self
    }

    /// Opens the database alone, and leaves its tables as they are.
    ///
    /// # Errors
    /// As [`AuthBuilder::build`].
    pub async fn database(self) -> Result<Db, Error> {
        self.config.check().map_err(Error::Configuration)?;
        match self.db {
            Some(db) => Ok(db),
            None => open_database(&self.config, false).await,
        }
    }

    /// Opens the database alone and returns the keys of the installation, to look at and to change beside the instances
    /// that run. Starts nothing, and makes no key.
    ///
    /// # Errors
    /// As [`AuthBuilder::build`].
    pub async fn keys(self) -> Result<Keys, Error> {
        let db = open(&self.config, self.db).await?;
        Keys::new(&self.config, &db, &self.clock, &Ids::new(self.clock.clone()), &self.by)
    }

    /// Opens the database alone and returns the audit log of the installation, to read and to check beside the instances
    /// that run.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no installation yet; else as [`AuthBuilder::build`].
    pub async fn log(self) -> Result<Log, Error> {
        let by = Arc::clone(&self.by);
        let (clock, ids) = (self.clock.clone(), Ids::new(self.clock.clone()));
        let db = open(&self.config, self.db).await?;
        let keys = Keys::new(&self.config, &db, &clock, &ids, &by)?;
        let secret = keys.secret().await?.ok_or(Error::NotFound)?;
        Ok(Log::new(&db, &clock, &ids, Chain::new(&secret)?, &by))
    }

    /// Reads from the database what it takes to judge access tokens, and closes it: keys, and which logins have ended.
    /// Changes nothing, not even tables that are older than this version; an installation that has never been started
    /// has none.
    ///
    /// # Errors
    /// As [`AuthBuilder::build`].
    pub async fn inspect(self) -> Result<Inspector, Error> {
        self.config.check().map_err(Error::Configuration)?;
        let db = match self.db {
            Some(db) => db,
            None => open_database(&self.config, false).await?,
        };
        let ids = Ids::new(self.clock.clone());
        let keys = Keys::new(&self.config, &db, &self.clock, &ids, &self.by)?.verifying().await?;
        let revocations = Revocations::default();
        revocation::read_once(&db, &revocations).await?;
        db.close().await;
        let verifier = keys::verifier(&self.config.tokens, &self.clock).with_keys(keys);
        Ok(Inspector { verifier, revocations })
    }

    /// Opens the database to be read only, for a look at the installation beside the instances that run. Changes nothing, and
    /// makes no file. The settings need not fit together.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a `database.url` that makes no sense; [`Error::StorageUnavailable`].
    pub async fn checkup(self) -> Result<Checkup, Error> {
        let db = match self.db {
            Some(db) => db,
            None => open_database(&self.config, true).await?,
        };
        Ok(Checkup::new(self.config, db, self.clock))
    }

    /// Opens the database, brings its tables up to date, loads or makes the keys, and starts the
    /// hashing threads.
    ///
    /// # Errors
    /// [`Error::Configuration`] says which setting is wrong; [`Error::StorageUnavailable`].
    pub async fn build(self) -> Result<Auth, Error> {
        let Self { config, db, clock, claims, outbox, switch_at_once, beside, by } = self;
        let public_url = config.effective_public_url()?;
        let way = match outbox.clone() {
            Some(outbox) => Some(Way::Keep(outbox)),
            None => Mailer::new(&config.mail)?.map(|mailer| Way::Server(Box::new(mailer))),
        };
        if config.accounts.verify_email && way.is_none() && !beside {
            return Err(Error::Configuration(
                "accounts.verify_email is on and no mail can be sent: set mail.url and mail.from"
                    .to_owned(),
            ));
        }
        let templates = Templates::new(&config)?;
        let chosen = Arc::new(Chosen::new(&config.webhooks).map_err(Error::Configuration)?);
        let webhook = if beside { None } else { Webhook::new(&config.webhooks)? };
        let db = open(&config, db).await?;
        let ids = Ids::new(clock.clone());
        let keys = Keys::new(&config, &db, &clock, &ids, &by)?;
        let (keys, secret) = KeyRing::open(&keys, &config.tokens, &clock, switch_at_once).await?;
        let revocations = Arc::new(Revocations::default());
        let feed = Feed::start(&db, &clock, &revocations, keys.changed()).await?;

        let sends_mail = way.is_some();
        let deliverer = way.filter(|_| !beside).map(|way| {
            let composer = Letters::composer(&db, &clock, &public_url);
            Deliverer::start(&db, &clock, &ids, composer, templates, way)
        });
        let webhooks = webhook.map(|webhook| webhooks::Deliverer::start(&db, &clock, webhook));

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
        let following = keys.follow();
        let chain = Chain::new(&secret)?;
        let log = Log::new(&db, &clock, &ids, chain.clone(), &by);
        let all = match beside {
            true => Vec::new(),
            false => vec![
                keys.job(),
                jobs::sweep(&config, &db, &clock),
                upkeep::seal(&log, &chosen),
                upkeep::clean(&log, config.audit.retention),
            ],
        };
        let jobs = Jobs::start(&db, &clock, ids.next(), all);
        let inner = Inner {
            ids,
            hasher: Hasher::start()?,
            refresh_tokens: RefreshTokens::new(&secret)?,
            limits: Limits::new(config.limits.enabled, &secret, &db, &clock)?,
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
            sends_mail,
            _deliverer: deliverer,
            _webhooks: webhooks,
            outbox,
            guard,
            logout,
            chain,
            probe: Probe::new(&secret)?,
        };
        Ok(Auth { inner: Arc::new(inner), by })
    }
}

impl Auth {
    /// The tables of an installation, for who brings them up to date or copies them without starting one.
    pub const MIGRATIONS: Migrations = MIGRATIONS;

    /// Begins an installation with these settings.
    #[must_use]
    pub fn builder(config: Config) -> AuthBuilder {
        AuthBuilder {
            config,
            db: None,
            clock: Clock::system(),
            claims: CustomClaims::default(),
            outbox: None,
            switch_at_once: false,
            beside: false,
            by: Arc::default(),
        }
    }

    /// The routes of this installation, to be merged into or nested under an application's own.
    ///
    /// The `type` of each error is `/docs/errors/` and its code, a name that need not lead anywhere: the pages behind it are
    /// those of the server, not of the library. An application that wants some serves its own under that path.
    ///
    /// The address of a client is known when the application is served with
    /// [`into_make_service_with_connect_info::<SocketAddr>`](Router::into_make_service_with_connect_info).
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Gives every request of an application an id, a [`RequestId`](crate::RequestId): the answer names it in `X-Request-Id`,
    /// a problem in its member `request_id`, and events say in which request they were done. The routes of
    /// [`router`](Self::router) have one anyway; around a whole application it is the same one everywhere.
    ///
    /// An id that comes with a request is taken over when one of `http.trusted_proxies` sends it.
    pub fn name_requests<S>(&self, app: S) -> Router
    where
        S: Service<Request, Response = Response, Error = Infallible, Future: Send>,
        S: Clone + Send + Sync + 'static,
    {
        http::request::around(app, &self.config().http.trusted_proxies)
    }

    /// The guard for an application's own routes: it accepts access tokens and session cookies.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.inner.guard.clone()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The maker of ids.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.inner.ids
    }

    /// The letters that were kept in place of being sent; `None` unless
    /// [`keep_mail`](AuthBuilder::keep_mail) asked for it.
    #[must_use]
    pub fn outbox(&self) -> Option<&Outbox> {
        self.inner.outbox.as_ref()
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
        self.inner.jobs.run(name).await
    }

    /// The same handle on somebody else's behalf.
    pub(crate) fn with(&self, by: Arc<By>) -> Self {
        Self { inner: Arc::clone(&self.inner), by }
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    pub(crate) fn probe(&self) -> &Probe {
        &self.inner.probe
    }

    pub(crate) fn by(&self) -> &Arc<By> {
        &self.by
    }

    /// Seals what is not sealed yet, whoever has the lease: as an instance would that is late to notice that it lost it.
    ///
    /// # Errors
    /// Those of the job.
    #[cfg(feature = "testing")]
    pub async fn seal_events_now(&self) -> Result<(), Error> {
        let chosen = Chosen::new(&self.config().webhooks).map_err(Error::Configuration)?;
        upkeep::seal_all(self.log(), Arc::new(chosen)).await
    }

    /// The limits on guessing, for routes of an application's own that anybody may call.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.inner.hasher
    }

    pub(crate) fn keys(&self) -> &KeyRing {
        &self.inner.keys
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    pub(crate) fn refresh_tokens(&self) -> &RefreshTokens {
        &self.inner.refresh_tokens
    }

    /// The guard of a logout: it also accepts an access token whose session has ended already.
    pub(crate) fn logout_guard(&self) -> &Guard {
        &self.inner.logout
    }

    /// Says whether letters get out of this installation: to a mail server, or to the outbox of a developer.
    pub(crate) fn sends_mail(&self) -> bool {
        self.inner.sends_mail
    }

    /// Leaves letters lying, for a test that has them made by itself.
    #[cfg(feature = "testing")]
    pub(crate) fn stop_mail(&self) {
        self.inner._deliverer.iter().for_each(Courier::stop);
    }

    pub(crate) fn custom_claims(&self) -> &CustomClaims {
        &self.inner.custom_claims
    }

    /// The logins that have ended and whose tokens could still be alive, as this instance knows them.
    #[must_use]
    pub fn revocations(&self) -> &Revocations {
        &self.inner.revocations
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
        None => open_database(config, false).await?,
    };
    db.migrate(MIGRATIONS).await?;
    Ok(db)
}

async fn open_database(config: &Config, read_only: bool) -> Result<Db, Error> {
    let url = config.database.url.as_deref().ok_or_else(|| {
        Error::Configuration("database.url is not set, and no open database was given".to_owned())
    })?;
    let options = DbOptions { pooler: config.database.pooler, read_only, ..DbOptions::new(url) };
    Db::open(&options).await.map_err(|error| match error {
        // The cause names what is wrong with the URL, and nothing of the URL itself.
        StorageError::Refused(cause) => Error::Configuration(format!("database.url: {cause}")),
        other => other.into(),
    })
}
