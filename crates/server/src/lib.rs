//! The parts of the binary `countersign`: settings, command line, sockets.
//!
//! This library exists for the binary and its tests. An application embeds `countersign-auth` instead.

pub mod app;
pub mod cli;
pub mod clock;
pub mod limits;
pub mod listener;
pub mod metrics;
pub mod settings;
pub mod telemetry;
pub mod tls;
pub mod trial;
pub mod ui;
