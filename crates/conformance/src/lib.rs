//! Every numbered statement of MQTT 3.1.1 and 5.0, tested over TCP against any server and any client.
//!
//! [`run`] goes through the cases and returns a [`Report`]. A [`network::Network`] of one's own brings the
//! cases to a server that is not behind TCP, one by one with [`Case::judge`]. A case speaks through a
//! [`Peer`], which writes and reads bytes with the hand-made packets of [`raw`]: nothing here depends on what
//! our codec takes for right, so that a fault in it cannot hide itself. Of the codec only the name of a
//! version is used.
#![forbid(unsafe_code)]

mod case;
mod cases;
pub mod client;
mod context;
mod failure;
mod flows;
mod limits;
pub mod network;
pub mod peer;
pub mod raw;
mod report;
mod run;
mod statements;
mod tcp;
mod transcript;
mod wait;

pub use case::{Case, Heading, all_cases, all_client_cases};
pub use context::Context;
pub use failure::{Failure, Stop};
pub use limits::Limit;
pub use peer::Peer;
pub use report::{Counts, Report, Status};
pub use run::{Outcome, Progress, Settings, Subject, Verdict, run};
pub use statements::{Role, Statement, statements};
pub use wait::Wait;
