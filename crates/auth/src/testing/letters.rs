#![expect(clippy::expect_used, reason = "a test without its letters fails where it stands")]

use super::TestAuth;
use crate::{
    accounts,
    mail::{Composer, Errand, Kind, Letter},
    storage::Db,
    users::{Email, UserId},
};

/// The letters that an installation owes, made when a test asks for them and not before.
pub(super) struct Letters {
    db: Db,
    composer: Composer,
}

/// A letter, and the token of its link.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) kind: Kind,
    pub(super) to: Email,
    pub(super) name: Option<String>,
    /// The page that its link leads to, if it has one.
    pub(super) page: Option<String>,
    pub(super) token: Option<String>,
}

impl Letters {
    /// Those of an installation that makes none by itself.
    pub(super) fn of(test: &TestAuth) -> Self {
        let public_url = "https://auth.example.com".parse().expect("a URL");
        let db = test.auth.db().clone();
        let composer = accounts::Letters::composer(&db, test.auth.clock(), &public_url);
        Self { db, composer }
    }

    /// All that are owed, in their order.
    pub(super) async fn all(&self) -> Vec<Sent> {
        let rows = self
            .db
            .all("DELETE FROM outbox RETURNING id, kind, recipient, user_id, facts, created_at", [])
            .await
            .expect("the outbox");
        let mut errands: Vec<Errand> = rows
            .iter()
            .map(|row| Errand {
                id: row.get("id").expect("an id"),
                kind: Kind::by_name(&row.get::<String>("kind").expect("text")).expect("a kind"),
                recipient: Email::from_stored(row.get("recipient").expect("text")),
                user: row.get::<Option<_>>("user_id").expect("an id").map(UserId),
                facts: serde_json::from_str(&row.get::<String>("facts").expect("text"))
                    .expect("facts"),
                created_at: jwt::Timestamp::new(row.get("created_at").expect("a time")),
            })
            .collect();
        errands.sort_by_key(|errand| errand.id);
        let mut sent = Vec::new();
        for errand in errands {
            sent.extend(self.composer.compose(errand).await.expect("composed").map(Sent::from));
        }
        sent
    }

    /// The one that is owed.
    pub(super) async fn only(&self) -> Sent {
        let mut all = self.all().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// Asserts that none is.
    pub(super) async fn none(&self) {
        let all = self.all().await;
        assert!(all.is_empty(), "{all:?}");
    }
}

impl From<Letter> for Sent {
    fn from(letter: Letter) -> Self {
        let (page, token) = letter
            .link
            .map(|link| {
                let (url, token) = link.reveal().split_once("?token=").expect("a token");
                let page =
                    url.strip_prefix("https://auth.example.com").expect("the public address");
                assert_eq!(link.minutes(), 30);
                (page.to_owned(), token.to_owned())
            })
            .unzip();
        Self { kind: letter.kind, to: letter.to, name: letter.name, page, token }
    }
}
