//! The subscription tree: who is subscribed to what, and who gets a message.

use crate::audience::Audience;
use crate::exact::ExactFilters;
use crate::members::Member;
use crate::shared::{GroupId, SharedGroup};
use crate::wildcard::WildcardFilters;
use colibri_codec::topic::{ShareName, TopicFilter, TopicName};
use core::hash::Hash;
use foldhash::fast::FixedState;

/// All subscriptions of one shard: from topic filters to subscribers and groups that share.
///
/// `K` is the key of a subscriber and `V` the options of a subscription. Both are copied about, so
/// they should be small: with 8 bytes together a filter of up to 46 bytes without wildcards costs
/// about 80 bytes, each level that only one filter with wildcards has about 90, and each further
/// subscriber of a filter about 20.
///
/// Nothing here limits how many filters there are or how many levels they have: a filter with
/// wildcards and 65,535 empty levels costs about 6 MB, so the caller limits both. What removed
/// filters leave is kept for new ones and not given back to the allocator.
///
/// Matching allocates nothing. Filters without wildcards cost one look-up for all of them; filters
/// with wildcards cost one look-up for each level of the name that some filter has in that place.
pub struct SubscriptionTree<K, V> {
    exact: ExactFilters<K, V>,
    wildcard: WildcardFilters<K, V>,
    state: FixedState,
    len: usize,
    generation: u64,
}

/// One reason why a message is to be delivered.
pub enum Match<'t, K, V> {
    /// This subscriber has a subscription of its own, with these options.
    Subscriber(K, &'t V),
    /// One member of this group is to be picked, with [`SharedGroup::next`].
    Group(&'t SharedGroup<K, V>),
}

impl<K: Copy + Eq + Hash, V: Copy> SubscriptionTree<K, V> {
    /// A tree without subscriptions.
    ///
    /// The seed goes into the hashes of what peers choose: take it from a random source, so that
    /// peers cannot choose filters whose hashes collide.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let state = FixedState::with_seed(seed);
        Self {
            exact: ExactFilters::new(state.clone()),
            wildcard: WildcardFilters::new(state.clone()),
            state,
            len: 0,
            generation: 0,
        }
    }

    /// Adds a subscription, or replaces the value of the one this subscriber has on this filter.
    ///
    /// Returns the value before, if there was a subscription. `$share/NAME/FILTER` is taken apart
    /// and goes to [`subscribe_shared`](Self::subscribe_shared).
    pub fn subscribe(&mut self, filter: TopicFilter<'_>, key: K, value: V) -> Option<V> {
        if let Some((share, filter)) = filter.share() {
            return self.subscribe_shared(share, filter, key, value);
        }
        let state = self.state.clone();
        let before = self.audience_or_new(filter).insert(&state, key, value);
        self.note_insertion(before)
    }

    /// Removes a subscription and returns its value, if there was one.
    ///
    /// `$share/NAME/FILTER` is taken apart and goes to
    /// [`unsubscribe_shared`](Self::unsubscribe_shared).
    pub fn unsubscribe(&mut self, filter: TopicFilter<'_>, key: K) -> Option<V> {
        if let Some((share, filter)) = filter.share() {
            return self.unsubscribe_shared(share, filter, key);
        }
        let state = self.state.clone();
        let removed = self.remove_from(filter, |audience| audience.remove(&state, key));
        self.note_removal(removed)
    }

    /// The value of a subscription; `$share/NAME/FILTER` is looked up in its group.
    #[must_use]
    pub fn get(&self, filter: TopicFilter<'_>, key: K) -> Option<&V> {
        match filter.share() {
            Some((share, filter)) => self.group(share, filter)?.get(&self.state, key),
            None => self.audience(filter)?.get(&self.state, key),
        }
    }

    /// Makes a subscriber a member of the group `share` on `filter`, or replaces its value there.
    ///
    /// Returns the value before, if it was a member. The filter is the one behind the share name.
    pub fn subscribe_shared(
        &mut self,
        share: ShareName<'_>,
        filter: TopicFilter<'_>,
        key: K,
        value: V,
    ) -> Option<V> {
        let state = self.state.clone();
        let member = Member { key, value };
        let before = self.audience_or_new(filter).insert_shared(&state, share, filter, member);
        self.note_insertion(before)
    }

    /// Removes a member of the group `share` on `filter` and returns its value, if it was one.
    ///
    /// The last member takes the group along.
    pub fn unsubscribe_shared(&mut self, share: ShareName<'_>, filter: TopicFilter<'_>, key: K) -> Option<V> {
        let state = self.state.clone();
        let removed = self.remove_from(filter, |audience| audience.remove_shared(&state, share, key));
        self.note_removal(removed)
    }

    /// The group `share` on `filter`, if it has members.
    #[must_use]
    pub fn group(&self, share: ShareName<'_>, filter: TopicFilter<'_>) -> Option<&SharedGroup<K, V>> {
        self.audience(filter)?.group(&self.state, share.as_str())
    }

    /// The group that [`SharedGroup::id`] once named, if it still has members.
    #[must_use]
    pub fn group_by_id(&self, id: &GroupId) -> Option<&SharedGroup<K, V>> {
        self.audience(id.filter())?.group(&self.state, id.share())
    }

    /// Hands every match of `name` to `on_match`, in no particular order.
    ///
    /// A subscriber comes up once for each of its filters that match; it is the caller who merges
    /// them. A group comes up once, for the caller to pick one member.
    // [v5 MQTT-4.7.3-4] [v3.1.1 MQTT-4.7.3-4]: bytes are compared as they are.
    pub fn for_each_match<'t>(&'t self, name: TopicName<'_>, mut on_match: impl FnMut(Match<'t, K, V>)) {
        if let Some(audience) = self.exact.audience(name.as_str().as_bytes()) {
            audience.for_each(&mut on_match);
        }
        self.wildcard.for_each_match(name, &mut on_match);
    }

    /// A number that moves whenever a subscription is added, replaced or removed.
    ///
    /// What was collected from matches is valid for as long as it stays.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// How many subscriptions there are, each member of a group counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no subscription.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries the memory of this tree goes into: a filter without wildcards is one, and
    /// so is each level of the filters with wildcards, levels in common counted once.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.exact.len() + self.wildcard.len()
    }

    fn audience(&self, filter: TopicFilter<'_>) -> Option<&Audience<K, V>> {
        if filter.has_wildcard() {
            self.wildcard.audience(filter)
        } else {
            self.exact.audience(filter.as_str().as_bytes())
        }
    }

    fn audience_or_new(&mut self, filter: TopicFilter<'_>) -> &mut Audience<K, V> {
        if filter.has_wildcard() {
            self.wildcard.audience_or_new(filter)
        } else {
            self.exact.audience_or_new(filter.as_str().as_bytes())
        }
    }

    fn remove_from(
        &mut self,
        filter: TopicFilter<'_>,
        remove: impl FnOnce(&mut Audience<K, V>) -> Option<V>,
    ) -> Option<V> {
        if filter.has_wildcard() {
            self.wildcard.remove_from(filter, remove)
        } else {
            self.exact.remove_from(filter.as_str().as_bytes(), remove)
        }
    }

    fn note_insertion(&mut self, before: Option<V>) -> Option<V> {
        self.len += usize::from(before.is_none());
        self.generation += 1;
        before
    }

    fn note_removal(&mut self, removed: Option<V>) -> Option<V> {
        self.len -= usize::from(removed.is_some());
        self.generation += u64::from(removed.is_some());
        removed
    }
}
