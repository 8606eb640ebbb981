//! A key written as JSON.

use zeroize::Zeroizing;

use crate::{
    alg::Curve,
    compact, crypto,
    material::{Public, SecretBytes, UNCOMPRESSED},
    ser,
};

/// A JSON object in the making, wiped when dropped.
pub(super) struct Object {
    bytes: SecretBytes,
}

impl Object {
    /// More than the private key of 8192 bits takes, so that no half-written copy is left behind by growing.
    const ROOM: usize = 8 * 1024;

    pub(super) fn new() -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(Self::ROOM)) }
    }

    fn name(&mut self, name: &str) {
        let start = if self.bytes.is_empty() { b'{' } else { b',' };
        self.bytes.push(start);
        ser::write_string(name, &mut self.bytes);
        self.bytes.push(b':');
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        ser::write_string(value, &mut self.bytes);
    }

    pub(super) fn bytes(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.bytes.push(b'"');
        compact::encode(value, &mut self.bytes);
        self.bytes.push(b'"');
    }

    /// The public members, in the order of their names.
    pub(super) fn public(&mut self, public: &Public) {
        match public {
            Public::Rsa { n, e } => {
                self.bytes("e", e);
                self.text("kty", "RSA");
                self.bytes("n", n);
            }
            Public::Point { curve, point } => {
                self.text("crv", curve.name());
                self.text("kty", curve.kty());
                match point.split_first() {
                    Some((&UNCOMPRESSED, rest)) if *curve != Curve::Ed25519 => {
                        let (x, y) = rest.split_at_checked(curve.len()).unwrap_or_default();
                        self.bytes("x", x);
                        self.bytes("y", y);
                    }
                    _ => self.bytes("x", point),
                }
            }
        }
    }

    pub(super) fn labels(&mut self, kid: Option<&str>, alg: &str) {
        if let Some(kid) = kid {
            self.text("kid", kid);
        }
        self.text("alg", alg);
        self.text("use", "sig");
    }

    pub(super) fn digest(mut self) -> String {
        self.bytes.push(b'}');
        let mut text = Vec::new();
        compact::encode(&crypto::sha256(&self.bytes), &mut text);
        String::from_utf8(text).unwrap_or_default()
    }

    pub(super) fn end(mut self) -> Zeroizing<String> {
        self.bytes.push(b'}');
        // Only strings and base64url were written.
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *self.bytes)).unwrap_or_default())
    }
}
