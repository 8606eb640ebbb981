use std::sync::Arc;

use jwt::Timestamp;

use super::Session;
use crate::{
    secret::SecretHash,
    users::{User, UserId},
};

/// Sessions whose rows are remembered; the least used make room.
const CAPACITY: usize = 20_000;

/// A session and its user as they were read.
#[derive(Debug)]
pub(crate) struct Resumed {
    pub(crate) session: Session,
    pub(crate) user: User,
    pub(crate) read_at: Timestamp,
}

/// What was read of late, by the hash of the session's secret.
pub(super) struct Cache(quick_cache::sync::Cache<SecretHash, Arc<Resumed>>);

impl Default for Cache {
    fn default() -> Self {
        Self(quick_cache::sync::Cache::new(CAPACITY))
    }
}

impl Cache {
    pub(super) fn get(&self, secret: &SecretHash) -> Option<Arc<Resumed>> {
        self.0.get(secret)
    }

    pub(super) fn insert(&self, secret: SecretHash, resumed: Arc<Resumed>) {
        self.0.insert(secret, resumed);
    }

    pub(super) fn remove_of(&self, user: UserId) {
        self.0.retain(|_, resumed| resumed.user.id != user);
    }

    pub(super) fn remove(&self, secret: &SecretHash) {
        self.0.remove(secret);
    }
}
