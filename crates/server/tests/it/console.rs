//! The console of administrators, as a program sees it that behaves like a browser without scripts.

use std::{fs, path::Path};

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Answer, PASSWORD, Server, answer, secret_file};

const PAGES: [&str; 8] = [
    "/admin",
    "/admin/console/users",
    "/admin/console/users/{id}",
    "/admin/console/keys",
    "/admin/console/keys/rotation",
    "/admin/console/keys/revocation?kid={kid}",
    "/admin/console/events",
    "/admin/console/settings",
];
const FORMS: [(&str, &str); 6] = [
    ("/admin/console/users/{id}/change", "name=Changed&role=admin"),
    ("/admin/console/users/{id}/sign-out", ""),
    ("/admin/console/users/{id}/delete", "confirm=user@example.com"),
    ("/admin/console/keys/rotate", "immediate=yes"),
    ("/admin/console/keys/revoke", "kid={kid}"),
    ("/admin/console/events/export", ""),
];

/// A server of `dev` with a cookie of its administrator, of its user, and what there is to change.
struct Installation {
    server: Server,
    admin: String,
    user: String,
    password: String,
    user_id: String,
    kid: String,
}

impl Installation {
    async fn new(data: &Path, more: &[&str]) -> Self {
        let mut flags = vec!["--limits-enabled", "false", "--tokens-algorithm", "ES256"];
        flags.extend(more);
        let server = Server::dev(data, &flags);
        let accounts = fs::read(data.join("dev-accounts.json")).expect("the seeded accounts");
        let accounts: Value = serde_json::from_slice(&accounts).expect("JSON");
        let password = |email: &str| {
            let all = accounts.as_array().expect("accounts");
            let found = all.iter().find(|account| account["email"] == email).expect("one");
            found["password"].as_str().expect("a password").to_owned()
        };
        let (admin, user) = ("admin@example.com", "user@example.com");
        let token = server.login(admin, &password(admin)).await;
        let found = server.get("/admin/users?q=user@example.com", &token).await.json();
        let keys = server.get("/admin/keys", &token).await.json();
        Self {
            admin: server.login_session(admin, &password(admin)).await,
            user: server.login_session(user, &password(user)).await,
            password: password(admin),
            user_id: found["items"][0]["id"].as_str().expect("an id").to_owned(),
            kid: keys["items"][0]["kid"].as_str().expect("a kid").to_owned(),
            server,
        }
    }

    /// An access token of the administrator: a fresh one, since keys end here too.
    async fn token(&self) -> String {
        self.server.login("admin@example.com", &self.password).await
    }

    fn path(&self, path: &str) -> String {
        path.replace("{id}", &self.user_id).replace("{kid}", &self.kid)
    }

    async fn page(&self, path: &str, cookie: &str) -> Answer {
        let request = self.server.request(Method::GET, &self.path(path));
        answer(request.header("accept", "text/html").header("cookie", cookie)).await
    }

    async fn form(&self, path: &str, body: &str, cookie: &str, site: &str) -> Answer {
        let request = self.server.request(Method::POST, &self.path(path)).header("cookie", cookie);
        let request = request.header("accept", "text/html").header("sec-fetch-site", site);
        let kind = "application/x-www-form-urlencoded";
        answer(request.header("content-type", kind).body(self.path(body))).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.server.get(&self.path(path), &self.token().await).await
    }

    /// What a form could have changed.
    async fn state(&self) -> Value {
        let mut user = self.get("/admin/users/{id}").await.json();
        user["keys"] = self.get("/admin/keys").await.json();
        user["exports"] = self.get("/admin/events?type=events.exported").await.json();
        let sessions = self.get("/admin/users/{id}/sessions").await.json();
        user["sessions"] = json!(sessions["items"].as_array().map(Vec::len));
        user
    }
}

fn location(headers: &HeaderMap) -> &str {
    headers["location"].to_str().expect("text")
}

#[tokio::test]
async fn the_console_is_for_administrators_alone() {
    let folder = tempdir().expect("folder");
    let console = Installation::new(folder.path(), &[]).await;
    let before = console.state().await;
    for path in PAGES {
        let page = console.page(path, &console.admin).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert_eq!(page.headers["cache-control"], "no-store");
        let policy = page.headers["content-security-policy"].to_str().expect("text");
        assert!(policy.contains("script-src 'self'") && policy.contains("default-src 'none'"));
        assert!(!page.text.contains(" style=") && !page.text.contains("<script>"), "{path}");

        let refused = console.page(path, &console.user).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(
            !refused.text.contains("admin@example.com") && !refused.text.contains(&console.kid)
        );

        let stranger = console.page(path, "session=none").await;
        assert_eq!(stranger.status, 303, "{path}");
        let next: String =
            console.path(path).replace('/', "%2F").replace('?', "%3F").replace('=', "%3D");
        assert_eq!(location(&stranger.headers), format!("/login?next={next}"));

        // A program is told that this is a page, also with a credential.
        let program = console.get(path).await;
        assert_eq!(program.problem(), (405, "method_not_allowed".to_owned()), "{path}");
    }
    for (path, body) in FORMS {
        let refused = console.form(path, body, &console.user, "same-origin").await;
        assert_eq!(refused.status, 403, "{path}");
        let stranger = console.form(path, body, "session=none", "same-origin").await;
        assert!(location(&stranger.headers).starts_with("/login?next="), "{path}");
        // Of another site, with the administrator's cookie.
        for site in ["cross-site", "same-site"] {
            let foreign = console.form(path, body, &console.admin, site).await;
            assert_eq!(foreign.status, 403, "{path}");
        }
        let loaded = console.page(path, &console.admin).await;
        assert_eq!(loaded.status, 303, "a form that is loaded leads to its page: {path}");
    }
    assert_eq!(console.state().await, before, "nothing was done");
}

#[tokio::test]
async fn forms_of_the_console_do_what_they_say() {
    let folder = tempdir().expect("folder");
    let console = Installation::new(folder.path(), &[]).await;
    let done = async |path: &str, body: &str| {
        let answer = console.form(path, body, &console.admin, "same-origin").await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.text);
        location(&answer.headers).to_owned()
    };
    let own = console.path("/admin/console/users/{id}");
    let changed = done("/admin/console/users/{id}/change", "name=New+Name&role=admin&disabled=yes");
    assert_eq!(changed.await, format!("{own}?done=changed"));
    let state = console.state().await;
    assert_eq!((&state["name"], &state["disabled"]), (&json!("New Name"), &json!(true)));
    assert_eq!((&state["roles"], &state["sessions"]), (&json!(["admin", "user"]), &json!(0)));
    // What is not ticked is taken; what is left empty is removed.
    done("/admin/console/users/{id}/change", "name=").await;
    let state = console.state().await;
    assert_eq!((&state["name"], &state["disabled"]), (&Value::Null, &json!(false)));
    assert_eq!(state["roles"], json!(["user"]));
    let unknown = console
        .form("/admin/console/users/{id}/change", "role=emperor", &console.admin, "same-origin")
        .await;
    assert_eq!(unknown.status, 422);
    assert!(unknown.text.contains("role=\"alert\""));

    assert_eq!(
        done("/admin/console/keys/rotate", "algorithm=EdDSA").await,
        "/admin/console/keys?done=rotated"
    );
    assert_eq!(
        done("/admin/console/keys/rotate", "algorithm=EdDSA&immediate=yes").await,
        "/admin/console/keys?done=signs"
    );
    done("/admin/console/keys/revoke", "kid={kid}").await;
    let keys = console.state().await["keys"]["items"].clone();
    let keys = keys.as_array().expect("keys");
    let mut states: Vec<_> = keys.iter().filter_map(|key| key["state"].as_str()).collect();
    // Of the same second, in any order.
    states.sort_unstable();
    assert_eq!(states, ["active", "gone"]);

    let export =
        console.form("/admin/console/events/export", "type=key.revoked", &console.admin, "none");
    let export = export.await;
    assert_eq!(export.status, 200);
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let disposition = export.headers["content-disposition"].to_str().expect("text");
    assert!(disposition.starts_with("attachment"));
    let lines: Vec<Value> =
        export.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["details"]["kid"], console.kid.as_str());

    let wrong =
        console.form("/admin/console/users/{id}/delete", "confirm=x", &console.admin, "none");
    assert_eq!(wrong.await.status, 422);
    done("/admin/console/users/{id}/delete", "confirm=USER@example.com").await;
    assert_eq!(console.get("/admin/users/{id}").await.status, 404);
    assert_eq!(console.page("/admin/console/users/{id}", &console.admin).await.status, 404);
    assert_eq!(console.page("/admin/console/users/..%2F..%2Fme", &console.admin).await.status, 404);
}

#[tokio::test]
async fn a_hostile_name_is_text_in_every_page_and_export() {
    let folder = tempdir().expect("folder");
    let console = Installation::new(folder.path(), &[]).await;
    let name = "\"><script>x</script><img src=x onerror='x'>\u{202e}gnp";
    let body = json!({ "email": "o'x&y@example.com", "password": PASSWORD, "name": name });
    let made = console.server.post("/register", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let id = made.json()["id"].as_str().expect("an id").to_owned();
    let encoded = "%22%3E%3Cscript%3Ex%3C%2Fscript%3E%3Cimg%20src%3Dx%3E";
    for path in [
        "/admin/console/users".to_owned(),
        format!("/admin/console/users/{id}"),
        format!(
            "/admin/console/users?q={encoded}&role={encoded}&disabled={encoded}&after={encoded}&done={encoded}"
        ),
        format!("/admin/console/users/{id}?done={encoded}"),
        format!(
            "/admin/console/events?type={encoded}&user={encoded}&since={encoded}&after={encoded}"
        ),
        format!("/admin/console/keys?done={encoded}"),
        format!("/admin/console/keys/rotation?algorithm={encoded}"),
        format!("/admin/console/keys/revocation?kid={encoded}"),
    ] {
        let page = console.page(&path, &console.admin).await;
        assert!(!page.text.contains("<script>x") && !page.text.contains("<img src=x"), "{path}");
        assert!(!page.status.is_server_error(), "{path}: {}", page.status);
    }
    // Handed out, it is a file of JSON to every browser.
    let export = console.page(&format!("/admin/users/{id}/export"), &console.admin).await;
    assert_eq!(export.headers["content-type"], "application/json");
    assert_eq!(export.headers["x-content-type-options"], "nosniff");
    assert_eq!(export.json()["account"]["name"], name);
    let agent = "W\u{e9}<b>x</b>\u{202e}".repeat(9);
    let login = json!({ "email": "o'x&y@example.com", "password": PASSWORD });
    let login = console.server.request(Method::POST, "/login").json(&login);
    let agent = reqwest::header::HeaderValue::from_bytes(agent.as_bytes()).expect("a value");
    assert_eq!(answer(login.header("user-agent", agent)).await.status, 200);
    let body = format!("user={id}");
    let events = console.form("/admin/console/events/export", &body, &console.admin, "none").await;
    assert_eq!(events.headers["x-content-type-options"], "nosniff");
    assert!(events.text.is_ascii() && events.text.lines().count() == 3, "{}", events.text);

    // What is copied into a terminal is what is seen: no letter that turns others around.
    let page = console.page(&format!("/admin/console/users/{id}"), &console.admin).await;
    let (_, rest) = page.text.split_once("id=\"change-curl\">").expect("the line");
    let curl = rest.split("</pre>").next().expect("its end");
    assert!(curl.is_ascii() && curl.contains(r"\u202egnp"), "{curl}");
}

#[tokio::test]
async fn settings_are_shown_without_passwords() {
    let folder = tempdir().expect("folder");
    let file = folder.path().join("countersign.toml");
    fs::write(
        &file,
        "[mail]\nurl = \"smtp://me:opensesame@127.0.0.1:1\"\nfrom = \"a@example.com\"\n",
    )
    .expect("written");
    let data = folder.path().join("data");
    let file = file.to_str().expect("a path");
    let console = Installation::new(&data, &["--config", file]).await;
    let page = console.page("/admin/console/settings", &console.admin).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("opensesame"));
    for shown in ["mail.url", "***", "countersign.toml:2", "--tokens-algorithm", "ES256"] {
        assert!(page.text.contains(shown), "{shown}");
    }
}

#[tokio::test]
async fn a_key_in_a_file_is_not_rotated_from_here() {
    let folder = tempdir().expect("folder");
    let secret = secret_file(folder.path(), "secret", "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO");
    let secret = secret.to_str().expect("a path");
    let flags = ["--tokens-algorithm", "HS256", "--secret-file", secret];
    let console = Installation::new(&folder.path().join("data"), &flags).await;
    let keys = console.page("/admin/console/keys", &console.admin).await;
    assert!(keys.text.contains("in a file that the settings name"));
    assert!(!keys.text.contains("/rotation\"") && !keys.text.contains("/revocation?"));
    for path in ["rotation", "revocation?kid={kid}"] {
        let refused = console.page(&format!("/admin/console/keys/{path}"), &console.admin).await;
        assert_eq!(refused.status, 409, "{path}");
        assert!(refused.text.contains("role=\"alert\""));
    }
    for (path, body) in [("rotate", ""), ("revoke", "kid={kid}")] {
        let path = format!("/admin/console/keys/{path}");
        let refused = console.form(&path, body, &console.admin, "same-origin").await;
        assert_eq!(refused.status, 409, "{path}");
    }
    assert_eq!(console.get("/admin/keys").await.json()["items"].as_array().map(Vec::len), Some(1));
}
