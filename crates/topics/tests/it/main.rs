//! The tests of `colibri-topics`: tables from the standard, shared groups, deep topics, and the
//! trees against their models.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, but not in what they call")]

mod against_models;
mod deep;
mod retained;
mod shared;
mod table;
mod tree;

use colibri_codec::topic::{TopicFilter, TopicName};

/// A filter that the test knows to be valid.
fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap()
}

/// A name that the test knows to be valid.
fn name(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap()
}
