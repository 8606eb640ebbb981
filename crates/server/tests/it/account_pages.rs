//! The pages on which people sign in and look after their account, as a browser without scripts asks for them.

use std::time::Duration;

use reqwest::{
    Method,
    header::{ACCEPT, COOKIE, LOCATION, ORIGIN, SET_COOKIE},
};
use serde_json::json;
use tempfile::tempdir;
use tokio::task::JoinSet;

use crate::process::{Answer, PASSWORD, Server, answer, countersign};

/// What a browser says that it takes.
const HTML: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// The forms there are, each with what it could do.
const FORMS: &[(&str, &[(&str, &str)])] = &[
    ("/account/login", &[("email", "a@example.com"), ("password", PASSWORD)]),
    ("/account/register", &[("email", "new@example.com"), ("password", PASSWORD)]),
    ("/account/logout", &[]),
    ("/account/language", &[("language", "de")]),
    ("/account/forgot", &[("email", "a@example.com")]),
    ("/account/reset", &[("token", "x"), ("password", PASSWORD)]),
    ("/account/verify", &[("token", "x")]),
    ("/account/resend", &[("email", "a@example.com")]),
    ("/account/claim", &[("token", "x"), ("email", "a@example.com"), ("password", PASSWORD)]),
    ("/account/name", &[("new_name", "Mallory")]),
    ("/account/address", &[("email", "mallory@example.com"), ("password", PASSWORD)]),
    (
        "/account/password",
        &[("current_password", PASSWORD), ("new_password", "mallory has it now")],
    ),
    ("/account/devices/end", &[("id", "01a202d9-dfaa-756c-8dc9-af49014a8d09")]),
    ("/account/devices/end-others", &[]),
    ("/account/export", &[]),
    ("/account/delete", &[("password", PASSWORD), ("sure", "yes")]),
    ("/account/clock", &[("by", "1h")]),
];

async fn page(server: &Server, path: &str, cookie: &str) -> Answer {
    let request = server.request(Method::GET, path).header(ACCEPT, HTML);
    answer(request.header(COOKIE, cookie)).await
}

/// Sends a form as a page of the server does.
async fn send(server: &Server, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
    let request = server.request(Method::POST, path).header(ACCEPT, HTML).header(COOKIE, cookie);
    let request = request.header(ORIGIN, &server.url).header("sec-fetch-site", "same-origin");
    answer(request.form(form)).await
}

fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.headers[LOCATION].to_str().expect("text")
}

#[tokio::test]
async fn every_page_is_private_and_runs_nothing_from_elsewhere() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    let refused = async |path, form: &[(&str, &str)]| send(&server, path, "", form).await;
    let mut pages = vec![
        refused("/account/login", &[("email", "a@example.com"), ("password", "wrong")]).await,
        refused("/account/reset", &[("token", "x"), ("password", PASSWORD)]).await,
    ];
    assert_eq!(pages.iter().map(|page| page.status.as_u16()).collect::<Vec<_>>(), [401, 400]);
    let paths = [
        ("/", ""),
        ("/login", ""),
        ("/register", ""),
        ("/account", &*cookie),
        ("/password/forgot", ""),
        ("/password/reset?token=x", ""),
        ("/password/reset", ""),
        ("/email/verify?token=x", ""),
        ("/email/verify", ""),
        ("/email/resend", ""),
        ("/admin/claim?token=x", ""),
        ("/admin/claim?token=x&token=y", ""),
        ("/login?next=/a&next=/b", ""),
        ("/outbox", ""),
        ("/docs/errors/token_expired", ""),
        ("/docs/errors/nothing", ""),
        ("/nothing", &cookie),
    ];
    for (path, cookie) in paths {
        let found = page(&server, path, cookie).await;
        assert_eq!(found.status, if path.contains("nothing") { 404 } else { 200 }, "{path}");
        let head = server.request(Method::HEAD, path).header(ACCEPT, HTML).header(COOKIE, cookie);
        let head = answer(head).await;
        assert_eq!((head.status, &*head.text), (found.status, ""), "{path}");
        for name in ["content-type", "cache-control", "content-security-policy", "content-language"]
        {
            assert_eq!(head.headers[name], found.headers[name], "{path}: {name}");
        }
        pages.push(found);
    }
    for found in &pages {
        let header = |name: &str| found.headers[name].to_str().expect("text");
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "same-origin");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert!(header("vary").contains("cookie") && header("vary").contains("accept-language"));
        let policy = header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.split("; ").any(|found| found == rule), "{rule}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        // Nothing in the page that the policy would have to forbid.
        assert!(!found.text.contains(" style=") && !found.text.contains("<style"));
        assert!(!found.text.contains("<script>") && !found.text.contains(" onclick="));
        assert!(found.text.starts_with("<!doctype html>"), "{}", found.text);
    }
}

#[tokio::test]
async fn programs_find_routes_where_people_find_pages() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let posted = ["/login", "/register", "/password/reset", "/email/verify", "/admin/claim"];
    for (path, allow) in
        posted.map(|path| (path, "POST")).into_iter().chain([("/account", ""), ("/", "")])
    {
        for accept in ["*/*", "application/json"] {
            let found = answer(server.request(Method::GET, path).header(ACCEPT, accept)).await;
            assert_eq!(found.problem(), (405, "method_not_allowed".to_owned()), "{path}");
            assert_eq!(found.headers["allow"], allow, "{path}");
            if allow.is_empty() {
                assert_eq!(found.headers["vary"], "accept", "{path}");
            }
        }
    }
    // What forms are sent to takes forms alone, and leads to a page who comes without one.
    for (path, _) in FORMS {
        let found = answer(server.request(Method::PUT, path).header(ACCEPT, HTML)).await;
        assert_eq!(found.problem(), (405, "method_not_allowed".to_owned()), "{path}");
        assert_eq!(page(&server, path, "").await.status, 303, "{path}");
        let odd = server.request(Method::POST, path).header(ACCEPT, HTML).body("{");
        assert!(answer(odd).await.status.as_u16() < 500, "{path}");
    }
}

#[tokio::test]
async fn nobody_is_led_to_another_host_by_signing_in() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--limits-enabled", "false"]);
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    for (next, leads) in [
        ("/learn#session", "/learn#session"),
        ("/account/name", "/account/name"),
        ("", "/account"),
        ("//evil.example", "/account"),
        ("///evil.example", "/account"),
        ("/\\evil.example", "/account"),
        ("\\\\evil.example", "/account"),
        ("https://evil.example", "/account"),
        ("https:evil.example", "/account"),
        ("http:/\\evil.example", "/account"),
        ("javascript:alert(1)", "/account"),
        ("data:text/html,x", "/account"),
        ("/\t/evil.example", "/account"),
        ("/\n/evil.example", "/account"),
        ("/\r\nSet-Cookie: session=x", "/account"),
        (" //evil.example", "/account"),
        ("\u{0}//evil.example", "/account"),
        ("@evil.example", "/account"),
        ("/\u{2f}evil.example", "/account"),
        ("%2f%2fevil.example", "/account"),
    ] {
        let form = [("email", "a@example.com"), ("password", PASSWORD), ("next", next)];
        let signed_in = send(&server, "/account/login", "", &form).await;
        assert_eq!(location(&signed_in), leads, "{next:?}");
        assert_eq!(signed_in.headers.get_all(SET_COOKIE).iter().count(), 1);
        // Also who is signed in already, by the address of the page; and the page keeps it for the form.
        let encoded: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/login?next={encoded}");
        assert_eq!(location(&page(&server, &path, &cookie).await), leads, "{next:?}");
        let shown = page(&server, &path, "").await.text;
        assert!(shown.contains(&format!(r#"name="next" value="{leads}""#)), "{next:?}: {shown}");
    }
    // The language leads back to pages of this server alone.
    for (from, leads) in [
        ("https://evil.example//evil.example/x", "/"),
        ("https://evil.example", "/"),
        ("nonsense", "/"),
    ] {
        let request = server.request(Method::POST, "/account/language").header("referer", from);
        let request = request.header(ORIGIN, &server.url).form(&[("language", "de")]);
        assert_eq!(location(&answer(request).await), leads, "{from}");
    }
}

#[tokio::test]
async fn a_form_from_another_site_does_nothing_and_is_told_by_a_page() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    for (path, form) in FORMS {
        for (site, origin) in [
            (Some("cross-site"), Some("https://evil.example")),
            (Some("cross-site"), Some("null")),
            (Some("same-site"), None),
            (None, Some("https://evil.example")),
            // With a cookie, and nothing that says where it is from.
            (None, None),
        ] {
            let mut request = server.request(Method::POST, path).header(ACCEPT, HTML);
            request = request.header(COOKIE, &cookie).form(form);
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                request =
                    value.into_iter().fold(request, |request, value| request.header(name, value));
            }
            let refused = answer(request).await;
            assert_eq!(refused.status, 403, "{path}: {}", refused.text);
            assert!(refused.text.contains("<h1>This form comes from elsewhere</h1>"), "{path}");
            assert!(refused.headers.get(SET_COOKIE).is_none(), "{path}");
        }
    }
    let request = server.request(Method::GET, "/me").header(COOKIE, &cookie);
    let account = answer(request).await.json();
    assert_eq!((&account["email"], &account["name"]), (&json!("a@example.com"), &json!(null)));
    server.login("a@example.com", PASSWORD).await;
    let offset = answer(server.request(Method::GET, "/dev/clock")).await.json();
    assert_eq!(offset["offset"], "0s");
    let gone =
        server.post("/login", json!({ "email": "new@example.com", "password": PASSWORD })).await;
    assert_eq!(gone.status, 401);
}

#[tokio::test]
async fn nobody_is_told_to_be_signed_out_who_is_not() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    let both = format!("{cookie}; session={}", "0".repeat(64));
    let refused = send(&server, "/account/logout", &both, &[]).await;
    assert_eq!(refused.status, 401);
    assert!(refused.text.contains("two different sign-ins"), "{}", refused.text);
    let me = server.request(Method::GET, "/me").header(COOKIE, &cookie);
    assert_eq!(answer(me).await.status, 200);
    for cookie in [&*cookie, &*cookie, "session=0", ""] {
        assert_eq!(location(&send(&server, "/account/logout", cookie, &[]).await), "/login");
    }
}

#[tokio::test]
async fn what_was_typed_is_shown_as_text_and_no_password_comes_back() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let hostile = r#""><script>alert(1)</script>{{7*7}}"#;
    let secret = "a password that nobody is to see";
    let form = [("email", hostile), ("password", secret), ("name", hostile), ("next", hostile)];
    for path in ["/account/login", "/account/register", "/account/forgot", "/account/resend"] {
        let shown = send(&server, path, "", &form).await;
        assert!(shown.status.is_client_error(), "{path}: {}", shown.status);
        assert!(!shown.text.contains("<script>alert") && !shown.text.contains(secret), "{path}");
        assert!(shown.text.contains("&#60;script&#62;alert(1)"), "{path}: {}", shown.text);
    }
    let token = format!("/password/reset?token={}", "%22%3E%3Cscript%3Ealert(1)%3C/script%3E");
    assert!(!page(&server, &token, "").await.text.contains("<script>alert"));

    // A name that was saved, wherever it is shown.
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    let saved = send(&server, "/account/name", &cookie, &[("new_name", hostile)]).await;
    assert_eq!(location(&saved), "/account?done=name#name");
    let shown = page(&server, "/account", &cookie).await.text;
    assert!(!shown.contains("<script>alert") && shown.matches("&#60;script&#62;").count() >= 2);
}

#[tokio::test]
async fn a_deletion_wants_a_tick_and_the_password() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    let delete =
        async |form: &[(&str, &str)]| send(&server, "/account/delete", &cookie, form).await;
    let unsure = delete(&[("password", PASSWORD)]).await;
    assert_eq!(unsure.status, 422);
    assert!(unsure.text.contains("Tick the box if you are sure."));
    let wrong = delete(&[("password", "wrong"), ("sure", "yes")]).await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text.contains("That is not your password."), "{}", wrong.text);
    server.login("a@example.com", PASSWORD).await;
    let gone = delete(&[("password", PASSWORD), ("sure", "yes")]).await;
    assert_eq!(location(&gone), "/login?done=deleted#main");
    assert_eq!(location(&page(&server, "/account", &cookie).await), "/login?next=%2Faccount");
}

#[tokio::test]
async fn who_asks_too_often_is_told_how_long_to_wait() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let mut last = send(&server, "/account/forgot", "", &[("email", "a@example.com")]).await;
    for _ in 0..60 {
        if last.status == 429 {
            break;
        }
        assert_eq!(last.status, 200, "{}", last.text);
        last = send(&server, "/account/forgot", "", &[("email", "a@example.com")]).await;
    }
    assert_eq!(last.status, 429);
    let seconds = last.headers["retry-after"].to_str().expect("text");
    assert!(
        last.text.contains(&format!("That was too often. Try again in {seconds} s.")),
        "{}",
        last.text
    );
    assert!(last.text.contains(r#"value="a@example.com""#), "{}", last.text);
}

#[tokio::test]
async fn the_download_has_all_events_and_no_hash() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--limits-enabled", "false"]);
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    // More than one answer of the route holds.
    for round in 0..21 {
        let renamed = (0..50).map(|number| {
            let name = json!({ "name": format!("Name {round} {number}") });
            let request = server.request(Method::PATCH, "/me").header(COOKIE, &cookie);
            answer(request.header(ORIGIN, &server.url).json(&name))
        });
        for renamed in renamed.collect::<JoinSet<_>>().join_all().await {
            assert_eq!(renamed.status, 200, "{}", renamed.text);
        }
    }
    let file = send(&server, "/account/export", &cookie, &[]).await;
    assert_eq!(file.headers["content-disposition"], r#"attachment; filename="account.json""#);
    assert_eq!(file.headers["content-type"], "application/json");
    assert_eq!(file.headers["cache-control"], "no-store");
    let all = file.json();
    assert_eq!(
        (&all["account"]["email"], &all["events"]["next"]),
        (&json!("a@example.com"), &json!(null))
    );
    let mut ids: Vec<String> = all["events"]["items"]
        .as_array()
        .expect("events")
        .iter()
        .map(|event| event["id"].to_string())
        .collect();
    let held = ids.len();
    assert!(held >= 1_050, "{held}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), held, "each is there once");
    assert!(!file.text.contains("$argon2") && !file.text.contains("hash"));
    assert_eq!(
        location(&send(&server, "/account/export", "", &[]).await),
        "/login?next=%2Faccount%2Fexport"
    );
}

#[tokio::test]
async fn the_link_of_the_first_start_is_a_page_that_makes_an_administrator() {
    let folder = tempdir().expect("folder");
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let server = Server::start(command);
    let mut log = server.log();
    while !log.contains("a password of yours") {
        tokio::time::sleep(Duration::from_millis(5)).await;
        log = server.log();
    }
    let link = log.lines().find_map(|line| line.split_once("/admin/claim?token=")).expect("a link");
    let token = link.1.trim();
    let path = format!("/admin/claim?token={token}");
    for _ in 0..3 {
        let shown = page(&server, &path, "").await.text;
        assert!(shown.contains("<h1>The first administrator</h1>") && shown.contains(token));
    }
    server.register("known@example.com").await;
    let claim = async |email: &str, password: &str| {
        let form = [("token", token), ("email", email), ("password", password), ("name", "First")];
        send(&server, "/account/claim", "", &form).await
    };
    let wrong = claim("known@example.com", "another good gravel password").await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.text.contains("this is not its password"), "{}", wrong.text);
    assert!(
        claim("new@example.com", "12345678")
            .await
            .text
            .contains("This password is not good enough")
    );
    let made = claim("new@example.com", PASSWORD).await;
    assert_eq!(location(&made), "/account?done=claimed");
    let cookie =
        made.headers[SET_COOKIE].to_str().expect("text").split(';').next().expect("a cookie");
    let shown = page(&server, "/account?done=claimed", cookie).await.text;
    assert!(shown.contains("You are the administrator of this server now."), "{shown}");
    assert!(shown.contains("First") && shown.contains(r#"badge accent">admin"#), "{shown}");
    let again = claim("other@example.com", PASSWORD).await;
    assert_eq!(again.status, 400);
    assert!(again.text.contains("there is an administrator already"), "{}", again.text);
    // There is nothing of dev.
    assert_eq!(page(&server, "/outbox", cookie).await.status, 404);
    assert_eq!(send(&server, "/account/clock", cookie, &[("by", "1h")]).await.status, 404);
    assert!(!shown.contains(r#"class="clock""#) && !shown.contains("/outbox"));
}

#[tokio::test]
async fn the_clock_is_set_by_a_form_and_leads_back() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let set = async |form: &[(&str, &str)]| {
        let request = server.request(Method::POST, "/account/clock").header(ORIGIN, &server.url);
        let request = request.header("referer", format!("{}/learn?step=2", server.url)).form(form);
        let answered = answer(request).await;
        assert_eq!(location(&answered), "/learn?step=2");
        answer(server.request(Method::GET, "/dev/clock")).await.json()["offset"].clone()
    };
    assert_eq!(set(&[("by", "10m")]).await, "10m");
    assert_eq!(set(&[("by", "1h")]).await, "70m");
    assert_eq!(set(&[("offset", "31d")]).await, "31d");
    for nothing in [&[("offset", "nonsense")][..], &[("by", "99999d")], &[]] {
        assert_eq!(set(nothing).await, "31d");
    }
    let shown = page(&server, "/login", "").await.text;
    assert!(shown.contains(r#"<option value="31d" selected>"#), "{shown}");
    assert_eq!(set(&[("offset", "0s")]).await, "0s");
}

#[tokio::test]
async fn behind_a_prefix_every_path_of_a_page_begins_with_it() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--http-public-url", "http://localhost:8000/auth"]);
    assert_eq!(location(&page(&server, "/account", "").await), "/auth/login?next=%2Faccount");
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    for path in ["/", "/login", "/account", "/outbox", "/password/reset?token=x"] {
        let shown = page(&server, path, if path == "/account" { &cookie } else { "" }).await.text;
        for attribute in [" href=\"/", " src=\"/", " action=\"/"] {
            for link in shown.split(attribute).skip(1) {
                assert!(link.starts_with("auth/"), "{path}: {attribute}{}", &link[..40]);
            }
        }
        assert!(shown.contains(" href=\"/auth/static/"));
    }
    let request = server.request(Method::POST, "/account/language").form(&[("language", "de")]);
    let request = request.header(ORIGIN, "http://localhost:8000");
    let request = request.header("referer", "http://localhost:8000/auth/login?next=/x");
    assert_eq!(location(&answer(request).await), "/auth/login?next=/x");
}
