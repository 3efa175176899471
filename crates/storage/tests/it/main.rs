//! Tests of the stores, the records and the writer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod disk;
mod faults;
mod model;
mod records;
mod thread;
mod tools;
mod writer;
