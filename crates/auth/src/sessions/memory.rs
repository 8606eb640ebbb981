use std::{
    collections::HashMap,
    future::ready,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jwt::Timestamp;
use uuid::Uuid;

use super::{Answer, Begun, Dead, Page, Refused, Session, SessionStore, Which};
use crate::{Error, secret::SecretHash, users::UserId};

/// Sessions that one account may have at once; a further login ends the oldest. The memory of this store
/// is bounded by the accounts, not by how often somebody logs in.
const PER_USER: usize = 1_000;

/// Sessions in the memory of this process: gone when it ends.
#[derive(Default)]
pub(crate) struct MemorySessions(Mutex<Table>);

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
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer<'a, T: Send + 'a>(value: T) -> Answer<'a, T> {
    Box::pin(ready(Ok::<_, Error>(value)))
}

impl SessionStore for MemorySessions {
    fn create(&self, begun: Begun) -> Answer<'_, Result<Option<Uuid>, Refused>> {
        let mut table = self.table();
        let replaced = begun.replaced.and_then(|secret| table.remove(secret));
        table.insert(begun.session, begun.secret, begun.dead);
        answer(Ok(replaced.map(|session| session.id)))
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

    fn forget(&self, which: Which) -> Vec<Uuid> {
        let (user, ends): (_, &dyn Fn(Uuid) -> bool) = match &which {
            Which::Own(user, id) => (user, &|own| own == *id),
            Which::AllBut(user, keep) => (user, &|own| own != *keep),
            Which::All(user) => (user, &|_| true),
            // Only tokens name a session without its user, and theirs is in the database.
            Which::One(_) => return Vec::new(),
        };
        let mut table = self.table();
        let own = table.by_user.get(user).cloned().unwrap_or_default();
        let mut forgotten = Vec::new();
        for secret in own {
            if table.sessions.get(&secret).is_some_and(|session| ends(session.id)) {
                forgotten.extend(table.remove(secret).map(|session| session.id));
            }
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::secret::OpaqueSecret;

    #[tokio::test]
    async fn an_account_keeps_its_thousand_newest_sessions() {
        let store = MemorySessions::default();
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
            store
                .create(Begun { session, secret, generation: 0, replaced: None, dead })
                .await
                .expect("created")
                .expect("the store knows no accounts");
            secrets.push(secret);
        }
        let table = store.table();
        assert_eq!(table.sessions.len(), PER_USER);
        assert!(!table.sessions.contains_key(&secrets[49]));
        assert!(table.sessions.contains_key(&secrets[50]));
        assert!(table.sessions.contains_key(&secrets[149]));
    }
}
