//! Limits on guessing: how often somebody may try, from where, and for whom.
//!
//! An attempt counts under up to three keys: the client's address (IPv6 by its /64), the account that is tried, and both
//! together. It passes two gates. The first stands before the account is looked up: the memory of this instance, where
//! every attempt is noted, and one query for what all instances have counted. The second stands before the answer: a
//! failure is written in one step that looks again, and where others have closed the limit in the meantime the answer is
//! "too many" in place of "wrong"; a success looks again too, and writes nothing. So it does not matter how many
//! attempts were under way on how many instances: nobody learns the outcome of more than the limit allows.
//!
//! The account is what somebody typed, whether there is one or not: nothing here knows.

pub(crate) mod http;
mod memory;
mod rules;
pub(crate) mod storage;

use std::{fmt, net::IpAddr, sync::Arc};

use aws_lc_rs::hmac;

pub(crate) use self::memory::Standing;
pub(crate) use self::storage::Refusal;
use self::{
    memory::{Entry, Key, Memory},
    rules::{Counted, Opens, Others, SECOND},
    storage::{Guess, Keys},
};
use crate::{
    Client, Clock, Error, audit::storage::record_alone, keys::ServerSecret, storage::Db,
    users::Email,
};

/// The limits on guessing of one installation, as one instance keeps them.
///
/// [`Auth::login`](crate::Auth::login) and whatever asks for a password again keep them by themselves.
/// [`admit`](Self::admit) is for other routes that anybody may call.
pub struct Limits {
    enabled: bool,
    key: hmac::Key,
    db: Db,
    clock: Clock,
    memory: Memory,
}

impl Limits {
    pub(crate) fn new(
        enabled: bool,
        secret: &ServerSecret,
        db: &Db,
        clock: &Clock,
    ) -> Result<Self, Error> {
        Ok(Self {
            enabled,
            key: secret.mac_key("limits")?,
            db: db.clone(),
            clock: clock.clone(),
            memory: Memory::default(),
        })
    }

    /// Counts a request of this client against what its address may do in a minute, together with its logins.
    ///
    /// Call it first, whatever the request is about: it costs the same for all. A client whose address is not known is
    /// let in.
    ///
    /// # Errors
    /// [`Error::RateLimited`]; storage errors.
    pub async fn admit(&self, client: &Client) -> Result<(), Error> {
        let keys = Keys { address: self.address_key(client.address), guess: None };
        let mut attempt = self.arrive(keys, false)?;
        let counted = attempt.fail(None).await;
        if counted.is_err() {
            attempt.withdraw();
        }
        counted
    }

    /// Remembers that the owner of an account is at this client's address, as a login does: somebody else's failures
    /// keep nobody out there for the next thirty days. For who has proved it otherwise, by a link in a mail.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn welcome(&self, email: &Email, client: &Client) -> Result<(), Error> {
        let Some(guess) = self.guess_keys(email.as_str(), client.address) else { return Ok(()) };
        self.memory.entry(&guess.pair).open();
        Ok(storage::limits_succeed(&self.db, guess, self.now()).await?)
    }

    /// Begins a login: a guess at the password of an account, which also counts against the address.
    pub(crate) async fn login(&self, account: &str, client: &Client) -> Result<Attempt<'_>, Error> {
        let keys = Keys {
            address: self.address_key(client.address),
            guess: self.guess_keys(account, client.address),
        };
        self.begin(keys, true).await
    }

    /// Begins to check the password of somebody who is signed in: a guess that does not count against the address.
    pub(crate) async fn check(&self, email: &Email, client: &Client) -> Result<Attempt<'_>, Error> {
        let guess = self.guess_keys(email.as_str(), client.address);
        self.begin(Keys { address: None, guess }, false).await
    }

    /// The name that an account has in the tables of the limits.
    pub(crate) fn account_key(&self, account: &str) -> Vec<u8> {
        self.key(b"account", &[], account).to_vec()
    }

    /// What is left to an address; `None` where it has no limit.
    pub(crate) fn standing(&self, address: Option<IpAddr>) -> Option<Standing> {
        let key = self.address_key(address)?;
        let untouched = Standing { left: rules::PER_ADDRESS, more_in: 0 };
        Some(self.memory.known(&key).map_or(untouched, |entry| entry.standing(self.now())))
    }

    async fn begin(&self, keys: Keys, is_login: bool) -> Result<Attempt<'_>, Error> {
        let mut attempt = self.arrive(keys, is_login)?;
        if !self.enabled {
            return Ok(attempt);
        }
        let admitted = attempt.look().await.and_then(|counted| {
            let now = self.now();
            attempt.judge(&counted, Others::default(), now)?;
            attempt.judge(&counted, attempt.others(now), now)
        });
        if admitted.is_err() {
            attempt.withdraw();
        }
        admitted.map(|()| attempt)
    }

    /// The gate in memory.
    fn arrive(&self, keys: Keys, is_login: bool) -> Result<Attempt<'_>, Error> {
        let began = self.now();
        let mut attempt = Attempt {
            limits: self,
            keys,
            began,
            is_login,
            address: None,
            is_handed_over: false,
            guess: None,
        };
        if let Some(key) = keys.address {
            let address = self.memory.entry(&key);
            address.arrive(began).map_err(|opens| {
                // Who waits for two things is told of the longer.
                let pair = keys.guess.and_then(|guess| self.memory.known(&guess.pair));
                let both =
                    pair.and_then(|pair| pair.closed(began)).map_or(opens, |pair| opens.max(pair));
                rate_limited(both, began)
            })?;
            attempt.address = Some(address);
        }
        if let Some(guess) = keys.guess {
            let (pair, account) =
                (self.memory.entry(&guess.pair), self.memory.entry(&guess.account));
            if let Err(opens) = pair.begin(began) {
                attempt.withdraw();
                return Err(rate_limited(opens, began));
            }
            account.join();
            attempt.guess = Some((pair, account));
        }
        Ok(attempt)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.clock.unix_millis()).unwrap_or(i64::MAX)
    }

    fn address_key(&self, address: Option<IpAddr>) -> Option<Key> {
        address.filter(|_| self.enabled).map(|address| self.key(b"address", &prefix(address), ""))
    }

    fn guess_keys(&self, account: &str, address: Option<IpAddr>) -> Option<Guess> {
        let prefix = address.map(prefix).unwrap_or_default();
        self.enabled.then(|| Guess {
            pair: self.key(b"pair", &prefix, account),
            account: self.key(b"account", &[], account),
        })
    }

    fn key(&self, kind: &[u8], prefix: &[u8], account: &str) -> Key {
        let mut mac = hmac::Context::with_key(&self.key);
        // Each part but the last with its length: no two lists of parts are one text.
        for part in [kind, prefix] {
            mac.update(&part.len().to_be_bytes());
            mac.update(part);
        }
        mac.update(account.as_bytes());
        let mut key = Key::default();
        key.iter_mut().zip(mac.sign().as_ref()).for_each(|(to, from)| *to = *from);
        key
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("enabled", &self.enabled)
            .field("entries", &self.memory.len())
            .finish_non_exhaustive()
    }
}

/// What of an address tells clients apart: an IPv4 address whole, of an IPv6 address the 64 bits that a network gives
/// out; its host chooses the others as it likes (RFC 8981).
fn prefix(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    }
}

/// An attempt that was let in. It is [`right`](Self::right) or [`wrong`](Self::wrong); dropped before that, when the
/// server is too busy to tell, it counts against its address alone.
pub(crate) struct Attempt<'l> {
    limits: &'l Limits,
    keys: Keys,
    began: i64,
    is_login: bool,
    address: Option<Arc<Entry>>,
    /// Whether the database counts it against the address, and not this instance.
    is_handed_over: bool,
    /// The entries of the pair and of the account, for as long as it is under way.
    guess: Option<(Arc<Entry>, Arc<Entry>)>,
}

impl Attempt<'_> {
    /// The password was wrong, or there is no such account: counts it, and writes it down.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when a limit was reached in the meantime: then this is what the client is told, and not
    /// that it was wrong. Storage errors, of which the same holds.
    pub(crate) async fn wrong(mut self, refusal: Refusal) -> Result<(), Error> {
        self.fail(Some(refusal)).await
    }

    /// The password was right: clears the failures of this account from this address, if there are any. After a login
    /// the address is known as one of the owner's.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when a limit was reached in the meantime; storage errors.
    pub(crate) async fn right(mut self) -> Result<(), Error> {
        let Some(guess) = self.keys.guess else { return Ok(()) };
        let counted = self.look().await?;
        let now = self.limits.now();
        self.judge(&counted, Others::default(), now)?;
        self.end();
        let db = &self.limits.db;
        if self.is_login && storage::is_due(counted.known_at, now) {
            storage::limits_succeed(db, guess, now).await?;
        } else if !counted.pair.is_empty() {
            storage::limits_clear(db, guess).await?;
        }
        Ok(())
    }

    /// The password was right, and that of a registration whose address nobody has confirmed: whoever made it need not be
    /// the owner, and his address is not known as one of the owner's.
    ///
    /// # Errors
    /// As [`right`](Self::right).
    pub(crate) async fn right_of_nobody(mut self) -> Result<(), Error> {
        self.is_login = false;
        self.right().await
    }

    async fn fail(&mut self, refusal: Option<Refusal>) -> Result<(), Error> {
        let db = &self.limits.db;
        if self.keys.address.is_none() && self.keys.guess.is_none() {
            let Some(Refusal { scribe, user, act }) = refusal else { return Ok(()) };
            return Ok(record_alone(db, scribe, user, None, act).await?);
        }
        // Left to the database before it is written there: so it is never counted twice, and where it is counted nowhere
        // for a moment the second gate of another attempt will see it.
        if let Some(address) = &self.address {
            address.hand_over(self.began);
            self.is_handed_over = true;
        }
        let now = self.limits.now();
        let pair = self.guess.as_ref().map(|(pair, _)| Arc::clone(pair));
        self.end();
        let failed = storage::limits_fail(db, self.keys, self.began, now, refusal);
        let (counted, is_counted) = failed.await?;
        self.remember(&counted, now);
        if is_counted {
            return Ok(());
        }
        let opens = counted.opens(Others::default(), now);
        self.close(opens, pair.as_deref(), now);
        Err(rate_limited(opens.all(), now))
    }

    async fn look(&self) -> Result<Counted, Error> {
        let counted = storage::limits_look(&self.limits.db, &self.keys).await?;
        self.remember(&counted, self.limits.now());
        Ok(counted)
    }

    fn remember(&self, counted: &Counted, now: i64) {
        if let Some(address) = &self.address {
            address.remember(counted.address.within(rules::MINUTE, now));
        }
    }

    /// Compares what counts with the limits.
    fn judge(&self, counted: &Counted, others: Others, now: i64) -> Result<(), Error> {
        let opens = counted.opens(others, now);
        if opens.all() <= now {
            return Ok(());
        }
        // What is under way may yet be right, and then closes nothing.
        if others.is_none() {
            self.close(opens, self.guess.as_ref().map(|(pair, _)| &**pair), now);
        }
        Err(rate_limited(opens.all(), now))
    }

    /// Lets memory answer for as long as the database would say the same. Of an account alone nothing is closed: an
    /// address that it knows goes on.
    fn close(&self, opens: Opens, pair: Option<&Entry>, now: i64) {
        if let Some(address) = self.address.as_ref().filter(|_| opens.address > now) {
            address.close(opens.address, now);
        }
        if let Some(pair) = pair.filter(|_| opens.guess > now) {
            pair.close(opens.guess, now);
        }
    }

    /// What is under way here beside this attempt, and what was right.
    fn others(&self, now: i64) -> Others {
        let less_own = |number: usize| number.saturating_sub(1);
        let guess = self.guess.as_ref();
        Others {
            address: self.address.as_ref().map_or(0, |address| less_own(address.unwritten(now))),
            pair: guess.map_or(0, |(pair, _)| less_own(pair.under_way())),
            account: guess.map_or(0, |(_, account)| less_own(account.under_way())),
        }
    }

    /// As if it had not been made.
    fn withdraw(&mut self) {
        if let Some(address) = self.address.take() {
            address.withdraw(self.began, self.is_handed_over);
        }
    }

    fn end(&mut self) {
        if let Some((pair, account)) = self.guess.take() {
            pair.end();
            account.end();
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

fn rate_limited(opens: i64, now: i64) -> Error {
    metrics::counter!("countersign_attempts_refused_total").increment(1);
    let seconds = opens.saturating_sub(now).max(1).saturating_add(SECOND - 1) / SECOND;
    Error::RateLimited { retry_after: u64::try_from(seconds).unwrap_or(1) }
}
