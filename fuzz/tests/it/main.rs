//! Replays every target: what exploring begins with, every crash of the past, and inputs from fixed seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod replay;
