//! A whole installation from one database into another, between engines or on the same: all of it or nothing, and
//! compared before it is kept.

mod side;

use std::collections::BTreeSet;

use self::side::{Reader, Side};
use super::{
    Db, Migrations, StorageError,
    schema::{self, Found, Kind, Table},
    solo::Solo,
};

/// What is to be copied.
#[derive(Clone, Copy, Debug)]
pub struct CopyPlan<'a> {
    /// Whose tables are taken along. The first is the installation itself and has to be there; of the others those that
    /// have tables in the source.
    pub owners: &'a [Migrations],
    /// Whether tables of anybody else may stay behind. Without this they are a reason to refuse.
    pub leave_others: bool,
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Rows that were written, and once more when they were read back.
    pub done: u64,
    /// As many as that will be at the end.
    pub total: u64,
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Every table, each after those that it refers to.
    pub tables: Vec<CopiedTable>,
    /// Tables of somebody else, which stayed behind.
    pub left: Vec<String>,
}

/// One table of a copy, the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over its rows in the order of their keys, in hexadecimal; the same rows have the same on both engines.
    pub digest: String,
}

/// Why nothing was copied. The target is as it was, but for empty tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The source has no tables of the first owner.
    #[error("the source holds no installation")]
    NoInstallation,
    /// The tables of the source are older than this program.
    #[error("the tables of the source are not up to date; missing: {}", .0.join(", "))]
    Outdated(Vec<String>),
    /// The source has tables that no owner brought.
    #[error("the source has tables of somebody else, which would stay behind: {}", .0.join(", "))]
    Others(Vec<String>),
    /// A table was changed by hand, or is of a type that is not known here.
    #[error("{0}")]
    Shape(String),
    /// The target holds something already: tables, and how many rows each has.
    #[error("the target is not empty; rows: {}", counts(.0))]
    NotEmpty(Vec<(String, u64)>),
    /// What was read back is not what was written.
    #[error("the table {0} is not the same on both sides")]
    Differs(String),
    /// The source could not be read.
    #[error("the source")]
    Source(#[source] StorageError),
    /// The target could not be written.
    #[error("the target")]
    Target(#[source] StorageError),
}

fn counts(tables: &[(String, u64)]) -> String {
    let tables = tables.iter().map(|(name, rows)| format!("{name} {rows}"));
    tables.collect::<Vec<_>>().join(", ")
}

impl Db {
    /// Copies an installation into another database, and says how far it is on its way.
    ///
    /// The source is read as it is at one moment, also when others go on writing. The target gets all of it in one
    /// transaction, which ends only when every table was read back and has as many rows and the same digest as in the
    /// source; until then nobody sees anything, and a process that dies leaves empty tables. Ids, counters, hashes and
    /// sealed keys are as they were, so that whoever is signed in stays so.
    ///
    /// # Errors
    /// [`CopyError`] says why not.
    pub async fn copy_to(
        &self,
        target: &Self,
        plan: CopyPlan<'_>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Copied, CopyError> {
        let (owners, tables, left) = self.survey(plan).await?;
        let source_kinds = self.shape_of(&tables, CopyError::Source).await?;
        // Before anything is changed there: an installation is not brought up to date to be refused afterwards.
        target.refuse_rows(&tables).await?;
        for owner in owners {
            target.migrate(owner).await.map_err(CopyError::Target)?;
        }
        let target_kinds = target.shape_of(&tables, CopyError::Target).await?;
        let mut source = Side::new(
            Solo::reading(self).await.map_err(CopyError::Source)?,
            self.engine(),
            source_kinds,
        );
        let mut target = Side::new(
            Solo::writing(target).await.map_err(CopyError::Target)?,
            target.engine(),
            target_kinds,
        );
        target.refuse_rows(&tables.iter().collect::<Vec<_>>()).await?;

        let mut total = 0;
        for table in &tables {
            total += 2 * source.count(table).await.map_err(CopyError::Source)?;
        }
        let mut state = Progress { done: 0, total };
        progress(state);
        let mut copied = Vec::new();
        for table in &tables {
            let mut reader = Reader::new(table);
            while let Some(rows) = reader.next(&mut source).await.map_err(CopyError::Source)? {
                state.done += rows.len() as u64;
                target.write(table, rows).await?;
                progress(state);
            }
            let last = source.last_number(table).await.map_err(CopyError::Source)?;
            target.count_on(table, last).await.map_err(CopyError::Target)?;
            copied.push(reader.finish());
        }
        for (table, copied) in tables.iter().zip(&copied) {
            let mut reader = Reader::new(table);
            while let Some(rows) = reader.next(&mut target).await.map_err(CopyError::Target)? {
                state.done += rows.len() as u64;
                progress(state);
            }
            if reader.finish() != *copied {
                return Err(CopyError::Differs(table.name.clone()));
            }
        }
        target.commit().await.map_err(CopyError::Target)?;
        Ok(Copied { tables: copied, left })
    }

    /// The rows and the digest of every table of these owners that is there, as [`copy_to`](Self::copy_to) compares
    /// them.
    ///
    /// # Errors
    /// [`CopyError`], of the source.
    pub async fn digests(&self, owners: &[Migrations]) -> Result<Vec<CopiedTable>, CopyError> {
        let (_, tables, _) = self.survey(CopyPlan { owners, leave_others: true }).await?;
        let kinds = self.shape_of(&tables, CopyError::Source).await?;
        let solo = Solo::reading(self).await.map_err(CopyError::Source)?;
        let mut side = Side::new(solo, self.engine(), kinds);
        let mut all = Vec::new();
        for table in &tables {
            let mut reader = Reader::new(table);
            while reader.next(&mut side).await.map_err(CopyError::Source)?.is_some() {}
            all.push(reader.finish());
        }
        Ok(all)
    }

    /// Refuses where one of these tables is there and holds something.
    async fn refuse_rows(&self, tables: &[Table]) -> Result<(), CopyError> {
        let found = schema::found(self).await.map_err(CopyError::Target)?;
        let solo = Solo::reading(self).await.map_err(CopyError::Target)?;
        let is_here = |table: &&Table| found.contains_key(&table.name);
        let here: Vec<&Table> = tables.iter().filter(is_here).collect();
        Side::new(solo, self.engine(), Found::new()).refuse_rows(&here).await
    }

    /// Which owners have tables here, which tables these are, and which are nobody's.
    async fn survey(
        &self,
        plan: CopyPlan<'_>,
    ) -> Result<(Vec<Migrations>, Vec<Table>, Vec<String>), CopyError> {
        let found = schema::found(self).await.map_err(CopyError::Source)?;
        let mut known = BTreeSet::new();
        let (mut owners, mut tables) = (Vec::new(), Vec::new());
        for owner in plan.owners.iter().copied() {
            let standing = self.standing(owner).await.map_err(CopyError::Source)?;
            known.insert(owner.table.to_owned());
            if standing.applied.is_empty() {
                if owners.is_empty() {
                    return Err(CopyError::NoInstallation);
                }
                continue;
            }
            if !standing.missing.is_empty() {
                return Err(CopyError::Outdated(standing.missing));
            }
            owners.push(owner);
            tables.extend(schema::of_owner(owner).await.map_err(CopyError::Source)?);
        }
        known.extend(tables.iter().map(|table| table.name.clone()));
        let left: Vec<String> = found.into_keys().filter(|name| !known.contains(name)).collect();
        if !left.is_empty() && !plan.leave_others {
            return Err(CopyError::Others(left));
        }
        Ok((owners, tables, left))
    }

    /// What the columns of these tables hold here, if they are the columns that the migrations made.
    async fn shape_of(
        &self,
        tables: &[Table],
        side: fn(StorageError) -> CopyError,
    ) -> Result<Found, CopyError> {
        let found = schema::found(self).await.map_err(side)?;
        for table in tables {
            let none = Default::default();
            let here = found.get(&table.name).unwrap_or(&none);
            let wanted: BTreeSet<&String> = table.columns.iter().collect();
            if let Some(column) = here.keys().find(|name| !wanted.contains(name)) {
                return Err(CopyError::Shape(format!(
                    "the table {} has a column {column} that no migration made",
                    table.name
                )));
            }
            if let Some(column) = wanted.into_iter().find(|name| !here.contains_key(*name)) {
                return Err(CopyError::Shape(format!(
                    "the table {} lacks the column {column}",
                    table.name
                )));
            }
            if let Some((column, _)) = here.iter().find(|(_, kind)| **kind == Kind::Foreign) {
                return Err(CopyError::Shape(format!(
                    "the column {column} of the table {} is of a type that is not known here",
                    table.name
                )));
            }
        }
        Ok(found)
    }
}
