//! How an account comes to be, and whose address it is: the promises of storage on every engine, and the routes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, header},
};
use countersign_auth::{
    Config,
    mail::{KeptLetter, Kind},
    on_every_engine,
    testing::{
        PASSWORD, Place, TestAuth,
        work::{Work, counted},
    },
    users::NewUser,
};
use serde_json::{Value, json};

use crate::http::{Answer, ask, get, post};

mod storage {
    use countersign_auth::{on_every_engine, testing::accounts::*};

    on_every_engine!(
        a_registration_is_an_account_when_its_address_is_confirmed,
        a_registered_address_is_told_to_its_owner_alone,
        no_password_of_a_stranger_becomes_that_of_the_account,
        registrations_at_the_same_moment_are_one,
        registering_again_with_the_same_password_sends_another_letter,
        a_link_is_good_once_for_one_thing_and_half_an_hour,
        of_many_uses_of_a_link_at_once_one_wins,
        a_reset_ends_all_logins_and_links,
        an_address_changes_when_the_new_one_is_confirmed,
        an_address_that_is_taken_is_told_to_its_owner_alone,
        a_registration_gives_way_to_whoever_has_proof,
        a_change_of_address_that_waits_is_dropped,
        letters_are_made_when_they_are_sent,
        links_end_with_their_account,
        what_nobody_confirms_is_swept,
        accounts_from_before_need_no_confirmation,
        a_link_makes_an_address_known_and_a_registration_does_not,
        the_database_holds_no_link,
        another_name_is_in_the_next_tokens,
    );
}

const OTHER: &str = "three further unrelated pebbles";

on_every_engine!(nobody_learns_which_addresses_have_an_account);

async fn confirming(place: &Place) -> (TestAuth, Router) {
    let mut config = Config::default();
    config.accounts.verify_email = true;
    config.http.public_url = Some("https://auth.example.com".parse().expect("a URL"));
    let test = TestAuth::with(place, config).await.expect("an installation");
    let app = test.auth.router();
    (test, app)
}

async fn account(test: &TestAuth, email: &str) {
    let new = NewUser { email, password: PASSWORD, name: None, roles: &["user"] };
    test.auth.user_create(new).await.expect("an account");
}

/// The letters that were sent so far, the newest first, when none is still to be sent.
async fn letters(test: &TestAuth) -> Vec<Arc<KeptLetter>> {
    let start = Instant::now();
    while !test.auth.db().all("SELECT id FROM outbox", []).await.expect("rows").is_empty() {
        assert!(start.elapsed() < Duration::from_secs(60), "a letter is not sent");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    test.auth.outbox().expect("letters are kept").letters()
}

/// The link in the newest letter.
async fn link(test: &TestAuth) -> String {
    let letters = letters(test).await;
    letters.first().and_then(|letter| letter.link.clone()).expect("a link")
}

fn token_of(link: &str) -> &str {
    link.split_once("?token=").expect("a token").1
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["code"].as_str().unwrap_or_default())
}

fn with_bearer(method: &str, path: &str, token: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request")
}

async fn login(app: &Router, email: &str, password: &str) -> Answer {
    ask(app, post("/login", &json!({ "email": email, "password": password }))).await
}

async fn signed_in(app: &Router, email: &str, password: &str) -> String {
    let answer = login(app, email, password).await;
    answer.body["access_token"].as_str().expect("a token").to_owned()
}

/// All that a client could tell two answers apart by: what it is told, and what it costs.
async fn seen(app: &Router, request: Request<Body>) -> (String, Work) {
    let (answer, work) = counted(ask(app, request)).await;
    (format!("{} {:?} {}", answer.status, answer.headers(), answer.body), work)
}

async fn nobody_learns_which_addresses_have_an_account(place: Place) {
    let (test, app) = confirming(&place).await;
    let register = |email: &str, password: &str| {
        post("/register", &json!({ "email": email, "password": password, "name": "Somebody" }))
    };
    for email in ["known@example.com", "off@example.com"] {
        account(&test, email).await;
    }
    let off = countersign_auth::users::Email::parse("off@example.com").expect("an address");
    let off = test.auth.user_by_email(&off).await.expect("read").expect("an account");
    test.auth.user_set_disabled(off.id, true).await.expect("disabled");
    for email in ["pending@example.com", "disputed@example.com"] {
        ask(&app, register(email, PASSWORD)).await;
    }
    ask(&app, register("disputed@example.com", OTHER)).await;
    let everyone = ["known", "nobody", "off", "pending", "disputed"];

    let mut all: Vec<(&str, Vec<(String, Work)>)> = Vec::new();
    for path in ["/login", "/login/session"] {
        let mut answers = Vec::new();
        for name in everyone {
            let body = json!({ "email": format!("{name}@example.com"), "password": "wrong" });
            let request = || {
                let mut request = post(path, &body);
                let origin = "https://auth.example.com".parse().expect("a value");
                request.headers_mut().insert(header::ORIGIN, origin);
                request
            };
            answers.push(seen(&app, request()).await);
        }
        all.push((path, answers));
    }
    for path in ["/password/forgot", "/email/resend"] {
        let mut answers = Vec::new();
        for name in everyone {
            let body = json!({ "email": format!("{name}@example.com") });
            answers.push(seen(&app, post(path, &body)).await);
        }
        all.push((path, answers));
    }
    let mut answers = Vec::new();
    // What is pending becomes disputed, and who was nobody pending: so each is asked for once with each password.
    for password in [PASSWORD, OTHER] {
        for name in everyone {
            answers.push(seen(&app, register(&format!("{name}@example.com"), password)).await);
        }
    }
    all.push(("/register", answers));
    let token = signed_in(&app, "known@example.com", PASSWORD).await;
    let mut answers = Vec::new();
    for name in ["nobody-else", "off", "pending", "known"] {
        let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        answers.push(seen(&app, with_bearer("POST", "/me/email", &token, &body)).await);
    }
    all.push(("/me/email", answers));

    for (path, answers) in all {
        let first = answers.first().expect("an answer");
        assert!(answers.iter().all(|answer| answer == first), "{path}: {answers:#?}");
        let hashes = u64::from(!["/password/forgot", "/email/resend"].contains(&path));
        assert_eq!(first.1.hashes, hashes, "{path}");
        assert!(first.1.statements > 0, "{path} is not counted");
    }
    // Refusals of what is sent come first, and are the same for all.
    for name in everyone {
        let email = format!("{name}@example.com");
        let refused = ask(&app, register(&email, "password")).await;
        assert_eq!(code(&refused), (422, "password_refused"));
        let body = json!({ "email": email, "password": OTHER, "name": "" });
        assert_eq!(code(&ask(&app, post("/register", &body)).await), (422, "name_invalid"));
    }
}

#[tokio::test]
async fn an_account_goes_all_its_ways_by_links_and_the_file_holds_none_of_them() {
    let place = Place::disk().await;
    let (test, app) = confirming(&place).await;
    let registration = json!({ "email": "A@example.com", "password": PASSWORD, "name": "Me" });
    let answer = ask(&app, post("/register", &registration)).await;
    assert_eq!((answer.status, answer.body), (202, json!({ "status": "accepted" })));
    let refused = login(&app, "a@example.com", PASSWORD).await;
    assert_eq!(code(&refused), (403, "email_unverified"));
    assert_eq!(refused.body["error"], "invalid_grant");
    let confirm = link(&test).await;
    assert!(confirm.starts_with("https://auth.example.com/email/verify?token="), "{confirm}");

    // To look at a link, as programs that guard mailboxes do, uses up nothing.
    let path = confirm.strip_prefix("https://auth.example.com").expect("a path");
    for _ in 0..2 {
        let looked = ask(&app, get(path, header::ACCEPT, "text/html")).await;
        assert_eq!(code(&looked), (405, "method_not_allowed"));
    }
    let verify = post("/email/verify", &json!({ "token": token_of(&confirm) }));
    let verified = ask(&app, verify).await;
    assert_eq!((verified.status, verified.header("cache-control")), (204, Some("no-store")));
    let again = ask(&app, post("/email/verify", &json!({ "token": token_of(&confirm) }))).await;
    assert_eq!(code(&again), (400, "link_invalid"));
    let token = signed_in(&app, "a@example.com", PASSWORD).await;

    // A link is made of the public address, whatever the request says of itself.
    let mut forgot = post("/password/forgot", &json!({ "email": "a@example.com" }));
    for (name, value) in
        [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil")]
    {
        forgot.headers_mut().insert(name, value.parse().expect("a value"));
    }
    assert_eq!(ask(&app, forgot).await.status, 202);
    let forgotten = link(&test).await;
    assert!(forgotten.starts_with("https://auth.example.com/password/reset?token="), "{forgotten}");
    let reset = |password: &str| {
        let body = json!({ "token": token_of(&forgotten), "password": password });
        post("/password/reset", &body)
    };
    assert_eq!(code(&ask(&app, reset("password")).await), (422, "password_refused"));
    assert_eq!(ask(&app, reset(OTHER)).await.status, 204);
    assert_eq!(code(&ask(&app, reset(PASSWORD)).await), (400, "link_invalid"));
    let dead = ask(&app, with_bearer("GET", "/me", &token, &Value::Null)).await;
    assert_eq!(code(&dead), (401, "token_revoked"));
    let notice = letters(&test).await.first().cloned().expect("a letter");
    assert_eq!((notice.kind, notice.to.as_str()), (Kind::PasswordChanged, "a@example.com"));

    let token = signed_in(&app, "a@example.com", OTHER).await;
    let ask_for = |password: &str| {
        let body = json!({ "email": "new@example.com", "password": password });
        with_bearer("POST", "/me/email", &token, &body)
    };
    assert_eq!(code(&ask(&app, ask_for(PASSWORD)).await), (403, "invalid_credentials"));
    let asked = ask(&app, ask_for(OTHER)).await;
    assert_eq!((asked.status, asked.body), (202, json!({ "status": "accepted" })));
    let change = link(&test).await;
    let me = || with_bearer("GET", "/me", &token, &Value::Null);
    assert_eq!(ask(&app, me()).await.body["email"], "a@example.com");
    let changed = ask(&app, post("/email/verify", &json!({ "token": token_of(&change) }))).await;
    assert_eq!(changed.status, 204);
    assert_eq!(ask(&app, me()).await.body["email"], "new@example.com");
    let told = letters(&test).await.first().cloned().expect("a letter");
    assert_eq!((told.kind, told.to.as_str()), (Kind::AddressChanged, "a@example.com"));

    // One that is not used, so that its row is there when the file is read.
    let forgot = post("/password/forgot", &json!({ "email": "new@example.com" }));
    assert_eq!(ask(&app, forgot).await.status, 202);
    let links: Vec<String> =
        letters(&test).await.iter().filter_map(|letter| letter.link.clone()).collect();
    assert_eq!(links.len(), 4);
    test.auth.db().close().await;
    let file = place.file();
    let mut stored = std::fs::read(&file).expect("the file");
    stored.extend(std::fs::read(file.with_extension("db-wal")).unwrap_or_default());
    let holds = |text: &[u8]| stored.windows(text.len()).any(|window| window == text);
    assert!(holds(b"new@example.com"), "this is not the database");
    for link in &links {
        let token = token_of(link);
        let bytes: Vec<u8> = (0..token.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&token[at..at + 2], 16).expect("hex"))
            .collect();
        assert!(!holds(token.as_bytes()) && !holds(&bytes), "the database holds a link");
    }
    for password in [PASSWORD, OTHER] {
        assert!(!holds(password.as_bytes()), "the database holds a password");
    }
}

#[tokio::test]
async fn a_name_is_changed_removed_and_left_as_it_is() {
    let (test, app) = confirming(&Place::memory().await).await;
    account(&test, "a@example.com").await;
    let token = signed_in(&app, "a@example.com", PASSWORD).await;
    let rename = async |body: Value| ask(&app, with_bearer("PATCH", "/me", &token, &body)).await;
    let named = rename(json!({ "name": " Somebody " })).await;
    assert_eq!((named.status, &named.body["name"]), (200, &json!("Somebody")));
    assert_eq!(named.header("cache-control"), Some("no-store"));
    assert_eq!(rename(json!({})).await.body["name"], "Somebody");
    let session = signed_in(&app, "a@example.com", PASSWORD).await;
    let read = jwt::dangerous::decode_unverified::<Value>(&session).expect("a token");
    assert_eq!(read.claims["name"], "Somebody");
    assert_eq!(code(&rename(json!({ "name": "a\0b" })).await), (422, "name_invalid"));
    for body in
        [json!({ "name": 1 }), json!({ "roles": ["admin"] }), json!({ "email": "b@x.example" })]
    {
        assert_eq!(code(&rename(body.clone()).await), (422, "body_invalid"), "{body}");
    }
    let removed = rename(json!({ "name": null })).await;
    assert_eq!((removed.status, &removed.body["name"]), (200, &Value::Null));
    let mut nobody = post("/me", &json!({ "name": "x" }));
    *nobody.method_mut() = Method::PATCH;
    assert_eq!(code(&ask(&app, nobody).await), (401, "credentials_missing"));
}

#[tokio::test]
async fn the_routes_of_links_look_at_no_authorization_and_take_no_other_member() {
    let (test, app) = confirming(&Place::memory().await).await;
    account(&test, "a@example.com").await;
    let with_basic = |mut request: Request<Body>| {
        let basic = "Basic Og==".parse().expect("a value");
        request.headers_mut().insert(header::AUTHORIZATION, basic);
        request
    };
    let address = json!({ "email": "a@example.com" });
    for path in ["/password/forgot", "/email/resend"] {
        let answer = ask(&app, with_basic(post(path, &address))).await;
        assert_eq!((answer.status, answer.header("cache-control")), (202, Some("no-store")));
        let extra = json!({ "email": "a@example.com", "host": "evil.example" });
        assert_eq!(code(&ask(&app, post(path, &extra)).await), (422, "body_invalid"));
        for email in ["a", "a\0@example.com", "a@example.com\r\nBcc: b@example.com"] {
            let refused = ask(&app, post(path, &json!({ "email": email }))).await;
            assert_eq!(code(&refused), (422, "email_invalid"), "{email:?}");
        }
    }
    let token = "0123456789abcdef".repeat(4);
    for (path, body) in [
        ("/password/reset", json!({ "token": token, "password": PASSWORD })),
        ("/email/verify", json!({ "token": token })),
    ] {
        let refused = ask(&app, with_basic(post(path, &body))).await;
        assert_eq!(code(&refused), (400, "link_invalid"));
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        assert!(!refused.body.to_string().contains(&token));
        let mut other = body.clone();
        other["email"] = json!("a@example.com");
        assert_eq!(code(&ask(&app, post(path, &other)).await), (422, "body_invalid"));
        let mut odd = body;
        odd["token"] = json!("a\0b");
        assert_eq!(code(&ask(&app, post(path, &odd)).await), (400, "link_invalid"));
    }
}
