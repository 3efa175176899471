//! A whole broker in memory, for tests: every shard on one thread, time that stands until it is moved, and
//! sockets that are queues of bytes.
//!
//! A [`World`] has the shards of one broker. A seed decides in which order they have their turns, so that
//! a run can be repeated and a race can be searched for. [`World::connect`] gives the client's end of a
//! connection, a [`Link`], which carries bytes and knows nothing of packets.
//!
//! ```
//! use colibri_sim::World;
//!
//! let world = World::new(2);
//! let link = world.connect();
//! link.send(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a");
//! world.run();
//! assert_eq!(link.take(usize::MAX), b"\x20\x02\x00\x00");
//! ```
#![forbid(unsafe_code)]

mod client;
mod coverage;
mod disk;
mod network;
mod oracle;
mod packet;
mod probe;
mod random;
mod run;
mod setting;
mod shrink;
mod watch;
mod workload;
mod world;

pub use coverage::Coverage;
pub use network::{CAPACITY, Link};
pub use random::Random;
pub use run::{Failure, Plan};
pub use setting::Setting;
pub use workload::{Action, CLIENTS, Message, Step, WILLS};
pub use world::{World, config};
