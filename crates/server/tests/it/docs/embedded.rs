use axum::{Router, routing::get};
use countersign_auth::{Auth, Config};
use countersign_guard::{Denied, Principal};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.database.url = Some("sqlite://app.db".to_owned());
    let auth = Auth::builder(config).build().await?;

    let app = Router::new()
        .route("/posts", get(posts).delete(purge))
        .with_state(auth.clone())
        // /register, /login, /login/session, /refresh, /logout, /sessions, /me and the key set
        .merge(auth.router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    // With this the limits on guessing and the audit log know the address of a client.
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    axum::serve(listener, app).await?;
    Ok(())
}

/// Runs only for a caller who has proved who they are, by token or by session.
async fn posts(caller: Principal) -> String {
    format!("posts for {}", caller.subject())
}

/// Runs only for a caller who also has the role `admin`.
async fn purge(caller: Principal) -> Result<&'static str, Denied> {
    caller.require("admin")?;
    Ok("gone")
}
