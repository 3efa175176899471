//! Who a subscription belongs to, and how messages reach it; both fit a word of the subscription tree.

use colibri_codec::{QoS, SubscriptionOptions};

/// A session of some shard, or a shard as a whole.
///
/// A tree has the sessions of its own shard; for filters that other shards have subscribers for it has
/// those shards. Members of a shared group are always sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subscriber(u32);

/// How many bits number a session in its shard.
const SESSION_BITS: u32 = 24;
const SESSION_MASK: u32 = (1 << SESSION_BITS) - 1;

/// The most sessions a shard can have: 16,777,215.
pub(crate) const SESSIONS_MAX: usize = SESSION_MASK as usize;

impl Subscriber {
    /// Nobody: what the broker itself publishes comes from here.
    pub(crate) const NOBODY: Self = Self(u32::MAX);

    pub(crate) fn session(shard: u8, session: u32) -> Self {
        debug_assert!(session < SESSION_MASK);
        Self(u32::from(shard) << SESSION_BITS | session & SESSION_MASK)
    }

    pub(crate) fn shard(shard: u8) -> Self {
        Self(u32::from(shard) << SESSION_BITS | SESSION_MASK)
    }

    pub(crate) const fn shard_number(self) -> u8 {
        (self.0 >> SESSION_BITS) as u8
    }

    /// The session in its shard; `None` for a shard as a whole.
    pub(crate) const fn session_number(self) -> Option<u32> {
        match self.0 & SESSION_MASK {
            SESSION_MASK => None,
            session => Some(session),
        }
    }
}

/// The options of a subscription and its Subscription Identifier.
///
/// Bits 0 and 1 are the QoS, 2 is No Local, 3 is Retain As Published, 4 to 31 the identifier (at most
/// 268,435,455, so it fits), 0 for none. No Local does not go with a shared subscription, where bit 2
/// says instead that the member is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options(u32);

impl Options {
    pub(crate) fn new(options: SubscriptionOptions, identifier: Option<u32>) -> Self {
        let bits = u32::from(options.qos.number())
            | u32::from(options.no_local) << 2
            | u32::from(options.retain_as_published) << 3;
        Self(bits | identifier.unwrap_or(0) << 4)
    }

    /// For another shard: it applies the options of its own subscribers.
    pub(crate) const fn of_shard() -> Self {
        Self(2)
    }

    pub(crate) fn qos(self) -> QoS {
        QoS::from_number((self.0 & 0b11) as u8).unwrap_or_default()
    }

    pub(crate) const fn no_local(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    /// Of a member of a shared group: the same, and whether it is away.
    pub(crate) const fn with_away(self, away: bool) -> Self {
        Self(self.0 & !(1 << 2) | (away as u32) << 2)
    }

    /// Of a member of a shared group: whether it is not connected.
    pub(crate) const fn is_away(self) -> bool {
        self.0 & 1 << 2 != 0
    }

    pub(crate) const fn retain_as_published(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    pub(crate) const fn identifier(self) -> Option<u32> {
        match self.0 >> 4 {
            0 => None,
            identifier => Some(identifier),
        }
    }
}
