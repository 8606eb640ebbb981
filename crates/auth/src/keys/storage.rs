use jwt::Timestamp;
use zeroize::Zeroizing;

use super::{StoredKey, derived::StoredSecret};
use crate::{
    Error,
    storage::{Db, Row, StorageError},
};

/// The keys of the installation, the active one first.
///
/// Where no key is active (a first start), or the active one is of another algorithm, `fresh` becomes
/// the active one and the old one goes on verifying. Of several instances that start at once one wins,
/// and all get its key.
pub(crate) async fn keys_open(
    db: &Db,
    fresh: StoredKey,
    now: Timestamp,
) -> Result<Vec<StoredKey>, Error> {
    let rows = db
        .transaction(move |tx| {
            let row = [
                fresh.kid.as_str().into(),
                fresh.algorithm.as_str().into(),
                fresh.material.as_slice().into(),
                fresh.sealed.into(),
                now.seconds().into(),
            ];
            let algorithm = fresh.algorithm.clone();
            Box::pin(async move {
                tx.execute(
                    "UPDATE keys SET state = 'retiring' WHERE state = 'active' AND algorithm <> $1",
                    [algorithm.into()],
                )
                .await?;
                tx.execute(
                    "INSERT INTO keys (kid, algorithm, material, sealed, created_at, state)
                     SELECT $1, $2, $3, $4, $5, 'active'
                      WHERE NOT EXISTS (SELECT 1 FROM keys WHERE state = 'active')",
                    row,
                )
                .await?;
                tx.all(
                    "SELECT kid, algorithm, material, sealed FROM keys
                      WHERE state IN ('active', 'retiring') ORDER BY state, created_at DESC",
                    [],
                )
                .await
            })
        })
        .await?;
    rows.iter().map(from_row).map(|row| row.map_err(Error::from)).collect()
}

/// Puts the sealed form of a key in the place of its plain one.
pub(crate) async fn key_reseal(db: &Db, key: StoredKey) -> Result<(), Error> {
    db.execute(
        "UPDATE keys SET material = $2, sealed = $3 WHERE kid = $1",
        [key.kid.as_str().into(), key.material.as_slice().into(), key.sealed.into()],
    )
    .await?;
    Ok(())
}

/// The server's secret: the one that is there, else `fresh`, which every instance then finds.
pub(crate) async fn server_secret_open(
    db: &Db,
    fresh: StoredSecret,
) -> Result<StoredSecret, Error> {
    db.execute(
        "INSERT INTO server_secret (id, material, sealed) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING",
        [fresh.material.as_slice().into(), fresh.sealed.into()],
    )
    .await?;
    let row = db.optional("SELECT material, sealed FROM server_secret WHERE id = 1", []).await?;
    let row = row.ok_or_else(|| Error::internal("the server secret has gone"))?;
    Ok(StoredSecret { material: Zeroizing::new(row.get("material")?), sealed: row.get("sealed")? })
}

/// Puts the sealed form of the server's secret in the place of its plain one.
pub(crate) async fn server_secret_reseal(db: &Db, secret: StoredSecret) -> Result<(), Error> {
    db.execute(
        "UPDATE server_secret SET material = $1, sealed = $2 WHERE id = 1",
        [secret.material.as_slice().into(), secret.sealed.into()],
    )
    .await?;
    Ok(())
}

fn from_row(row: &Row) -> Result<StoredKey, StorageError> {
    Ok(StoredKey {
        kid: row.get("kid")?,
        algorithm: row.get("algorithm")?,
        material: Zeroizing::new(row.get("material")?),
        sealed: row.get("sealed")?,
    })
}
