//! The audit log: every act has its event, the chain shows what was changed, and nothing secret is in it.

mod chain;
mod doors;

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use countersign_auth::{
    Auth, Client, Config, Error,
    audit::{Actor, By, Event, Filter, Kind, Outcome, Verification},
    on_every_engine,
    storage::Value as Bind,
    testing::{PASSWORD, Place, TestAuth},
    users::{NewUser, User, UserId},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::{Answer, ask, post};

on_every_engine!(
    acts_of_a_user_are_recorded,
    acts_of_others_name_them,
    failed_logins_are_recorded_and_tell_nobody,
    what_is_not_done_is_not_recorded,
    links_and_letters_are_recorded,
    acts_on_keys_are_recorded,
    sessions_in_memory_are_recorded_too,
    events_are_found_page_by_page,
    no_secret_is_anywhere_in_the_database,
);

const NEW_PASSWORD: &str = "another gravel of unrelated words";

struct Installation {
    test: TestAuth,
    app: Router,
    address: SocketAddr,
}

impl Installation {
    async fn new(place: &Place) -> Self {
        Self::with(place, Config::default()).await
    }

    async fn with(place: &Place, config: Config) -> Self {
        let test = TestAuth::with(place, config).await.expect("an installation");
        let app = test.auth.router();
        Self { test, app, address: ([198, 51, 100, 7], 4711).into() }
    }

    fn auth(&self) -> &Auth {
        &self.test.auth
    }

    async fn send(&self, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(self.address));
        request.headers_mut().insert(header::USER_AGENT, "curl/8.14.1".parse().expect("a header"));
        ask(&self.app, request).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(post(path, &body)).await
    }

    async fn signed(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        self.send(request.expect("a request")).await
    }

    async fn login(&self, email: &str, password: &str) -> Answer {
        self.post("/login", json!({ "email": email, "password": password })).await
    }

    async fn user(&self, email: &str) -> User {
        let new = NewUser { email, password: PASSWORD, name: None, roles: &["user"] };
        self.auth().user_create(new).await.expect("an account")
    }

    async fn admin(&self) -> User {
        let roles = &["admin", "user"];
        let new = NewUser { email: "admin@example.com", password: PASSWORD, name: None, roles };
        self.auth().user_create(new).await.expect("an account")
    }

    /// All events, the oldest first.
    async fn events(&self) -> Vec<Event> {
        self.auth().log().after(None, None, 10_000).await.expect("events")
    }

    /// The types of the events since so many, but those of keys at the start.
    async fn types(&self, since: usize) -> Vec<String> {
        self.events().await.into_iter().skip(since).map(|event| event.kind).collect()
    }

    async fn seal(&self) {
        self.auth().seal_events_now().await.expect("sealed");
    }

    async fn verify(&self) -> Verification {
        self.auth().log().verify(None, |_| {}).await.expect("read")
    }

    async fn execute(&self, sql: &'static str, binds: impl Into<Vec<Bind>>) -> u64 {
        self.auth().db().execute(sql, binds).await.expect("done")
    }
}

fn text<'a>(answer: &'a Answer, member: &str) -> &'a str {
    answer.body[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", answer.body))
}

async fn acts_of_a_user_are_recorded(place: Place) {
    let here = Installation::new(&place).await;
    let before = here.events().await.len();
    let account = json!({ "email": "a@example.com", "password": PASSWORD });
    let registered = here.post("/register", account).await;
    let id = text(&registered, "id").to_owned();
    let requests = [registered.request_id.clone(), Some("f".repeat(32))];
    let tokens = here.login("a@example.com", PASSWORD).await;
    let access = text(&tokens, "access_token").to_owned();
    let first = text(&tokens, "refresh_token").to_owned();
    let refreshed = here.post("/refresh", json!({ "refresh_token": first })).await;
    assert_eq!(refreshed.status, 200);
    // The same answer again changes nothing, and leaves nothing.
    here.post("/refresh", json!({ "refresh_token": first })).await;
    here.signed("PATCH", "/me", &access, json!({ "name": "Somebody" })).await;
    let wrong = json!({ "current_password": "wrong", "new_password": NEW_PASSWORD });
    assert_eq!(here.signed("POST", "/me/password", &access, wrong).await.status, 403);
    let right = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    assert_eq!(here.signed("POST", "/me/password", &access, right).await.status, 200);
    here.test.clock.advance(std::time::Duration::from_secs(30));
    assert_eq!(here.post("/refresh", json!({ "refresh_token": first })).await.status, 401);
    let tokens = here.login("a@example.com", NEW_PASSWORD).await;
    let access = text(&tokens, "access_token").to_owned();
    here.signed("POST", "/logout", &access, json!({})).await;
    let access = text(&here.login("a@example.com", NEW_PASSWORD).await, "access_token").to_owned();
    let gone = json!({ "password": NEW_PASSWORD });
    assert_eq!(here.signed("POST", "/me/delete", &access, gone).await.status, 204);

    let events: Vec<Event> = here.events().await.split_off(before);
    let types: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        types,
        [
            "user.registered",
            "login.succeeded",
            "session.refreshed",
            "user.renamed",
            "password.check_failed",
            "password.changed",
            "session.replayed",
            "login.succeeded",
            "session.ended",
            "login.succeeded",
            "user.deleted",
        ]
    );
    assert_eq!(events[0].request, requests[0], "the answer names the request of the event");
    assert!(events[1..].iter().all(|event| !requests.contains(&event.request)));
    let sessions: Vec<_> = events.iter().map(|event| event.session).collect();
    let [first, second, third] = [1, 7, 9].map(|index: usize| sessions[index].expect("a login"));
    assert_eq!(sessions[2..7], [Some(first); 5], "each names the login it is by or about");
    assert_eq!(sessions[8], Some(second));
    assert_eq!(sessions[10], Some(third));
    for event in &events {
        assert_eq!(event.user.expect("an account").0.to_string(), id, "{}", event.kind);
        assert_eq!(event.actor, Actor::Owner, "{}", event.kind);
        assert!(event.request.as_ref().is_some_and(|id| id.len() == 32), "{}", event.kind);
        // Gone with the account.
        assert_eq!((event.address, event.device.as_deref()), (None, None), "{}", event.kind);
        let kind = Kind::by_name(&event.kind).expect("a known type");
        let members: Vec<&str> = match &event.details {
            Some(Value::Object(details)) => details.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        assert_eq!(members, kind.details, "{}", event.kind);
    }
    let refused: Vec<&str> = events
        .iter()
        .filter(|event| Kind::by_name(&event.kind).expect("known").outcome == Outcome::Refused)
        .map(|event| event.kind.as_str())
        .collect();
    assert_eq!(refused, ["password.check_failed", "session.replayed"]);
}

async fn acts_of_others_name_them(place: Place) {
    let here = Installation::new(&place).await;
    let (admin, user) = (here.admin().await, here.user("a@example.com").await);
    let before = here.events().await.len();
    let session = Uuid::from_u128(7);
    let address = "203.0.113.9".parse().ok();
    let client = Client { address, device: "Firefox on Linux".to_owned(), ..Client::default() };
    let acting = here.auth().acting(By::user(admin.id, Some(session), client));
    acting.user_set_roles(user.id, &["admin", "user"]).await.expect("changed");
    acting.user_set_disabled(user.id, true).await.expect("disabled");
    acting.user_set_disabled(user.id, false).await.expect("enabled");
    acting.user_sign_out(user.id).await.expect("signed out");
    acting.password_set(user.id, NEW_PASSWORD).await.expect("set");
    acting.user_delete(user.id).await.expect("deleted");
    acting.user_set_name(admin.id, Some("Myself")).await.expect("renamed");
    let operator = here.auth().acting(By::actor(Actor::Operator));
    operator.user_set_name(admin.id, None).await.expect("renamed");
    here.auth().user_set_name(admin.id, Some("By the program")).await.expect("renamed");

    let events: Vec<Event> = here.events().await.split_off(before);
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.kind.as_str(), event.user.expect("an account"), event.actor))
        .collect();
    let (by, own) = (Actor::User(admin.id), admin.id);
    assert_eq!(
        told,
        [
            ("user.roles_changed", user.id, by),
            ("user.disabled", user.id, by),
            ("user.enabled", user.id, by),
            ("user.signed_out", user.id, by),
            ("password.set", user.id, by),
            ("user.deleted", user.id, by),
            ("user.renamed", own, Actor::Owner),
            ("user.renamed", own, Actor::Operator),
            ("user.renamed", own, Actor::Application),
        ]
    );
    assert_eq!(events[0].details, Some(json!({ "from": ["user"], "to": ["admin", "user"] })));
    for event in &events[..7] {
        assert_eq!(event.session, Some(session), "{}", event.kind);
        assert_eq!(event.address, address, "an administrator's own data stay: {}", event.kind);
        assert_eq!(event.device.as_deref(), Some("Firefox on Linux"), "{}", event.kind);
    }
    let json = events[6].to_json();
    assert_eq!(json["actor"], json!({ "type": "user", "id": admin.id.0 }));
    assert_eq!(json["user_id"], json!(admin.id.0));
}

async fn failed_logins_are_recorded_and_tell_nobody(place: Place) {
    let here = Installation::new(&place).await;
    let (user, off) = (here.user("a@example.com").await, here.user("off@example.com").await);
    here.auth().user_set_disabled(off.id, true).await.expect("disabled");
    let before = here.events().await.len();
    let wrong = here.login("a@example.com", "wrong").await;
    let unknown = here.login("nobody@example.com", PASSWORD).await;
    let disabled = here.login("off@example.com", PASSWORD).await;
    let nonsense = here.login("their password, typed in the wrong field", "x").await;
    for answer in [&wrong, &unknown, &disabled, &nonsense] {
        assert_eq!((answer.status, &answer.body), (401, &wrong.body));
    }
    let events: Vec<Event> = here.events().await.split_off(before);
    let told: Vec<_> = events
        .iter()
        .map(|event| {
            assert_eq!((event.kind.as_str(), event.actor), ("login.failed", Actor::Stranger));
            assert_eq!(event.address, Some(here.address.ip()));
            let reason = event.details.as_ref().expect("details")["reason"].clone();
            (event.user, reason)
        })
        .collect();
    assert_eq!(
        told,
        [
            (Some(user.id), json!("password_wrong")),
            (None, json!("account_unknown")),
            (Some(off.id), json!("account_disabled")),
            (None, json!("account_unknown")),
        ]
    );
    // Also where nothing is limited there is an event.
    let mut config = Config::default();
    config.limits.enabled = false;
    let unlimited = TestAuth::with(&place, config).await.expect("an installation");
    unlimited.clock.advance(std::time::Duration::from_secs(60));
    let failed = unlimited.auth.login("a@example.com", "wrong", &Client::default()).await;
    assert!(matches!(failed, Err(Error::InvalidCredentials)));
    let last = here.events().await.pop().expect("an event");
    assert_eq!((last.kind.as_str(), last.user), ("login.failed", Some(user.id)));
}

async fn what_is_not_done_is_not_recorded(place: Place) {
    let here = Installation::new(&place).await;
    let admin = here.admin().await;
    here.user("a@example.com").await;
    let before = here.events().await.len();
    let auth = here.auth();
    assert!(matches!(auth.user_delete(admin.id).await, Err(Error::LastAdmin)));
    let nobody = UserId(Uuid::from_u128(7));
    assert!(matches!(auth.user_delete(nobody).await, Err(Error::NotFound)));
    assert!(matches!(auth.user_set_name(nobody, None).await, Err(Error::NotFound)));
    let taken =
        NewUser { email: "a@example.com", password: PASSWORD, name: None, roles: &["user"] };
    assert!(matches!(auth.user_create(taken).await, Err(Error::EmailTaken)));
    assert_eq!(here.post("/refresh", json!({ "refresh_token": "nonsense" })).await.status, 401);
    assert_eq!(here.signed("GET", "/me", "nonsense", json!({})).await.status, 401);
    assert_eq!(
        here.post("/password/reset", json!({ "token": "x", "password": NEW_PASSWORD }))
            .await
            .status,
        400
    );
    assert_eq!(here.types(before).await, [""; 0]);
}

async fn links_and_letters_are_recorded(place: Place) {
    let mut config = Config::default();
    config.accounts.verify_email = true;
    let here = Installation::with(&place, config).await;
    let before = here.events().await.len();
    let account = json!({ "email": "a@example.com", "password": PASSWORD });
    here.post("/register", account.clone()).await;
    // Again, by the same person: no account is made.
    here.post("/register", account).await;
    here.post("/email/resend", json!({ "email": "a@example.com" })).await;
    here.post("/password/forgot", json!({ "email": "nobody@example.com" })).await;
    assert_eq!(here.login("a@example.com", PASSWORD).await.status, 403);
    let link = newest_link(&here).await;
    assert_eq!(here.post("/email/verify", json!({ "token": link })).await.status, 204);
    here.post("/password/forgot", json!({ "email": "a@example.com" })).await;
    let link = newest_link(&here).await;
    let reset = json!({ "token": link, "password": NEW_PASSWORD });
    assert_eq!(here.post("/password/reset", reset).await.status, 204);
    let access = text(&here.login("a@example.com", NEW_PASSWORD).await, "access_token").to_owned();
    let change = json!({ "email": "b@example.com", "password": NEW_PASSWORD });
    assert_eq!(here.signed("POST", "/me/email", &access, change).await.status, 202);
    let link = newest_link(&here).await;
    assert_eq!(here.post("/email/verify", json!({ "token": link })).await.status, 204);
    let events: Vec<Event> = here.events().await.split_off(before);
    let told: Vec<_> =
        events.iter().map(|event| (event.kind.as_str(), event.user.is_some())).collect();
    assert_eq!(
        told,
        [
            ("user.registration_asked", true),
            ("user.registration_asked", false),
            ("email.confirmation_asked", false),
            ("password.reset_asked", false),
            ("login.failed", true),
            ("user.confirmed", true),
            ("password.reset_asked", false),
            ("password.reset", true),
            ("login.succeeded", true),
            ("email.change_asked", true),
            ("email.changed", true),
        ]
    );
}

/// The token of the newest link, when no letter is still to be sent.
async fn newest_link(here: &Installation) -> String {
    let start = std::time::Instant::now();
    let waits = || async {
        !here.auth().db().all("SELECT id FROM outbox", []).await.expect("rows").is_empty()
    };
    while waits().await {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "a letter is not sent");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let letters = here.auth().outbox().expect("kept").letters();
    let link = letters.iter().find_map(|letter| letter.link.clone()).expect("a link");
    link.split_once("?token=").expect("a token").1.to_owned()
}

async fn acts_on_keys_are_recorded(place: Place) {
    let here = Installation::new(&place).await;
    let start = here.events().await;
    let types: Vec<_> = start.iter().map(|event| (event.kind.as_str(), event.actor)).collect();
    assert_eq!(types, [("key.added", Actor::Server), ("key.activated", Actor::Server)]);
    let operator = here.auth().acting(By::actor(Actor::Operator));
    let key = operator.key_rotate(None, true).await.expect("rotated");
    operator.key_export(&key.kid, true).await.expect("exported");
    operator.key_revoke(&key.kid).await.expect("revoked");
    let events: Vec<Event> = here.events().await.split_off(start.len());
    let types: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        types,
        [
            "key.added",
            "key.retired",
            "key.activated",
            "key.exported",
            "key.revoked",
            "key.added",
            "key.activated",
        ]
    );
    assert!(events.iter().all(|event| event.actor == Actor::Operator));
    assert_eq!(events[0].details, Some(json!({ "kid": key.kid, "algorithm": "HS256" })));
}

async fn sessions_in_memory_are_recorded_too(place: Place) {
    let mut config = Config::default();
    config.sessions.store = countersign_auth::config::Store::Memory;
    let here = Installation::with(&place, config).await;
    let user = here.user("a@example.com").await;
    let before = here.events().await.len();
    let client = Client::default();
    let (session, secret) =
        here.auth().session_create(&user, &client, None).await.expect("a session");
    let (next, _) =
        here.auth().session_create(&user, &client, Some(secret.hash())).await.expect("a session");
    here.auth().session_end(user.id, next.id).await.expect("ended").expect("a session");
    // A login whose password was checked before the account was changed begins nothing, also not when it may again.
    here.auth().user_set_disabled(user.id, true).await.expect("disabled");
    for disabled in [true, false] {
        here.auth().user_set_disabled(user.id, disabled).await.expect("changed");
        let late = here.auth().session_create(&user, &client, None).await;
        assert!(matches!(late, Err(Error::InvalidCredentials)), "{late:?}");
    }
    assert_eq!(here.auth().sessions_of(user.id, None, 10).await.expect("read"), []);
    let user = here.auth().user(user.id).await.expect("read").expect("an account");
    here.auth().session_create(&user, &client, None).await.expect("a session");
    here.auth().user_sign_out(user.id).await.expect("signed out");
    let last = here.events().await.pop().expect("an event");
    assert_eq!((&*last.kind, last.details), ("user.signed_out", Some(json!({ "sessions": 1 }))));
    let events: Vec<Event> = here.events().await.split_off(before);
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.session)).collect();
    assert_eq!(
        told,
        [
            ("login.succeeded", Some(session.id)),
            ("login.succeeded", Some(next.id)),
            ("session.ended", Some(session.id)),
            ("session.ended", Some(next.id)),
            ("user.disabled", None),
            ("user.enabled", None),
            ("login.succeeded", events[6].session),
            ("user.signed_out", None),
        ]
    );
}

async fn events_are_found_page_by_page(place: Place) {
    let here = Installation::new(&place).await;
    let (admin, user) = (here.admin().await, here.user("a@example.com").await);
    let token = text(&here.login("admin@example.com", PASSWORD).await, "access_token").to_owned();
    let acting = here.auth().acting(By::user(admin.id, None, Client::default()));
    for number in 0..7 {
        here.test.clock.advance(std::time::Duration::from_secs(10));
        acting.user_set_name(user.id, Some(&format!("Name {number}"))).await.expect("renamed");
    }
    let ask = |query: String| {
        let (here, token) = (&here, &token);
        async move {
            let answer =
                here.signed("GET", &format!("/admin/events{query}"), token, json!({})).await;
            assert_eq!(answer.status, 200, "{query}: {}", answer.body);
            answer.body
        }
    };
    let all = ask(String::new()).await;
    let items = all["items"].as_array().expect("items");
    assert_eq!((items.len(), &all["next"]), (12, &Value::Null));
    assert!(items.windows(2).all(|two| two[0]["id"].as_str() > two[1]["id"].as_str()));
    // A page at a time, while others are added.
    let (mut paged, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(format!("?limit=5{after}")).await;
        paged.extend(page["items"].as_array().expect("items").clone());
        let other = format!("Later {}", paged.len());
        acting.user_set_name(user.id, Some(&other)).await.expect("renamed");
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(&paged, items);
    let count =
        async |query: &str| ask(query.to_owned()).await["items"].as_array().expect("items").len();
    let (user, admin) = (user.id.0, admin.id.0);
    assert_eq!(count(&format!("?user_id={user}")).await, 11);
    assert_eq!(count(&format!("?user_id={user}&type=user.created")).await, 1);
    assert_eq!(count(&format!("?actor_id={admin}")).await, 11);
    assert_eq!(count(&format!("?actor_id={user}")).await, 0);
    assert_eq!(count("?type=key.added").await, 1);
    assert_eq!(count("?type=login.succeeded").await, 1);
    let middle = items[4]["at"].as_i64().expect("a time");
    assert_eq!(count(&format!("?until={middle}&type=user.renamed")).await, 2);
    assert_eq!(count(&format!("?since={middle}&type=user.renamed")).await, 8);
    assert_eq!(count(&format!("?since={middle}&until={middle}")).await, 0);
    let session = items.iter().find(|item| item["type"] == "login.succeeded").expect("a login");
    let session = session["session_id"].as_str().expect("an id");
    assert_eq!(count(&format!("?session_id={session}")).await, 1);

    for (query, code) in [
        ("?limit=0", "query_invalid"),
        ("?limit=201", "query_invalid"),
        ("?limit=x", "query_invalid"),
        ("?after=x", "query_invalid"),
        ("?type=nothing", "query_invalid"),
        ("?type=user.%25", "query_invalid"),
        ("?user_id='", "query_invalid"),
        ("?since=9999999999999999999999", "query_invalid"),
        ("?wanted=1", "query_invalid"),
    ] {
        let answer = here.signed("GET", &format!("/admin/events{query}"), &token, json!({})).await;
        assert_eq!((answer.status, text(&answer, "code")), (400, code), "{query}");
    }
    for far in [i64::MIN, -1, i64::MAX] {
        ask(format!("?since={far}&until={far}")).await;
    }
    let token = text(&here.login("a@example.com", PASSWORD).await, "access_token").to_owned();
    let answer = here.signed("GET", "/admin/events", &token, json!({})).await;
    assert_eq!((answer.status, text(&answer, "code")), (403, "insufficient_scope"));
    let filter = Filter { since: None, ..Filter::default() };
    assert_eq!(here.auth().log().page(&filter, None, 1).await.expect("read").len(), 1);
}

async fn no_secret_is_anywhere_in_the_database(place: Place) {
    let here = Installation::new(&place).await;
    let mut secrets = vec![PASSWORD.to_owned(), NEW_PASSWORD.to_owned()];
    let admin = here.admin().await;
    let account = json!({ "email": "a@example.com", "password": PASSWORD });
    here.post("/register", account.clone()).await;
    // A password that was typed into the wrong field.
    here.login(NEW_PASSWORD, "x").await;
    here.login("a@example.com", "wrong horse battery").await;
    secrets.push("wrong horse battery".to_owned());
    for path in ["/login", "/login/session"] {
        let mut request = post(path, &account);
        let origin = "http://127.0.0.1:8000".parse().expect("a header");
        request.headers_mut().insert(header::ORIGIN, origin);
        let answer = here.send(request).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        for member in ["access_token", "refresh_token"] {
            secrets.extend(answer.body[member].as_str().map(str::to_owned));
        }
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(['=', ';']).nth(1));
        secrets.extend(cookie.map(str::to_owned));
    }
    assert_eq!(secrets.len(), 6, "two tokens and a cookie");
    let refresh = secrets[4].clone();
    let answer = here.post("/refresh", json!({ "refresh_token": refresh })).await;
    let access = text(&answer, "access_token").to_owned();
    secrets.extend([access.clone(), text(&answer, "refresh_token").to_owned()]);
    let change = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    assert_eq!(here.signed("POST", "/me/password", &access, change).await.status, 200);
    here.test.clock.advance(std::time::Duration::from_secs(60));
    here.post("/refresh", json!({ "refresh_token": refresh })).await;
    here.post("/password/forgot", json!({ "email": "a@example.com" })).await;
    secrets.push(newest_link(&here).await);
    let operator = here.auth().acting(By::actor(Actor::Operator));
    operator.password_set(admin.id, NEW_PASSWORD).await.expect("set");
    here.auth().seal_events_now().await.expect("sealed");

    let everything = everything(&here).await;
    assert!(everything.contains("login.succeeded"), "the whole of it is read");
    for secret in secrets {
        assert!(secret.len() >= 16, "{secret} would be found by chance");
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for form in [secret.as_str(), hex.as_str()] {
            assert!(!everything.contains(form), "{form} is in the database");
        }
        // The signature of a token alone would be enough.
        if let Some((_, signature)) = secret.rsplit_once('.') {
            assert!(!everything.contains(signature), "{signature} is in the database");
        }
    }
}

/// All rows of all tables as text, bytes as hex digits.
async fn everything(here: &Installation) -> String {
    let db = here.auth().db();
    let is_sqlite = db.engine() == countersign_auth::storage::Engine::Sqlite;
    let tables = if is_sqlite {
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
    } else {
        "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'"
    };
    let mut everything = String::new();
    for row in db.all(tables, []).await.expect("tables") {
        let table: String = row.get("name").expect("a name");
        let columns = if is_sqlite {
            format!("SELECT name FROM pragma_table_info('{table}')")
        } else {
            format!(
                "SELECT column_name::text AS name FROM information_schema.columns WHERE table_name = '{table}'"
            )
        };
        for row in db.all(columns.leak() as &'static str, []).await.expect("columns") {
            let column: String = row.get("name").expect("a name");
            // Bytes are looked at as digits and, where they are text, as that.
            let select = if is_sqlite {
                format!(
                    "SELECT COALESCE(hex({column}), '') || ' ' || CASE typeof({column}) WHEN 'blob' THEN ''
                         ELSE COALESCE(CAST({column} AS TEXT), '') END AS value FROM {table}"
                )
            } else {
                format!("SELECT COALESCE({column}::text, '') AS value FROM {table}")
            };
            for row in db.all(select.leak() as &'static str, []).await.expect("values") {
                let value: String = row.get("value").expect("a value");
                everything.push_str(&value.to_lowercase());
                everything.push_str(&value);
                everything.push('\n');
            }
        }
    }
    everything
}
