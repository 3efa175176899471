//! The suite against our broker, and against servers that are no servers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod impostor;
mod limits;
mod memory;
mod statements;
