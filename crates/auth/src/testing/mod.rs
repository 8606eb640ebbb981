//! For tests: a ready installation, a clock to set, and the promises of storage.
