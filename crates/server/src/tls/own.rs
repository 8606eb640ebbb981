//! A certificate for this machine alone, which a developer's server makes for itself.

use std::path::Path;

use anyhow::Context as _;
use auth::Clock;
use jiff::{ToSpan as _, tz::TimeZone};
use jwt::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::Files;

/// The names of this machine.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// For how long it is good.
const DAYS: i64 = 90;
/// With less left than this it is made anew.
const LEFT: i64 = 14 * 86_400;

/// The certificate that lies in this folder, made if there is none or it soon runs out.
///
/// It is kept, so that whoever has told a browser to trust it need not do so at every start. It signs itself and can sign
/// no other.
pub(crate) fn make_own(
    folder: &Path,
    write: impl Fn(&Path, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Files> {
    let files = Files {
        certificate: folder.join("dev-tls.pem"),
        private_key: folder.join("dev-tls-key.pem"),
    };
    let now = Clock::system().now();
    let is_good = files.read().is_ok_and(|own| {
        own.valid.0 <= now
            && own.valid.1.seconds() - now.seconds() > LEFT
            && NAMES.iter().all(|name| own.names(name))
    });
    if !is_good {
        let (certificate, key) = make(now).context("a certificate for this machine")?;
        write(&files.private_key, key.as_bytes())?;
        write(&files.certificate, certificate.as_bytes())?;
    }
    Ok(files)
}

/// A new certificate and its key, in PEM.
fn make(now: Timestamp) -> anyhow::Result<(String, zeroize::Zeroizing<String>)> {
    let today = jiff::Timestamp::from_second(now.seconds())?.to_zoned(TimeZone::UTC).date();
    let midnight = |date: jiff::civil::Date| -> anyhow::Result<_> {
        let (month, day) = (u8::try_from(date.month())?, u8::try_from(date.day())?);
        Ok(date_time_ymd(date.year().into(), month, day))
    };
    let mut parameters = CertificateParams::new(NAMES.map(str::to_owned))?;
    parameters.not_before = midnight(today.checked_sub(1.day())?)?;
    parameters.not_after = midnight(today.checked_add(DAYS.days())?)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "Countersign for developers");
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem().into()))
}
