//! Who is calling? The token says it, and the key alone shows that it is true.
//!
//! For axum: with this guard in the state of a router, a handler with a parameter of the type `Principal` answers 401 without
//! a good token. Takes countersign-guard{% if api.secret_file.is_none() %} with the feature `remote`{% endif %}, and countersign-jwt.

use std::time::Duration;

{% if api.secret_file.is_some() -%}
use countersign_guard::Guard;
use countersign_jwt::{Algorithm, Verifier, VerifyingKey};
{%- else -%}
use countersign_guard::{Guard, RemoteKeys};
use countersign_jwt::{Jwks, Verifier};
{%- endif %}

/// Makes the guard; an error says what is wrong with the key.
pub fn guard() -> Result<Guard, Box<dyn std::error::Error>> {
{%- if let Some(file) = api.secret_file %}
    // The server's own secret: whoever has it can also make tokens. It is the bytes of the file without the newline at its end.
    let secret = std::fs::read({{ file.quoted_in_rust() }})?;
    let secret = secret.strip_suffix(b"\n").unwrap_or(&secret);
    let key = VerifyingKey::from_secret(Algorithm::{{ api.rust_algorithm() }}, secret)?;
    let verifier = Verifier::new(key)
{%- else %}
    let verifier = Verifier::new(Jwks::default())
{%- endif %}
        .issuer({{ api.issuer.quoted_in_rust() }})
        .audience({{ api.audience.quoted_in_rust() }})
        .typ({{ api.typ.quoted_in_rust() }})
        .leeway(Duration::from_secs({{ api.leeway }}));
{%- if api.secret_file.is_some() %}
    Ok(Guard::new(verifier))
{%- else %}
    // Public keys, which the server may rotate: they are fetched with the first token, and when one names another.
    Ok(Guard::new(RemoteKeys::at({{ api.key_set.quoted_in_rust() }}, verifier)?))
{%- endif %}
}
