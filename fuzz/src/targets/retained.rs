//! The retained tree against a list that answers by looking at everything.

use arbitrary::{Arbitrary, Unstructured};
use colibri_codec::topic::{TopicFilter, TopicName};
use colibri_topics::RetainedTree;
use colibri_topics::oracle::RetainedModel;

use super::subscriptions::{Filter, Name};
use crate::operations;
use crate::trace;

#[derive(Arbitrary, Debug)]
enum Op {
    Insert(Name, u8),
    Remove(Name),
    /// Removes one of the names that were inserted.
    Undo(u8),
    Change(Name, u8),
    Search(Filter),
}

pub(super) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(seed) = u8::arbitrary(&mut u) else { return };
    let mut tree = RetainedTree::new(u64::from(seed));
    let mut model = RetainedModel::new();
    let mut kept: Vec<String> = Vec::new();
    operations::for_each(&mut u, |op: Op| {
        match op {
            Op::Insert(Name(text), value) => {
                let name = TopicName::new(&text).unwrap();
                assert_eq!(tree.insert(name, value), model.insert(name, value));
                assert_eq!(tree.get(name), Some(&value));
                kept.push(text);
            }
            Op::Remove(Name(text)) => remove(&mut tree, &mut model, &text),
            Op::Undo(which) => {
                if !kept.is_empty() {
                    let text = kept.swap_remove(usize::from(which) % kept.len());
                    remove(&mut tree, &mut model, &text);
                }
            }
            Op::Change(Name(text), value) => {
                let name = TopicName::new(&text).unwrap();
                if let Some(place) = tree.get_mut(name) {
                    let before = std::mem::replace(place, value);
                    assert_eq!(model.insert(name, value), Some(before));
                }
            }
            Op::Search(Filter(text)) => {
                let filter = TopicFilter::new(&text).unwrap();
                let mut values = Vec::new();
                tree.for_each_match(filter, |value| values.push(*value));
                values.sort_unstable();
                trace::note((values.len(), filter.has_wildcard()));
                assert_eq!(values, model.matches(filter), "{text}");
            }
        }
        assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
        trace::note((trace::bucket(tree.len()), trace::bucket(tree.entries())));
    });
    for text in kept {
        remove(&mut tree, &mut model, &text);
    }
    assert_eq!((tree.len(), tree.entries()), (0, 0));
}

fn remove(tree: &mut RetainedTree<u8>, model: &mut RetainedModel<u8>, text: &str) {
    let name = TopicName::new(text).unwrap();
    assert_eq!(tree.remove(name), model.remove(name));
    assert_eq!(tree.get(name), None);
}
