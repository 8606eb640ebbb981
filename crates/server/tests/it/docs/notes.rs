use axum::{
    Router,
    extract::{FromRef, Path, State},
    http::StatusCode,
    routing::{delete, get},
};
use countersign_auth::{
    Auth, Client, Config, Error, Json,
    audit::{Actor, By, Filter},
    roles::Administrator,
    storage::{Db, Migration, Migrations, StorageError},
    users::{NewUser, UserId},
};
use countersign_guard::{Guard, Principal};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(start("sqlite://notes.db").await?).await
}

/// Tables of the application's own, in the same database, under a migration table of their own.
const TABLES: Migrations = Migrations {
    table: "notes_migrations",
    steps: &[Migration {
        name: "V1__notes",
        sqlite: "CREATE TABLE notes (id BLOB NOT NULL PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL) STRICT;",
        postgres: "CREATE TABLE notes (id UUID NOT NULL PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL);",
    }],
};

/// What the handlers share. Each takes of it what it needs.
#[derive(Clone, FromRef)]
pub struct App {
    auth: Auth,
    guard: Guard,
    db: Db,
}

/// Users, logins, keys, letters and the log, on this database.
pub async fn start(database: &str) -> Result<Auth, Error> {
    let mut config = Config::default();
    config.database.url = Some(database.to_owned());
    config.accounts.roles = ["user", "admin", "editor"].map(str::to_owned).to_vec();
    let auth = Auth::builder(config)
        // In every token, and with every cookie.
        .claims(|user| {
            let domain = user.email.as_str().rsplit_once('@').map(|(_, domain)| domain);
            [("team".to_owned(), json!(domain))].into_iter().collect()
        })
        .build()
        .await?;
    auth.db().migrate(TABLES).await?;
    Ok(auth)
}

/// The application: its own routes, and those of the installation below `/auth`.
pub fn routes(auth: &Auth) -> Router {
    let app = App { auth: auth.clone(), guard: auth.guard(), db: auth.db().clone() };
    Router::new()
        .route("/notes", get(list).post(write))
        .route("/notes/{id}", delete(remove))
        .route("/my-data", get(my_data))
        .route("/admin/strangers", get(strangers))
        .with_state(app)
        .nest("/auth", auth.router())
}

/// Anybody who is signed in, by token or by cookie; the handler need not know which.
async fn list(State(db): State<Db>, caller: Principal) -> Result<Json<Value>, Error> {
    let notes = notes_of(&db, caller.subject()).await?;
    Ok(Json(json!({ "team": caller.claim("team"), "notes": notes })))
}

async fn write(
    State(app): State<App>,
    caller: Principal,
    Json(note): Json<Note>,
) -> Result<StatusCode, Error> {
    let row = [app.auth.ids().next().into(), caller.subject().into(), note.text.into()];
    app.db.execute("INSERT INTO notes (id, author, text) VALUES ($1, $2, $3)", row).await?;
    Ok(StatusCode::CREATED)
}

/// A body that is not like this is refused, and nothing of it is repeated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    text: String,
}

/// Only who has a role of the application's own.
async fn remove(
    State(db): State<Db>,
    caller: Principal,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Error> {
    caller.require("editor")?;
    let removed = db.execute("DELETE FROM notes WHERE id = $1", [id.into()]).await?;
    if removed == 0 { Err(Error::NotFound) } else { Ok(StatusCode::NO_CONTENT) }
}

/// What is held on the caller, and what the application holds on him.
async fn my_data(
    State(app): State<App>,
    caller: Principal,
    client: Client,
) -> Result<Json<Value>, Error> {
    let user = app.auth.caller(&caller).await?;
    // Recorded as the caller's own act, from where he is.
    let auth = app.auth.acting_for(&caller, client)?;
    let mut data = auth.user_export(user.id, None).await?.to_json();
    data["notes"] = notes_of(&app.db, caller.subject()).await?.into();
    Ok(Json(data))
}

/// For administrators alone: logins that failed, and from where.
async fn strangers(admin: Administrator) -> Result<Json<Vec<Value>>, Error> {
    let failed = Filter { kind: Some("login.failed".to_owned()), ..Filter::default() };
    let events = admin.auth().log().page(&failed, None, 50).await?;
    Ok(Json(events.iter().map(|event| json!([event.at.seconds(), event.address])).collect()))
}

async fn notes_of(db: &Db, author: &str) -> Result<Vec<String>, StorageError> {
    let rows =
        db.all("SELECT text FROM notes WHERE author = $1 ORDER BY id", [author.into()]).await?;
    rows.iter().map(|row| row.get("text")).collect()
}

/// Something that the application does by itself, when nobody asks for it.
pub async fn hire(auth: &Auth, email: &str, password: &str) -> Result<UserId, Error> {
    let auth = auth.acting(By::actor(Actor::Application));
    let new = NewUser { email, password, name: None, roles: &["user", "editor"] };
    let user = auth.user_create(new).await?;
    Ok(user.id)
}

/// Everything on one port, until the program is told to stop.
pub async fn serve(auth: Auth) -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
    // With this the limits on guessing, the list of logins and the log know the address of a client.
    let service = routes(&auth).into_make_service_with_connect_info::<std::net::SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}
