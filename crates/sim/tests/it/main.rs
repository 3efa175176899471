//! The tests of the simulation itself, and those of the broker that need the whole of it.
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod past;
mod seeds;
mod wills;
mod worlds;
