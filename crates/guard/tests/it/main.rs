//! The guard before keys that come over HTTP.

#[cfg(all(test, feature = "remote"))]
mod remote;
