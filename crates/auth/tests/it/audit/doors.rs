//! Acts at doors of their own: what is held on an account is handed out, and a stranger claims the first role.

use countersign_auth::{
    audit::{Actor, Event},
    on_every_engine,
    testing::{PASSWORD, Place},
};
use serde_json::json;

use super::{Installation, text};

on_every_engine!(
    each_page_of_an_export_leaves_an_event,
    a_wrong_password_at_a_claim_is_a_failed_login_of_a_stranger,
);

async fn each_page_of_an_export_leaves_an_event(place: Place) {
    let here = Installation::new(&place).await;
    let (admin, user) = (here.admin().await, here.user("a@example.com").await);
    let own = here.login("a@example.com", PASSWORD).await;
    let own = text(&own, "access_token");
    let admins = here.login("admin@example.com", PASSWORD).await;
    let admins = text(&admins, "access_token");
    let oldest = here.events().await.into_iter().find(|event| event.user == Some(user.id));
    let after = oldest.expect("the account was made").id;
    let before = here.events().await.len();
    let theirs = format!("/admin/users/{}/export", user.id.0);
    for (path, token) in [
        ("/me/export".to_owned(), own),
        (format!("/me/export?after={after}"), own),
        (theirs.clone(), admins),
        (format!("{theirs}?after={after}"), admins),
    ] {
        let answer = here.signed("GET", &path, token, json!({})).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    // What is not handed out leaves none.
    assert_eq!(here.signed("GET", "/me/export?after=1", own, json!({})).await.status, 400);
    assert_eq!(here.signed("GET", "/me/export", "nonsense", json!({})).await.status, 401);
    let told: Vec<_> = here.events().await.split_off(before);
    let told: Vec<_> = told
        .iter()
        .map(|event| (event.kind.as_str(), event.user, event.actor, event.address))
        .collect();
    let by = |actor| ("user.exported", Some(user.id), actor, Some(here.address.ip()));
    let of_admin = Actor::User(admin.id);
    assert_eq!(told, [by(Actor::Owner), by(Actor::Owner), by(of_admin), by(of_admin)]);
}

async fn a_wrong_password_at_a_claim_is_a_failed_login_of_a_stranger(place: Place) {
    let here = Installation::new(&place).await;
    let user = here.user("a@example.com").await;
    let invitation = here.auth().administrator_invite().await.expect("asked").expect("a link");
    let before = here.events().await.len();
    let claim = |password: &str| json!({ "token": invitation.token().to_string(), "email": "a@example.com", "password": password });
    let wrong = here.post("/admin/claim", claim("the wrong one")).await;
    assert_eq!(
        (wrong.status, text(&wrong, "code")),
        (403, "invalid_credentials"),
        "{}",
        wrong.body
    );
    let told: Vec<Event> = here.events().await.split_off(before);
    let [event] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((event.kind.as_str(), event.user), ("login.failed", Some(user.id)));
    assert_eq!((event.actor, event.address), (Actor::Stranger, Some(here.address.ip())));
    assert_eq!(event.details, Some(json!({ "reason": "password_wrong" })));
    // The link is as good as it was.
    assert_eq!(here.post("/admin/claim", claim(PASSWORD)).await.status, 200);
}
