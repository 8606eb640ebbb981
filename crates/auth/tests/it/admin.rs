//! Administration: what storage promises on every engine, and the routes over the real router.

use countersign_auth::{on_every_engine, testing::admin::*};

on_every_engine!(
    accounts_are_found_by_parts_of_their_address_and_name,
    another_address_is_found_and_the_old_one_is_not,
    pages_of_accounts_stay_while_accounts_are_added,
    several_things_of_an_account_change_in_one_step,
    one_administrator_stays_of_several_who_are_taken_at_once,
    a_change_that_is_refused_changes_nothing,
    the_end_of_all_logins_names_them,
    the_first_administrator_is_made_once,
    a_link_for_the_first_administrator_does_not_outlive_its_reason,
    of_many_claims_at_once_one_wins,
    an_account_claims_with_its_own_password,
    the_link_for_the_first_administrator_is_stored_as_its_hash,
    all_that_is_held_on_an_account_is_handed_out,
    events_of_an_export_come_in_pages_and_tell_on_nobody,
);

mod routes {
    use axum::{
        Router,
        body::Body,
        http::{Request, header, request::Builder},
    };
    use countersign_auth::{
        Client, Config,
        config::Store,
        testing::{PASSWORD, Place, TestAuth},
        users::NewUser,
    };
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use crate::http::{Answer, ask, post};

    const ORIGIN: &str = "http://127.0.0.1:8000";
    const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

    struct Installation {
        test: TestAuth,
        app: Router,
        /// The credential of an administrator.
        admin: String,
        admin_id: String,
    }

    impl Installation {
        async fn new() -> Self {
            Self::on(&Place::memory().await, Config::default()).await
        }

        async fn on(place: &Place, config: Config) -> Self {
            let test = TestAuth::with(place, config).await.expect("an installation");
            let app = test.auth.router();
            let (admin_id, admin) = signed_in(&test, "admin@example.com", &["admin", "user"]).await;
            Self { test, app, admin, admin_id }
        }

        async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
            self.send_as(&self.admin, method, path, body).await
        }

        async fn send_as(
            &self,
            credential: &str,
            method: &str,
            path: &str,
            body: Option<Value>,
        ) -> Answer {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(header::AUTHORIZATION, credential)
                .header(header::CONTENT_TYPE, "application/json");
            let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
            ask(&self.app, request.body(body).expect("a request")).await
        }

        async fn get(&self, path: &str) -> Answer {
            self.send("GET", path, None).await
        }

        async fn make(&self, email: &str) -> String {
            let body = json!({ "email": email, "password": PASSWORD });
            let made = self.send("POST", "/admin/users", Some(body)).await;
            assert_eq!(made.status, 201, "{}", made.body);
            made.body["id"].as_str().expect("an id").to_owned()
        }
    }

    async fn signed_in(test: &TestAuth, email: &str, roles: &[&str]) -> (String, String) {
        let new = NewUser { email, password: PASSWORD, name: None, roles };
        let user = test.auth.user_create(new).await.expect("an account");
        let tokens = test.auth.tokens_create(&user, &Client::default()).await.expect("a login");
        (user.id.0.to_string(), format!("Bearer {}", tokens.access))
    }

    fn code(answer: &Answer) -> (u16, &str) {
        (answer.status, answer.body["code"].as_str().unwrap_or_default())
    }

    fn emails(answer: &Answer) -> Vec<&str> {
        let items = answer.body["items"].as_array().expect("items");
        items.iter().map(|item| item["email"].as_str().expect("an address")).collect()
    }

    fn members(value: &Value) -> Vec<&str> {
        value.as_object().expect("an object").keys().map(String::as_str).collect()
    }

    /// Every route that only an administrator may call.
    const ROUTES: [(&str, &str); 12] = [
        ("GET", "/admin/users"),
        ("POST", "/admin/users"),
        ("GET", "/admin/users/{id}"),
        ("PATCH", "/admin/users/{id}"),
        ("DELETE", "/admin/users/{id}"),
        ("GET", "/admin/users/{id}/sessions"),
        ("POST", "/admin/users/{id}/sessions/revoke"),
        ("GET", "/admin/users/{id}/export"),
        ("GET", "/admin/keys"),
        ("POST", "/admin/keys/rotate"),
        ("POST", "/admin/keys/{id}/revoke"),
        ("GET", "/admin/users?q=a"),
    ];

    #[tokio::test]
    async fn only_an_administrator_gets_in() {
        let here = Installation::new().await;
        let (_, user) = signed_in(&here.test, "user@example.com", &["user"]).await;
        let login = json!({ "email": "admin@example.com", "password": PASSWORD });
        let session = ask(&here.app, post("/login/session", &login)).await;
        let cookie = session.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        let cookie = cookie.expect("a cookie").to_owned();
        for (method, path) in ROUTES {
            let path = path.replace("{id}", &here.admin_id);
            let bare = |request: Builder| {
                request.method(method).uri(&path).body(Body::empty()).expect("a request")
            };
            let nobody = ask(&here.app, bare(Request::builder())).await;
            assert_eq!(code(&nobody), (401, "credentials_missing"), "{method} {path}");
            assert_eq!(nobody.header("www-authenticate"), Some(r#"Bearer realm="countersign""#));
            // Before anything is said of the body or the id.
            let refused = here.send_as(&user, method, &path, None).await;
            assert_eq!(code(&refused), (403, "insufficient_scope"), "{method} {path}");
            assert_eq!(refused.header("cache-control"), Some("no-store"));
            let forged = here.send_as("Bearer x.y.z", method, &path, None).await;
            assert_eq!(code(&forged), (401, "token_malformed"), "{method} {path}");
            // By cookie a page of another site gets nowhere.
            let by_cookie = Request::builder().header(header::COOKIE, &cookie);
            let foreign = by_cookie.header(header::ORIGIN, "https://evil.example");
            let foreign = ask(&here.app, bare(foreign)).await;
            let expected = if method == "GET" { (200, "") } else { (403, "cross_site") };
            assert_eq!(code(&foreign), expected, "{method} {path}");
        }
        let of_own = Request::delete(format!("/admin/users/{NOBODY}"))
            .header(header::COOKIE, &cookie)
            .header(header::ORIGIN, ORIGIN)
            .body(Body::empty());
        assert_eq!(code(&ask(&here.app, of_own.expect("a request")).await), (404, "not_found"));
    }

    #[tokio::test]
    async fn a_demoted_administrator_is_none_with_the_next_request() {
        let here = Installation::new().await;
        let (second, credential) = signed_in(&here.test, "b@example.com", &["admin", "user"]).await;
        assert_eq!(here.send_as(&credential, "GET", "/admin/users", None).await.status, 200);
        let demoted = json!({ "roles": ["user"] });
        let path = format!("/admin/users/{second}");
        assert_eq!(here.send("PATCH", &path, Some(demoted)).await.status, 200);
        let refused = here.send_as(&credential, "GET", "/admin/users", None).await;
        assert_eq!(code(&refused), (401, "token_revoked"));
    }

    #[tokio::test]
    async fn accounts_are_made_found_changed_and_removed() {
        let here = Installation::new().await;
        let body = json!({ "email": "Ada@Example.com", "password": PASSWORD, "name": "Ada L", "roles": ["admin"] });
        let made = here.send("POST", "/admin/users", Some(body)).await;
        assert_eq!(made.status, 201);
        let id = made.body["id"].as_str().expect("an id").to_owned();
        let path = format!("/admin/users/{id}");
        assert_eq!(made.header("location"), Some(&*path));
        assert_eq!(made.header("cache-control"), Some("no-store"));
        let expected = ["created_at", "disabled", "email", "id", "name", "pending", "roles"];
        assert_eq!(members(&made.body), expected);
        assert_eq!(made.body["roles"], json!(["admin", "user"]));
        assert_eq!((&made.body["disabled"], &made.body["pending"]), (&json!(false), &json!(false)));
        assert_eq!(here.get(&path).await.body, made.body);
        here.make("bob@example.org").await;

        let all = here.get("/admin/users").await;
        assert_eq!(emails(&all), ["bob@example.org", "ada@example.com", "admin@example.com"]);
        assert_eq!(all.body["next"], Value::Null);
        assert_eq!(emails(&here.get("/admin/users?q=ADA%20l").await), ["ada@example.com"]);
        assert_eq!(emails(&here.get("/admin/users?role=admin&q=a").await).len(), 2);
        assert_eq!(
            emails(&here.get("/admin/users?role=admin&q=a&limit=1").await),
            ["ada@example.com"]
        );
        let first = here.get("/admin/users?limit=2").await;
        let next = first.body["next"].as_str().expect("a cursor").to_owned();
        // What is added in the meantime is on no later page.
        here.make("late@example.org").await;
        let rest = here.get(&format!("/admin/users?limit=2&after={next}")).await;
        assert_eq!((emails(&rest), &rest.body["next"]), (vec!["admin@example.com"], &Value::Null));

        let changed = json!({ "name": null, "roles": ["user"], "disabled": true });
        let changed = here.send("PATCH", &path, Some(changed)).await;
        assert_eq!(changed.status, 200);
        assert_eq!(changed.body["name"], Value::Null);
        assert_eq!(
            (&changed.body["roles"], &changed.body["disabled"]),
            (&json!(["user"]), &json!(true))
        );
        let same = here.send("PATCH", &path, Some(json!({}))).await;
        assert_eq!((same.status, &same.body), (200, &changed.body));
        assert_eq!(emails(&here.get("/admin/users?disabled=true").await), ["ada@example.com"]);
        let login = json!({ "email": "ada@example.com", "password": PASSWORD });
        let refused = ask(&here.app, post("/login", &login)).await;
        assert_eq!(code(&refused), (401, "invalid_credentials"));

        assert_eq!(here.send("DELETE", &path, None).await.status, 204);
        for (method, body) in [("GET", None), ("PATCH", Some(json!({}))), ("DELETE", None)] {
            assert_eq!(code(&here.send(method, &path, body).await), (404, "not_found"));
        }
    }

    #[tokio::test]
    async fn logins_are_listed_and_ended_by_an_administrator() {
        for store in [Store::Database, Store::Memory] {
            let mut config = Config::default();
            config.sessions.store = store;
            let here = Installation::on(&Place::memory().await, config).await;
            let (id, credential) = signed_in(&here.test, "user@example.com", &["user"]).await;
            let login = json!({ "email": "user@example.com", "password": PASSWORD });
            let session = ask(&here.app, post("/login/session", &login)).await;
            let cookie = session.header("set-cookie").and_then(|cookie| cookie.split(';').next());
            let path = format!("/admin/users/{id}/sessions");
            let listed = here.get(&path).await;
            let items = listed.body["items"].as_array().expect("items");
            assert_eq!(items.len(), 2);
            assert!(items.iter().all(|item| item["current"] == json!(false)));
            let page = here.get(&format!("{path}?limit=1")).await;
            assert_eq!(page.body["next"], items[0]["id"]);
            let own = here.get(&format!("/admin/users/{}/sessions", here.admin_id)).await;
            assert_eq!(own.body["items"][0]["current"], json!(true));

            let ended = here.send("POST", &format!("{path}/revoke"), None).await;
            assert_eq!(ended.status, 200);
            assert_eq!(members(&ended.body), ["access_expires_at", "effective_by", "revoked"]);
            let mut revoked = ended.body["revoked"].as_array().expect("ids").clone();
            revoked.reverse();
            let ids: Vec<Value> = items.iter().map(|item| item["id"].clone()).collect();
            assert_eq!(revoked, ids);
            let refused = here.send_as(&credential, "GET", "/me", None).await;
            assert_eq!(code(&refused), (401, "token_revoked"));
            let by_cookie = Request::get("/me").header(header::COOKIE, cookie.expect("a cookie"));
            let by_cookie = ask(&here.app, by_cookie.body(Body::empty()).expect("a request")).await;
            assert_eq!(by_cookie.status, 401);
            let again = here.send("POST", &format!("{path}/revoke"), None).await;
            assert_eq!((again.status, &again.body["revoked"]), (200, &json!([])));
        }
    }

    #[tokio::test]
    async fn what_is_no_id_or_nobodys_is_404() {
        let here = Installation::new().await;
        for id in [
            NOBODY,
            "1",
            "me",
            "%00",
            "%ff%fe",
            "..%2f..%2fkeys",
            "00000000-0000-7000-8000-00000000000g",
            "'%20OR%201=1",
            &"9".repeat(2_000),
        ] {
            for (method, path) in ROUTES.into_iter().filter(|(_, path)| path.contains("{id}")) {
                let body = (method == "PATCH").then(|| json!({ "name": "x" }));
                let answer = here.send(method, &path.replace("{id}", id), body).await;
                assert_eq!(code(&answer), (404, "not_found"), "{method} {path} {id}");
            }
        }
    }

    #[tokio::test]
    async fn a_query_that_makes_no_sense_is_400_and_never_echoed() {
        let here = Installation::new().await;
        let long = format!("q={}", "x".repeat(255));
        for query in [
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=99999999999999999999",
            "limit=ten",
            "after=1",
            "after=%00",
            "disabled=1",
            "disabled=TRUE",
            "role=Admin",
            "role=%25",
            "role=a%20b",
            "q=a%00b",
            "q=a%0ab",
            "q=a&q=b",
            "unknown=secretsecret",
            &long,
        ] {
            let answer = here.get(&format!("/admin/users?{query}")).await;
            assert_eq!(code(&answer), (400, "query_invalid"), "{query}");
            let text = answer.body.to_string();
            assert!(!text.contains("secretsecret") && !text.contains("xxxx"), "{text}");
        }
        // What means something to a database means itself.
        for query in
            ["q=%25", "q=_", "q=%5C", "q=%27", "q=%22", "role=x", "q=%FF", "q=%F0%9F%A6%80"]
        {
            let answer = here.get(&format!("/admin/users?{query}")).await;
            assert_eq!((answer.status, emails(&answer).len()), (200, 0), "{query}");
        }
        for query in ["q=", "q=%20", "role=", "after=ffffffff-ffff-ffff-ffff-ffffffffffff"] {
            let answer = here.get(&format!("/admin/users?{query}")).await;
            assert_eq!((answer.status, emails(&answer).len()), (200, 1), "{query}");
        }
    }

    #[tokio::test]
    async fn a_body_that_makes_no_sense_changes_nothing() {
        let here = Installation::new().await;
        let id = here.make("user@example.com").await;
        let path = format!("/admin/users/{id}");
        let before = here.get(&path).await.body;
        for (body, expected) in [
            (json!({ "role": "admin" }), (422, "body_invalid")),
            (json!({ "email": "b@example.com" }), (422, "body_invalid")),
            (json!({ "password": PASSWORD }), (422, "body_invalid")),
            (json!({ "id": NOBODY }), (422, "body_invalid")),
            (json!({ "roles": null }), (422, "body_invalid")),
            (json!({ "roles": "admin" }), (422, "body_invalid")),
            (json!({ "roles": [1] }), (422, "body_invalid")),
            (json!({ "roles": ["root"] }), (422, "role_unknown")),
            (json!({ "roles": ["admin user"] }), (422, "role_unknown")),
            (json!({ "name": "x", "roles": ["Admin"] }), (422, "role_unknown")),
            (json!({ "disabled": null }), (422, "body_invalid")),
            (json!({ "disabled": "true" }), (422, "body_invalid")),
            (json!({ "name": "" }), (422, "name_invalid")),
            (json!({ "name": "a\u{0}b" }), (422, "name_invalid")),
            (json!({ "name": "x".repeat(101), "disabled": true }), (422, "name_invalid")),
            (json!([]), (422, "body_invalid")),
        ] {
            let answer = here.send("PATCH", &path, Some(body.clone())).await;
            assert_eq!(code(&answer), expected, "{body}");
            assert_eq!(here.get(&path).await.body, before, "{body}");
        }
        let email = "new@example.com";
        for (body, expected) in [
            (json!({ "email": email }), (422, "body_invalid")),
            (
                json!({ "email": email, "password": PASSWORD, "disabled": true }),
                (422, "body_invalid"),
            ),
            (json!({ "email": email, "password": PASSWORD, "roles": null }), (422, "body_invalid")),
            (
                json!({ "email": email, "password": PASSWORD, "roles": ["root"] }),
                (422, "role_unknown"),
            ),
            (json!({ "email": email, "password": "password" }), (422, "password_refused")),
            (
                json!({ "email": "a\u{0}@example.com", "password": PASSWORD }),
                (422, "email_invalid"),
            ),
            (json!({ "email": "USER@example.com", "password": PASSWORD }), (409, "email_taken")),
        ] {
            let answer = here.send("POST", "/admin/users", Some(body.clone())).await;
            assert_eq!(code(&answer), expected, "{body}");
        }
        assert_eq!(
            emails(&here.get("/admin/users").await),
            ["user@example.com", "admin@example.com"]
        );
    }

    #[tokio::test]
    async fn under_a_prefix_the_location_has_it_too() {
        let here = Installation::new().await;
        let app = Router::new().nest("/auth", here.test.auth.router());
        let body = json!({ "email": "a@example.com", "password": PASSWORD });
        let request = Request::post("/auth/admin/users")
            .header(header::AUTHORIZATION, &here.admin)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()));
        let made = ask(&app, request.expect("a request")).await;
        let id = made.body["id"].as_str().expect("an id");
        assert_eq!(made.header("location"), Some(&*format!("/auth/admin/users/{id}")));
    }

    async fn last_administrator(place: Place) {
        let here = Installation::on(&place, Config::default()).await;
        let path = format!("/admin/users/{}", here.admin_id);
        let wanted = [
            ("PATCH", path.clone(), Some(json!({ "roles": ["user"], "name": "Other" }))),
            ("PATCH", path.clone(), Some(json!({ "disabled": true, "name": "Other" }))),
            ("DELETE", path.clone(), None),
            ("POST", "/me/delete".to_owned(), Some(json!({ "password": PASSWORD }))),
        ];
        for (method, path, body) in wanted {
            let answer = here.send(method, &path, body).await;
            assert_eq!(code(&answer), (409, "last_admin"), "{method} {path}");
        }
        assert_eq!(here.get(&path).await.body["name"], Value::Null);
        for round in 0..4 {
            let (second, credential) =
                signed_in(&here.test, &format!("{round}@example.com"), &["admin", "user"]).await;
            let other = format!("/admin/users/{second}");
            let body = Some(json!({ "password": PASSWORD }));
            // Each goes, or takes the other: at once, so that neither sees the other gone.
            let (first, second) = match round {
                0 => tokio::join!(
                    here.send("DELETE", &path, None),
                    here.send_as(&credential, "POST", "/me/delete", body)
                ),
                1 => tokio::join!(
                    here.send("PATCH", &other, Some(json!({ "disabled": true }))),
                    here.send_as(&credential, "PATCH", &path, Some(json!({ "roles": ["user"] })))
                ),
                2 => tokio::join!(
                    here.send("DELETE", &other, None),
                    here.send_as(&credential, "DELETE", &path, None)
                ),
                _ => tokio::join!(
                    here.send("PATCH", &path, Some(json!({ "disabled": true }))),
                    here.send_as(&credential, "PATCH", &other, Some(json!({ "disabled": true })))
                ),
            };
            let left = here.test.auth.users(None, 100).await.expect("accounts");
            let admins = left.iter().filter(|user| {
                !user.disabled && user.roles.names().iter().any(|role| role == "admin")
            });
            let admins: Vec<String> = admins.map(|user| user.id.0.to_string()).collect();
            assert_eq!(admins.len(), 1, "{} {}", first.body, second.body);
            let done = [&first, &second].into_iter().filter(|answer| answer.status < 300);
            assert_eq!(done.count(), 1, "{} {}", first.body, second.body);
            if admins[0] != here.admin_id {
                return;
            }
        }
    }

    #[tokio::test]
    async fn the_last_administrator_is_kept_by_every_route() {
        last_administrator(Place::memory().await).await;
        last_administrator(Place::disk().await).await;
    }

    #[tokio::test]
    async fn the_last_administrator_is_kept_by_every_route_on_postgresql() {
        let Some(place) = Place::postgres().await else { return };
        last_administrator(place.clone()).await;
        place.remove().await;
    }

    #[tokio::test]
    async fn keys_are_listed_rotated_and_revoked() {
        let here = Installation::new().await;
        let states = async || {
            let listed = here.get("/admin/keys").await;
            assert_eq!((listed.status, &listed.body["next"]), (200, &Value::Null));
            let items = listed.body["items"].as_array().expect("items").clone();
            let text = |item: &Value, name: &str| item[name].as_str().expect("text").to_owned();
            items.iter().map(|item| (text(item, "kid"), text(item, "state"))).collect::<Vec<_>>()
        };
        let first = states().await;
        assert_eq!((first.len(), first[0].1.as_str()), (1, "active"));
        let rotated =
            here.send("POST", "/admin/keys/rotate", Some(json!({ "algorithm": "ES256" }))).await;
        assert_eq!(rotated.status, 201);
        let expected = [
            "active_at",
            "algorithm",
            "created_at",
            "encrypted",
            "gone_at",
            "kid",
            "place",
            "retired_at",
            "revoked_at",
            "state",
        ];
        assert_eq!(members(&rotated.body), expected);
        assert_eq!(
            (&rotated.body["algorithm"], &rotated.body["state"]),
            (&json!("ES256"), &json!("pending"))
        );
        let kid = rotated.body["kid"].as_str().expect("a kid");
        // It waits already.
        let again = here.send("POST", "/admin/keys/rotate", None).await;
        assert_eq!((again.status, &again.body["kid"]), (200, &json!(kid)));
        let at_once =
            here.send("POST", "/admin/keys/rotate", Some(json!({ "immediate": true }))).await;
        assert_eq!((&at_once.body["kid"], &at_once.body["state"]), (&json!(kid), &json!("active")));
        let now = states().await;
        assert_eq!(now.iter().filter(|(_, state)| state == "active").count(), 1);
        assert_eq!(now.iter().filter(|(_, state)| state == "retiring").count(), 1);
        // Tokens of the key before are still good: this was asked with one.
        let page = here.get("/admin/keys?limit=1").await;
        let next = page.body["next"].as_str().expect("a cursor");
        let rest = here.get(&format!("/admin/keys?after={next}")).await;
        assert_eq!(rest.body["items"].as_array().map(Vec::len), Some(1));

        for (body, expected) in [
            (json!({ "algorithm": "none" }), (422, "body_invalid")),
            (json!({ "algorithm": "HS1" }), (422, "body_invalid")),
            (json!({ "algorithm": "" }), (422, "body_invalid")),
            (json!({ "algorithm": 1 }), (422, "body_invalid")),
            (json!({ "immediate": "yes" }), (422, "body_invalid")),
            (json!({ "kid": "x" }), (422, "body_invalid")),
        ] {
            let answer = here.send("POST", "/admin/keys/rotate", Some(body.clone())).await;
            assert_eq!(code(&answer), expected, "{body}");
        }
        for query in ["limit=0", "after=nokey", "q=x"] {
            let answer = here.get(&format!("/admin/keys?{query}")).await;
            assert_eq!(code(&answer), (400, "query_invalid"), "{query}");
        }
        assert_eq!(states().await, now, "nothing of that made a key");

        let revoked = here.send("POST", &format!("/admin/keys/{kid}/revoke"), None).await;
        assert_eq!((revoked.status, &revoked.body["state"]), (200, &json!("gone")));
        assert!(revoked.body["revoked_at"].is_i64());
        let now = states().await;
        assert_eq!(now.iter().filter(|(_, state)| state == "active").count(), 1);
    }

    #[tokio::test]
    async fn a_key_in_a_file_is_left_to_who_holds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO").expect("written");
        let mut config = Config::default();
        config.keys.secret_file = vec![file];
        let here = Installation::on(&Place::memory().await, config).await;
        let listed = here.get("/admin/keys").await;
        let active: Vec<&Value> = listed.body["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter(|key| key["state"] == "active")
            .collect();
        assert_eq!(active.len(), 1);
        assert_eq!((&active[0]["place"], &active[0]["created_at"]), (&json!("file"), &Value::Null));
        let kid = active[0]["kid"].as_str().expect("a kid");
        for path in ["/admin/keys/rotate".to_owned(), format!("/admin/keys/{kid}/revoke")] {
            assert_eq!(code(&here.send("POST", &path, None).await), (409, "key_in_file"), "{path}");
        }
    }

    #[tokio::test]
    async fn the_first_administrator_claims_the_role_by_a_link() {
        let test = TestAuth::new(&Place::memory().await).await.expect("an installation");
        let app = test.auth.router();
        let invitation = test.auth.administrator_invite().await.expect("asked").expect("a link");
        assert_eq!(invitation.address(), "http://127.0.0.1:8000/admin/claim");
        let token = invitation.token().to_string();
        assert_eq!(*invitation.link(), format!("{}?token={token}", invitation.address()));
        assert_eq!(format!("{invitation:?}"), "Invitation(…)");

        let body = |token: &str, email: &str| json!({ "token": token, "email": email, "password": PASSWORD, "name": "Ada" });
        for (body, expected) in [
            (body(&"0".repeat(64), "a@example.com"), (400, "link_invalid")),
            (body("", "a@example.com"), (400, "link_invalid")),
            (body(&token, "nobody"), (422, "email_invalid")),
            (json!({ "token": token, "email": "a@example.com" }), (422, "body_invalid")),
            (
                json!({ "token": token, "email": "a@example.com", "password": PASSWORD, "roles": ["admin"] }),
                (422, "body_invalid"),
            ),
            (
                json!({ "token": token, "email": "a@example.com", "password": "weak" }),
                (422, "password_refused"),
            ),
        ] {
            let answer = ask(&app, post("/admin/claim", &body)).await;
            assert_eq!(code(&answer), expected, "{body}");
            assert!(!answer.body.to_string().contains(&token));
        }
        // Looking at the link does not use it up.
        let looked = Request::get(format!("/admin/claim?token={token}")).body(Body::empty());
        let looked = app.clone().oneshot(looked.expect("a request")).await.expect("infallible");
        assert_eq!(
            (looked.status().as_u16(), &looked.headers()["allow"]),
            (405, &header::HeaderValue::from_static("POST"))
        );
        let made = ask(&app, post("/admin/claim", &body(&token, "a@example.com"))).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.body["roles"], json!(["admin", "user"]));
        assert_eq!(made.header("cache-control"), Some("no-store"));
        let again = ask(&app, post("/admin/claim", &body(&token, "b@example.com"))).await;
        assert_eq!(code(&again), (400, "link_invalid"));
        let login = json!({ "email": "a@example.com", "password": PASSWORD });
        assert_eq!(ask(&app, post("/login", &login)).await.status, 200);
    }

    #[tokio::test]
    async fn guessing_a_claim_is_limited_as_a_login_is() {
        let test = TestAuth::new(&Place::memory().await).await.expect("an installation");
        let app = test.auth.router();
        let attempt = |email: &str| {
            let body = json!({ "token": "0".repeat(64), "email": email, "password": "x" });
            let mut request = post("/admin/claim", &body);
            let peer = std::net::SocketAddr::from(([192, 0, 2, 1], 5_000));
            request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
            request
        };
        let first = ask(&app, attempt("a@example.com")).await;
        assert_eq!(first.header("ratelimit-policy"), Some(r#""address";q=30;w=60"#));
        for _ in 1..30 {
            assert_eq!(ask(&app, attempt("a@example.com")).await.status, 400);
        }
        assert_eq!(code(&ask(&app, attempt("a@example.com")).await), (429, "rate_limited"));
    }

    #[tokio::test]
    async fn an_owner_and_an_administrator_are_handed_what_is_held() {
        let here = Installation::new().await;
        let (id, credential) = signed_in(&here.test, "user@example.com", &["user"]).await;
        let own = here.send_as(&credential, "GET", "/me/export", None).await;
        assert_eq!((own.status, own.header("cache-control")), (200, Some("no-store")));
        assert_eq!(own.body["account"]["id"], json!(id));
        assert_eq!(own.body["sessions"].as_array().map(Vec::len), Some(1));
        let by_admin = here.get(&format!("/admin/users/{id}/export")).await;
        assert_eq!(by_admin.body["account"], own.body["account"]);
        assert_eq!(by_admin.body["sessions"], own.body["sessions"]);
        let nobody = Request::get("/me/export").body(Body::empty()).expect("a request");
        assert_eq!(code(&ask(&here.app, nobody).await), (401, "credentials_missing"));
        for query in ["after=1", "limit=5"] {
            let path = format!("/me/export?{query}");
            let answer = here.send_as(&credential, "GET", &path, None).await;
            assert_eq!(code(&answer), (400, "query_invalid"));
        }
    }
}
