use std::time::Duration;

use countersign_guard::{Guard, RemoteKeys};
use countersign_jwt::{Jwks, Verifier};

/// Makes the guard; an error says what is wrong with the key.
pub fn guard() -> Result<Guard, Box<dyn std::error::Error>> {
    let verifier = Verifier::new(Jwks::default())
        .issuer("countersign")
        .audience("countersign")
        .typ("JWT")
        .leeway(Duration::from_secs(30));
    // Public keys, which the server may rotate: they are fetched with the first token, and when one names another.
    Ok(Guard::new(RemoteKeys::at("https://www.example.com/.well-known/jwks.json", verifier)?))
}
