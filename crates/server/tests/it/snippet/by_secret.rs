use std::time::Duration;

use countersign_guard::Guard;
use countersign_jwt::{Algorithm, Verifier, VerifyingKey};

/// Makes the guard; an error says what is wrong with the key.
pub fn guard() -> Result<Guard, Box<dyn std::error::Error>> {
    // The server's own secret: whoever has it can also make tokens. It is the bytes of the file without the newline at its end.
    let secret = std::fs::read("/run/countersign/secret")?;
    let secret = secret.strip_suffix(b"\n").unwrap_or(&secret);
    let key = VerifyingKey::from_secret(Algorithm::Hs256, secret)?;
    let verifier = Verifier::new(key)
        .issuer("countersign")
        .audience("countersign")
        .typ("JWT")
        .leeway(Duration::from_secs(30));
    Ok(Guard::new(verifier))
}
