//! The crate from outside: vectors, every refusal, properties, other libraries.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop where it stands"
)]

mod allocations;
mod api;
mod interop;
mod properties;
mod refusals;
mod support;
mod vectors;
