//! The certificate of a server: loaded at the start, read again when the process is told to.

use std::{convert::Infallible, future::pending, time::Duration};

use auth::{Clock, config::Http};
use jwt::Timestamp;
use tokio::{signal::unix::Signal, time::interval};

use crate::{
    cli::{systemd, unfit::shared_file},
    settings::Refusal,
    tls::{Files, Tls},
};

/// With less left than this a certificate should have been renewed.
pub(crate) const SOON: i64 = 14 * 86_400;
/// How often it is looked at.
const LOOK: Duration = Duration::from_hours(24);

/// The files of the certificate, if the server speaks TLS.
pub(crate) fn files(http: &Http) -> Option<Files> {
    let Http { tls_certificate_file, tls_private_key_file, .. } = http;
    let (certificate, private_key) = (tls_certificate_file.clone()?, tls_private_key_file.clone()?);
    Some(Files { certificate, private_key })
}

/// What a server speaks TLS with, and the files it is from.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    files: Files,
    pub(crate) tls: Tls,
    until: Timestamp,
}

impl Certificate {
    /// Reads the files that the settings name, if they do.
    pub(crate) fn load(http: &Http) -> anyhow::Result<Option<Self>> {
        let Some(files) = files(http) else { return Ok(None) };
        let identity = files.read().map_err(|fault| Refusal(fault.to_string()))?;
        let until = identity.valid.1;
        let certificate = Self { files, tls: Tls::new(identity)?, until };
        certificate.warn();
        Ok(Some(certificate))
    }

    /// Reads the files again; what is wrong with them leaves all as it was.
    async fn reload(&mut self) -> anyhow::Result<()> {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || match shared_file(&files.private_key) {
            Some(shared) => Err(anyhow::Error::msg(shared.to_string())),
            None => Ok(files.read()?),
        });
        let identity = read.await??;
        self.until = identity.valid.1;
        self.tls.replace(identity)?;
        Ok(())
    }

    /// Warns of a certificate that clients refuse, or soon will.
    fn warn(&self) {
        let left = self.until.seconds() - Clock::system().now().seconds();
        let file = self.files.certificate.display();
        if left < SOON {
            tracing::warn!(%file, until = %date(self.until), "{}", match left {
                ..0 => "the certificate has run out",
                _ => "the certificate soon runs out",
            });
        }
    }
}

/// The time until which a certificate is good, as people read it.
pub(crate) fn date(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_second(time.seconds());
    time.map_or_else(|_| "a time far away".to_owned(), |time| time.to_string())
}

/// Reads the certificate again whenever the process is told to (SIGHUP), and looks at it once a day.
pub(crate) async fn keep(mut told: Signal, mut certificate: Option<Certificate>) -> Infallible {
    let mut days = interval(LOOK);
    // The first one is over at once: the certificate was looked at when it was loaded.
    days.tick().await;
    loop {
        tokio::select! {
            _ = days.tick() => {
                certificate.iter().for_each(Certificate::warn);
                continue;
            }
            told = told.recv() => if told.is_none() { return pending().await },
        }
        systemd::reloading();
        let Some(certificate) = &mut certificate else {
            tracing::info!(
                "SIGHUP: there is no certificate to read again; settings are read at the start"
            );
            systemd::ready("nothing was to be read again");
            continue;
        };
        match certificate.reload().await {
            Ok(()) => {
                let until = date(certificate.until);
                tracing::info!(%until, "the certificate was read again");
                certificate.warn();
                systemd::ready(&format!("the certificate is good until {until}"));
            }
            Err(error) => {
                tracing::error!(%error, "the certificate was not replaced: the one of before stays");
                systemd::ready("the certificate was not replaced: see the log");
            }
        }
    }
}
