//! The subscriptions of one session: a list while there are few, a table by filter when there are many.

use std::mem;

use colibri_codec::OwnedTopicFilter;
use hashbrown::HashMap;

use crate::subscriber::Options;

/// How many subscriptions are kept as a list. Most sessions have one or two, and a table with one entry
/// takes a hundred bytes more; looking through more than some tens would cost more than the table.
const FEW: usize = 16;

/// Filters with the options of each.
#[derive(Debug, Default)]
pub(crate) struct SubscriptionList {
    few: Vec<(OwnedTopicFilter, Options)>,
    many: Option<Box<Table>>,
}

type Table = HashMap<OwnedTopicFilter, Options, foldhash::fast::FixedState>;

impl SubscriptionList {
    /// Adds a subscription or replaces its options.
    pub(crate) fn insert(&mut self, filter: OwnedTopicFilter, options: Options) {
        if let Some(many) = &mut self.many {
            many.insert(filter, options);
            return;
        }
        if let Some(own) = self.few.iter_mut().find(|(own, _)| *own == filter) {
            own.1 = options;
            return;
        }
        if self.few.len() < FEW {
            self.few.reserve_exact(1);
            self.few.push((filter, options));
            return;
        }
        let mut many = Box::new(Table::default());
        many.extend(mem::take(&mut self.few));
        many.insert(filter, options);
        self.many = Some(many);
    }

    /// Takes a subscription out; `false` if there is none for this filter.
    pub(crate) fn remove(&mut self, filter: &OwnedTopicFilter) -> bool {
        if let Some(many) = &mut self.many {
            return many.remove(filter).is_some();
        }
        let place = self.few.iter().position(|(own, _)| own == filter);
        place.map(|place| self.few.swap_remove(place)).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.many.as_ref().map_or(self.few.len(), |many| many.len())
    }

    /// All subscriptions, their options to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&OwnedTopicFilter, &mut Options)> {
        let few = self.few.iter_mut().map(|(filter, options)| (&*filter, options));
        few.chain(self.many.iter_mut().flat_map(|many| many.iter_mut()))
    }

    /// All filters; nothing is left.
    pub(crate) fn take_filters(&mut self) -> Vec<OwnedTopicFilter> {
        let few = mem::take(&mut self.few).into_iter();
        let many = self.many.take().into_iter().flat_map(|many| *many);
        few.chain(many).map(|(filter, _)| filter).collect()
    }
}

#[cfg(test)]
mod tests {
    use colibri_codec::{SubscriptionOptions, TopicFilter};

    use super::*;

    #[test]
    fn few_and_many_subscriptions_are_kept_alike() {
        let filter =
            |number: usize| OwnedTopicFilter::from(TopicFilter::new(&format!("t/{number}")).unwrap());
        let options = Options::new(SubscriptionOptions::default(), None);
        for count in [0, 1, FEW, FEW + 1, 100] {
            let mut list = SubscriptionList::default();
            for number in (0..count).chain(0..count) {
                list.insert(filter(number), options);
            }
            assert_eq!((list.len(), list.iter_mut().count()), (count, count));
            assert!(!list.remove(&filter(count)));
            if count > 0 {
                assert!(list.remove(&filter(0)));
                assert!(!list.remove(&filter(0)));
            }
            assert_eq!(list.take_filters().len(), count.saturating_sub(1));
            assert_eq!(list.len(), 0);
        }
    }
}
