//! From when to when a certificate is good (RFC 5280 §4.1.2.5).

use der::{
    Decode as _, SliceReader, Tag, TagNumber, Tagged as _,
    asn1::{AnyRef, GeneralizedTime, UtcTime},
};
use jwt::Timestamp;

/// The first second and the last one at which this certificate is good; `None` if it cannot be read.
pub(super) fn valid(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut signed = inside(certificate).ok()?;
    let mut body = SliceReader::new(AnyRef::decode(&mut signed).ok()?.value()).ok()?;
    let first = AnyRef::decode(&mut body).ok()?;
    let version = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };
    // The version may be left out; then come serial number, algorithm, issuer, and the times.
    for _ in 0..if first.tag() == version { 3 } else { 2 } {
        AnyRef::decode(&mut body).ok()?;
    }
    let mut times = SliceReader::new(AnyRef::decode(&mut body).ok()?.value()).ok()?;
    Some((time(&mut times)?, time(&mut times)?))
}

fn inside(bytes: &[u8]) -> der::Result<SliceReader<'_>> {
    let outer = AnyRef::from_der(bytes)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    SliceReader::new(outer.value())
}

fn time(reader: &mut SliceReader<'_>) -> Option<Timestamp> {
    let since_epoch = match Tag::peek(reader).ok()? {
        Tag::UtcTime => UtcTime::decode(reader).ok()?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader).ok()?.to_unix_duration(),
    };
    i64::try_from(since_epoch.as_secs()).ok().map(Timestamp::new)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn both_forms_of_times_are_read() {
        let key = KeyPair::generate().expect("a key");
        // Years from 2050 on have another form.
        for (year, seconds) in [(2049, 2_493_072_000), (2050, 2_524_608_000)] {
            let mut parameters = CertificateParams::default();
            parameters.not_before = date_time_ymd(2026, 1, 1);
            parameters.not_after = date_time_ymd(year, 1, 1);
            let made = parameters.self_signed(&key).expect("a certificate");
            let times = (Timestamp::new(1_767_225_600), Timestamp::new(seconds));
            assert_eq!(valid(made.der()), Some(times));
        }
    }

    #[test]
    fn what_is_cut_short_has_no_times() {
        let key = KeyPair::generate().expect("a key");
        let made = CertificateParams::default().self_signed(&key).expect("a certificate");
        let whole = made.der().as_ref();
        for length in 0..whole.len() {
            assert_eq!(valid(&whole[..length]), None);
        }
    }
}
