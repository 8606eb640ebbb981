//! Refresh, logout and the list of logins over the real router.

use axum::{
    Router,
    body::Body,
    http::{Request, header},
};
use countersign_auth::{
    Config,
    config::Mode,
    testing::{PASSWORD, Place, TestAuth},
};
use serde_json::{Value, json};

use crate::http::{Answer, ask, get, post};

const ORIGIN: &str = "http://127.0.0.1:8000";

struct Client {
    test: TestAuth,
    app: Router,
}

impl Client {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        Self::on(&Place::memory().await, config).await
    }

    async fn on(place: &Place, config: Config) -> Self {
        let test = TestAuth::with(place, config).await.expect("an installation");
        let app = test.auth.router();
        Self { test, app }
    }

    async fn registered() -> Self {
        let client = Self::new().await;
        client.register("a@example.com").await;
        client
    }

    async fn register(&self, email: &str) {
        let account = json!({ "email": email, "password": PASSWORD });
        assert_eq!(ask(&self.app, post("/register", &account)).await.status, 201);
    }

    async fn login(&self, email: &str) -> Tokens {
        let credentials = json!({ "email": email, "password": PASSWORD });
        let answer = ask(&self.app, post("/login", &credentials)).await;
        assert_eq!(answer.status, 200);
        Tokens::of(&answer)
    }

    async fn login_session(&self) -> String {
        let credentials = json!({ "email": "a@example.com", "password": PASSWORD });
        let answer = ask(&self.app, post("/login/session", &credentials)).await;
        let cookie = answer.header("set-cookie").expect("a cookie");
        cookie.split(';').next().expect("a value").to_owned()
    }

    async fn refresh(&self, token: &str) -> Answer {
        ask(&self.app, post("/refresh", &json!({ "refresh_token": token }))).await
    }

    async fn me(&self, name: header::HeaderName, value: &str) -> String {
        let answer = ask(&self.app, get("/me", name, value)).await;
        answer.body["code"].as_str().unwrap_or("accepted").to_owned()
    }

    async fn with_bearer(&self, method: &str, path: &str, access: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, access);
        ask(&self.app, request.body(Body::empty()).expect("a request")).await
    }
}

struct Tokens {
    /// With its scheme.
    access: String,
    refresh: String,
}

impl Tokens {
    fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.body[name].as_str().expect(name).to_owned();
        Self { access: format!("Bearer {}", text("access_token")), refresh: text("refresh_token") }
    }
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["code"].as_str().unwrap_or_default())
}

fn sid(access: &str) -> Value {
    let token = access.strip_prefix("Bearer ").expect("a token");
    let read = jwt::dangerous::decode_unverified::<Value>(token).expect("a token");
    read.claims["sid"].clone()
}

#[tokio::test]
async fn a_refresh_answers_as_a_login_does_and_keeps_the_session() {
    let client = Client::registered().await;
    let first = client.login("a@example.com").await;
    let answer = client.refresh(&first.refresh).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut members: Vec<&String> = answer.body.as_object().expect("an object").keys().collect();
    members.sort();
    assert_eq!(
        members,
        ["access_token", "expires_in", "refresh_expires_in", "refresh_token", "token_type"]
    );
    let second = Tokens::of(&answer);
    assert_eq!(sid(&first.access), sid(&second.access));
    assert_eq!(client.me(header::AUTHORIZATION, &second.access).await, "accepted");
    // OAuth 2 clients send a form.
    let form = format!("grant_type=refresh_token&refresh_token={}", second.refresh);
    let request = Request::post("/refresh")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        // Docs pages send an empty Basic here.
        .header(header::AUTHORIZATION, "Basic Og==")
        .body(Body::from(form))
        .expect("a request");
    assert_eq!(ask(&client.app, request).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_that_is_no_good_is_refused_in_one_way() {
    let client = Client::registered().await;
    let tokens = client.login("a@example.com").await;
    client.refresh(&tokens.refresh).await;
    client.test.clock.advance(std::time::Duration::from_secs(11));
    let access = tokens.access.strip_prefix("Bearer ").expect("a token");
    for bad in ["", "x", access, &tokens.refresh] {
        let refused = client.refresh(bad).await;
        assert_eq!(code(&refused), (401, "invalid_grant"), "{bad}");
        assert_eq!(refused.body["error"], "invalid_grant");
        assert!(refused.body["error_description"].is_string());
        assert!(refused.header("www-authenticate").is_some());
    }
    for (body, status) in [
        (json!({}), 422),
        (json!({ "refresh_token": 1 }), 422),
        (json!({ "refresh_token": "x", "more": 1 }), 422),
        (json!([]), 422),
    ] {
        assert_eq!(ask(&client.app, post("/refresh", &body)).await.status, status, "{body}");
    }
}

#[tokio::test]
async fn logout_with_an_access_token_ends_all_of_its_session() {
    let client = Client::registered().await;
    let (own, other) = (client.login("a@example.com").await, client.login("a@example.com").await);
    let sibling = Tokens::of(&client.refresh(&own.refresh).await);
    let answer = client.with_bearer("POST", "/logout", &own.access).await;
    let now = client.test.auth.clock().now().seconds();
    let expected = json!({
        "revoked": [sid(&own.access)],
        "effective_by": now + 1,
        "access_expires_at": now + 600,
    });
    assert_eq!((answer.status, answer.body), (200, expected));
    for dead in [&own.access, &sibling.access] {
        assert_eq!(client.me(header::AUTHORIZATION, dead).await, "token_revoked");
    }
    assert_eq!(code(&client.refresh(&sibling.refresh).await), (401, "invalid_grant"));
    assert_eq!(client.me(header::AUTHORIZATION, &other.access).await, "accepted");
    // Again, for a client that did not hear the answer; it is written once.
    let rows = async || {
        let rows = client.test.auth.db().all("SELECT number FROM revocations", []).await;
        rows.expect("rows").len()
    };
    let written = rows().await;
    for _ in 0..3 {
        client.test.clock.advance(std::time::Duration::from_secs(60));
        let again = client.with_bearer("POST", "/logout", &own.access).await;
        assert_eq!((again.status, &again.body["revoked"]), (200, &json!([sid(&own.access)])));
        assert_eq!(again.body["access_expires_at"], now + 600, "it does not move");
    }
    assert_eq!(rows().await, written);
    // Some clients name a content type also where they send no content.
    let mut request = post("/logout", &Value::Null);
    *request.body_mut() = Body::empty();
    let value = other.access.parse().expect("a header");
    request.headers_mut().insert(header::AUTHORIZATION, value);
    assert_eq!(ask(&client.app, request).await.status, 200);
}

#[tokio::test]
async fn logout_with_a_refresh_token_needs_no_access_token() {
    let client = Client::registered().await;
    let tokens = client.login("a@example.com").await;
    client.test.clock.advance(std::time::Duration::from_secs(700));
    assert_eq!(client.me(header::AUTHORIZATION, &tokens.access).await, "token_expired");
    let expired = client.with_bearer("POST", "/logout", &tokens.access).await;
    assert_eq!(code(&expired), (401, "token_expired"));

    let body = json!({ "refresh_token": tokens.refresh });
    for beside in [None, Some(&tokens.access)] {
        let mut request = post("/logout", &body);
        if let Some(access) = beside {
            let value = access.parse().expect("a header");
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let answer = ask(&client.app, request).await;
        assert_eq!((answer.status, &answer.body["revoked"]), (200, &json!([sid(&tokens.access)])));
    }
    assert_eq!(code(&client.refresh(&tokens.refresh).await), (401, "invalid_grant"));
    let made_up = ask(&client.app, post("/logout", &json!({ "refresh_token": "x" }))).await;
    assert_eq!(code(&made_up), (401, "invalid_grant"));
    let nothing = ask(&client.app, post("/logout", &json!({}))).await;
    assert_eq!(code(&nothing), (401, "credentials_missing"));
}

#[tokio::test]
async fn logins_are_listed_and_ended_from_another_device() {
    let client = Client::registered().await;
    client.register("b@example.com").await;
    let own = client.login("a@example.com").await;
    let lost = client.login("a@example.com").await;
    let cookie = client.login_session().await;
    let stranger = client.login("b@example.com").await;

    let list = client.with_bearer("GET", "/sessions", &own.access).await;
    let items = list.body["items"].as_array().expect("items");
    assert_eq!((items.len(), &list.body["next"]), (3, &Value::Null));
    assert_eq!(items[2]["id"], sid(&own.access));
    let current: Vec<&Value> = items.iter().map(|item| &item["current"]).collect();
    assert_eq!(current, [false, false, true]);
    for member in ["id", "device", "address", "created_at", "last_used_at", "current"] {
        assert!(items[0].get(member).is_some(), "{member}");
    }
    let first = client.with_bearer("GET", "/sessions?limit=2", &own.access).await;
    assert_eq!(first.body["items"], json!(items[..2]));
    let next = first.body["next"].as_str().expect("a cursor");
    let path = format!("/sessions?limit=2&after={next}");
    let second = client.with_bearer("GET", &path, &own.access).await;
    assert_eq!((&second.body["items"], &second.body["next"]), (&json!(items[2..]), &Value::Null));
    for query in ["after=1", "limit=0", "limit=201", "limit=x", "page=2"] {
        let bad = client.with_bearer("GET", &format!("/sessions?{query}"), &own.access).await;
        assert_eq!(code(&bad), (400, "query_invalid"), "{query}");
    }

    let path = |id: &Value| format!("/sessions/{}", id.as_str().expect("an id"));
    let lost_path = path(&sid(&lost.access));
    for (path, access) in [
        (&*lost_path, &stranger.access),
        ("/sessions/01980b1e-7a4c-7def-8123-456789abcdef", &own.access),
        ("/sessions/x", &own.access),
    ] {
        let refused = client.with_bearer("DELETE", path, access).await;
        assert_eq!(code(&refused), (404, "not_found"), "{path}");
    }
    let ended = client.with_bearer("DELETE", &lost_path, &own.access).await;
    assert_eq!((ended.status, &ended.body["revoked"]), (200, &json!([sid(&lost.access)])));
    assert_eq!(client.me(header::AUTHORIZATION, &lost.access).await, "token_revoked");

    assert_eq!(client.me(header::COOKIE, &cookie).await, "accepted");
    let others = client.with_bearer("DELETE", "/sessions", &own.access).await;
    assert_eq!((others.status, others.body["revoked"].as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(client.me(header::COOKIE, &cookie).await, "session_expired");
    for alive in [&own.access, &stranger.access] {
        assert_eq!(client.me(header::AUTHORIZATION, alive).await, "accepted");
    }
}

#[tokio::test]
async fn a_login_is_listed_with_the_program_and_the_address_it_came_from() {
    use axum::extract::ConnectInfo;
    use std::net::SocketAddr;

    let client = Client::registered().await;
    let from = |mut request: Request<Body>, peer: &str, agent: &str| {
        let peer: SocketAddr = peer.parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        request.headers_mut().insert(header::USER_AGENT, agent.parse().expect("a header"));
        // Nobody trusts this client's word.
        request.headers_mut().insert("x-forwarded-for", "10.9.8.7".parse().expect("a header"));
        request
    };
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let credentials = json!({ "email": "a@example.com", "password": PASSWORD });
    for path in ["/login", "/login/session"] {
        ask(&client.app, from(post(path, &credentials), "192.0.2.7:5000", agent)).await;
    }
    let request = from(post("/login", &credentials), "192.0.2.7:5000", "curl/8.11.0");
    let tokens = Tokens::of(&ask(&client.app, request).await);
    let body = json!({ "refresh_token": tokens.refresh });
    ask(&client.app, from(post("/refresh", &body), "[2001:db8::1]:5000", "x")).await;
    let list = client.with_bearer("GET", "/sessions", &tokens.access).await;
    let seen: Vec<Value> = list.body["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| json!([item["device"], item["address"]]))
        .collect();
    let expected = [
        json!(["curl", "2001:db8::1"]),
        json!(["Firefox on Linux", "192.0.2.7"]),
        json!(["Firefox on Linux", "192.0.2.7"]),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_page_of_another_site_cannot_end_sessions_by_cookie() {
    let client = Client::registered().await;
    let cookie = client.login_session().await;
    for (method, path) in [("POST", "/logout"), ("DELETE", "/sessions")] {
        for (origin, status) in [("https://evil.example", 403), (ORIGIN, 200)] {
            if (path, status) == ("/logout", 200) {
                continue;
            }
            let request = Request::builder().method(method).uri(path);
            let request = request.header(header::COOKIE, &cookie).header(header::ORIGIN, origin);
            let answer = ask(&client.app, request.body(Body::empty()).expect("a request")).await;
            assert_eq!(answer.status, status, "{method} {path} {origin}");
        }
    }
    assert_eq!(client.me(header::COOKIE, &cookie).await, "accepted");
}

#[tokio::test]
async fn another_mode_signs_no_one_out() {
    let place = Place::disk().await;
    let both = Client::on(&place, Config::default()).await;
    both.register("a@example.com").await;
    let (tokens, cookie) = (both.login("a@example.com").await, both.login_session().await);
    let credentials = json!({ "email": "a@example.com", "password": PASSWORD });
    for (mode, off, on) in
        [(Mode::Jwt, "/login/session", "/login"), (Mode::Session, "/login", "/login/session")]
    {
        let mut config = Config::default();
        config.auth.mode = mode;
        let one = Client::on(&place, config).await;
        assert_eq!(code(&ask(&one.app, post(off, &credentials)).await), (404, "mode_disabled"));
        assert_eq!(ask(&one.app, post(on, &credentials)).await.status, 200);
        assert_eq!(one.me(header::AUTHORIZATION, &tokens.access).await, "accepted");
        assert_eq!(one.me(header::COOKIE, &cookie).await, "accepted");
        let refresh = one.refresh(&tokens.refresh).await;
        match mode {
            Mode::Session => assert_eq!(code(&refresh), (404, "mode_disabled")),
            _ => assert_eq!(refresh.status, 200),
        }
    }
}

/// Clients of both kinds work on without a pause while the instance behind their address changes its mode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_mode_under_load_signs_no_one_out() {
    use std::sync::{
        Arc, RwLock,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    };

    let place = Place::disk().await;
    let mut instances = Vec::new();
    for mode in [Mode::Both, Mode::Jwt, Mode::Session] {
        let mut config = Config::default();
        config.auth.mode = mode;
        instances.push(Client::on(&place, config).await);
    }
    let both = &instances[0];
    both.register("a@example.com").await;
    let active = Arc::new(RwLock::new(both.app.clone()));
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut clients = Vec::new();
    for number in 0..8 {
        let by_cookie = number % 2 == 0;
        let mut tokens = both.login("a@example.com").await;
        let cookie = both.login_session().await;
        let (active, stop, asked) = (Arc::clone(&active), Arc::clone(&stop), Arc::clone(&asked));
        clients.push(tokio::spawn(async move {
            while !stop.load(Relaxed) {
                let app = active.read().expect("not poisoned").clone();
                let request = if by_cookie {
                    get("/me", header::COOKIE, &cookie)
                } else {
                    get("/me", header::AUTHORIZATION, &tokens.access)
                };
                let answer = ask(&app, request).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                if !by_cookie {
                    let body = json!({ "refresh_token": tokens.refresh });
                    let answer = ask(&app, post("/refresh", &body)).await;
                    match answer.status {
                        200 => tokens = Tokens::of(&answer),
                        // Offered no longer; the access token goes on.
                        _ => assert_eq!(code(&answer), (404, "mode_disabled")),
                    }
                }
                asked.fetch_add(1, Relaxed);
            }
        }));
    }
    for flip in 0..30 {
        *active.write().expect("not poisoned") = instances[flip % 3].app.clone();
        let seen = asked.load(Relaxed);
        while asked.load(Relaxed) < seen + 20
            && !clients.iter().any(tokio::task::JoinHandle::is_finished)
        {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    stop.store(true, Relaxed);
    for client in clients {
        client.await.expect("never signed out");
    }
}

#[tokio::test]
async fn the_account_is_changed_and_removed_with_its_password() {
    let client = Client::registered().await;
    let own = client.login("a@example.com").await;
    let other = client.login("a@example.com").await;
    let new = "three further unrelated pebbles";
    let ask_with = async |path: &str, body: Value| {
        let mut request = post(path, &body);
        let value = own.access.parse().expect("a header");
        request.headers_mut().insert(header::AUTHORIZATION, value);
        ask(&client.app, request).await
    };
    let change =
        |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
    let wrong = ask_with("/me/password", change("wrong", new)).await;
    assert_eq!(code(&wrong), (403, "invalid_credentials"));
    let weak = ask_with("/me/password", change(PASSWORD, "password")).await;
    assert_eq!(code(&weak), (422, "password_refused"));
    let changed = ask_with("/me/password", change(PASSWORD, new)).await;
    assert_eq!((changed.status, &changed.body["revoked"]), (200, &json!([sid(&other.access)])));
    assert_eq!(client.me(header::AUTHORIZATION, &other.access).await, "token_revoked");
    assert_eq!(client.me(header::AUTHORIZATION, &own.access).await, "accepted");

    let wrong = ask_with("/me/delete", json!({ "password": PASSWORD })).await;
    assert_eq!(code(&wrong), (403, "invalid_credentials"));
    assert_eq!(ask_with("/me/delete", json!({ "password": new })).await.status, 204);
    assert_eq!(client.me(header::AUTHORIZATION, &own.access).await, "token_revoked");
    client.register("a@example.com").await;
}

#[tokio::test]
async fn the_application_gives_claims_of_its_own_by_token_and_by_cookie() {
    use axum::routing::get as route;
    use countersign_auth::{Auth, Clock, testing::TestClock};
    use guard::Principal;

    let place = Place::memory().await;
    let auth = Auth::builder(Config::default())
        .db(place.db.clone())
        .clock(Clock::new(TestClock::default()))
        .claims(|user| {
            let tenant = user.email.as_str().rsplit('@').next().map(str::to_owned);
            // `sub` is not the application's to give.
            [("tenant".to_owned(), json!(tenant)), ("sub".to_owned(), json!("admin"))]
                .into_iter()
                .collect()
        })
        .build()
        .await
        .expect("an installation");
    let app = Router::new()
        .route(
            "/tenant",
            route(async |caller: Principal| {
                let tenant = caller.claim("tenant").and_then(Value::as_str).map(str::to_owned);
                axum::Json(json!([tenant, caller.claim("roles"), caller.subject()]))
            }),
        )
        .with_state(auth.clone())
        .nest("/auth", auth.router());
    let credentials = json!({ "email": "a@example.com", "password": PASSWORD });
    let made = ask(&app, post("/auth/register", &credentials)).await;
    let expected = json!(["example.com", null, made.body["id"]]);

    let tokens = Tokens::of(&ask(&app, post("/auth/login", &credentials)).await);
    let answer = ask(&app, get("/tenant", header::AUTHORIZATION, &tokens.access)).await;
    assert_eq!(answer.body, expected);
    let session = ask(&app, post("/auth/login/session", &credentials)).await;
    let cookie = session.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    let answer = ask(&app, get("/tenant", header::COOKIE, cookie.expect("a cookie"))).await;
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn an_instance_that_has_lost_the_feed_refuses_where_it_is_told_to() {
    let mut config = Config::default();
    config.revocation.when_stale = countersign_auth::config::WhenStale::Closed;
    let client = Client::with(config).await;
    client.register("a@example.com").await;
    let tokens = client.login("a@example.com").await;
    let app = Router::new()
        .route(
            "/who",
            axum::routing::get(async |caller: guard::Principal| caller.subject().to_owned()),
        )
        .with_state(client.test.auth.clone());
    let ask_until = async |status: u16| {
        for _ in 0..4_000 {
            let answer = ask(&app, get("/who", header::AUTHORIZATION, &tokens.access)).await;
            if answer.status == status {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("it never answered {status}");
    };
    ask_until(200).await;
    client.test.auth.db().set_unavailable(true);
    let refused = ask_until(503).await;
    assert_eq!(refused.body["code"], "revocations_unavailable");
    assert!(refused.header("retry-after").is_some());
    client.test.auth.db().set_unavailable(false);
    ask_until(200).await;
}
