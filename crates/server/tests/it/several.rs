//! Several processes that share a secret, and nothing else.

use reqwest::StatusCode;
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer, forge, posts, secret_file};

const SECRET: &str = "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO";

#[tokio::test]
async fn any_process_with_the_secret_accepts_the_token() {
    let folder = tempdir().expect("folder");
    let secret = secret_file(folder.path(), "secret", &format!("{SECRET}\n"));
    let secret = secret.to_str().expect("a path");
    let data = [tempdir().expect("folder"), tempdir().expect("folder")];
    let issuer = Server::dev(data[0].path(), &["--secret-file", secret]);
    issuer.register("a@example.com").await;
    let token = issuer.login("a@example.com", PASSWORD).await;

    let instance = Server::dev(data[1].path(), &["--secret-file", secret]);
    assert_eq!(instance.get("/posts", &token).await.status, StatusCode::OK);

    let mut command = posts();
    command.args(["--listen", "127.0.0.1:0", "--secret-file", secret]);
    let resource = Server::start(command);
    // The issuer is gone: what follows needs nobody but the process that is asked.
    issuer.kill();
    let made = resource.request(reqwest::Method::POST, "/posts").bearer_auth(&token);
    let made = answer(made.json(&serde_json::json!({ "title": "t", "content": "c" }))).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let list = resource.get("/posts", &token).await;
    assert_eq!(list.json()["items"].as_array().expect("items").len(), 1);
    let promoted = forge(&token, |payload| payload.replace(r#"["user"]"#, r#"["admin"]"#));
    let refused = resource.get("/posts", &promoted).await;
    assert_eq!(refused.problem(), (401, "signature_invalid".to_owned()));
}

#[tokio::test]
async fn a_second_secret_verifies_while_the_first_signs() {
    let folder = tempdir().expect("folder");
    let old = secret_file(folder.path(), "old", SECRET);
    let new = secret_file(folder.path(), "new", "Zt5Rk1WqYx8Nv3LpMb6JhGd0CsFa7EuQ");
    let (old, new) = (old.to_str().expect("a path"), new.to_str().expect("a path"));
    let data = tempdir().expect("folder");
    let before = Server::dev(data.path(), &["--secret-file", old]);
    before.register("a@example.com").await;
    let token = before.login("a@example.com", PASSWORD).await;
    before.kill();
    let after = Server::dev(data.path(), &["--secret-file", new, "--secret-file", old]);
    assert_eq!(after.get("/posts", &token).await.status, StatusCode::OK);
    let fresh = after.login("a@example.com", PASSWORD).await;
    assert_ne!(fresh.split('.').next(), token.split('.').next(), "another kid");
    after.kill();
    let alone = Server::dev(data.path(), &["--secret-file", new]);
    assert_eq!(alone.get("/posts", &token).await.problem(), (401, "unknown_key".to_owned()));
    assert_eq!(alone.get("/posts", &fresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_resource_server_that_knows_only_the_public_keys_accepts_the_token() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let folder = tempdir().expect("folder");
        let issuer = Server::dev(folder.path(), &["--tokens-algorithm", algorithm]);
        issuer.register("a@example.com").await;
        let token = issuer.login("a@example.com", PASSWORD).await;
        assert_eq!(issuer.get("/posts", &token).await.status, StatusCode::OK);
        let set = format!("{}/.well-known/jwks.json", issuer.url);
        let published =
            answer(issuer.request(reqwest::Method::GET, "/.well-known/jwks.json")).await;
        let key = &published.json()["keys"][0];
        assert_eq!(key["alg"], algorithm, "{}", published.text);
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private} is published");
        }
        let file = folder.path().join("keys.json");
        std::fs::write(&file, &published.text).expect("written");

        let start = |jwks: &str| {
            let mut command = posts();
            command.args(["--listen", "127.0.0.1:0", "--jwks", jwks]);
            Server::start(command)
        };
        let by_address = start(&set);
        assert_eq!(by_address.get("/posts", &token).await.status, StatusCode::OK);
        // The keys are had: the issuer may go.
        issuer.kill();
        assert_eq!(by_address.get("/posts", &token).await.status, StatusCode::OK);
        let by_file = start(file.to_str().expect("a path"));
        assert_eq!(by_file.get("/posts", &token).await.status, StatusCode::OK);
        let promoted = forge(&token, |payload| payload.replace(r#"["user"]"#, r#"["admin"]"#));
        for resource in [by_address, by_file] {
            let refused = resource.get("/posts", &promoted).await;
            assert_eq!(refused.problem(), (401, "signature_invalid".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_change_of_algorithm_signs_nobody_out() {
    let data = tempdir().expect("folder");
    let mut tokens = Vec::new();
    for algorithm in ["HS256", "ES256", "PS256", "HS512", "EdDSA", "HS256"] {
        let server = Server::dev(data.path(), &["--tokens-algorithm", algorithm]);
        if tokens.is_empty() {
            server.register("a@example.com").await;
        }
        tokens.push(server.login("a@example.com", PASSWORD).await);
        for token in &tokens {
            assert_eq!(server.get("/me", token).await.status, StatusCode::OK, "{algorithm}");
        }
    }
}

#[tokio::test]
async fn a_private_key_from_a_file_signs() {
    let folder = tempdir().expect("folder");
    let key = jwt::SigningKey::generate(jwt::Algorithm::Es256).expect("a key");
    let pem = key.expose_pkcs8_pem().expect("PEM");
    let file = secret_file(folder.path(), "key.pem", &pem);
    let data = tempdir().expect("folder");
    let options =
        ["--tokens-algorithm", "ES256", "--keys-private-key-file", file.to_str().expect("a path")];
    let server = Server::dev(data.path(), &options);
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    let verifier = jwt::Verifier::new(key.verifying_key()).audience("countersign");
    assert!(verifier.verify::<serde_json::Value>(&token).is_ok());
}
