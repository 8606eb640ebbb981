use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

/// Where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct Client {
    device: String,
    address: String,
}

impl Client {
    /// A name for the browser or program.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.clone()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::default())
    }
}
