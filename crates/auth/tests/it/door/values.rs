//! Values go in and come out as they are; statements are typed by their values.

use countersign_auth::storage::{Db, Engine, Value};
use uuid::Uuid;

use countersign_auth::{on_every_engine, testing::Place};

use super::assert_refused;

on_every_engine! {
    every_type_comes_back_as_it_went_in,
    every_type_comes_back_as_null,
    a_parameter_has_the_type_of_its_value,
    parameters_are_numbered_and_may_repeat,
    a_write_returns_its_rows,
    execute_counts_the_rows_it_changed,
    an_upsert_counts_and_returns,
    optional_takes_one_row_at_most,
    a_column_is_found_by_its_name_only,
    a_dollar_in_a_literal_is_text,
    big_values_come_back,
}

/// The column types of each engine, as migrations have them.
pub(crate) async fn things(db: &Db) {
    let sql = match db.engine() {
        Engine::Sqlite => {
            "CREATE TABLE things (id BLOB PRIMARY KEY, n INTEGER, flag INTEGER, body TEXT, raw BLOB, other BLOB) STRICT"
        }
        Engine::Postgres => {
            "CREATE TABLE things (id UUID PRIMARY KEY, n BIGINT, flag BOOLEAN, body TEXT, raw BYTEA, other UUID)"
        }
    };
    assert_eq!(db.execute(sql, []).await.unwrap(), 0);
}

const INSERT: &str =
    "INSERT INTO things (id, n, flag, body, raw, other) VALUES ($1, $2, $3, $4, $5, $6)";
const SELECT: &str = "SELECT n, flag, body, raw, other FROM things WHERE id = $1";

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + n)
}

async fn every_type_comes_back_as_it_went_in(place: Place) {
    let db = &place.db;
    things(db).await;
    let texts = ["", "plain", "quote ' \" $1 ?1 \\", "Grüße 😀 \u{1}\r\n\u{feff}"];
    for (n, int) in [0, 1, -1, i64::MIN, i64::MAX].into_iter().enumerate() {
        let (id, flag, text) = (id(n as u128), n % 2 == 0, texts[n % texts.len()]);
        let raw: Vec<u8> = (0..=255).cycle().take(n * 300).collect();
        let binds = [
            id.into(),
            int.into(),
            flag.into(),
            text.into(),
            raw.clone().into(),
            Uuid::nil().into(),
        ];
        assert_eq!(db.execute(INSERT, binds).await.unwrap(), 1);

        let row = db.optional(SELECT, [id.into()]).await.unwrap().unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), int);
        assert_eq!(row.get::<bool>("flag").unwrap(), flag);
        assert_eq!(row.get::<String>("body").unwrap(), text);
        assert_eq!(row.get::<Vec<u8>>("raw").unwrap(), raw);
        assert_eq!(row.get::<Uuid>("other").unwrap(), Uuid::nil());
        assert_eq!(row.get::<Option<String>>("body").unwrap().as_deref(), Some(text));
        assert_eq!(row.get::<Option<Uuid>>("other").unwrap(), Some(Uuid::nil()));
    }
    let flagged = db.all("SELECT id FROM things WHERE flag ORDER BY id", []).await.unwrap();
    let flagged: Vec<Uuid> = flagged.iter().map(|row| row.get("id").unwrap()).collect();
    assert_eq!(flagged, [id(0), id(2), id(4)]);
}

async fn every_type_comes_back_as_null(place: Place) {
    let db = &place.db;
    things(db).await;
    let binds = [
        id(1).into(),
        Value::Int(None),
        Value::Bool(None),
        Value::Text(None),
        Value::Blob(None),
        Value::Id(None),
    ];
    db.execute(INSERT, binds).await.unwrap();
    let row = db.optional(SELECT, [id(1).into()]).await.unwrap().unwrap();
    assert_eq!(row.get::<Option<i64>>("n").unwrap(), None);
    assert_eq!(row.get::<Option<bool>>("flag").unwrap(), None);
    assert_eq!(row.get::<Option<String>>("body").unwrap(), None);
    assert_eq!(row.get::<Option<Vec<u8>>>("raw").unwrap(), None);
    assert_eq!(row.get::<Option<Uuid>>("other").unwrap(), None);
    assert_refused(row.get::<i64>("n"));
    assert_refused(row.get::<Uuid>("other"));
}

async fn a_parameter_has_the_type_of_its_value(place: Place) {
    let db = &place.db;
    let one =
        |sql, binds: Vec<Value>| async move { db.optional(sql, binds).await.unwrap().unwrap() };
    assert_eq!(one("SELECT $1 + 1 AS n", vec![41.into()]).await.get::<i64>("n").unwrap(), 42);
    assert_eq!(one("SELECT $1 AS n", vec![7.into()]).await.get::<i64>("n").unwrap(), 7);
    assert_eq!(one("SELECT $1 AS t", vec!["7".into()]).await.get::<String>("t").unwrap(), "7");
    assert_eq!(
        one("SELECT $1 AS n", vec![Value::Int(None)]).await.get::<Option<i64>>("n").unwrap(),
        None
    );
    assert_eq!(
        one("SELECT $1 AS b", vec![vec![0, 255].into()]).await.get::<Vec<u8>>("b").unwrap(),
        [0, 255]
    );
    assert_eq!(one("SELECT $1 AS i", vec![id(3).into()]).await.get::<Uuid>("i").unwrap(), id(3));
    assert!(one("SELECT $1 AS f", vec![true.into()]).await.get::<bool>("f").unwrap());
    assert!(
        one("SELECT $1 = $2 AS f", vec!["a".into(), "a".into()]).await.get::<bool>("f").unwrap()
    );
    assert_eq!(
        one("SELECT COALESCE($1, $2) AS n", vec![Value::Int(None), 3.into()])
            .await
            .get::<i64>("n")
            .unwrap(),
        3
    );
    assert_eq!(
        one("SELECT $1 || $2 AS t", vec!["a".into(), "b".into()]).await.get::<String>("t").unwrap(),
        "ab"
    );

    things(db).await;
    for n in 0..4 {
        let binds = [
            id(n).into(),
            i64::try_from(n).unwrap().into(),
            true.into(),
            "x".into(),
            vec![].into(),
            id(n).into(),
        ];
        db.execute(INSERT, binds).await.unwrap();
    }
    let filtered =
        "SELECT n FROM things WHERE ($1 IS NULL OR n = $1) AND ($2 IS NULL OR id > $2) ORDER BY n";
    let count = |n: Option<i64>, after: Option<Uuid>| async move {
        db.all(filtered, [n.into(), after.into()]).await.unwrap().len()
    };
    assert_eq!(count(None, None).await, 4);
    assert_eq!(count(Some(2), None).await, 1);
    assert_eq!(count(None, Some(id(1))).await, 2);
    assert_eq!(count(Some(1), Some(id(1))).await, 0);
}

async fn parameters_are_numbered_and_may_repeat(place: Place) {
    let row = place
        .db
        .optional("SELECT $2 || $1 || $2 AS t, $1 AS u", ["a".into(), "b".into()])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.get::<String>("t").unwrap(), "bab");
    assert_eq!(row.get::<String>("u").unwrap(), "a");
    assert_refused(place.db.optional("SELECT $1 AS t, $2 AS u", ["a".into()]).await);
}

async fn a_write_returns_its_rows(place: Place) {
    let db = &place.db;
    super::counter(db).await;
    let row = db
        .optional(
            "UPDATE counters SET n = n + $2 WHERE id = $1 RETURNING n, id",
            [1.into(), 5.into()],
        )
        .await;
    let row = row.unwrap().unwrap();
    assert_eq!((row.get::<i64>("n").unwrap(), row.get::<i64>("id").unwrap()), (5, 1));
    assert!(
        db.optional("UPDATE counters SET n = 0 WHERE id = 9 RETURNING n", [])
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(db.all("DELETE FROM counters RETURNING id", []).await.unwrap().len(), 2);
    assert_eq!(db.all("SELECT id FROM counters", []).await.unwrap().len(), 0);
}

async fn execute_counts_the_rows_it_changed(place: Place) {
    let db = &place.db;
    super::counter(db).await;
    assert_eq!(db.execute("UPDATE counters SET n = 1", []).await.unwrap(), 2);
    assert_eq!(db.execute("UPDATE counters SET n = 1 WHERE id = 9", []).await.unwrap(), 0);
    assert_eq!(db.execute("DELETE FROM counters WHERE id = 1", []).await.unwrap(), 1);
    assert_eq!(db.execute("CREATE TABLE more (id BIGINT)", []).await.unwrap(), 0);
}

async fn an_upsert_counts_and_returns(place: Place) {
    let db = &place.db;
    super::counter(db).await;
    let nothing = "INSERT INTO counters (id, n) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    assert_eq!(db.execute(nothing, [1.into(), 9.into()]).await.unwrap(), 0);
    assert_eq!(db.execute(nothing, [3.into(), 9.into()]).await.unwrap(), 1);
    let upsert = "INSERT INTO counters (id, n) VALUES ($1, $2) \
                  ON CONFLICT (id) DO UPDATE SET n = counters.n + excluded.n RETURNING n";
    for expected in [9 + 4, 9 + 8] {
        let row = db.optional(upsert, [3.into(), 4.into()]).await.unwrap().unwrap();
        assert_eq!(row.get::<i64>("n").unwrap(), expected);
    }
}

async fn optional_takes_one_row_at_most(place: Place) {
    let db = &place.db;
    super::counter(db).await;
    assert!(db.optional("SELECT id FROM counters WHERE id = 7", []).await.unwrap().is_none());
    assert_refused(db.optional("SELECT id FROM counters", []).await);
}

async fn a_column_is_found_by_its_name_only(place: Place) {
    let row = place.db.optional("SELECT 1 AS first, 2 AS second", []).await.unwrap().unwrap();
    assert_eq!(row.get::<i64>("second").unwrap(), 2);
    assert_refused(row.get::<i64>("third"));
    assert_refused(row.get::<String>("first"));
    assert_refused(row.get::<Uuid>("first"));
}

async fn a_dollar_in_a_literal_is_text(place: Place) {
    let row = place
        .db
        .optional("SELECT '$1 it''s' AS a, $1 AS b /* $2 */ -- $3", ["x".into()])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.get::<String>("a").unwrap(), "$1 it's");
    assert_eq!(row.get::<String>("b").unwrap(), "x");
}

async fn big_values_come_back(place: Place) {
    let db = &place.db;
    things(db).await;
    let raw = vec![7_u8; 3 << 20];
    let text = "ä".repeat(1 << 20);
    let binds = [
        id(1).into(),
        1.into(),
        true.into(),
        text.as_str().into(),
        raw.as_slice().into(),
        id(1).into(),
    ];
    db.execute(INSERT, binds).await.unwrap();
    let row = db.optional(SELECT, [id(1).into()]).await.unwrap().unwrap();
    assert!(row.get::<String>("body").unwrap() == text);
    assert!(row.get::<Vec<u8>>("raw").unwrap() == raw);
}
