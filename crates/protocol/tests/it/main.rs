//! The tests of the state machine from outside: scripts in packets, pairs of ends, and properties.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod aliases;
mod answers;
mod authentication;
mod closing;
mod delivery;
mod encoded;
mod end;
mod expiry;
mod garbage;
mod handshake;
mod hex;
mod identifiers;
mod keep_alive;
mod links;
mod message;
mod model;
mod order;
mod pair;
mod quota;
mod raw;
mod refused;
mod resume;
mod runs;
mod size;
mod written;

use colibri_codec::Version;
use colibri_protocol::Role;
use proptest::prelude::ProptestConfig;

const VERSIONS: [Version; 2] = [Version::V3_1_1, Version::V5];

/// Both ends in both versions.
fn both_ends() -> impl Iterator<Item = (Role, Version)> {
    VERSIONS.into_iter().flat_map(|version| [(Role::Client, version), (Role::Server, version)])
}

/// This many cases; a failure becomes a test by name and leaves no file behind.
fn configured(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
