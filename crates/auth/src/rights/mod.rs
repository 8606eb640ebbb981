//! The rights of users: all that is held on an account, to be handed to its owner.
//!
//! What stands in it is what would tell somebody else of him: no hash of a password, no hash of a link, no key. Removing an
//! account is [`Auth::user_delete`]. An application keeps data of its own: it adds them to what [`Auth::user_export`]
//! returns, on a route of its own.

pub(crate) mod http;
mod storage;

use jwt::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Auth, Error,
    audit::{self, Act, Actor, Event, Filter},
    mail::Facts,
    passwords::recognise,
    sessions::{PER_USER, Session},
    users::{User, UserId},
};

/// Events that are handed out at once, the newest first; what happened before them is on further pages.
pub const EVENTS: u32 = 1_000;

/// All that is held on an account, with a page of its events.
#[derive(Debug)]
pub struct Export {
    user: User,
    held: Held,
    sessions: Vec<Session>,
    events: Vec<Event>,
    /// The event that the next page begins after; `None` when there is no further one.
    pub next: Option<Uuid>,
}

/// What is held on an account beside its logins and events.
#[derive(Debug)]
struct Held {
    password: Option<HeldPassword>,
    links: Vec<HeldLink>,
    email_change: Option<HeldChange>,
    letters: Vec<HeldLetter>,
    known_addresses: i64,
}

/// What of a password can be told: not even its hash.
#[derive(Debug)]
struct HeldPassword {
    scheme: &'static str,
    changed_at: Timestamp,
}

/// A link that was sent and is good for something.
#[derive(Debug)]
struct HeldLink {
    purpose: String,
    sent_to: String,
    expires_at: Timestamp,
}

/// An address that was asked for and not confirmed.
#[derive(Debug)]
struct HeldChange {
    email: String,
    asked_at: Timestamp,
}

/// A letter that is owed.
#[derive(Debug)]
struct HeldLetter {
    kind: String,
    to: String,
    facts: Facts,
    created_at: Timestamp,
}

impl Export {
    /// The form in which it leaves. Times are integer unix seconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Held { password, links, email_change, letters, known_addresses } = &self.held;
        json!({
            "account": {
                "id": self.user.id.0,
                "email": self.user.email.as_str(),
                "name": self.user.name,
                "roles": self.user.roles.names(),
                "disabled": self.user.disabled,
                "pending": self.user.pending,
                "created_at": self.user.created_at.seconds(),
            },
            "password": password.as_ref().map(|password| json!({
                "scheme": password.scheme,
                "changed_at": password.changed_at.seconds(),
            })),
            "sessions": self.sessions.iter().map(|session| json!({
                "id": session.id,
                "device": session.device,
                "address": session.address,
                "created_at": session.created_at.seconds(),
                "last_used_at": session.last_used_at.seconds(),
            })).collect::<Vec<_>>(),
            "links": links.iter().map(|link| json!({
                "purpose": link.purpose,
                "sent_to": link.sent_to,
                "expires_at": link.expires_at.seconds(),
            })).collect::<Vec<_>>(),
            "email_change": email_change.as_ref().map(|change| json!({
                "email": change.email,
                "asked_at": change.asked_at.seconds(),
            })),
            "letters": letters.iter().map(|letter| json!({
                "kind": letter.kind,
                "to": letter.to,
                "facts": letter.facts,
                "created_at": letter.created_at.seconds(),
            })).collect::<Vec<_>>(),
            "known_addresses": known_addresses,
            "events": self.events_to_json(),
        })
    }

    /// Its page of events alone: `{"items", "next"}`.
    #[must_use]
    pub fn events_to_json(&self) -> Value {
        let items: Vec<Value> = self.events.iter().map(told).collect();
        json!({ "items": items, "next": self.next })
    }
}

/// An event as the one may read it whom it is about: where somebody else did it, not from where and by which account.
fn told(event: &Event) -> Value {
    let mut json = event.to_json();
    let own = matches!(event.actor, Actor::Owner | Actor::Stranger);
    if let Some(members) = json.as_object_mut().filter(|_| !own) {
        for member in ["address", "device", "session_id", "request_id"] {
            members.insert(member.to_owned(), Value::Null);
        }
        if let Some(actor) = members.get_mut("actor").and_then(Value::as_object_mut) {
            actor.insert("id".to_owned(), Value::Null);
        }
    }
    json
}

impl Auth {
    /// All that is held on an account, with the events about it that came before this one: a page of [`EVENTS`], the
    /// newest first.
    ///
    /// The first page is recorded: nothing is handed out without its event, which is not in it yet.
    ///
    /// What an application keeps of its users is not in it. [`Export::to_json`] is an object, to which it can add.
    ///
    /// # Errors
    /// [`Error::NotFound`]; storage errors.
    pub async fn user_export(&self, id: UserId, after: Option<Uuid>) -> Result<Export, Error> {
        let user = self.user(id).await?.ok_or(Error::NotFound)?;
        let account = self.limits().account_key(user.email.as_str());
        let held = storage::held(self.db(), &user, account).await?;
        let limit = usize::try_from(PER_USER).unwrap_or(usize::MAX).saturating_mul(2);
        let sessions = self.sessions_of(id, None, limit).await?;
        let about = Filter { user: Some(id), ..Filter::default() };
        let mut events = self.log().page(&about, after, EVENTS + 1).await?;
        let more = events.len() > usize::try_from(EVENTS).unwrap_or(usize::MAX);
        if more {
            events.pop();
        }
        let next = events.last().filter(|_| more).map(|event| event.id);
        if after.is_none() {
            // Once for all pages.
            let act = Act::UserExported;
            audit::storage::record_alone(self.db(), self.scribe(), Some(id), None, act).await?;
        }
        Ok(Export { user, held, sessions, events, next })
    }
}

/// The name of the scheme of a stored hash.
fn scheme(hash: &str) -> &'static str {
    recognise(hash).map_or("unknown", |recognised| recognised.scheme)
}
