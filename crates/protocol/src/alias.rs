//! Topic aliases (5.0, section 3.3.2.3.4), one map per direction; both end with the connection.
//! [v5 MQTT-3.3.2-7]

use alloc::boxed::Box;
use core::num::NonZeroU16;

use colibri_codec::{OwnedTopicName, TopicName};
use hashbrown::HashMap;

/// The aliases that the peer has set.
#[derive(Debug, Default)]
pub(crate) struct IncomingAliases {
    /// Indexed by alias - 1; grows with the highest alias set, up to our Topic Alias Maximum.
    topics: Box<[Option<OwnedTopicName>]>,
}

impl IncomingAliases {
    /// Sets an alias, replacing what it stood for.
    pub(crate) fn set(&mut self, alias: NonZeroU16, topic: TopicName<'_>) {
        let index = usize::from(alias.get() - 1);
        if self.topics.len() <= index {
            let mut topics = core::mem::take(&mut self.topics).into_vec();
            topics.resize(index + 1, None);
            self.topics = topics.into_boxed_slice();
        }
        if let Some(slot) = self.topics.get_mut(index)
            && slot.as_ref().map(OwnedTopicName::name) != Some(topic)
        {
            *slot = Some(topic.into());
        }
    }

    /// What an alias stands for.
    pub(crate) fn get(&self, alias: NonZeroU16) -> Option<&OwnedTopicName> {
        self.topics.get(usize::from(alias.get() - 1))?.as_ref()
    }
}

/// The aliases that this end has set: the first topics get one each until the peer's maximum is reached.
#[derive(Debug)]
pub(crate) struct OutgoingAliases {
    maximum: u16,
    topics: HashMap<Box<str>, NonZeroU16, foldhash::fast::FixedState>,
}

/// How a topic is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AliasUse {
    /// The topic alone: there is no alias left.
    None,
    /// Both, which sets the alias.
    Set(NonZeroU16),
    /// The alias alone.
    Instead(NonZeroU16),
}

impl OutgoingAliases {
    pub(crate) fn new(maximum: u16) -> Self {
        Self { maximum, topics: HashMap::with_hasher(foldhash::fast::FixedState::default()) }
    }

    /// How `topic` is sent. Nothing is noted until [`OutgoingAliases::set`], so that a packet that is not
    /// sent in the end sets no alias.
    // [v5 MQTT-3.1.2-26] [v5 MQTT-3.1.2-27] [v5 MQTT-3.2.2-17] [v5 MQTT-3.2.2-18] [v5 MQTT-3.3.2-11]
    // [v5 MQTT-3.3.2-9]
    pub(crate) fn look_up(&self, topic: TopicName<'_>) -> AliasUse {
        if let Some(alias) = self.topics.get(topic.as_str()) {
            return AliasUse::Instead(*alias);
        }
        let next = u16::try_from(self.topics.len() + 1).ok().filter(|next| *next <= self.maximum);
        next.and_then(NonZeroU16::new).map_or(AliasUse::None, AliasUse::Set)
    }

    pub(crate) fn set(&mut self, topic: TopicName<'_>, alias: NonZeroU16) {
        self.topics.insert(topic.as_str().into(), alias);
    }
}
