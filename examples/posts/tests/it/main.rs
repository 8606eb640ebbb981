//! The sample API as a command.
//!
//! Beside what they check, these tests make cargo build the binary, which the server's tests start as a
//! process of its own.

#[cfg(test)]
mod command;
