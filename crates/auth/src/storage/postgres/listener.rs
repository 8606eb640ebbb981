//! A connection that only listens.

use std::{fmt, future::poll_fn};

use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use super::{ACQUIRE, ANSWER, error::classify};
use crate::storage::StorageError;

/// Hears what [`Tx::notify`](crate::storage::Tx::notify) says, in whichever process it is said.
///
/// It tells when to look, not what is there: what is said while nobody listens is lost.
pub struct Listener {
    heard: mpsc::Receiver<()>,
    /// Ends the connection when it is dropped.
    _client: Client,
}

impl Listener {
    pub(super) async fn open(config: &Config, channel: &'static str) -> Result<Self, StorageError> {
        let silent = |_| StorageError::unavailable("the database did not answer in time");
        let (client, mut connection) = timeout(ACQUIRE, config.connect(NoTls))
            .await
            .map_err(silent)?
            .map_err(|error| classify(&error).error)?;
        // Several that come before anyone looks are one.
        let (say, heard) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notification(_) = message {
                    let _ = say.try_send(());
                }
            }
        });
        let listen = format!("LISTEN {channel}");
        timeout(ANSWER, client.batch_execute(&listen))
            .await
            .map_err(silent)?
            .map_err(|error| classify(&error).error)?;
        Ok(Self { heard, _client: client })
    }

    /// Waits until something is said; `false` when the connection has ended.
    pub async fn heard(&mut self) -> bool {
        self.heard.recv().await.is_some()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}
