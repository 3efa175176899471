//! Groups of shared subscriptions: one match each, and the members in turn.

use crate::{filter, name};
use colibri_codec::topic::ShareName;
use colibri_topics::{GroupId, Match, SubscriptionTree};

fn share(text: &str) -> ShareName<'_> {
    ShareName::new(text).unwrap()
}

/// The member that the only group on `topic` picks next among those that `accept` agrees to.
fn pick(
    tree: &SubscriptionTree<u32, char>,
    topic: &str,
    mut accept: impl FnMut(&u32) -> bool,
) -> Option<u32> {
    let mut picked = None;
    tree.for_each_match(name(topic), |found| match found {
        Match::Group(group) => picked = group.next(&mut accept).map(|(key, _)| key),
        Match::Subscriber(..) => {}
    });
    picked
}

#[test]
fn members_get_their_turn_one_after_another() {
    let mut tree = SubscriptionTree::new(1);
    for key in 0..3 {
        tree.subscribe(filter("$share/g/a/+"), key, 'v');
    }
    let picked: Vec<_> = (0..7).filter_map(|_| pick(&tree, "a/b", |_| true)).collect();
    assert_eq!(picked, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn members_that_are_not_accepted_are_passed_over() {
    let mut tree = SubscriptionTree::new(1);
    for key in 0..4 {
        tree.subscribe(filter("$share/g/a"), key, 'v');
    }
    let picked: Vec<_> = (0..4).filter_map(|_| pick(&tree, "a", |key| key % 2 == 1)).collect();
    assert_eq!(picked, [1, 3, 1, 3]);
    let mut asked = Vec::new();
    let none = pick(&tree, "a", |key| {
        asked.push(*key);
        false
    });
    assert_eq!((none, asked.len()), (None, 4));
    assert_eq!(pick(&tree, "a", |_| true), Some(0));
}

#[test]
fn who_chose_ahead_can_go_back_to_an_earlier_turn() {
    let mut tree = SubscriptionTree::new(1);
    for key in 0..3 {
        tree.subscribe(filter("$share/g/a"), key, 'v');
    }
    assert_eq!(pick(&tree, "a", |_| true), Some(0));
    let id = GroupId::new(share("g"), filter("a"));
    let turn = tree.group_by_id(&id).unwrap().turn();
    assert_eq!((pick(&tree, "a", |_| true), pick(&tree, "a", |_| true)), (Some(1), Some(2)));
    tree.group_by_id(&id).unwrap().return_to(turn);
    assert_eq!(pick(&tree, "a", |_| true), Some(1));
}

#[test]
fn the_turn_survives_members_leaving() {
    let mut tree = SubscriptionTree::new(1);
    for key in 0..3 {
        tree.subscribe(filter("$share/g/a"), key, 'v');
    }
    for expected in [0, 1, 2] {
        assert_eq!(pick(&tree, "a", |_| true), Some(expected));
    }
    tree.unsubscribe(filter("$share/g/a"), 2);
    tree.unsubscribe(filter("$share/g/a"), 1);
    assert_eq!(pick(&tree, "a", |_| true), Some(0));
    assert_eq!(pick(&tree, "a", |_| true), Some(0));
}

#[test]
fn each_group_on_a_filter_comes_up_once_beside_the_ordinary_subscribers() {
    let mut tree = SubscriptionTree::new(1);
    for key in 0..5_u32 {
        tree.subscribe(filter("a/#"), key, 'o');
        tree.subscribe(filter("$share/g/a/#"), key, 'g');
        tree.subscribe_shared(share("h"), filter("a/#"), key, 'h');
        tree.subscribe_shared(share("g"), filter("a/+"), key, 'p');
    }
    assert_eq!(tree.len(), 20);
    let (mut subscribers, mut groups) = (0, Vec::new());
    tree.for_each_match(name("a/b"), |found| match found {
        Match::Subscriber(_, value) => {
            assert_eq!(*value, 'o');
            subscribers += 1;
        }
        Match::Group(group) => groups.push((group.name(), group.len())),
    });
    groups.sort_unstable();
    assert_eq!(subscribers, 5);
    assert_eq!(groups, [("g", 5), ("g", 5), ("h", 5)]);
}

#[test]
fn a_group_is_gone_with_its_last_member() {
    let mut tree = SubscriptionTree::new(1);
    tree.subscribe_shared(share("g"), filter("a"), 1_u32, 'x');
    tree.subscribe(filter("a"), 1, 'y');
    assert_eq!(tree.group(share("g"), filter("a")).map(|group| group.len()), Some(1));
    assert!(tree.group(share("h"), filter("a")).is_none());
    assert!(tree.group(share("g"), filter("+")).is_none());
    assert_eq!(tree.get(filter("$share/g/a"), 1), Some(&'x'));
    assert_eq!(tree.get(filter("a"), 1), Some(&'y'));
    assert_eq!(tree.unsubscribe_shared(share("h"), filter("a"), 1), None);
    assert_eq!(tree.unsubscribe_shared(share("g"), filter("a"), 1), Some('x'));
    assert!(tree.group(share("g"), filter("a")).is_none());
    assert_eq!((tree.len(), tree.entries()), (1, 1));
    assert_eq!(tree.unsubscribe(filter("a"), 1), Some('y'));
    assert_eq!((tree.len(), tree.entries()), (0, 0));
}

#[test]
fn a_thousand_groups_on_one_filter_are_told_apart() {
    let mut tree = SubscriptionTree::new(1);
    for key in 0..1_000_u32 {
        tree.subscribe_shared(share(&format!("g{key}")), filter("a"), key, 'v');
    }
    let mut groups = 0;
    tree.for_each_match(name("a"), |found| groups += i32::from(matches!(found, Match::Group(_))));
    assert_eq!((groups, tree.entries()), (1_000, 1));
    for key in 0..1_000 {
        assert_eq!(tree.unsubscribe_shared(share(&format!("g{key}")), filter("a"), key), Some('v'));
    }
    assert_eq!(tree.entries(), 0);
}
