//! What tables there are, read from the engines themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{Db, Engine, Migrations, StorageError, db::DbOptions};

/// A table as its owner's migrations make it, the same on both engines.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<String>,
    /// The columns of its primary key.
    pub(super) key: Vec<String>,
    /// The tables that its rows refer to.
    pub(super) parents: BTreeSet<String>,
    /// Whether its key is a number that the engine counts.
    pub(super) counted: bool,
}

/// What a column holds on one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Bool,
    Text,
    Blob,
    Id,
    /// Nothing that goes through this door.
    Foreign,
}

/// The tables of a database, each with its columns.
pub(super) type Found = BTreeMap<String, BTreeMap<String, Kind>>;

/// The tables of one owner, each after those that it refers to.
///
/// Nothing lists them: the migrations are made in an empty database, and what is there then is theirs. So no table can
/// be forgotten.
pub(super) async fn of_owner(owner: Migrations) -> Result<Vec<Table>, StorageError> {
    let db = Db::open(&DbOptions::new("sqlite::memory:")).await?;
    db.migrate(owner).await?;
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let columns = db
        .all(
            "SELECT m.name AS owner, m.sql LIKE '%AUTOINCREMENT%' AS counted, c.name AS name, c.pk AS place
               FROM sqlite_master m JOIN pragma_table_info(m.name) c
              WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'
              ORDER BY m.name, c.cid",
            [],
        )
        .await?;
    let mut keys: BTreeMap<String, BTreeMap<i64, String>> = BTreeMap::new();
    for row in columns {
        let (name, column): (String, String) = (row.get("owner")?, row.get("name")?);
        if name == owner.table {
            continue;
        }
        plain(&name)?;
        plain(&column)?;
        if row.get::<i64>("place")? > 0 {
            keys.entry(name.clone()).or_default().insert(row.get("place")?, column.clone());
        }
        let counted = row.get("counted")?;
        let table = tables.entry(name.clone()).or_insert_with(|| Table {
            name,
            columns: Vec::new(),
            key: Vec::new(),
            parents: BTreeSet::new(),
            counted,
        });
        table.columns.push(column);
    }
    for (name, table) in &mut tables {
        table.key = keys.remove(name).unwrap_or_default().into_values().collect();
        if table.key.is_empty() {
            return Err(StorageError::refused(format!("the table {name} has no primary key")));
        }
    }
    let references = db
        .all(
            "SELECT m.name AS child, f.\"table\" AS parent
               FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
              WHERE m.type = 'table'",
            [],
        )
        .await?;
    for row in references {
        let (child, parent): (String, String) = (row.get("child")?, row.get("parent")?);
        if let Some(table) = tables.get_mut(&child).filter(|table| table.name != parent) {
            table.parents.insert(parent);
        }
    }
    db.close().await;
    in_order(tables)
}

/// Parents before their children.
fn in_order(mut left: BTreeMap<String, Table>) -> Result<Vec<Table>, StorageError> {
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let ready = |table: &&Table| !table.parents.iter().any(|parent| left.contains_key(parent));
        let Some(name) = left.values().find(ready).map(|table| table.name.clone()) else {
            return Err(StorageError::refused("tables refer to each other in a circle"));
        };
        ordered.extend(left.remove(&name));
    }
    Ok(ordered)
}

/// A name that both engines write in the same way, quoted or not.
fn plain(name: &str) -> Result<(), StorageError> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(letter) {
        return Err(StorageError::refused(format!(
            "the name {name} has other letters than a to z, digits and _"
        )));
    }
    Ok(())
}

/// All tables that are there, whoever made them.
pub(super) async fn found(db: &Db) -> Result<Found, StorageError> {
    let rows = match db.engine() {
        Engine::Sqlite => {
            db.all(
                "SELECT m.name AS owner, c.name AS name, c.type AS kind
                   FROM sqlite_master m JOIN pragma_table_info(m.name) c
                  WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite!_%' ESCAPE '!'",
                [],
            )
            .await?
        }
        Engine::Postgres => {
            db.all(
                "SELECT t.table_name AS owner, c.column_name AS name, c.udt_name AS kind
                   FROM information_schema.tables t
                   JOIN information_schema.columns c
                     ON c.table_schema = t.table_schema AND c.table_name = t.table_name
                  WHERE t.table_schema = current_schema() AND t.table_type = 'BASE TABLE'",
                [],
            )
            .await?
        }
    };
    let mut tables = Found::new();
    for row in rows {
        let kind = match row.get::<String>("kind")?.to_ascii_lowercase().as_str() {
            "integer" | "int8" | "int4" | "int2" => Kind::Int,
            "bool" => Kind::Bool,
            "text" | "varchar" => Kind::Text,
            "blob" | "bytea" => Kind::Blob,
            "uuid" => Kind::Id,
            _ => Kind::Foreign,
        };
        tables.entry(row.get("owner")?).or_default().insert(row.get("name")?, kind);
    }
    Ok(tables)
}
