//! Fuzz targets for every layer of Colibri: plain functions of bytes that panic when a promise is broken.
//!
//! The same functions are replayed on the stable toolchain by `tests/it`, explored by this package's
//! program (`cargo run --profile fuzz -p colibri-fuzz -- TARGET`), and wrapped for libFuzzer in
//! `cargo-fuzz/`. How to run each is in `docs/fuzzing.md`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target fails by panicking")]

pub mod crash;
pub mod mutate;
pub mod seeds;
pub mod targets;
pub mod trace;

mod connection;
mod operations;
mod packets;
mod shards;

pub use targets::{Kind, TARGETS, Target};
