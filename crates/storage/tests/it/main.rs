//! Tests of the stores, the records and what is left of a group.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod coalesce;
mod disk;
mod faults;
mod model;
mod records;
mod tools;
