//! Tables are brought up to date once, whoever comes first.

use countersign_auth::storage::{Migration, Migrations, StorageError};

use countersign_auth::{on_every_engine, testing::Place};

use super::assert_refused;

on_every_engine! {
    migrations_run_once_and_in_order,
    four_at_once_succeed,
    an_application_keeps_its_own_tables,
    a_database_newer_than_the_program_is_refused,
    a_migration_that_was_changed_is_refused,
    a_migration_that_fails_leaves_nothing,
    a_history_table_with_a_strange_name_is_refused,
    what_is_missing_is_told_and_nothing_changed,
}

macro_rules! both {
    ($name:literal, $sql:literal) => {
        Migration { name: $name, sqlite: $sql, postgres: $sql }
    };
}

const USERS: Migration =
    both!("V1__users", "CREATE TABLE users (id BIGINT PRIMARY KEY); INSERT INTO users VALUES (1);");
const NAMES: Migration =
    both!("V2__names", "ALTER TABLE users ADD COLUMN name TEXT; UPDATE users SET name = 'x';");
const POSTS: Migration = Migration {
    name: "V1__posts",
    sqlite: "CREATE TABLE posts (id BLOB PRIMARY KEY) STRICT; -- it's $1",
    postgres: "CREATE TABLE posts (id UUID PRIMARY KEY); -- it's $1",
};

const ONE: Migrations = Migrations { table: "auth_migrations", steps: &[USERS] };
const TWO: Migrations = Migrations { table: "auth_migrations", steps: &[USERS, NAMES] };

async fn migrations_run_once_and_in_order(place: Place) {
    let db = &place.db;
    for migrations in [ONE, ONE, TWO, TWO] {
        db.migrate(migrations).await.unwrap();
    }
    let rows = db.all("SELECT name FROM users", []).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].get::<String>("name").unwrap(), "x");
}

async fn four_at_once_succeed(place: Place) {
    let mut handles = Vec::new();
    for _ in 0..4 {
        handles.push(place.again().await.unwrap_or_else(|| place.db.clone()));
    }
    let tasks: Vec<_> =
        handles.into_iter().map(|db| tokio::spawn(async move { db.migrate(TWO).await })).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(place.db.all("SELECT id FROM users", []).await.unwrap().len(), 1);
}

async fn an_application_keeps_its_own_tables(place: Place) {
    let own = Migrations { table: "posts_migrations", steps: &[POSTS] };
    for _ in 0..2 {
        place.db.migrate(TWO).await.unwrap();
        place.db.migrate(own).await.unwrap();
    }
    assert!(place.db.all("SELECT id FROM posts", []).await.unwrap().is_empty());
}

async fn a_database_newer_than_the_program_is_refused(place: Place) {
    place.db.migrate(TWO).await.unwrap();
    let error = place.db.migrate(ONE).await.unwrap_err();
    let StorageError::Refused(cause) = error else { panic!("{error:?}") };
    assert!(
        cause.to_string().contains("V2__names") && cause.to_string().contains("newer"),
        "{cause}"
    );
}

async fn a_migration_that_was_changed_is_refused(place: Place) {
    place.db.migrate(ONE).await.unwrap();
    const CHANGED: Migration =
        both!("V1__users", "CREATE TABLE users (id BIGINT PRIMARY KEY, x TEXT);");
    let error = place
        .db
        .migrate(Migrations { table: "auth_migrations", steps: &[CHANGED] })
        .await
        .unwrap_err();
    let StorageError::Refused(cause) = error else { panic!("{error:?}") };
    assert!(cause.to_string().contains("changed"), "{cause}");
}

async fn a_migration_that_fails_leaves_nothing(place: Place) {
    const BROKEN: Migration =
        both!("V2__broken", "CREATE TABLE half (id BIGINT); INSERT INTO users VALUES (1);");
    let broken = Migrations { table: "auth_migrations", steps: &[USERS, BROKEN] };
    assert_refused(place.db.migrate(broken).await);
    assert_refused(place.db.all("SELECT id FROM half", []).await);
    place.db.migrate(TWO).await.unwrap();
}

async fn a_history_table_with_a_strange_name_is_refused(place: Place) {
    for table in ["", "1a", "a b", "a;b", "A"] {
        assert_refused(place.db.migrate(Migrations { table, steps: &[USERS] }).await);
    }
}

async fn what_is_missing_is_told_and_nothing_changed(place: Place) {
    let db = &place.db;
    let steps = async |migrations| {
        let standing = db.standing(migrations).await.unwrap();
        (standing.applied, standing.missing)
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(steps(TWO).await, (names(&[]), names(&["V1__users", "V2__names"])));
    assert_eq!(steps(TWO).await.1.len(), 2, "looking changes nothing");
    assert_eq!(db.migrate(ONE).await.unwrap(), ["V1__users"]);
    assert_eq!(steps(TWO).await, (names(&["V1__users"]), names(&["V2__names"])));
    assert_eq!(db.migrate(TWO).await.unwrap(), ["V2__names"]);
    assert!(db.migrate(TWO).await.unwrap().is_empty());
    assert_eq!(steps(TWO).await, (names(&["V1__users", "V2__names"]), names(&[])));
    assert_refused(db.standing(ONE).await);
    const CHANGED: Migration = both!("V1__users", "CREATE TABLE users (id BIGINT);");
    assert_refused(db.standing(Migrations { steps: &[CHANGED, NAMES], ..TWO }).await);
}
