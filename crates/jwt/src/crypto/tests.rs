//! The vectors of Project Wycheproof, as a check of how the crypto libraries are called.
//!
//! Their messages are not tokens, so they go to the checkers of keys that were read from the vectors' own DER and JWK.

use ::wycheproof::{TestResult, mac};

use crate::{Algorithm, Error, VerifyingKey};

/// Vectors taken and passed.
#[derive(Debug, Default, PartialEq)]
struct Count {
    passed: usize,
}

impl Count {
    fn check(
        &mut self,
        key: &VerifyingKey,
        message: &[u8],
        signature: &[u8],
        expected: bool,
    ) -> bool {
        let result = key.checker.check(message, signature);
        assert!(matches!(result, Ok(()) | Err(Error::SignatureInvalid)));
        self.passed += usize::from(result.is_ok() == expected);
        result.is_ok() == expected
    }
}

#[test]
fn hmac_passes_wycheproof() {
    let mut count = Count::default();
    let (mut total, mut short) = (0, 0);
    for (name, algorithm) in [
        (mac::TestName::HmacSha256, Algorithm::Hs256),
        (mac::TestName::HmacSha384, Algorithm::Hs384),
        (mac::TestName::HmacSha512, Algorithm::Hs512),
    ] {
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                total += 1;
                let Ok(key) = VerifyingKey::from_secret(algorithm, &test.key) else {
                    // Below the length of the hash no key is made (RFC 7518 §3.2).
                    assert!(test.key.len() < algorithm.min_secret_len().unwrap());
                    short += 1;
                    continue;
                };
                // A tag cut short is a good one to Wycheproof and none in a token (RFC 2104 §5, RFC 7518 §3.2).
                let whole =
                    Some(8 * test.tag.len()) == algorithm.signature_len().map(|length| 8 * length);
                let expected = whole && test.result == TestResult::Valid;
                assert!(
                    count.check(&key, &test.msg, &test.tag, expected),
                    "{name:?} {}",
                    test.tc_id
                );
            }
        }
    }
    println!("HMAC: {} of {total} passed, {short} keys too short to be made", count.passed);
    assert_eq!(count.passed + short, total);
    assert!(count.passed > 300);
}

#[cfg(feature = "asymmetric")]
mod asymmetric {
    use ::wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

    use super::Count;
    use crate::{Algorithm, Error, Jwk, VerifyingKey};

    #[test]
    fn ecdsa_passes_wycheproof() {
        let mut count = Count::default();
        let mut total = 0;
        for (name, algorithm) in [
            (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256),
            (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384),
            (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, Algorithm::Es512),
        ] {
            for group in ecdsa::TestSet::load(name).unwrap().test_groups {
                let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
                let same = VerifyingKey::from_pem(algorithm, &group.pem).unwrap();
                assert_eq!(key.to_spki_der(), same.to_spki_der());
                assert_eq!(key.to_spki_der().unwrap(), *group.der);
                for test in group.tests {
                    total += 1;
                    let expected = test.result != TestResult::Invalid;
                    assert!(
                        count.check(&key, &test.msg, &test.sig, expected),
                        "{name:?} {}",
                        test.tc_id
                    );
                }
            }
        }
        println!("ECDSA: {} of {total} passed", count.passed);
        assert!(total > 700);
    }

    #[test]
    fn eddsa_passes_wycheproof() {
        let mut count = Count::default();
        let mut total = 0;
        for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
            let key = VerifyingKey::from_spki_der(Algorithm::EdDsa, &group.der).unwrap();
            assert_eq!(key.to_spki_der().unwrap(), *group.der);
            for test in group.tests {
                total += 1;
                let expected = test.result != TestResult::Invalid;
                assert!(count.check(&key, &test.msg, &test.sig, expected), "{}", test.tc_id);
            }
        }
        println!("EdDSA: {} of {total} passed", count.passed);
        assert!(total > 100);
    }

    #[test]
    fn rsa_pkcs1_passes_wycheproof() {
        use rsa_pkcs1_verify::TestName;
        let mut count = Count::default();
        let (mut total, mut small) = (0, 0);
        for (name, algorithm) in [
            (TestName::Rsa2048Sha256, Algorithm::Rs256),
            (TestName::Rsa2048Sha384, Algorithm::Rs384),
            (TestName::Rsa2048Sha512, Algorithm::Rs512),
            (TestName::Rsa3072Sha256, Algorithm::Rs256),
            (TestName::Rsa3072Sha384, Algorithm::Rs384),
            (TestName::Rsa3072Sha512, Algorithm::Rs512),
            (TestName::Rsa4096Sha256, Algorithm::Rs256),
            (TestName::Rsa4096Sha384, Algorithm::Rs384),
            (TestName::Rsa4096Sha512, Algorithm::Rs512),
            (TestName::Rsa8192Sha256, Algorithm::Rs256),
            (TestName::Rsa8192Sha384, Algorithm::Rs384),
            (TestName::Rsa8192Sha512, Algorithm::Rs512),
        ] {
            for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
                let key = VerifyingKey::from_spki_der(algorithm, &group.der);
                for test in group.tests {
                    total += 1;
                    match &key {
                        Ok(key) => {
                            // Acceptable to Wycheproof: DigestInfo without its NULL, which RFC 8017 §9.2 has.
                            let expected = test.result == TestResult::Valid;
                            assert!(
                                count.check(key, &test.msg, &test.sig, expected),
                                "{name:?} {}",
                                test.tc_id
                            );
                        }
                        Err(error) => {
                            assert_eq!(*error, Error::KeyWeak("the exponent is less than 65537"));
                            small += 1;
                        }
                    }
                }
            }
        }
        println!(
            "RSA PKCS1: {} of {total} passed, {small} keys with a small exponent",
            count.passed
        );
        assert_eq!(count.passed + small, total);
        assert!(count.passed > 1000);
    }

    #[test]
    fn rsa_pss_passes_wycheproof() {
        use rsa_pss_verify::TestName;
        let mut count = Count::default();
        let mut total = 0;
        for (name, algorithm) in [
            (TestName::RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
            (TestName::RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384),
            (TestName::RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256),
            (TestName::RsaPss4096Sha256Mgf1SaltLen32, Algorithm::Ps256),
            (TestName::RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384),
            (TestName::RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
        ] {
            for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
                let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
                for test in group.tests {
                    total += 1;
                    let expected = test.result == TestResult::Valid;
                    assert!(
                        count.check(&key, &test.msg, &test.sig, expected),
                        "{name:?} {}",
                        test.tc_id
                    );
                }
            }
        }
        println!("RSA PSS: {} of {total} passed", count.passed);
        assert!(total > 300);

        // Salts of another length than the hash's are none of PS*: what is valid with them is refused.
        let mut refused = 0;
        for name in
            [TestName::RsaPss2048Sha256Mgf1SaltLen0, TestName::RsaPss4096Sha512Mgf1SaltLen32]
        {
            let algorithm = if name == TestName::RsaPss2048Sha256Mgf1SaltLen0 {
                Algorithm::Ps256
            } else {
                Algorithm::Ps512
            };
            for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
                let key = VerifyingKey::from_spki_der(algorithm, &group.der).unwrap();
                for test in group.tests.iter().filter(|test| test.result == TestResult::Valid) {
                    assert!(
                        key.checker.check(&test.msg, &test.sig).is_err(),
                        "{name:?} {}",
                        test.tc_id
                    );
                    refused += 1;
                }
            }
        }
        println!("RSA PSS with another salt: {refused} refused");
    }

    #[test]
    fn a_jwk_of_wycheproof_reads_as_the_same_key() {
        let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp521r1Sha512P1363).unwrap();
        let mut read = 0;
        for group in set.test_groups {
            let key = VerifyingKey::from_spki_der(Algorithm::Es512, &group.der).unwrap();
            let jwk = Jwk::from_json(&key.to_jwk().unwrap()).unwrap();
            assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap().to_spki_der(), key.to_spki_der());
            read += 1;
        }
        assert!(read > 10);
    }
}
