//! SQLite's file: what stays in it, who may read it, who else holds it.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use countersign_auth::storage::{Db, DbOptions, StorageError};

use countersign_auth::testing::{Place, open};

use super::{assert_refused, assert_unavailable, count, counter};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_finishes_what_was_handed_in() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let db = place.db.clone();
            tokio::spawn(async move {
                db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await.is_ok()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    place.db.close().await;
    let mut done = 0;
    for task in tasks {
        done += i64::from(task.await.unwrap());
    }
    assert_unavailable(place.db.ping().await);
    assert_unavailable(place.db.execute("UPDATE counters SET n = 0", []).await);
    place.db.close().await;
    let wal = format!("{}-wal", place.file().display());
    assert!(
        !std::path::Path::new(&wal).exists(),
        "the log is copied and removed by the last one who closes"
    );
    let db = open(&place.url).await;
    assert_eq!(count(&db, 1).await, done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_ends_the_threads() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let wal = format!("{}-wal", place.file().display());
    drop(place.db.clone());
    assert!(std::path::Path::new(&wal).exists());
    let Place { db, .. } = place.clone();
    let _folder = place.keep();
    drop(db);
    for _ in 0..200 {
        if !std::path::Path::new(&wal).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connections are still open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_are_readable_by_their_owner_only() {
    let place = Place::disk().await;
    counter(&place.db).await;
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", place.file().display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_that_holds_the_lock_is_waited_for() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let holder = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(1_500));
        other.execute_batch("ROLLBACK").unwrap();
    });
    let writes: Vec<_> = (0..16)
        .map(|_| {
            let db = place.db.clone();
            tokio::spawn(async move {
                db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await
            })
        })
        .collect();
    // WAL: whoever reads does not wait.
    assert_eq!(count(&place.db, 1).await, 0);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    holder.await.unwrap();
    assert_eq!(count(&place.db, 1).await, 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_released_is_unavailable_and_recovers() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_unavailable(place.db.execute("UPDATE counters SET n = 1", []).await);
    other.execute_batch("ROLLBACK").unwrap();
    place.db.execute("UPDATE counters SET n = 2", []).await.unwrap();
    assert_eq!(count(&place.db, 1).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_on_one_file_take_turns() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let other = place.again().await.unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let db = if n % 2 == 0 { place.db.clone() } else { other.clone() };
            tokio::spawn(async move {
                for _ in 0..10 {
                    db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&place.db, 1).await, 320);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_opened_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("sqlite://{}", folder.path().join("none").join("data.db").display());
    let error = Db::open(&DbOptions::new(missing)).await.unwrap_err();
    assert!(
        matches!(&error, StorageError::Unavailable(cause) if cause.to_string().contains("none/data.db")),
        "{error:?}"
    );

    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database, but it is long enough to be looked at".repeat(100))
        .unwrap();
    assert_refused(Db::open(&DbOptions::new(format!("sqlite://{}", text.display()))).await);
    for url in ["mysql://x", "sqlite://", "sqlite://a?mode=ro", "/tmp/x", ""] {
        assert_refused(Db::open(&DbOptions::new(url)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_waits_for_the_disk() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let row = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                let sql = "SELECT (SELECT synchronous FROM pragma_synchronous) AS synchronous, \
                           (SELECT journal_mode FROM pragma_journal_mode) AS journal, \
                           (SELECT foreign_keys FROM pragma_foreign_keys) AS keys";
                tx.optional(sql, []).await
            })
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.get::<i64>("synchronous").unwrap(), 2);
    assert_eq!(row.get::<String>("journal").unwrap(), "wal");
    assert!(row.get::<bool>("keys").unwrap());
}

/// The other process of the next test; alone it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_writes_until_it_is_killed() {
    let Ok(url) = std::env::var(CHILD) else {
        return;
    };
    let db = open(&url).await;
    let tasks: Vec<_> = (0..16_i64)
        .map(|task| {
            let db = db.clone();
            tokio::spawn(async move {
                for n in 0_i64.. {
                    let id = n * 16 + task + 10;
                    db.transaction(move |tx| {
                        Box::pin(async move {
                            tx.execute("INSERT INTO counters (id, n) VALUES ($1, 1)", [id.into()])
                                .await?;
                            tx.execute(
                                "INSERT INTO counters (id, n) VALUES ($1, 1)",
                                [(-id).into()],
                            )
                            .await
                        })
                    })
                    .await
                    .unwrap();
                    writeln!(std::io::stderr(), "kept {id}").unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

const CHILD: &str = "COUNTERSIGN_TEST_CHILD";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_a_kill() {
    let place = Place::disk().await;
    counter(&place.db).await;
    place.db.close().await;
    let mut kept = Vec::new();
    for round in 1..=5_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "door::sqlite_file::a_child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, &place.url)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = 0;
        while seen < round * 37 {
            let line = lines.next().unwrap().unwrap();
            if let Some(id) = line.strip_prefix("kept ") {
                kept.push(id.parse::<i64>().unwrap());
                seen += 1;
            }
        }
        child.kill().unwrap();
        // What it said before it died counts, too; a line cut short does not.
        for line in lines.map_while(Result::ok) {
            kept.extend(line.strip_prefix("kept ").and_then(|id| id.parse::<i64>().ok()));
        }
        child.wait().unwrap();

        let db = open(&place.url).await;
        let rows = db.all("SELECT id FROM counters", []).await.unwrap();
        let stored: std::collections::HashSet<i64> =
            rows.iter().map(|row| row.get("id").unwrap()).collect();
        for id in &kept {
            assert!(stored.contains(id) && stored.contains(&-id), "{id} was answered and is lost");
        }
        for id in &stored {
            assert!(*id < 10 && *id > -10 || stored.contains(&-id), "half of {id} was kept");
        }
        let verdict =
            db.optional("SELECT integrity_check AS verdict FROM pragma_integrity_check", []).await;
        assert_eq!(verdict.unwrap().unwrap().get::<String>("verdict").unwrap(), "ok");
        db.execute("DELETE FROM counters WHERE id >= 10 OR id <= -10", []).await.unwrap();
        db.close().await;
        kept.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_unavailable_at_once() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let tasks: Vec<_> = (0..6_000)
        .map(|_| {
            let db = place.db.clone();
            tokio::spawn(async move {
                let start = Instant::now();
                let result = db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await;
                (start.elapsed(), result)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    other.execute_batch("ROLLBACK").unwrap();
    let (mut done, mut turned_away) = (0, 0);
    for task in tasks {
        match task.await.unwrap() {
            (_, Ok(1)) => done += 1,
            (elapsed, Err(StorageError::Unavailable(_)))
                if elapsed < Duration::from_millis(400) =>
            {
                turned_away += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(done >= 4_096 && turned_away > 1_000, "{done} done, {turned_away} turned away");
    assert_eq!(count(&place.db, 1).await, done);
}
