//! A load generator for MQTT servers: it counts what was lost, doubled, late or refused, and says what it
//! cost the server.
//!
//! [`run`] carries out a [`Plan`] and returns a [`Report`]. Its threads each have a poller and a part of the
//! connections; the thread that calls [`run`] only looks at their counters. Latency is counted from when a
//! message was due and not from when it could be sent, so that a server that stalls cannot hide it: see
//! [`Schedule`]. Which message is missing is told by a header in the payload: see [`Header`].
#![forbid(unsafe_code)]

mod failure;
mod header;
mod latency;
mod link;
mod pattern;
mod plan;
mod poller;
mod process;
mod receiver;
mod report;
mod run;
mod schedule;
mod suite;
mod tally;
mod tracker;
mod worker;

pub use failure::Failure;
pub use header::{HEADER_LENGTH, Header};
pub use latency::{Latencies, Summary};
pub use pattern::{Names, Pattern, PatternError};
pub use plan::{PAYLOAD_MAX, Plan, Scenario, TRACKERS_MAX};
pub use process::{Usage, open_files_limit};
pub use report::{Report, Sample, html, json};
pub use run::{Progress, Stop, run};
pub use schedule::Schedule;
pub use suite::{Case, Published, Scale, Scaled, cases};
pub use tracker::{Arrival, Tracker};
