//! The audit log: what was done, by whom, to whom, from where.
//!
//! Each act writes its event in its own step: there is no act without its event and no event of what was not done. The
//! events of every second are then sealed into a chain by one instance (`chain.rs`), after which a change of one shows, and
//! so does one that is missing.
//!
//! An event names people by their ids. What else it says of a person (an address, the name of a program) is kept apart in
//! it, and goes when the account goes, without breaking the chain.
//!
//! What changes nothing and costs next to nothing leaves no event, so that nobody can fill the log: a token or a cookie
//! that the guard turns away, an attempt that the limits do not even look at.

mod act;
mod chain;
pub(crate) mod http;
mod log;
pub(crate) mod storage;
pub(crate) mod upkeep;

use std::{fmt, net::IpAddr, sync::Arc};

use jwt::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) use self::{
    act::{Act, Cause, Failure, Proof},
    chain::Chain,
    log::head_is_sound,
    storage::{Recorded, act},
};
pub use self::{
    act::{Kind, Outcome},
    log::{Fault, Filter, Log, MAX_FAULTS, Traffic, Verification},
};
use crate::{Auth, Client, Error, Ids, secret, users::UserId};

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Actor {
    /// The application that this is embedded in, of its own accord.
    #[default]
    Application,
    /// Whoever works on the command line of the installation.
    Operator,
    /// An instance by itself, when the time for something has come.
    Server,
    /// Somebody who has not shown who he is.
    Stranger,
    /// The owner of the account that it is about.
    Owner,
    /// The owner of another account.
    User(UserId),
}

impl Actor {
    fn to_stored(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::Application => ("application", None),
            Self::Operator => ("operator", None),
            Self::Server => ("server", None),
            Self::Stranger => ("stranger", None),
            Self::Owner => ("owner", None),
            Self::User(id) => ("user", Some(id.0)),
        }
    }

    fn from_stored(name: &str, id: Option<Uuid>) -> Self {
        match (name, id) {
            ("user", Some(id)) => Self::User(UserId(id)),
            ("owner", _) => Self::Owner,
            ("operator", _) => Self::Operator,
            ("server", _) => Self::Server,
            ("application", _) => Self::Application,
            _ => Self::Stranger,
        }
    }
}

/// On whose behalf something is done, and from where: what its event says of it.
#[derive(Debug, Clone, Default)]
pub struct By {
    /// Who does it.
    pub actor: Actor,
    /// From where.
    pub client: Client,
    /// By which login.
    pub session: Option<Uuid>,
}

impl By {
    /// Somebody without a client of his own: an operator, a server.
    #[must_use]
    pub fn actor(actor: Actor) -> Self {
        Self { actor, ..Self::default() }
    }

    /// A user by this login.
    #[must_use]
    pub fn user(id: UserId, session: Option<Uuid>, client: Client) -> Self {
        Self { actor: Actor::User(id), client, session }
    }
}

/// Writes down what is done, on somebody's behalf, as part of the step that does it.
#[derive(Clone)]
pub(crate) struct Scribe {
    ids: Ids,
    at: Timestamp,
    by: Arc<By>,
}

impl Scribe {
    pub(crate) fn new(ids: &Ids, at: Timestamp, by: Arc<By>) -> Self {
        Self { ids: ids.clone(), at, by }
    }

    /// When it is done.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// The event of this act, concerning this account and this login.
    fn event(&self, user: Option<UserId>, session: Option<Uuid>, act: &Act) -> Result<New, Error> {
        let By { actor, client, session: own } = &*self.by;
        let actor = match actor {
            Actor::User(id) if user == Some(*id) => Actor::Owner,
            actor => *actor,
        };
        let mut personal = serde_json::Map::new();
        if let Some(address) = client.address {
            personal.insert("address".to_owned(), address.to_string().into());
        }
        if !client.device.is_empty() {
            personal.insert("device".to_owned(), client.device.as_str().into());
        }
        let personal = (!personal.is_empty()).then(|| Value::Object(personal).to_string());
        let mut salt = None;
        if personal.is_some() {
            let mut bytes = vec![0; SALT_LEN];
            secret::fill(&mut bytes)?;
            salt = Some(bytes);
        }
        let details = serde_json::to_value(act).map_err(Error::internal)?;
        Ok(New {
            id: self.ids.next(),
            at: self.at,
            kind: act.name(),
            user,
            actor,
            session: session.or(*own),
            request: client.request_id.clone(),
            details: (!details.is_null()).then(|| details.to_string()),
            personal,
            salt,
        })
    }
}

/// Bytes that make a commitment to an address say nothing of it once they are gone.
const SALT_LEN: usize = 16;

/// An event that is about to be written.
struct New {
    id: Uuid,
    at: Timestamp,
    kind: &'static str,
    user: Option<UserId>,
    actor: Actor,
    session: Option<Uuid>,
    request: Option<String>,
    details: Option<String>,
    personal: Option<String>,
    salt: Option<Vec<u8>>,
}

/// Something that was done, or refused.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Its id: ids sort by time.
    pub id: Uuid,
    /// When it was.
    pub at: Timestamp,
    /// Its type: the name of a [`Kind`].
    pub kind: String,
    /// The account that it is about; it may be gone.
    pub user: Option<UserId>,
    /// Who did it.
    pub actor: Actor,
    /// The login that it was done by, or that it is about.
    pub session: Option<Uuid>,
    /// The request that it was done in.
    pub request: Option<String>,
    /// The address that it was done from; `None` also when that account is gone.
    pub address: Option<IpAddr>,
    /// The program that it was done with, as it calls itself; `None` also when that account is gone.
    pub device: Option<String>,
    /// What else there is to know, by the members that its [`Kind`] names.
    pub details: Option<Value>,
    /// Its place in the chain; `None` until it is sealed, a second later.
    pub number: Option<i64>,
}

impl Event {
    /// The form in which it leaves: the same in `GET /admin/events`, in exports and in webhooks. Times are integer unix
    /// seconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let (actor, id) = match (self.actor, self.user) {
            // Whoever owns the account is a user like any other to those who read this.
            (Actor::Owner, Some(owner)) => ("user", Some(owner.0)),
            (actor, _) => actor.to_stored(),
        };
        json!({
            "id": self.id,
            "at": self.at.seconds(),
            "type": self.kind,
            "outcome": Kind::by_name(&self.kind).map(|kind| kind.outcome),
            "user_id": self.user.map(|user| user.0),
            "actor": { "type": actor, "id": id },
            "session_id": self.session,
            "request_id": self.request,
            "address": self.address,
            "device": self.device,
            "details": self.details,
            "number": self.number,
        })
    }
}

impl Auth {
    /// The same installation, whose acts are recorded as those of somebody: an administrator, an operator.
    ///
    /// Without it they are the [`Application`](Actor::Application)'s own. Acts that only one can do (a login, a logout, a
    /// change of one's own password) are recorded as theirs in any case.
    ///
    /// ```
    /// # extern crate countersign_auth as auth;
    /// use auth::{Auth, Error, audit::{Actor, By}, users::UserId};
    ///
    /// async fn lock_out(auth: &Auth, id: UserId) -> Result<(), Error> {
    ///     auth.acting(By::actor(Actor::Operator)).user_set_disabled(id, true).await
    /// }
    /// ```
    #[must_use]
    pub fn acting(&self, by: By) -> Self {
        self.with(Arc::new(by))
    }

    /// Who records what is done through this handle.
    pub(crate) fn scribe(&self) -> Scribe {
        Scribe::new(self.ids(), self.clock().now(), Arc::clone(self.by()))
    }

    /// Who records what is done from this client, by somebody who is no longer or not yet known by this handle.
    pub(crate) fn scribe_of(&self, actor: Actor, client: &Client) -> Scribe {
        let by = By { actor, client: client.clone(), session: self.by().session };
        Scribe::new(self.ids(), self.clock().now(), Arc::new(by))
    }
}

impl fmt::Debug for Scribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scribe").field("by", &self.by).finish_non_exhaustive()
    }
}
