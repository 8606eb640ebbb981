//! The storage is taken away: what needs none goes on, the rest says when to come back.

use axum::{Router, http::header, routing::get as route};
use countersign_auth::testing::{PASSWORD, Place, TestAuth};
use guard::Principal;
use serde_json::json;

use crate::http::{ask, get, post};

#[tokio::test]
async fn tokens_are_verified_without_storage_and_the_rest_recovers() {
    let test = TestAuth::new(&Place::disk().await).await.expect("an installation");
    let reads = Router::new()
        .route("/reads", route(async |caller: Principal| caller.subject().to_owned()))
        .with_state(test.auth.clone());
    let app = reads.merge(test.auth.router());
    let credentials = json!({ "email": "a@example.com", "password": PASSWORD });
    ask(&app, post("/register", &credentials)).await;
    let login = ask(&app, post("/login", &credentials)).await;
    let token = format!("Bearer {}", login.body["access_token"].as_str().expect("a token"));
    let session = ask(&app, post("/login/session", &credentials)).await;
    let cookie = session.header("set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a value").to_owned();

    test.auth.db().set_unavailable(true);
    for _ in 0..10 {
        assert_eq!(ask(&app, get("/reads", header::AUTHORIZATION, &token)).await.status, 200);
    }
    for request in [
        post("/login", &credentials),
        post("/login/session", &credentials),
        post("/register", &credentials),
        get("/me", header::AUTHORIZATION, &token),
        get("/reads", header::COOKIE, &cookie),
    ] {
        let path = request.uri().clone();
        let refused = ask(&app, request).await;
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (503, &json!("storage_unavailable")),
            "{path}"
        );
        assert!(refused.header("retry-after").is_some());
    }

    test.auth.db().set_unavailable(false);
    assert_eq!(ask(&app, post("/login", &credentials)).await.status, 200);
    assert_eq!(ask(&app, get("/reads", header::COOKIE, &cookie)).await.status, 200);
}
