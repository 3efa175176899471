//! The commands as processes, against a scripted server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod bench;
mod conformance;
mod liar;
mod mock;
mod publish;
mod run;
mod shell;
mod store;
mod subscribe;
