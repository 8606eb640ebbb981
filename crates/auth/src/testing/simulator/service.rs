//! The real service, as a schedule uses it.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use uuid::Uuid;

use crate::{
    Auth, Client, Config, Error,
    roles::Roles,
    testing::logins::bearer_of,
    tokens::Tokens,
    users::{Email, User, UserId},
};

/// A refresh token in somebody's hands.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) text: Arc<str>,
    pub(super) session: Uuid,
    pub(super) counter: i64,
}

impl Token {
    pub(super) fn of(auth: &Auth, tokens: &Tokens) -> Result<Self, String> {
        let read = auth.refresh_tokens().read(&tokens.refresh);
        let read = read.ok_or("an answer has a refresh token that the service does not know")?;
        let text = tokens.refresh.as_str().into();
        Ok(Self { text, session: read.session, counter: read.counter })
    }
}

/// An access token, and the last second in which an instance must accept it.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) text: String,
    pub(super) good_until: i64,
}

impl Access {
    pub(super) fn of(tokens: &Tokens, reading: i64) -> Self {
        let lives = i64::try_from(tokens.expires_in).unwrap_or(i64::MAX);
        Self { text: tokens.access.clone(), good_until: reading.saturating_add(lives) - 1 }
    }

    /// What a guard says of it: `accepted`, or the code of the refusal.
    pub(super) async fn code(&self, auth: &Auth) -> &'static str {
        bearer_of(auth, &self.text).await.map_or_else(|denied| denied.code(), |_| "accepted")
    }
}

/// An account that has no password worth hashing.
pub(super) async fn account(auth: &Auth) -> Result<User, Error> {
    let id = UserId(auth.ids().next());
    let email = Email::parse(&format!("{}@example.com", id.0)).map_err(Error::internal)?;
    let user = User {
        id,
        email,
        name: None,
        roles: Roles::new(&["user"], &Config::default().accounts.roles)?,
        generation: 0,
        disabled: false,
        pending: false,
        created_at: auth.clock().now(),
    };
    crate::testing::user_add(auth.db(), &user, "hash".to_owned()).await?;
    Ok(user)
}

/// Uses a token; `None` when the instance stops after the commit, before it can answer.
pub(super) async fn refresh(
    auth: &Auth,
    token: &Token,
    stops: bool,
) -> Option<Result<Tokens, Error>> {
    let client = Client::default();
    if !stops {
        return Some(auth.tokens_refresh(&token.text, &client).await);
    }
    let mut refresh = pin!(auth.tokens_refresh(&token.text, &client));
    // The first poll hands the work to the database. It does its work in order, so once it has done the next piece the
    // refresh is committed; its answer is there, and is never read.
    poll_fn(|context| Poll::Ready(refresh.as_mut().poll(context).is_ready())).await;
    let after = "DELETE FROM refresh_tokens WHERE session_id = $1";
    match auth.db().execute(after, [Uuid::nil().into()]).await {
        Ok(_) => None,
        Err(error) => Some(Err(error.into())),
    }
}

/// The sessions of a user that are there, and the counters of their newest tokens.
pub(super) async fn sessions(auth: &Auth, user: UserId) -> Result<Vec<(Uuid, i64)>, Error> {
    let rows = "SELECT session_id, counter FROM refresh_tokens WHERE user_id = $1";
    let mut sessions = Vec::new();
    for row in auth.db().all(rows, [user.0.into()]).await? {
        sessions.push((row.get("session_id")?, row.get("counter")?));
    }
    sessions.sort_unstable();
    Ok(sessions)
}
