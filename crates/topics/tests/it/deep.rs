//! Topics with as many levels as their 65,535 bytes can have.

use crate::table::found;
use crate::{filter, name};
use colibri_topics::{RetainedTree, SubscriptionTree, matches};

const BYTES_MAX: usize = 65_535;

#[test]
fn filters_of_all_slashes_are_kept_matched_and_removed() {
    let slashes = "/".repeat(BYTES_MAX);
    let any_below = format!("{}#", "/".repeat(BYTES_MAX - 1));
    let plus = format!("{}+", "+/".repeat(BYTES_MAX / 2));
    let mut tree = SubscriptionTree::new(1);
    for wanted in [&slashes, &any_below, &plus] {
        assert_eq!(tree.subscribe(filter(wanted), 1_u32, ()), None);
        assert_eq!(matches(filter(wanted), name(&slashes)), wanted != &plus);
    }
    assert_eq!(found(&tree, &slashes).len(), 2);
    assert_eq!(found(&tree, &"/".repeat(BYTES_MAX / 2)).len(), 1);
    for wanted in [&slashes, &any_below, &plus] {
        assert_eq!(tree.unsubscribe(filter(wanted), 1), Some(()));
    }
    assert_eq!(tree.entries(), 0);
}

#[test]
fn a_deep_name_that_leaves_a_plus_untried_at_each_level_is_matched() {
    let depth = 5_000;
    let mut tree = SubscriptionTree::new(1);
    let prefix = |levels: usize| "a/".repeat(levels);
    for levels in 0..depth {
        tree.subscribe(filter(&format!("{}+/x", prefix(levels))), levels, ());
    }
    tree.subscribe(filter(&format!("{}#", prefix(depth))), depth, ());
    let topic = format!("{}x", prefix(depth));
    assert_eq!(found(&tree, &topic), [(None, depth - 1, ()), (None, depth, ())]);
}

#[test]
fn deep_names_are_retained_found_and_forgotten() {
    let slashes = "/".repeat(BYTES_MAX);
    let plus = format!("{}+", "+/".repeat(BYTES_MAX / 2));
    let shallow = "/".repeat(BYTES_MAX / 2);
    let mut tree = RetainedTree::new(1);
    tree.insert(name(&slashes), 1);
    tree.insert(name(&shallow), 2);
    let all = |wanted: &str| {
        let mut values = Vec::new();
        tree.for_each_match(filter(wanted), |value| values.push(*value));
        values.sort_unstable();
        values
    };
    assert_eq!(all("#"), [1, 2]);
    assert_eq!(all("+/#"), [1, 2]);
    assert_eq!(all(&slashes), [1]);
    assert_eq!(all(&plus), [2]);
    assert_eq!(tree.remove(name(&slashes)), Some(1));
    assert_eq!(tree.remove(name(&shallow)), Some(2));
    assert_eq!(tree.entries(), 0);
}
