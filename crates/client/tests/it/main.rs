//! The client against a scripted server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod authentication;
mod keep_alive;
mod messages;
mod mock;
mod publish;
mod reconnect;
mod refused;
