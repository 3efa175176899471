//! Models that are slow and plainly right, for tests and fuzzers to compare the trees with.

use crate::matches::matches;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use colibri_codec::topic::{TopicFilter, TopicName};

/// A list of subscriptions that answers as [`SubscriptionTree`](crate::SubscriptionTree) should.
///
/// The filter of a shared subscription is kept with its `$share/NAME/`.
pub struct SubscriptionModel<K, V> {
    subscriptions: Vec<(String, K, V)>,
}

impl<K: Copy + Ord, V: Copy + Ord> SubscriptionModel<K, V> {
    /// A model without subscriptions.
    #[must_use]
    pub const fn new() -> Self {
        Self { subscriptions: Vec::new() }
    }

    /// Adds or replaces a subscription and returns the value before.
    pub fn subscribe(&mut self, filter: TopicFilter<'_>, key: K, value: V) -> Option<V> {
        let before = self.unsubscribe(filter, key);
        self.subscriptions.push((filter.to_string(), key, value));
        before
    }

    /// Removes a subscription and returns its value.
    pub fn unsubscribe(&mut self, filter: TopicFilter<'_>, key: K) -> Option<V> {
        let is_it = |(text, other, _): &(String, K, V)| text == filter.as_str() && *other == key;
        let position = self.subscriptions.iter().position(is_it)?;
        Some(self.subscriptions.remove(position).2)
    }

    /// How many subscriptions there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Whether there is no subscription.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// All subscriptions that match `name`: share name if any, subscriber, value; sorted.
    #[must_use]
    pub fn matches(&self, name: TopicName<'_>) -> Vec<(Option<String>, K, V)> {
        let of = |(text, key, value): &(String, K, V)| {
            let filter = TopicFilter::new(text).ok()?;
            let share = filter.share().map(|(share, _)| share.to_string());
            matches(filter, name).then_some((share, *key, *value))
        };
        let mut found: Vec<_> = self.subscriptions.iter().filter_map(of).collect();
        found.sort();
        found
    }
}

impl<K: Copy + Ord, V: Copy + Ord> Default for SubscriptionModel<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// A list of names that answers as [`RetainedTree`](crate::RetainedTree) should.
pub struct RetainedModel<T> {
    names: Vec<(String, T)>,
}

impl<T: Clone + Ord> RetainedModel<T> {
    /// A model without names.
    #[must_use]
    pub const fn new() -> Self {
        Self { names: Vec::new() }
    }

    /// Keeps a value and returns the one before.
    pub fn insert(&mut self, name: TopicName<'_>, value: T) -> Option<T> {
        let before = self.remove(name);
        self.names.push((name.to_string(), value));
        before
    }

    /// Forgets a value and returns it.
    pub fn remove(&mut self, name: TopicName<'_>) -> Option<T> {
        let position = self.names.iter().position(|(text, _)| text == name.as_str())?;
        Some(self.names.remove(position).1)
    }

    /// How many names there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no names.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What is kept for the names that `filter` matches, sorted.
    #[must_use]
    pub fn matches(&self, filter: TopicFilter<'_>) -> Vec<T> {
        let is_match = |text: &str| TopicName::new(text).is_ok_and(|name| matches(filter, name));
        let found = self.names.iter().filter(|(text, _)| is_match(text));
        let mut found: Vec<_> = found.map(|(_, value)| value.clone()).collect();
        found.sort();
        found
    }
}

impl<T: Clone + Ord> Default for RetainedModel<T> {
    fn default() -> Self {
        Self::new()
    }
}
