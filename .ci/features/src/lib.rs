//! Holds no code: only this crate's dependencies matter, see `Cargo.toml`.
