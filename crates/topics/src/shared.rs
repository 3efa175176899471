//! A group of subscribers who share one subscription: each message goes to one of them.

use crate::members::{Member, Members};
use alloc::sync::Arc;
use colibri_codec::topic::{OwnedTopicFilter, ShareName, TopicFilter};
use core::cell::Cell;
use core::hash::Hash;
use foldhash::fast::FixedState;

/// The members of one share name on one filter, and whose turn it is.
///
/// The turn moves with each [`next`](Self::next), behind a shared reference: a tree belongs to one
/// thread, as everything in a shard does. At least one member is always in a group that a tree
/// hands out.
pub struct SharedGroup<K, V> {
    id: GroupId,
    members: Members<K, V>,
    /// The position of the member that [`next`](Self::next) considers first.
    turn: Cell<usize>,
}

/// Which group: a share name and the filter behind it. A clone copies no text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupId {
    share: Arc<str>,
    filter: OwnedTopicFilter,
}

impl GroupId {
    /// The group that shares `filter` under the name `share`.
    #[must_use]
    pub fn new(share: ShareName<'_>, filter: TopicFilter<'_>) -> Self {
        Self { share: share.as_str().into(), filter: filter.into() }
    }

    /// The share name.
    #[must_use]
    pub fn share(&self) -> &str {
        &self.share
    }

    /// The filter behind the share name.
    #[must_use]
    pub fn filter(&self) -> TopicFilter<'_> {
        self.filter.filter()
    }
}

impl<K: Copy + Eq + Hash, V: Copy> SharedGroup<K, V> {
    pub(crate) fn new(share: ShareName<'_>, filter: TopicFilter<'_>) -> Self {
        Self { id: GroupId::new(share, filter), members: Members::new(), turn: Cell::new(0) }
    }

    /// The share name, which is unique among the groups of one filter only.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.id.share
    }

    /// Which group this is, for finding it again when the tree has changed.
    #[must_use]
    pub const fn id(&self) -> &GroupId {
        &self.id
    }

    /// What a member subscribed with, or `None` for who is no member.
    #[must_use]
    pub fn value_of(&self, key: K) -> Option<&V> {
        self.members().find(|(member, _)| *member == key).map(|(_, value)| value)
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.as_slice().len()
    }

    /// Whether there are no members, which is so only while a tree is at work on the group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.as_slice().is_empty()
    }

    /// The members, in the order in which they joined as long as none has left.
    pub fn members(&self) -> impl ExactSizeIterator<Item = (K, &V)> {
        self.members.as_slice().iter().map(|member| (member.key, &member.value))
    }

    /// The next member in turn among those that `accept` agrees to, or `None` if it agrees to none.
    ///
    /// Each member is asked once at most. To prefer connected members, ask for those first and call
    /// again with `|_| true` if there is none.
    pub fn next(&self, mut accept: impl FnMut(&K) -> bool) -> Option<(K, &V)> {
        self.next_where(|key, _value| accept(key))
    }

    /// As [`next`](Self::next), for a choice that depends on what the member subscribed with.
    pub fn next_where(&self, mut accept: impl FnMut(&K, &V) -> bool) -> Option<(K, &V)> {
        let members = self.members.as_slice();
        let (before, from) = members.split_at_checked(self.turn.get()).unwrap_or((members, &[]));
        let places = (before.len()..).zip(from).chain((0..).zip(before));
        for (position, Member { key, value }) in places {
            if accept(key, value) {
                self.turn.set(position + 1);
                return Some((*key, value));
            }
        }
        None
    }

    /// Whose turn it is, for [`return_to`](Self::return_to).
    #[must_use]
    pub const fn turn(&self) -> usize {
        self.turn.get()
    }

    /// Makes it the turn again of whose it was then. For who has chosen for several messages and sends only some
    /// of them so; members may not have come or gone in between.
    pub fn return_to(&self, turn: usize) {
        self.turn.set(turn);
    }

    pub(crate) fn get(&self, state: &FixedState, key: K) -> Option<&V> {
        self.members.get(state, key)
    }

    pub(crate) fn insert(&mut self, state: &FixedState, key: K, value: V) -> Option<V> {
        self.members.insert(state, key, value)
    }

    pub(crate) fn remove(&mut self, state: &FixedState, key: K) -> Option<V> {
        self.members.remove(state, key)
    }
}
