use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jwt::Timestamp;
use uuid::Uuid;

use super::{Kind, Letter, Rendered};
use crate::users::Email;

/// Letters that are kept; of more, the newest.
const KEPT: usize = 100;

/// Letters that a developer looks at in place of having them sent. They live in memory, because there are links in them.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Mutex<VecDeque<Arc<KeptLetter>>>>);

/// A letter as it would have been sent. `Debug` shows nothing of what it says.
pub struct KeptLetter {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub kind: Kind,
    /// Whom it is for.
    pub to: Email,
    /// When it would have been sent.
    pub sent_at: Timestamp,
    /// What it says.
    pub content: Rendered,
    /// The one-use link in it.
    pub link: Option<String>,
}

impl fmt::Debug for KeptLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptLetter")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Outbox {
    /// The letters that are kept, the newest first.
    #[must_use]
    pub fn letters(&self) -> Vec<Arc<KeptLetter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The letter of this id.
    #[must_use]
    pub fn letter(&self, id: Uuid) -> Option<Arc<KeptLetter>> {
        self.letters().into_iter().find(|letter| letter.id == id)
    }

    pub(super) fn keep(&self, id: Uuid, letter: &Letter, content: Rendered, now: Timestamp) {
        let kept = KeptLetter {
            id,
            kind: letter.kind,
            to: letter.to.clone(),
            sent_at: now,
            content,
            link: letter.link.as_ref().map(|link| link.reveal().to_owned()),
        };
        let mut letters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.push_front(Arc::new(kept));
        letters.truncate(KEPT);
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outbox")
    }
}
