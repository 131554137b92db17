//! See ARCHITECTURE.md for what this crate owns.
