//! Random operations on the trees and on their models, which must agree after each of them.

use crate::table::found;
use crate::{filter, name};
use colibri_topics::oracle::{RetainedModel, SubscriptionModel};
use colibri_topics::{RetainedTree, SubscriptionTree};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::sample::select;

/// One thing done to a subscription tree.
#[derive(Clone, Debug)]
enum Change {
    Subscribe(String, u8, u8),
    Unsubscribe(String, u8),
    Publish(String),
}

/// One thing done to a retained tree.
#[derive(Clone, Debug)]
enum Keep {
    Insert(String, u8),
    Remove(String),
    Search(String),
}

/// Levels from an alphabet so small that names and filters often meet.
fn name_text() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "", "$x"]), 1..5).prop_map(|levels| or_slash(levels.join("/")))
}

fn filter_text() -> impl Strategy<Value = String> {
    let levels = vec(select(vec!["a", "b", "", "$x", "+", "+", "#"]), 1..5).prop_map(|levels| {
        let end = levels.iter().position(|level| *level == "#").map_or(levels.len(), |end| end + 1);
        or_slash(levels[..end].join("/"))
    });
    let share = select(vec!["", "", "", "$share/g/", "$share/h/"]);
    (share, levels).prop_map(|(share, levels)| format!("{share}{levels}"))
}

/// A single empty level is no topic.
fn or_slash(text: String) -> String {
    if text.is_empty() { "/".to_owned() } else { text }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (filter_text(), 0..40_u8, any::<u8>()).prop_map(|(text, key, value)| Change::Subscribe(text, key, value)),
        3 => (filter_text(), 0..40_u8).prop_map(|(text, key)| Change::Unsubscribe(text, key)),
        2 => name_text().prop_map(Change::Publish),
    ]
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![
        3 => (name_text(), any::<u8>()).prop_map(|(text, value)| Keep::Insert(text, value)),
        2 => name_text().prop_map(Keep::Remove),
        2 => filter_text().prop_map(Keep::Search),
    ]
}

proptest! {
    #[test]
    fn a_subscription_tree_does_what_its_model_does(seed: u64, changes in vec(change(), 1..200)) {
        let mut tree = SubscriptionTree::new(seed);
        let mut model = SubscriptionModel::new();
        let mut subscribed = Vec::new();
        for change in changes {
            match change {
                Change::Subscribe(text, key, value) => {
                    assert_eq!(
                        tree.subscribe(filter(&text), key, value),
                        model.subscribe(filter(&text), key, value)
                    );
                    assert_eq!(tree.get(filter(&text), key), Some(&value));
                    subscribed.push((text, key));
                }
                Change::Unsubscribe(text, key) => {
                    assert_eq!(tree.unsubscribe(filter(&text), key), model.unsubscribe(filter(&text), key));
                    assert_eq!(tree.get(filter(&text), key), None);
                }
                Change::Publish(topic) => assert_eq!(found(&tree, &topic), model.matches(name(&topic))),
            }
            assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
        }
        for (text, key) in subscribed {
            assert_eq!(tree.unsubscribe(filter(&text), key), model.unsubscribe(filter(&text), key));
        }
        assert_eq!((tree.len(), tree.entries()), (0, 0));
    }

    #[test]
    fn a_crowded_filter_does_what_its_model_does(
        changes in vec((any::<bool>(), 0..80_u8, any::<u8>()), 1..400)
    ) {
        let mut tree = SubscriptionTree::new(1);
        let mut model = SubscriptionModel::new();
        for (joins, key, value) in changes {
            for text in ["a/+", "$share/g/a/+"] {
                if joins {
                    assert_eq!(
                        tree.subscribe(filter(text), key, value),
                        model.subscribe(filter(text), key, value)
                    );
                } else {
                    assert_eq!(tree.unsubscribe(filter(text), key), model.unsubscribe(filter(text), key));
                }
            }
        }
        assert_eq!(found(&tree, "a/b"), model.matches(name("a/b")));
    }

    #[test]
    fn a_retained_tree_does_what_its_model_does(seed: u64, operations in vec(keep(), 1..200)) {
        let mut tree = RetainedTree::new(seed);
        let mut model = RetainedModel::new();
        let mut kept = Vec::new();
        for operation in operations {
            match operation {
                Keep::Insert(text, value) => {
                    assert_eq!(tree.insert(name(&text), value), model.insert(name(&text), value));
                    assert_eq!(tree.get(name(&text)), Some(&value));
                    kept.push(text);
                }
                Keep::Remove(text) => {
                    assert_eq!(tree.remove(name(&text)), model.remove(name(&text)));
                    assert_eq!(tree.get(name(&text)), None);
                }
                Keep::Search(text) => {
                    let mut values = Vec::new();
                    tree.for_each_match(filter(&text), |value| values.push(*value));
                    values.sort_unstable();
                    assert_eq!(values, model.matches(filter(&text)));
                }
            }
            assert_eq!(tree.len(), model.len());
        }
        for text in kept {
            assert_eq!(tree.remove(name(&text)), model.remove(name(&text)));
        }
        assert_eq!((tree.len(), tree.entries()), (0, 0));
    }
}
