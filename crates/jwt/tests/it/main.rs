//! The crate from outside: vectors, every refusal, properties, other libraries.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop where it stands"
)]

mod allocations;
mod api;
#[cfg(feature = "asymmetric")]
mod fuzz_corpora;
mod interop;
#[cfg(feature = "asymmetric")]
mod pair_refusals;
#[cfg(feature = "asymmetric")]
mod pairs;
mod properties;
mod refusals;
mod support;
mod vectors;
