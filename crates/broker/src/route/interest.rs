//! Which shards have subscribers for which filters. A shard tells all others when its first subscriber
//! of a filter comes and when the last goes; they have it in their trees as one more subscriber.

use colibri_codec::{OwnedTopicFilter, TopicFilter};
use hashbrown::HashMap;

use crate::shard::Shard;
use crate::shard::inbox::Operation;
use crate::subscriber::{Options, Subscriber};

/// How many subscribers this shard has for each filter.
#[derive(Debug)]
pub(crate) struct Interests {
    counts: HashMap<OwnedTopicFilter, u32, foldhash::fast::FixedState>,
}

impl Interests {
    pub(crate) fn new(seed: u64) -> Self {
        Self { counts: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)) }
    }
}

impl Shard {
    /// A subscription was added to the tree.
    pub(crate) fn gain_interest(&mut self, filter: TopicFilter<'_>) {
        if self.links.count() == 1 {
            return;
        }
        let filter = OwnedTopicFilter::from(filter);
        let count = self.interests.counts.entry(filter.clone()).or_insert(0);
        *count += 1;
        if *count == 1 {
            self.links.send_all(|| Operation::Interest { filter: filter.clone(), interested: true });
        }
    }

    /// A subscription was taken out of the tree.
    pub(crate) fn lose_interest(&mut self, filter: TopicFilter<'_>) {
        if self.links.count() == 1 {
            return;
        }
        let filter = OwnedTopicFilter::from(filter);
        let Some(count) = self.interests.counts.get_mut(&filter) else { return };
        *count -= 1;
        if *count == 0 {
            self.interests.counts.remove(&filter);
            self.links.send_all(|| Operation::Interest { filter: filter.clone(), interested: false });
        }
    }

    /// Another shard has a first subscriber for a filter, or no more.
    pub(crate) fn on_interest(&mut self, from: u8, filter: &OwnedTopicFilter, interested: bool) {
        let subscriber = Subscriber::shard(from);
        if interested {
            self.tree.subscribe(filter.filter(), subscriber, Options::of_shard());
        } else {
            self.tree.unsubscribe(filter.filter(), subscriber);
        }
    }
}
