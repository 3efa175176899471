//! The tests of the broker from outside: scripts in packets against shards in memory, an oracle for
//! random traffic, and sockets of the operating system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod authentication;
mod connecting;
mod disk;
mod elsewhere;
mod expiry;
mod figures;
mod flags;
mod forgotten;
mod hello;
mod oracle;
mod overload;
mod packets;
mod peer;
mod races;
mod restart;
mod retained;
mod run_ends;
mod runs;
mod sessions;
mod shared;
mod subscriptions;
mod tcp;
mod totals;
mod wills;
mod world;

use colibri_codec::Version;

/// How many shards each test runs with.
const SHARDS: [usize; 3] = [1, 2, 8];

/// The versions that differ in what a server does.
const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

/// Each number of shards with each version.
fn everywhere() -> impl Iterator<Item = (usize, Version)> {
    SHARDS.into_iter().flat_map(|shards| VERSIONS.map(|version| (shards, version)))
}
