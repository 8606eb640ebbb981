//! Hearing what other processes say, for as long as somebody wants to.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle, time::sleep};

use super::Db;

/// A listener that was lost is replaced after this long.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// What is said in one channel; listens until this is dropped.
pub(crate) struct Told {
    heard: Arc<Heard>,
    listening: AbortHandle,
}

struct Heard {
    word: Notify,
    hears: AtomicBool,
}

impl Told {
    pub(crate) fn start(db: &Db, channel: &'static str) -> Self {
        let heard = Arc::new(Heard { word: Notify::new(), hears: AtomicBool::new(false) });
        let listening = tokio::spawn(listen(db.clone(), channel, Arc::clone(&heard)));
        Self { heard, listening: listening.abort_handle() }
    }

    /// Waits for a word; one that was said since the last wait is heard at once.
    pub(crate) async fn word(&self) {
        self.heard.word.notified().await;
    }

    /// Says whether anything would be heard now: where not, one looks by oneself, and often.
    pub(crate) fn hears(&self) -> bool {
        self.heard.hears.load(Ordering::Relaxed)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

async fn listen(db: Db, channel: &'static str, heard: Arc<Heard>) {
    loop {
        match db.listen(channel).await {
            // On this engine nobody says anything.
            Ok(None) => return,
            Ok(Some(mut listener)) => {
                heard.hears.store(true, Ordering::Relaxed);
                while listener.heard().await {
                    heard.word.notify_one();
                }
                heard.hears.store(false, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, channel, "nothing is heard"),
        }
        sleep(LISTEN_AGAIN).await;
    }
}
