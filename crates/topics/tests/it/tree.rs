//! Subscribing, replacing and removing, and what is left after that.

use crate::table::found;
use crate::{filter, name};
use colibri_topics::SubscriptionTree;

#[test]
fn a_second_subscription_to_the_same_filter_replaces_the_first() {
    for wanted in ["a/b", "a/+", "a/#", "#", "$share/g/a"] {
        let mut tree = SubscriptionTree::new(1);
        assert_eq!(tree.subscribe(filter(wanted), 1_u32, 'x'), None);
        assert_eq!(tree.subscribe(filter(wanted), 1, 'y'), Some('x'));
        assert_eq!(tree.get(filter(wanted), 1), Some(&'y'));
        assert_eq!((tree.len(), tree.entries() <= 2), (1, true));
        assert_eq!(tree.unsubscribe(filter(wanted), 1), Some('y'));
        assert_eq!(tree.unsubscribe(filter(wanted), 1), None);
        assert_eq!(tree.get(filter(wanted), 1), None);
        assert!(tree.is_empty());
    }
}

#[test]
fn the_generation_moves_at_each_change_and_at_nothing_else() {
    let mut tree = SubscriptionTree::new(1);
    let start = tree.generation();
    tree.subscribe(filter("a"), 1_u32, 0);
    assert_eq!(tree.generation(), start + 1);
    tree.subscribe(filter("a"), 1, 1);
    assert_eq!(tree.generation(), start + 2);
    assert_eq!(tree.unsubscribe(filter("a"), 2), None);
    assert_eq!(tree.unsubscribe(filter("a/#"), 1), None);
    assert_eq!(tree.get(filter("a"), 1), Some(&1));
    assert_eq!(found(&tree, "a").len(), 1);
    assert_eq!(tree.generation(), start + 2);
    tree.unsubscribe(filter("a"), 1);
    assert_eq!(tree.generation(), start + 3);
}

#[test]
fn a_subscriber_comes_up_once_for_each_of_its_filters() {
    let mut tree = SubscriptionTree::new(1);
    for wanted in ["a/b", "a/+", "+/b", "+/+", "#", "a/#", "a/b/#", "+/#", "b/a"] {
        tree.subscribe(filter(wanted), 1_u32, 0);
    }
    assert_eq!(found(&tree, "a/b").len(), 8);
}

#[test]
fn many_subscribers_on_one_filter_come_and_go_in_any_order() {
    let mut tree = SubscriptionTree::new(1);
    for wanted in ["hot", "hot/+"] {
        for key in 0..1_000_u64 {
            assert_eq!(tree.subscribe(filter(wanted), key, key), None);
        }
    }
    assert_eq!(tree.entries(), 3);
    for key in (0..1_000).step_by(3).chain((0..1_000).rev().step_by(2)) {
        let expected = tree.get(filter("hot"), key).copied();
        assert_eq!(tree.unsubscribe(filter("hot"), key), expected);
        assert_eq!(tree.get(filter("hot"), key), None);
    }
    let left: Vec<_> = (0..1_000).filter(|key| key % 3 != 0 && key % 2 == 0).collect();
    for key in &left {
        assert_eq!(tree.get(filter("hot"), *key), Some(key));
    }
    let expected: Vec<_> = left.iter().map(|key| (None, *key, *key)).collect();
    assert_eq!(found(&tree, "hot"), expected);
    assert_eq!(found(&tree, "hot/x").len(), 1_000);
}

#[test]
fn nothing_is_left_after_all_subscriptions_are_removed() {
    let texts: Vec<String> = (0..500)
        .flat_map(|n| {
            let long = "long".repeat(n % 30);
            [
                format!("site/{n}/{long}/exact"),
                format!("site/{n}/+/{long}"),
                format!("site/{n}/#"),
                format!("+/{n}"),
                format!("$share/g{n}/site/+/{n}"),
            ]
        })
        .collect();
    let mut tree = SubscriptionTree::new(1);
    for round in 0..3_u32 {
        for text in &texts {
            assert_eq!(tree.subscribe(filter(text), round, ()), None);
        }
        assert_eq!(tree.len(), texts.len());
        let entries = tree.entries();
        for text in texts.iter().rev() {
            assert_eq!(tree.unsubscribe(filter(text), round), Some(()));
        }
        assert_eq!((tree.len(), tree.entries()), (0, 0), "of {entries} entries");
        tree.for_each_match(name("site/1/x"), |_| panic!("a match in an empty tree"));
    }
}

#[test]
fn the_seed_changes_nothing_that_can_be_seen() {
    for seed in [0, 1, u64::MAX] {
        let mut tree = SubscriptionTree::new(seed);
        tree.subscribe(filter("a/+"), 1_u32, 2);
        assert_eq!(found(&tree, "a/b"), [(None, 1, 2)]);
    }
}
