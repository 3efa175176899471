//! The suite against our broker, and against servers and clients that are none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod broker;
mod impostor;
mod impostor_client;
mod limits;
mod memory;
mod scripted_client;
mod statements;
mod waivers;
mod websocket_client;
