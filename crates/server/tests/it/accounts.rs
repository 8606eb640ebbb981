//! Accounts and their addresses, with the real binary and a mail server on loopback.

use auth::testing::{
    Place, master_key,
    post_office::{PostOffice, Received},
};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::tempdir;

use crate::process::{Answer, PASSWORD, Server, answer, countersign, secret_file};

const OTHER: &str = "three further unrelated pebbles";

/// A server for production that has addresses confirmed.
fn serve(office: &PostOffice, more: &[&str]) -> Server {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--mail-from", "auth@example.com"]);
    command.arg("--mail-url").arg(format!("smtp://{}", office.address()));
    command.args(["--accounts-verify-email", "true"]).args(more);
    Server::start(command)
}

/// The letter with this number, and the token of its link.
async fn letter(office: &PostOffice, number: usize) -> (Received, String) {
    let received = office.until(number).await;
    let letter = received.into_iter().nth(number - 1).expect("a letter");
    let token = letter.token().unwrap_or_default();
    (letter, token)
}

async fn login(server: &Server, email: &str, password: &str) -> Answer {
    server.post("/login", json!({ "email": email, "password": password })).await
}

#[tokio::test]
async fn an_account_is_confirmed_renamed_and_moved_by_letters() {
    let (folder, office) = (tempdir().expect("folder"), PostOffice::open().await);
    let server = serve(&office, &["--data-dir", folder.path().to_str().expect("a path")]);
    let new = json!({ "email": "A@example.com", "password": PASSWORD });
    for _ in 0..2 {
        let registered = server.post("/register", new.clone()).await;
        assert_eq!(
            (registered.status, registered.json()),
            (StatusCode::ACCEPTED, json!({ "status": "accepted" }))
        );
    }
    let refused = login(&server, "a@example.com", PASSWORD).await;
    assert_eq!(refused.problem(), (403, "email_unverified".to_owned()));
    let wrong = login(&server, "a@example.com", OTHER).await;
    assert_eq!(wrong.problem(), (401, "invalid_credentials".to_owned()));
    let (letter_to, token) = letter(&office, 1).await;
    assert_eq!(letter_to.to, "a@example.com");
    for expected in [StatusCode::NO_CONTENT, StatusCode::BAD_REQUEST] {
        let verified = server.post("/email/verify", json!({ "token": token })).await;
        assert_eq!(verified.status, expected, "{}", verified.text);
    }
    // Registered once more it says the same, and the account is as it was.
    let other = json!({ "email": "a@example.com", "password": OTHER });
    assert_eq!(server.post("/register", other).await.status, StatusCode::ACCEPTED);
    assert_eq!(login(&server, "a@example.com", OTHER).await.status, StatusCode::UNAUTHORIZED);

    let access = server.login("a@example.com", PASSWORD).await;
    let signed_in = |method, path: &str| server.request(method, path).bearer_auth(&access);
    let renamed = signed_in(Method::PATCH, "/me").json(&json!({ "name": "Somebody" }));
    assert_eq!(answer(renamed).await.json()["name"], "Somebody");
    let asked = json!({ "email": "new@example.com", "password": PASSWORD });
    let asked = answer(signed_in(Method::POST, "/me/email").json(&asked)).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text);
    let mut received = office.until(3).await;
    received.sort_by(|one, two| one.to.cmp(&two.to));
    let to: Vec<&str> = received.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(to, ["a@example.com", "a@example.com", "new@example.com"]);
    let token = received[2].token().expect("a link");
    let moved = server.post("/email/verify", json!({ "token": token })).await;
    assert_eq!(moved.status, StatusCode::NO_CONTENT, "{}", moved.text);
    assert_eq!(server.get("/me", &access).await.json()["email"], "new@example.com");
    server.login("new@example.com", PASSWORD).await;
    let (told, nothing) = letter(&office, 4).await;
    assert_eq!((told.to.as_str(), nothing.as_str()), ("a@example.com", ""));
    let log = server.log();
    assert!(!log.contains(&token), "{log}");
    // The command that a server without an administrator shows names an address of its own.
    let log = log.replace("you@example.com", "");
    assert!(!log.contains("@example.com"), "{log}");
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_link_of_one_instance_is_good_on_another_and_its_reset_ends_logins_on_both() {
    let Some(place) = Place::postgres().await else { return };
    let (folder, office) = (tempdir().expect("folder"), PostOffice::open().await);
    let master = secret_file(folder.path(), "master", &master_key(1));
    let unused = folder.path().join("unused");
    let options = [
        "--database-url",
        &place.url,
        "--keys-master-key-file",
        master.to_str().expect("a path"),
        "--data-dir",
        unused.to_str().expect("a path"),
    ];
    let (one, two) = (serve(&office, &options), serve(&office, &options));
    let new = json!({ "email": "a@example.com", "password": PASSWORD });
    assert_eq!(one.post("/register", new).await.status, StatusCode::ACCEPTED);
    let (_, token) = letter(&office, 1).await;
    let verified = two.post("/email/verify", json!({ "token": token })).await;
    assert_eq!(verified.status, StatusCode::NO_CONTENT, "{}", verified.text);
    let access = one.login("a@example.com", PASSWORD).await;
    assert_eq!(two.get("/me", &access).await.status, StatusCode::OK);

    let forgot = json!({ "email": "a@example.com" });
    assert_eq!(two.post("/password/forgot", forgot).await.status, StatusCode::ACCEPTED);
    let (_, token) = letter(&office, 2).await;
    // At the same moment on both: one of them does it.
    let reset = json!({ "token": token, "password": OTHER });
    let (here, there) = tokio::join!(
        one.post("/password/reset", reset.clone()),
        two.post("/password/reset", reset)
    );
    let mut statuses = [here.status.as_u16(), there.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400], "{} {}", here.text, there.text);
    for server in [&one, &two] {
        let mut me = server.get("/me", &access).await;
        // The feed takes less than a second, a busy machine perhaps more.
        for _ in 0..500 {
            if me.status == StatusCode::UNAUTHORIZED {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            me = server.get("/me", &access).await;
        }
        assert_eq!(me.problem(), (401, "token_revoked".to_owned()));
        assert_eq!(login(server, "a@example.com", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
        server.login("a@example.com", OTHER).await;
    }
    assert!(one.stop().success() && two.stop().success());
    place.remove().await;
}
