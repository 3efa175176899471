//! The client half: the suite is the server, and starts the client under test for each case.
//!
//! A [`Program`] says how the client is started. A case gets a [`Stage`], on which it starts a
//! [`Client`] with the flags it wants and accepts its connections as [`crate::Peer`]s.

pub(crate) mod cases;
pub(crate) mod flows;
mod process;
mod program;
mod running;
mod server;
mod stage;
mod websocket;

pub use process::{Client, Ended};
pub use program::Program;
pub use running::kill_all;
pub(crate) use server::{End, answer, expect_end, refuses, session, should_end};
pub use stage::Stage;
