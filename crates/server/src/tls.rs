//! TLS of the listener: the server's certificate and its key, in files that can be replaced while it runs.

mod own;
mod times;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use jwt::Timestamp;
use tokio_rustls::rustls::{
    self, InconsistentKeys, ServerConfig,
    crypto::aws_lc_rs::{self, Ticketer},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{NoServerSessionStorage, ParsedCertificate},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

pub(crate) use self::own::make_own;

/// The setting that names the certificate.
pub const CERTIFICATE: &str = "http.tls_certificate_file";
/// The setting that names its key.
pub const PRIVATE_KEY: &str = "http.tls_private_key_file";

/// What a server speaks with clients: HTTP/1.1 and nothing else (RFC 7301).
const PROTOCOL: &[u8] = b"http/1.1";

/// A certificate and its key, as they lie in two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The certificate of the server, and behind it those of the authorities up to one that clients know; PEM.
    pub certificate: PathBuf,
    /// The private key of the first certificate; PEM of PKCS#8, PKCS#1 or SEC1.
    pub private_key: PathBuf,
}

/// Why files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, with the setting at its beginning. It repeats nothing of what is in the files.
    pub finding: String,
    /// How to mend it.
    pub mend: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.finding, self.mend)
    }
}

impl std::error::Error for Fault {}

/// A certificate whose key is at hand.
pub struct Identity {
    key: CertifiedKey,
    /// From when to when the certificate is good.
    pub valid: (Timestamp, Timestamp),
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("valid", &self.valid).finish_non_exhaustive()
    }
}

impl Files {
    /// Reads the files and checks that they can be served with.
    ///
    /// A certificate that has run out is no fault: clients say so themselves, and some do not mind.
    ///
    /// # Errors
    ///
    /// When one cannot be read, when there is no certificate or no key in it, or when they do not belong together.
    pub fn read(&self) -> Result<Identity, Fault> {
        let (certificate, private_key) = (self.certificate.display(), self.private_key.display());
        let text = read(CERTIFICATE, &self.certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| Fault {
            finding: format!("{CERTIFICATE}: there is no certificate in PEM in {certificate}"),
            mend: "the server's own certificate has to stand there, and behind it those between it and its authority"
                .to_owned(),
        })?;
        let text = read(PRIVATE_KEY, &self.private_key)?;
        let key =
            PrivateKeyDer::from_pem_slice(&text).map_err(|_| no_key(&text, &self.private_key))?;
        let unusable = |finding: String| Fault {
            finding,
            mend: "make another one, such as: openssl ecparam -name prime256v1 -genkey -noout"
                .to_owned(),
        };
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Fault {
                    finding: format!(
                        "{PRIVATE_KEY}: the key in {private_key} is not that of the first certificate in {certificate}"
                    ),
                    mend: "name the two that were made together, with the server's own certificate first in its file"
                        .to_owned(),
                },
                rustls::Error::InvalidCertificate(_) => broken(&self.certificate),
                _ => unusable(format!(
                    "{PRIVATE_KEY}: the key in {private_key} is none that TLS is spoken with here: RSA of 2048 bits \
                     or more, P-256, P-384, P-521, Ed25519"
                )),
            },
        )?;
        let valid = key.cert.first().and_then(|own| times::valid(own));
        let valid = valid.ok_or_else(|| broken(&self.certificate))?;
        Ok(Identity { key, valid })
    }
}

fn read(setting: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    std::fs::read(path).map(Zeroizing::new).map_err(|error| Fault {
        finding: format!("{setting}: {} cannot be read: {error}", path.display()),
        mend: "name a file that is there and that this user can read".to_owned(),
    })
}

fn broken(path: &Path) -> Fault {
    Fault {
        finding: format!("{CERTIFICATE}: the first certificate in {} is broken", path.display()),
        mend: "have it issued again, or copy it again: nothing of it may be left out".to_owned(),
    }
}

fn no_key(text: &[u8], path: &Path) -> Fault {
    let shown = path.display();
    let is_encrypted = [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|part| part == *mark));
    if is_encrypted {
        return Fault {
            finding: format!("{PRIVATE_KEY}: the key in {shown} is locked with a passphrase"),
            mend: format!("unlock it: openssl pkey -in {shown} -out another-file"),
        };
    }
    Fault {
        finding: format!("{PRIVATE_KEY}: there is no private key in PEM in {shown}"),
        mend: "name the file with the key of the certificate, which begins with -----BEGIN PRIVATE KEY-----"
            .to_owned(),
    }
}

impl Identity {
    /// Says whether the certificate is made out to this host, as it stands in a URL.
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Some(own) = self.key.cert.first() else { return false };
        let (Ok(own), Ok(name)) = (ParsedCertificate::try_from(own), ServerName::try_from(host))
        else {
            return false;
        };
        rustls::client::verify_server_name(&own, &name).is_ok()
    }

    /// What is spoken with clients: TLS 1.2 and 1.3, no renegotiation, no early data.
    ///
    /// Sessions are resumed by tickets that clients keep and only this process reads, for twelve hours at most; it
    /// remembers none of them.
    fn config(self) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let resolver = rustls::sign::SingleCertAndKey::from(self.key);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new()?;
        Ok(config)
    }
}

/// What a listener speaks TLS with. It can be replaced while connections go on: new ones get the new certificate.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ArcSwap<ServerConfig>>);

impl Tls {
    /// Speaks TLS with this certificate.
    ///
    /// # Errors
    ///
    /// When there is no randomness for the keys of tickets.
    pub fn new(identity: Identity) -> Result<Self, rustls::Error> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(identity.config()?))))
    }

    /// Speaks with another certificate from now on. No session of before is resumed.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); the certificate of before stays then.
    pub fn replace(&self, identity: Identity) -> Result<(), rustls::Error> {
        self.0.store(Arc::new(identity.config()?));
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}
