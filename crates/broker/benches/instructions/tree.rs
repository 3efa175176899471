//! The subscription tree alone, and the filters of several kinds that it is filled with.

use std::error::Error;

use colibri_codec::{TopicFilter, TopicName};
use colibri_topics::{Match, SubscriptionTree};

use crate::begin_measuring;

/// What the command line calls this scenario.
pub(crate) const NAME: &str = "tree-1m";

const SUBSCRIPTIONS: u32 = 1_000_000;
const SEARCHES: u32 = 50_000;
/// Those who leave again.
const UNSUBSCRIPTIONS: u32 = 50_000;

type Tree = SubscriptionTree<u32, u32>;

/// The filter of subscription `n`: four in ten exact, two with `+` within, one with `+` early, two with `#`,
/// one in ten on a topic that others are subscribed to as well.
pub(crate) fn mixed_filter(n: u32) -> String {
    match n % 10 {
        0..=3 => format!("site/{}/device/{n:07}/command", n % 100),
        4 | 5 => format!("device/{n:07}/+/state"),
        6 => format!("site/+/device/{n:07}/command"),
        7 | 8 => format!("device/{n:07}/#"),
        _ => format!("group/{}", n % 1000),
    }
}

/// The name of a message that subscription `n` gets.
pub(crate) fn mixed_name(n: u32) -> String {
    match n % 10 {
        0..=3 | 6 => format!("site/{}/device/{n:07}/command", n % 100),
        4 | 5 | 7 | 8 => format!("device/{n:07}/temperature/state"),
        _ => mixed_filter(n),
    }
}

/// Fills a tree, searches it, and empties a part of it.
pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let mut tree = Tree::new(7);
    begin_measuring();
    for n in scattered() {
        let filter = mixed_filter(n);
        tree_subscribe(&mut tree, TopicFilter::new(&filter)?, n);
    }
    println!("{NAME}-subscribe tree_subscribe {SUBSCRIPTIONS} subscription");
    let mut matches = 0;
    // The topics that a thousand share are left out: what they cost is what their subscribers cost.
    for n in scattered().filter(|n| n % 10 != 9).take(SEARCHES as usize) {
        let name = mixed_name(n);
        matches += tree_match(&tree, TopicName::new(&name)?);
    }
    if matches < u64::from(SEARCHES) {
        return Err(format!("{SEARCHES} searches found {matches} subscriptions").into());
    }
    println!("{NAME}-match tree_match {SEARCHES} search");
    let mut gone = 0;
    for n in scattered().take(UNSUBSCRIPTIONS as usize) {
        let filter = mixed_filter(n);
        gone += u32::from(tree_unsubscribe(&mut tree, TopicFilter::new(&filter)?, n));
    }
    if gone != UNSUBSCRIPTIONS {
        return Err(format!("{gone} of {UNSUBSCRIPTIONS} subscriptions were there").into());
    }
    println!("{NAME}-unsubscribe tree_unsubscribe {UNSUBSCRIPTIONS} subscription");
    Ok(())
}

#[inline(never)]
fn tree_subscribe(tree: &mut Tree, filter: TopicFilter<'_>, key: u32) {
    tree.subscribe(filter, key, 1);
}

#[inline(never)]
fn tree_match(tree: &Tree, name: TopicName<'_>) -> u64 {
    let mut matches = 0;
    tree.for_each_match(name, |found| match found {
        Match::Subscriber(_, value) => matches += u64::from(*value),
        Match::Group(group) => matches += group.len() as u64,
    });
    matches
}

#[inline(never)]
fn tree_unsubscribe(tree: &mut Tree, filter: TopicFilter<'_>, key: u32) -> bool {
    tree.unsubscribe(filter, key).is_some()
}

/// All numbers below [`SUBSCRIPTIONS`] once each, far from their order.
fn scattered() -> impl Iterator<Item = u32> {
    // A step that has no factor in common with the count visits everything.
    std::iter::successors(Some(0), |n| Some((n + 618_033) % SUBSCRIPTIONS)).take(SUBSCRIPTIONS as usize)
}
