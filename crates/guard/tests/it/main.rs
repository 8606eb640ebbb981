//! The guard before keys that come over HTTP.

#[cfg(test)]
#[cfg(feature = "remote")]
mod remote;
