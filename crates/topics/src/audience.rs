//! Everybody who is subscribed to one filter: nobody, one subscriber in place, or a crowd.

use crate::members::{Member, Members};
use crate::shared::SharedGroup;
use crate::tree::Match;
use alloc::boxed::Box;
use colibri_codec::topic::{ShareName, TopicFilter};
use core::hash::{BuildHasher as _, Hash};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// The subscribers of one filter. Most filters have one, which costs no allocation.
#[derive(Default)]
pub(crate) enum Audience<K, V> {
    #[default]
    Empty,
    One(Member<K, V>),
    Crowd(Box<Crowd<K, V>>),
}

/// Several subscribers, or groups of them, or both.
pub(crate) struct Crowd<K, V> {
    members: Members<K, V>,
    groups: HashTable<SharedGroup<K, V>>,
}

impl<K: Copy + Eq + Hash, V: Copy> Audience<K, V> {
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Hands each subscriber and each group to `on_match`.
    #[inline]
    pub(crate) fn for_each<'t>(&'t self, on_match: &mut impl FnMut(Match<'t, K, V>)) {
        match self {
            Self::Empty => {}
            Self::One(Member { key, value }) => on_match(Match::Subscriber(*key, value)),
            Self::Crowd(crowd) => {
                for Member { key, value } in crowd.members.as_slice() {
                    on_match(Match::Subscriber(*key, value));
                }
                for group in &crowd.groups {
                    on_match(Match::Group(group));
                }
            }
        }
    }

    pub(crate) fn get(&self, state: &FixedState, key: K) -> Option<&V> {
        match self {
            Self::One(member) if member.key == key => Some(&member.value),
            Self::Empty | Self::One(_) => None,
            Self::Crowd(crowd) => crowd.members.get(state, key),
        }
    }

    pub(crate) fn group(&self, state: &FixedState, share: &str) -> Option<&SharedGroup<K, V>> {
        let Self::Crowd(crowd) = self else { return None };
        crowd.groups.find(state.hash_one(share), |group| group.name() == share)
    }

    /// Adds a subscriber or replaces its value; the value before is returned.
    pub(crate) fn insert(&mut self, state: &FixedState, key: K, value: V) -> Option<V> {
        match self {
            Self::Empty => {
                *self = Self::One(Member { key, value });
                None
            }
            Self::One(member) if member.key == key => Some(core::mem::replace(&mut member.value, value)),
            Self::One(_) | Self::Crowd(_) => {
                self.with_crowd(state, |crowd| crowd.members.insert(state, key, value))
            }
        }
    }

    /// Removes a subscriber and returns its value.
    pub(crate) fn remove(&mut self, state: &FixedState, key: K) -> Option<V> {
        match self {
            Self::One(Member { key: only, value }) if *only == key => {
                let removed = *value;
                *self = Self::Empty;
                Some(removed)
            }
            Self::Empty | Self::One(_) => None,
            Self::Crowd(crowd) => {
                let removed = crowd.members.remove(state, key);
                self.shrink();
                removed
            }
        }
    }

    /// Adds a member to a group or replaces its value; the value before is returned.
    pub(crate) fn insert_shared(
        &mut self,
        state: &FixedState,
        share: ShareName<'_>,
        filter: TopicFilter<'_>,
        member: Member<K, V>,
    ) -> Option<V> {
        let hash = state.hash_one(share.as_str());
        let is_same = |group: &SharedGroup<K, V>| group.name() == share.as_str();
        let hash_of = |group: &SharedGroup<K, V>| state.hash_one(group.name());
        self.with_crowd(state, |crowd| {
            let entry = crowd.groups.entry(hash, is_same, hash_of);
            let mut entry = entry.or_insert_with(|| SharedGroup::new(share, filter));
            entry.get_mut().insert(state, member.key, member.value)
        })
    }

    /// Removes a member of a group and returns its value; the last member takes the group along.
    pub(crate) fn remove_shared(&mut self, state: &FixedState, share: ShareName<'_>, key: K) -> Option<V> {
        let Self::Crowd(crowd) = self else { return None };
        let hash = state.hash_one(share.as_str());
        let found = crowd.groups.find_entry(hash, |group| group.name() == share.as_str());
        let mut entry = found.ok()?;
        let removed = entry.get_mut().remove(state, key);
        if entry.get().is_empty() {
            entry.remove();
        }
        self.shrink();
        removed
    }

    /// Makes this audience a crowd, if it is not one, and lets `change` at it.
    fn with_crowd<R>(&mut self, state: &FixedState, change: impl FnOnce(&mut Crowd<K, V>) -> R) -> R {
        let mut members = Members::new();
        let mut crowd = match core::mem::take(self) {
            Self::Crowd(crowd) => crowd,
            Self::One(Member { key, value }) => {
                members.insert(state, key, value);
                Box::new(Crowd { members, groups: HashTable::new() })
            }
            Self::Empty => Box::new(Crowd { members, groups: HashTable::new() }),
        };
        let result = change(&mut crowd);
        *self = Self::Crowd(crowd);
        result
    }

    /// Gives up the crowd if there is no group left and one subscriber at most.
    fn shrink(&mut self) {
        let Self::Crowd(crowd) = self else { return };
        if !crowd.groups.is_empty() {
            return;
        }
        match crowd.members.as_slice() {
            [] => *self = Self::Empty,
            [member] => *self = Self::One(*member),
            _ => {}
        }
    }
}
