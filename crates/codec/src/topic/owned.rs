//! Topic names and filters that outlive the packet they came in.

use alloc::sync::Arc;
use core::fmt;

use super::{TopicFilter, TopicName};

/// A topic name that many can hold at once; a clone copies no text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedTopicName(Arc<str>);

impl OwnedTopicName {
    /// The name, which was checked when this was made.
    pub fn name(&self) -> TopicName<'_> {
        TopicName(&self.0)
    }
}

impl From<TopicName<'_>> for OwnedTopicName {
    fn from(name: TopicName<'_>) -> Self {
        Self(name.0.into())
    }
}

impl fmt::Debug for OwnedTopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic filter that many can hold at once; a clone copies no text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnedTopicFilter(Arc<str>);

impl OwnedTopicFilter {
    /// The filter, which was checked when this was made.
    pub fn filter(&self) -> TopicFilter<'_> {
        TopicFilter(&self.0)
    }
}

impl From<TopicFilter<'_>> for OwnedTopicFilter {
    fn from(filter: TopicFilter<'_>) -> Self {
        Self(filter.0.into())
    }
}

impl fmt::Debug for OwnedTopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
