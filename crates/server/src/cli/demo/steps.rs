//! The steps of the tour: what is asked, and what has to be answered.

use std::{net::SocketAddr, pin::Pin};

use auth::Auth;
use axum::http::header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE};
use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Value, json};

use super::exchange::{Answer, Exchange, Request, ask};

const PASSWORD: &str = "four unrelated gravel words";

/// A step that was made.
#[derive(Debug)]
pub(super) struct Step {
    /// Its name, which stays.
    pub(super) name: &'static str,
    /// What it shows, where it holds.
    pub(super) says: &'static str,
    /// Why it does not hold.
    pub(super) outcome: Result<(), String>,
    /// What was asked and answered, in its order.
    pub(super) exchanges: Vec<Exchange>,
    /// What was done beside it.
    pub(super) note: Option<String>,
}

/// Whether a step holds, or why it does not.
type Held = Result<(), String>;
type Act = for<'a> fn(&'a mut Visitor) -> Pin<Box<dyn Future<Output = Held> + Send + 'a>>;

/// All steps, in their order; what one gets the next ones use.
pub(super) const STEPS: [(&str, &str, Act); 11] = [
    ("register", "An account is made. Its role is user.", |v| Box::pin(v.register())),
    ("login", "Its password gets an access token for ten minutes, and a refresh token.", |v| {
        Box::pin(v.login())
    }),
    ("posts", "With the access token /posts is written and read; without it, it is not.", |v| {
        Box::pin(v.posts())
    }),
    ("tampered", "A token whose role was edited from user to admin is refused.", |v| {
        Box::pin(v.tampered())
    }),
    ("alg_none", "So is one that says it needs no signature.", |v| Box::pin(v.alg_none())),
    ("refresh", "The refresh token gets the next pair, and is used up.", |v| Box::pin(v.refresh())),
    (
        "stolen",
        "The old one, used again 11 seconds later, gives a thief away: that login is over.",
        |v| Box::pin(v.stolen()),
    ),
    (
        "session",
        "A login by cookie reads the same posts, and no script can read the cookie.",
        |v| Box::pin(v.session()),
    ),
    ("logout", "A logout ends a cookie, and a token, at once.", |v| Box::pin(v.logout())),
    ("rotated", "Another key signs from now on; tokens of the old one still work.", |v| {
        Box::pin(v.rotated())
    }),
    ("expired", "11 minutes later a token has expired, and a refresh gets a fresh one.", |v| {
        Box::pin(v.expired())
    }),
];

/// Makes all steps, also those after one that does not hold; returns the names of those that do not.
pub(super) async fn walk(mut visitor: Visitor, mut show: impl FnMut(&Step)) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for (name, says, act) in STEPS {
        let outcome = act(&mut visitor).await;
        if outcome.is_err() {
            failed.push(name);
        }
        let exchanges = std::mem::take(&mut visitor.exchanges);
        show(&Step { name, says, outcome, exchanges, note: visitor.note.take() });
    }
    failed
}

/// An access token and the refresh token that came with it.
#[derive(Debug, Clone)]
struct Pair {
    access: String,
    refresh: String,
}

/// Somebody who visits the server, and what they have in their hands.
#[derive(Debug)]
pub(super) struct Visitor {
    address: SocketAddr,
    auth: Auth,
    email: String,
    pair: Option<Pair>,
    /// The pair that a refresh has replaced.
    replaced: Option<Pair>,
    cookie: Option<String>,
    /// The id of the post that was written.
    post: Option<Value>,
    exchanges: Vec<Exchange>,
    note: Option<String>,
}

impl Visitor {
    pub(super) fn new(address: SocketAddr, auth: Auth, email: &str) -> Self {
        Self {
            address,
            auth,
            email: email.to_owned(),
            post: None,
            pair: None,
            replaced: None,
            cookie: None,
            exchanges: Vec::new(),
            note: None,
        }
    }

    async fn register(&mut self) -> Held {
        let made = self.ask(Request::post("/register", self.credentials())).await?;
        made.has("email", &json!(self.email))?;
        made.has("roles", &json!(["user"]))?;
        made.is(201)
    }

    async fn login(&mut self) -> Held {
        let answer = self.ask(Request::post("/login", self.credentials())).await?;
        let pair = answer.pair()?;
        answer.has("expires_in", &json!(600))?;
        claims(&pair.access, |claims| claims.get("roles") == Some(&json!(["user"])))?;
        self.pair = Some(pair);
        Ok(())
    }

    async fn posts(&mut self) -> Held {
        let token = self.pair()?.access;
        let post = json!({ "title": "Hello", "content": "My first post" });
        let made = self.ask(bearing(Request::post("/posts", post), &token)).await?;
        made.is(201)?;
        made.has("title", &json!("Hello"))?;
        self.post = Some(made.at("/id").clone());
        self.reads(bearing(Request::get("/posts"), &token)).await?;
        self.ask(Request::get("/posts")).await?.refuses(401, "credentials_missing")
    }

    async fn tampered(&mut self) -> Held {
        let token = self.pair()?.access;
        let [header, payload, signature] = parts(&token)?;
        let (before, after) = (r#""roles":["user"]"#, r#""roles":["admin"]"#);
        let edited = decoded(payload)?.replace(before, after);
        let forged = format!("{header}.{}.{signature}", BASE64URL.encode(&edited));
        if forged == token {
            return Err("the payload has no role to edit".to_owned());
        }
        self.note = Some(format!("payload: {before} became {after}"));
        let answer = self.ask(bearing(Request::get("/posts"), &forged)).await?;
        answer.refuses(401, "signature_invalid")
    }

    async fn alg_none(&mut self) -> Held {
        let token = self.pair()?.access;
        let [_, payload, _] = parts(&token)?;
        let header = r#"{"alg":"none","typ":"JWT"}"#;
        self.note = Some(format!("header: {header}, and nothing after the last dot"));
        let forged = format!("{}.{payload}.", BASE64URL.encode(header));
        let answer = self.ask(bearing(Request::get("/posts"), &forged)).await?;
        answer.refuses(401, "algorithm_mismatch")
    }

    async fn refresh(&mut self) -> Held {
        let old = self.pair()?;
        let pair = self.refreshed(&old).await?;
        if pair.refresh == old.refresh {
            return Err("the refresh token is the same as before".to_owned());
        }
        let access = pair.access.clone();
        self.replaced = self.pair.replace(pair);
        self.reads(bearing(Request::get("/posts"), &access)).await
    }

    async fn stolen(&mut self) -> Held {
        let missing = || "there is no refresh token that was used before".to_owned();
        let (stolen, newest) = (self.replaced.clone().ok_or_else(missing)?, self.pair()?);
        self.note =
            Some("the thief has the token that was replaced, the owner the newest".to_owned());
        self.wait("11s").await?;
        let thief = self.ask(with_refresh(&stolen)).await?;
        thief.refuses(401, "invalid_grant")?;
        let owner = self.ask(with_refresh(&newest)).await?;
        owner.refuses(401, "invalid_grant")?;
        let access = self.ask(bearing(Request::get("/posts"), &newest.access)).await?;
        access.refuses(401, "token_revoked")
    }

    async fn session(&mut self) -> Held {
        let answer = self.ask(Request::post("/login/session", self.credentials())).await?;
        answer.is(200)?;
        answer.has("email", &json!(self.email))?;
        let cookie = answer.headers.get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.ok_or("the login set no cookie")?;
        let (own, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        for wanted in ["HttpOnly", "SameSite=Lax"] {
            if !attributes.split(';').any(|attribute| attribute.trim() == wanted) {
                return Err(format!("the cookie is not {wanted}"));
            }
        }
        self.cookie = Some(own.to_owned());
        self.reads(Request::get("/posts").with(COOKIE, own)).await
    }

    async fn logout(&mut self) -> Held {
        let cookie = self.cookie.clone().ok_or("there is no cookie of a session")?;
        let origin = format!("http://{}", self.address);
        let request = Request::post("/logout", None).with(COOKIE, &cookie).with(ORIGIN, &origin);
        let answer = self.ask(request).await?;
        answer.ends_one()?;
        let list = self.ask(Request::get("/posts").with(COOKIE, &cookie)).await?;
        list.refuses(401, "session_expired")?;

        let token = self.ask(Request::post("/login", self.credentials())).await?.pair()?.access;
        self.reads(bearing(Request::get("/posts"), &token)).await?;
        let answer = self.ask(bearing(Request::post("/logout", None), &token)).await?;
        answer.ends_one()?;
        let list = self.ask(bearing(Request::get("/posts"), &token)).await?;
        list.refuses(401, "token_revoked")
    }

    async fn rotated(&mut self) -> Held {
        let old = self.ask(Request::post("/login", self.credentials())).await?.pair()?;
        self.rotate().await?;
        let new = self.refreshed(&old).await?;
        let (before, after) = (kid(&old.access)?, kid(&new.access)?);
        if before == after {
            return Err(format!("the key {before} still signs"));
        }
        self.note = Some(format!("the key {after} signs in place of {before}"));
        for token in [&new.access, &old.access] {
            self.reads(bearing(Request::get("/posts"), token)).await?;
        }
        self.pair = Some(new);
        Ok(())
    }

    async fn expired(&mut self) -> Held {
        let old = self.pair()?;
        self.wait("11m").await?;
        let list = self.ask(bearing(Request::get("/posts"), &old.access)).await?;
        list.refuses(401, "token_expired")?;
        let new = self.refreshed(&old).await?;
        self.reads(bearing(Request::get("/posts"), &new.access)).await
    }

    fn credentials(&self) -> Value {
        json!({ "email": self.email, "password": PASSWORD })
    }

    fn pair(&self) -> Result<Pair, String> {
        self.pair.clone().ok_or_else(|| "there is no token of a login".to_owned())
    }

    /// Asks for the posts, and finds the one that was written.
    async fn reads(&mut self, request: Request) -> Held {
        let list = self.ask(request).await?;
        list.is(200)?;
        let id = self.post.as_ref().ok_or("no post was written")?;
        if *list.at("/items/0/id") == *id {
            return Ok(());
        }
        Err(format!("{} was answered without the post", list.asked))
    }

    /// Uses a refresh token and returns the next pair.
    async fn refreshed(&mut self, pair: &Pair) -> Result<Pair, String> {
        self.ask(with_refresh(pair)).await?.pair()
    }

    /// Moves the clock of the server on, in place of waiting.
    async fn wait(&mut self, duration: &str) -> Held {
        let before = self.ask(Request::get("/dev/clock")).await?.time()?;
        let moved = self.ask(Request::post("/dev/clock", json!({ "by": duration }))).await?;
        let seconds = crate::clock::parse_offset(duration)?;
        if moved.time()? - before < seconds {
            return Err("the clock of the server did not move".to_owned());
        }
        Ok(())
    }

    /// Replaces the key that signs: the one thing that is not done by a request.
    async fn rotate(&self) -> Held {
        let rotated = self.auth.key_rotate(None, true).await;
        rotated.map(drop).map_err(|error| format!("the key was not rotated: {error}"))
    }

    async fn ask(&mut self, request: Request) -> Result<Reply, String> {
        let asked = format!("{} {}", request.method, request.path);
        let answer = ask(self.address, &request).await;
        let why = answer.as_ref().err().map(|error| format!("{asked} got no answer: {error:#}"));
        let answer = answer.ok();
        self.exchanges.push(Exchange { request, answer: answer.clone() });
        match answer {
            Some(answer) => Ok(Reply { asked, answer }),
            None => Err(why.unwrap_or_default()),
        }
    }
}

/// An answer, and what was asked.
struct Reply {
    asked: String,
    answer: Answer,
}

impl std::ops::Deref for Reply {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl Reply {
    /// It is this status.
    fn is(&self, status: u16) -> Held {
        if self.status == status {
            return Ok(());
        }
        Err(format!("{} was answered {}, and {status} was due", self.asked, self.said()))
    }

    /// It is a refusal with this status and code.
    fn refuses(&self, status: u16, code: &str) -> Held {
        if self.status == status && self.at("/code") == code {
            return Ok(());
        }
        Err(format!("{} was answered {}, and {status} {code} was due", self.asked, self.said()))
    }

    fn said(&self) -> String {
        match self.at("/code").as_str() {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }

    /// Its body has this member.
    fn has(&self, member: &str, value: &Value) -> Held {
        if self.at(&format!("/{member}")) == value {
            return Ok(());
        }
        Err(format!("{} was answered {}: its {member} is not {value}", self.asked, self.said()))
    }

    fn pair(&self) -> Result<Pair, String> {
        self.is(200)?;
        self.has("token_type", &json!("Bearer"))?;
        let member = |place: &str| self.at(place).as_str().map(str::to_owned);
        let pair = member("/access_token").zip(member("/refresh_token"));
        let (access, refresh) =
            pair.ok_or_else(|| format!("{} was answered without tokens", self.asked))?;
        parts(&access)?;
        Ok(Pair { access, refresh })
    }

    /// One session has ended.
    fn ends_one(&self) -> Held {
        self.is(200)?;
        match self.at("/revoked").as_array().map(Vec::len) {
            Some(1) => Ok(()),
            _ => Err(format!("{} ended no session", self.asked)),
        }
    }

    /// The time that the server has.
    fn time(&self) -> Result<i64, String> {
        self.is(200)?;
        self.at("/now").as_i64().ok_or_else(|| format!("{} told no time", self.asked))
    }
}

fn bearing(request: Request, token: &str) -> Request {
    request.with(AUTHORIZATION, &format!("Bearer {token}"))
}

fn with_refresh(pair: &Pair) -> Request {
    Request::post("/refresh", json!({ "refresh_token": pair.refresh }))
}

/// The three parts of a token, as they stand there.
fn parts(token: &str) -> Result<[&str; 3], String> {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().map_err(|_| "the access token has not three parts".to_owned())
}

fn decoded(part: &str) -> Result<String, String> {
    let bytes = BASE64URL.decode(part).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| "a part of the access token is not base64url".to_owned())
}

fn claims(token: &str, hold: impl FnOnce(&Value) -> bool) -> Held {
    let [_, payload, _] = parts(token)?;
    let claims: Value = serde_json::from_str(&decoded(payload)?).unwrap_or_default();
    hold(&claims).then_some(()).ok_or_else(|| "the access token says something else".to_owned())
}

/// The name of the key that signed a token.
fn kid(token: &str) -> Result<String, String> {
    let [header, ..] = parts(token)?;
    let header: Value = serde_json::from_str(&decoded(header)?).unwrap_or_default();
    header
        .get("kid")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| "a token names no key".to_owned())
}
