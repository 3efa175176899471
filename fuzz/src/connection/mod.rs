//! One end of a connection under a fuzzer: a driver that keeps to the contract of `colibri-protocol`, and
//! watches that hold what the end does to the standard without looking inside.

pub(crate) mod driver;
pub(crate) mod incoming;
pub(crate) mod message;
pub(crate) mod outgoing;
pub(crate) mod script;
