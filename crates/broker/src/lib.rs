//! The Colibri MQTT server: one thread per shard, each with its own connections, sessions and
//! subscription tree.
//!
//! ```no_run
//! use colibri_broker::{Broker, Config};
//!
//! let broker = Broker::start(Config::default())?;
//! println!("listening on {:?}", broker.addresses());
//! broker.stop();
//! broker.join();
//! # Ok::<(), colibri_broker::StartError>(())
//! ```
//!
//! The path of a message: [`shard`] reads a socket and steps the protocol, `route` finds the receivers
//! and writes to their output, `shard` flushes each of them once at the end of the turn.
#![forbid(unsafe_code)]

mod authentication;
mod config;
mod handle;
mod message;
mod metrics;
mod placement;
mod route;
mod scribe;
mod sessions;
pub mod shard;
mod spilled;
mod store_gauge;
mod subscriber;
mod subscription_list;
mod sys_topics;
mod totals;

pub use authentication::{Authenticator, Claim, Exchange, Reply};
pub use config::{Config, Durability, QueueFull, SHARDS_MAX, ServerReference};
pub use handle::{Broker, StartError, Stopper, Storage};
pub use metrics::Metrics;
pub use scribe::{Report, Scribe};
pub use store_gauge::StoreState;
