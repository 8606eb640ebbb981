//! Backups of SQLite: made while it is in use, whole or not at all.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use countersign_auth::{
    Auth, Client,
    storage::{BackupError, Migrations, StorageError, examine},
    testing::{PASSWORD, Place, TestAuth, TestClock, open},
    users::{Email, NewUser},
};

async fn add(auth: &Auth, number: usize) {
    let email = format!("user{number}@example.com");
    let new = NewUser { email: &email, password: PASSWORD, name: None, roles: &["user"] };
    auth.user_create(new).await.unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut all: Vec<String> = all.map(|name| name.into_string().unwrap()).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_whole_private_and_of_what_was_answered_before_it() {
    let place = Place::disk().await;
    let folder = tempfile::tempdir().unwrap();
    let test = TestAuth::new(&place).await.unwrap();
    add(&test.auth, 0).await;
    let user = test.auth.user_by_email(&Email::parse("user0@example.com").unwrap()).await.unwrap();
    let user = user.unwrap();
    let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
    let gone = "what was deleted is not in a backup";
    let note = "INSERT INTO outbox_pace (recipient, sent_at, letters) VALUES ($1, 1, 1)";
    place.db.execute(note, [gone.as_bytes().to_vec().into()]).await.unwrap();
    place.db.execute("DELETE FROM outbox_pace", []).await.unwrap();

    let to = folder.path().join("backup.db");
    let auth = test.auth.clone();
    let busy = tokio::spawn(async move {
        for number in 1..40 {
            add(&auth, number).await;
        }
    });
    let backup = place.db.backup(&to, Auth::MIGRATIONS).await.unwrap();
    busy.await.unwrap();
    assert_eq!(names(folder.path()), ["backup.db"]);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let bytes = fs::read(&to).unwrap();
    assert_eq!(bytes.len() as u64, backup.bytes);
    assert!(!bytes.windows(gone.len()).any(|window| window == gone.as_bytes()));
    assert!(backup.missing.is_empty() && backup.applied.len() == Auth::MIGRATIONS.steps.len());
    assert_eq!(examine(&to, Auth::MIGRATIONS).await.unwrap(), backup);

    let again = place.db.backup(&to, Auth::MIGRATIONS).await;
    assert!(matches!(again, Err(BackupError::Exists(path)) if path == to));
    let mut there = place.clone();
    there.db = open(&format!("sqlite://{}", to.display())).await;
    let clock: TestClock = test.clock.clone();
    let restored = TestAuth::on_clock(&there, Default::default(), clock).await.unwrap();
    restored.auth.tokens_refresh(&tokens.refresh, &Client::default()).await.unwrap();
}

#[tokio::test]
async fn what_is_damaged_foreign_or_newer_is_no_backup() {
    let place = Place::disk().await;
    let folder = tempfile::tempdir().unwrap();
    TestAuth::new(&place).await.unwrap();
    let to = folder.path().join("backup.db");
    place.db.backup(&to, Auth::MIGRATIONS).await.unwrap();

    let fewer = Migrations { steps: &Auth::MIGRATIONS.steps[..2], ..Auth::MIGRATIONS };
    let newer = examine(&to, fewer).await;
    assert!(
        matches!(newer, Err(BackupError::Storage(StorageError::Refused(why))) if why.to_string().contains("newer"))
    );
    let other = Migrations { table: "other_migrations", steps: &[] };
    assert!(matches!(examine(&to, other).await, Err(BackupError::NoInstallation)));

    let whole = fs::read(&to).unwrap();
    let mut damaged = whole.clone();
    // The rest of the page of a table: its cells.
    for byte in &mut damaged[4096 * 2 + 100..4096 * 3] {
        *byte ^= 0x55;
    }
    for (name, bytes) in [
        ("damaged", damaged),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("text", b"no database at all, but long enough to be taken for the head of one".repeat(99)),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let outcome = examine(&path, Auth::MIGRATIONS).await;
        assert!(matches!(outcome, Err(BackupError::Damaged(_))), "{name}: {outcome:?}");
    }
    let orphan = folder.path().join("orphan");
    fs::write(&orphan, whole).unwrap();
    let db = open(&format!("sqlite://{}", orphan.display())).await;
    let insert = "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, 'x', 1)";
    db.execute(insert, [vec![1_u8; 16].into()]).await.expect_err("nobody's");
    db.close().await;
}

#[tokio::test]
async fn a_backup_that_fails_leaves_no_file() {
    let place = Place::disk().await;
    let folder = tempfile::tempdir().unwrap();
    // No installation in it.
    let to = folder.path().join("backup.db");
    let refused = place.db.backup(&to, Auth::MIGRATIONS).await;
    assert!(matches!(refused, Err(BackupError::NoInstallation)), "{refused:?}");
    assert!(names(folder.path()).is_empty());
    let nowhere = folder.path().join("nowhere/backup.db");
    let refused = place.db.backup(&nowhere, Auth::MIGRATIONS).await;
    assert!(matches!(refused, Err(BackupError::File(..))), "{refused:?}");
    // What a process that was killed has left is no obstacle.
    TestAuth::new(&place).await.unwrap();
    fs::write(folder.path().join("backup.db.unfinished"), "half").unwrap();
    place.db.backup(&to, Auth::MIGRATIONS).await.unwrap();
    assert_eq!(names(folder.path()), ["backup.db"]);
    if let Some(place) = Place::postgres().await {
        let refused = place.db.backup(&folder.path().join("p"), Auth::MIGRATIONS).await;
        assert!(matches!(refused, Err(BackupError::NotSqlite)));
        place.remove().await;
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_while_it_was_opened_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (file, other) = (folder.path().join("data.db"), folder.path().join("other.db"));
    let url = format!("sqlite://{}", file.display());
    for path in [&file, &other] {
        let db = open(&format!("sqlite://{}", path.display())).await;
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT", []).await.unwrap();
        db.close().await;
    }
    // Whoever opens it waits for a lock, which is given back when another file stands there.
    let lock = rusqlite::Connection::open(&file).unwrap();
    lock.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO t VALUES (1)",
    )
    .unwrap();
    let opening = tokio::spawn(async move {
        countersign_auth::storage::Db::open(&countersign_auth::storage::DbOptions::new(url)).await
    });
    while !waits_for(&file) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    fs::rename(&other, &file).unwrap();
    drop(lock);
    let outcome = opening.await.unwrap();
    assert!(
        matches!(&outcome, Err(StorageError::Unavailable(why)) if why.to_string().contains("replaced")),
        "{outcome:?}"
    );
}

/// Whether a second descriptor of this process is on the file.
fn waits_for(file: &Path) -> bool {
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    open.filter(|target| target == file).count() > 1
}
