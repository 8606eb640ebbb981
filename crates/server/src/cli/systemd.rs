//! What systemd is told of a server, where it asked for it (sd_notify(3)): without `NOTIFY_SOCKET` nothing.

use std::{convert::Infallible, future::pending, time::Duration};

use sd_notify::NotifyState;

/// Connections are accepted, or what was to be read again is read.
pub(crate) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Something is read again; [`ready`] says when that is over.
pub(crate) fn reloading() {
    // Without the time systemd could not tell this reload from one before it.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd is not told of a reload"),
    }
}

/// No more connections are accepted.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("requests in flight are answered")]);
}

/// Says that the server lives, twice within the time that systemd waits for it (`WatchdogSec=`).
///
/// It has to run in the task that accepts connections, and asks a worker each time: when either is stuck, systemd hears
/// nothing, and starts the server anew.
pub(crate) async fn beat() -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled() else { return pending().await };
    let mut beats = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
    loop {
        beats.tick().await;
        // A failure is told when it is ready; here it would be told without end.
        if tokio::spawn(async {}).await.is_ok() {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd cannot be told how the server is");
    }
}
