//! What is not done, and what is said of it: the same on both engines, and never a value.

use countersign_auth::storage::{StorageError, Value};

use countersign_auth::{on_every_engine, testing::Place};

use super::{
    assert_refused,
    values::{id, things},
};

on_every_engine! {
    a_conflict_names_the_index,
    other_constraints_are_refused,
    what_cannot_be_stored_on_both_is_refused,
    a_mistake_is_refused_and_shows_no_value,
}

async fn a_conflict_names_the_index(place: Place) {
    let db = &place.db;
    for sql in [
        "CREATE TABLE users (id BIGINT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT, nick TEXT, team TEXT, seat BIGINT, code TEXT, \
         UNIQUE (team, seat))",
        "CREATE UNIQUE INDEX users_name ON users (name)",
        "CREATE UNIQUE INDEX one_nick_for_each_team ON users (team, nick) WHERE nick <> ''",
        "CREATE UNIQUE INDEX users_tail_key ON users (substr(code, 2))",
        "CREATE TABLE members (user_id BIGINT, team TEXT, PRIMARY KEY (user_id, team))",
        "INSERT INTO members (user_id, team) VALUES (1, 'a')",
    ] {
        db.execute(sql, []).await.unwrap();
    }
    let insert = "INSERT INTO users (id, email, name, nick, team, seat, code) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let user = |id: i64,
                email: &str,
                name: &str,
                nick: &str,
                team: &str,
                seat: i64,
                code: &str|
     -> Vec<Value> {
        vec![
            id.into(),
            email.into(),
            name.into(),
            nick.into(),
            team.into(),
            seat.into(),
            code.into(),
        ]
    };
    db.execute(insert, user(1, "a@x", "anna", "a", "red", 1, "a1")).await.unwrap();
    for (binds, expected) in [
        (user(1, "b@x", "berta", "b", "red", 2, "b2"), "users_pkey"),
        (user(2, "a@x", "berta", "b", "red", 2, "b2"), "users_email"),
        (user(2, "b@x", "anna", "b", "red", 2, "b2"), "users_name"),
        (user(2, "b@x", "berta", "a", "red", 2, "b2"), "one_nick_for_each_team"),
        (user(2, "b@x", "berta", "b", "red", 1, "b2"), "users_team_seat"),
        (user(2, "b@x", "berta", "b", "red", 2, "b1"), "users_tail"),
    ] {
        let error = db.execute(insert, binds.clone()).await.unwrap_err();
        assert!(matches!(error, StorageError::Conflict { .. }), "{error:?}");
        assert_eq!(error.conflict(), Some(expected));

        let error = db
            .transaction(move |tx| {
                let binds = binds.clone();
                Box::pin(async move { tx.execute(insert, binds).await })
            })
            .await
            .unwrap_err();
        assert_eq!(error.conflict(), Some(expected));
    }
    let error =
        db.execute("INSERT INTO members (user_id, team) VALUES (1, 'a')", []).await.unwrap_err();
    assert_eq!(error.conflict(), Some("members_pkey"));
    let error = db.execute("UPDATE users SET id = 1, email = 'c@x'", []).await;
    assert!(error.is_ok());
    db.execute(insert, user(2, "b@x", "berta", "b", "red", 2, "b2")).await.unwrap();
    let error = db.execute("UPDATE users SET email = 'c@x' WHERE id = 2", []).await.unwrap_err();
    assert_eq!(error.conflict(), Some("users_email"));
}

async fn other_constraints_are_refused(place: Place) {
    let db = &place.db;
    for sql in [
        "CREATE TABLE parents (id BIGINT PRIMARY KEY)",
        "CREATE TABLE children (id BIGINT PRIMARY KEY, parent BIGINT NOT NULL REFERENCES parents (id) ON DELETE CASCADE, \
         n BIGINT CHECK (n > 0))",
        "INSERT INTO parents (id) VALUES (1)",
        "INSERT INTO children (id, parent, n) VALUES (1, 1, 1)",
    ] {
        db.execute(sql, []).await.unwrap();
    }
    for sql in [
        "INSERT INTO children (id, parent, n) VALUES (2, 7, 1)",
        "INSERT INTO children (id, parent, n) VALUES (2, NULL, 1)",
        "INSERT INTO children (id, parent, n) VALUES (2, 1, 0)",
    ] {
        assert_refused(db.execute(sql, []).await);
    }
    assert_eq!(db.execute("DELETE FROM parents", []).await.unwrap(), 1);
    assert!(db.all("SELECT id FROM children", []).await.unwrap().is_empty());
}

async fn what_cannot_be_stored_on_both_is_refused(place: Place) {
    let db = &place.db;
    things(db).await;
    assert_refused(db.optional("SELECT $1 AS t", ["a\0b".into()]).await);
    for sql in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a"] {
        assert_refused(db.execute(sql, []).await);
    }
    // The column's type is kept on SQLite as well: tables are STRICT.
    assert_refused(
        db.execute("INSERT INTO things (id, n) VALUES ($1, $2)", [id(1).into(), "text".into()])
            .await,
    );
    assert!(db.all("SELECT id FROM things", []).await.unwrap().is_empty());
}

async fn a_mistake_is_refused_and_shows_no_value(place: Place) {
    let db = &place.db;
    things(db).await;
    db.execute(
        "CREATE TABLE checked (body TEXT PRIMARY KEY CHECK (length(body) <> 7 OR body LIKE '%3'))",
        [],
    )
    .await
    .unwrap();
    let secret = || -> [Value; 1] { ["hunter2".into()] };
    for (sql, binds) in [
        ("SELEC $1", secret()),
        ("SELECT nothing FROM things WHERE body = $1", secret()),
        ("SELECT \"hunted\" AS x, $1 AS y", secret()),
        ("SELECT 1 AS a; SELECT $1 AS b", secret()),
        ("INSERT INTO checked (body) VALUES ($1)", secret()),
        ("INSERT INTO things (id) VALUES ($1)", secret()),
        ("INSERT INTO things (id, body) VALUES (NULL, $1)", secret()),
    ] {
        let error = db.all(sql, binds).await.unwrap_err();
        assert!(matches!(error, StorageError::Refused(_)), "{sql}: {error:?}");
        assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
    }
    db.execute("INSERT INTO checked (body) VALUES ($1)", ["hunter3".into()]).await.unwrap();
    let error =
        db.execute("INSERT INTO checked (body) VALUES ($1)", ["hunter3".into()]).await.unwrap_err();
    assert_eq!(error.conflict(), Some("checked_pkey"));
    assert!(!chain(&error).contains("hunter3"), "{}", chain(&error));
}

fn chain(error: &StorageError) -> String {
    let mut text = format!("{error:?}");
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        text.push_str(&format!(" / {error}"));
        next = error.source();
    }
    text
}
