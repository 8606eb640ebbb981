use std::{
    collections::HashMap,
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jwt::Timestamp;
use uuid::Uuid;

use super::{
    Answer, Begun, COUNTED, Dead, Ended, Page, Refused, Session, SessionStore, Which,
    storage::{Login, login_record},
};
use crate::{Error, audit::Scribe, secret::SecretHash, storage::Db, users::UserId};

/// Sessions that one account may have at once; a further login ends the oldest. The memory of this store
/// is bounded by the accounts, not by how often somebody logs in.
const PER_USER: usize = 1_000;

/// Sessions in the memory of this process: gone when it ends. Their events are in the database all the same.
pub(crate) struct MemorySessions {
    table: Mutex<Table>,
    db: Db,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<SecretHash, Session>,
    /// Oldest first.
    by_user: HashMap<UserId, Vec<SecretHash>>,
}

impl Table {
    fn remove(&mut self, secret: SecretHash) -> Option<Session> {
        let session = self.sessions.remove(&secret)?;
        if let Some(own) = self.by_user.get_mut(&session.user_id) {
            own.retain(|other| *other != secret);
            if own.is_empty() {
                self.by_user.remove(&session.user_id);
            }
        }
        Some(session)
    }

    fn named(&self, which: Which) -> Vec<(SecretHash, &Session)> {
        let (user, is_named): (_, &dyn Fn(Uuid) -> bool) = match &which {
            Which::Own(user, id) => (user, &|own| own == *id),
            Which::AllBut(user, keep) => (user, &|own| own != *keep),
            Which::All(user) => (user, &|_| true),
            // Only tokens name a session without its user, and theirs is in the database.
            Which::One(_) => return Vec::new(),
        };
        let own = self.by_user.get(user).into_iter().flatten();
        let own = own.filter_map(|secret| Some((*secret, self.sessions.get(secret)?)));
        own.filter(|(_, session)| is_named(session.id)).collect()
    }

    fn insert(&mut self, session: Session, secret: SecretHash, dead: Dead) {
        let own = self.by_user.get(&session.user_id).cloned().unwrap_or_default();
        let surplus = (own.len() + 1).saturating_sub(PER_USER);
        for (place, old) in own.iter().enumerate() {
            let over = self.sessions.get(old).is_none_or(|session| dead.holds(session));
            if over || place < surplus {
                self.remove(*old);
            }
        }
        self.by_user.entry(session.user_id).or_default().push(secret);
        self.sessions.insert(secret, session);
    }
}

impl MemorySessions {
    pub(crate) fn new(db: Db) -> Self {
        Self { table: Mutex::default(), db }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(ready(Ok::<_, Error>(value)))
}

impl SessionStore for MemorySessions {
    fn create(&self, begun: Begun, scribe: Scribe) -> Answer<'_, Result<Option<Uuid>, Refused>> {
        Box::pin(async move {
            let Session { id, user_id, .. } = begun.session;
            let named = begun.replaced.and_then(|secret| {
                let table = self.table();
                table.sessions.get(&secret).map(|session| (session.id, session.user_id))
            });
            // First: whatever ends the sessions of the account from here on ends this one too.
            self.table().insert(begun.session, begun.secret, begun.dead);
            let login = Login { id, user: user_id, generation: begun.generation, replaced: named };
            match login_record(&self.db, login, scribe).await {
                Ok(true) => {}
                other => {
                    self.table().remove(begun.secret);
                    return other.map(|_| Err(Refused));
                }
            }
            let replaced = begun.replaced.and_then(|secret| self.table().remove(secret));
            Ok(Ok(replaced.map(|session| session.id)))
        })
    }

    fn find(&self, secret: SecretHash) -> Answer<'_, Option<Session>> {
        answer(self.table().sessions.get(&secret).cloned())
    }

    fn touch(&self, secret: SecretHash, now: Timestamp) -> Answer<'_, ()> {
        if let Some(session) = self.table().sessions.get_mut(&secret) {
            session.last_used_at = session.last_used_at.max(now);
        }
        answer(())
    }

    fn list(&self, page: Page) -> Answer<'_, Vec<Session>> {
        let table = self.table();
        let own = table.by_user.get(&page.user).into_iter().flatten().rev();
        let own = own.filter_map(|secret| table.sessions.get(secret));
        let own = own.filter(|session| page.after.is_none_or(|after| session.id < after));
        let own = own.filter(|session| !page.dead.holds(session));
        answer(own.take(page.limit).cloned().collect())
    }

    fn count(&self, dead: Dead) -> Answer<'_, u64> {
        let table = self.table();
        let live = table.sessions.values().filter(|session| !dead.holds(session));
        answer(u64::try_from(live.take(COUNTED).count()).unwrap_or(u64::MAX))
    }

    fn held(&self, which: Which) -> Vec<Ended> {
        let table = self.table();
        // There are no access tokens that would outlive them.
        let ended = |(_, session): (_, &Session)| Ended {
            id: session.id,
            user: Some(session.user_id),
            until: session.last_used_at,
        };
        table.named(which).into_iter().map(ended).collect()
    }

    fn forget(&self, which: Which) -> Vec<Uuid> {
        let mut table = self.table();
        let named: Vec<_> =
            table.named(which).into_iter().map(|(secret, session)| (secret, session.id)).collect();
        named
            .into_iter()
            .map(|(secret, id)| table.remove(secret).map_or(id, |own| own.id))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::secret::OpaqueSecret;

    #[test]
    fn an_account_keeps_its_thousand_newest_sessions() {
        let mut table = Table::default();
        let user_id = UserId(Uuid::nil());
        let dead = Dead { created_before: 0, used_before: 0 };
        let mut secrets = Vec::new();
        for number in 0..1_050_u128 {
            let session = Session {
                id: Uuid::from_u128(number),
                user_id,
                created_at: Timestamp::new(1),
                last_used_at: Timestamp::new(1),
                device: String::new(),
                address: None,
            };
            let secret = OpaqueSecret::generate().expect("randomness").hash();
            table.insert(session, secret, dead);
            secrets.push(secret);
        }
        assert_eq!(table.sessions.len(), PER_USER);
        assert!(!table.sessions.contains_key(&secrets[49]));
        assert!(table.sessions.contains_key(&secrets[50]));
        assert!(table.sessions.contains_key(&secrets[149]));
    }
}
