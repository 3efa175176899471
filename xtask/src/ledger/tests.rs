//! Each kind of failure.
