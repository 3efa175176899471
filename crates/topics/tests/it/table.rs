//! Filters and names by hand: every example of section 4.7, and the corners around them.

use crate::{filter, name};
use colibri_topics::oracle::{RetainedModel, SubscriptionModel};
use colibri_topics::{Match, RetainedTree, SubscriptionTree, matches};

/// Filter, name, and whether the one matches the other.
const TABLE: &[(&str, &str, bool)] = &[
    // 4.7.1.2, multi-level wildcard
    ("sport/tennis/player1/#", "sport/tennis/player1", true),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
    ("sport/tennis/player1/#", "sport/tennis/player2", false),
    ("sport/tennis/player1/#", "sport/tennis/player10", false),
    ("sport/#", "sport", true),
    ("sport/#", "sport/", true),
    ("sport/#", "sports", false),
    ("#", "a", true),
    ("#", "/", true),
    ("#", "a/b/c", true),
    ("sport/tennis/#", "sport/tennis/a/b", true),
    // 4.7.1.3, single-level wildcard
    ("sport/tennis/+", "sport/tennis/player1", true),
    ("sport/tennis/+", "sport/tennis/player2", true),
    ("sport/tennis/+", "sport/tennis/player1/ranking", false),
    ("sport/+", "sport", false),
    ("sport/+", "sport/", true),
    ("+", "sport", true),
    ("+", "sport/tennis", false),
    ("+/tennis/#", "sport/tennis", true),
    ("+/tennis/#", "sport/tennis/player1", true),
    ("+/tennis/#", "sport/football/player1", false),
    ("sport/+/player1", "sport/tennis/player1", true),
    ("sport/+/player1", "sport/tennis/player2", false),
    ("sport/+/player1", "sport/player1", false),
    ("/finance", "/finance", true),
    ("+/+", "/finance", true),
    ("/+", "/finance", true),
    ("+", "/finance", false),
    ("+", "/", false),
    // 4.7.2, topics that begin with $
    ("#", "$SYS/monitor/Clients", false),
    ("+/monitor/Clients", "$SYS/monitor/Clients", false),
    ("+", "$SYS", false),
    ("+/#", "$SYS/uptime", false),
    ("$SYS/#", "$SYS/monitor/Clients", true),
    ("$SYS/#", "$SYS", true),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
    ("$SYS/uptime", "$SYS/uptime", true),
    ("a/+", "a/$b", true),
    ("a/#", "a/$b/c", true),
    ("#", "a/$SYS", true),
    // 4.7.3, semantics and usage
    ("ACCOUNTS", "Accounts", false),
    ("Accounts payable", "Accounts payable", true),
    ("/finance", "finance", false),
    ("a//b", "a/b", false),
    ("a//b", "a//b", true),
    ("a/+/b", "a//b", true),
    ("a/", "a", false),
    ("a", "a/", false),
    ("/", "/", true),
    ("+/", "/", true),
    ("//#", "/", true),
    ("///#", "/", false),
    ("//#", "//", true),
    ("/#", "/", true),
    ("/#", "a", false),
    ("\u{e9}", "e\u{301}", false),
    ("\u{feff}a", "a", false),
    // Empty levels and wildcards next to each other.
    ("+/+/+", "//", true),
    ("+/#", "a", true),
    ("+/#", "/", true),
    ("+/+/#", "a", false),
    ("a/+/+/#", "a/b", false),
    ("a/+/+/#", "a//", true),
    // A share name is not matched against.
    ("$share/g/a/+", "a/b", true),
    ("$share/g/#", "a", true),
    ("$share/g/#", "$SYS", false),
    ("$share/g/$SYS/#", "$SYS", true),
    ("$share/g/a", "$share/g/a", false),
];

#[test]
fn the_rule_agrees_with_the_table() {
    for (wanted, topic, expected) in TABLE {
        assert_eq!(matches(filter(wanted), name(topic)), *expected, "{wanted} and {topic}");
    }
}

#[test]
fn a_tree_with_one_subscription_agrees_with_the_table() {
    // [v5 MQTT-3.3.2-3] [v5 MQTT-4.7.2-1] [v5 MQTT-4.7.3-4]
    // [v3.1.1 MQTT-3.3.2-3] [v3.1.1 MQTT-4.7.2-1] [v3.1.1 MQTT-4.7.3-4]
    for (wanted, topic, expected) in TABLE {
        let mut tree = SubscriptionTree::new(1);
        tree.subscribe(filter(wanted), 7_u32, ());
        let mut count = 0;
        tree.for_each_match(name(topic), |_| count += 1);
        assert_eq!(count, i32::from(*expected), "{wanted} and {topic}");
    }
}

#[test]
fn a_tree_with_the_whole_table_finds_what_the_model_finds() {
    let mut tree = SubscriptionTree::new(1);
    let mut model = SubscriptionModel::new();
    for (key, (wanted, _, _)) in TABLE.iter().enumerate() {
        assert_eq!(tree.subscribe(filter(wanted), key, 0), model.subscribe(filter(wanted), key, 0));
    }
    for (_, topic, _) in TABLE {
        assert_eq!(found(&tree, topic), model.matches(name(topic)), "{topic}");
    }
}

#[test]
fn a_retained_tree_with_the_whole_table_finds_what_the_model_finds() {
    let mut tree = RetainedTree::new(1);
    let mut model = RetainedModel::new();
    for (value, (_, topic, _)) in TABLE.iter().enumerate() {
        assert_eq!(tree.insert(name(topic), value), model.insert(name(topic), value));
    }
    assert_eq!(tree.len(), model.len());
    for (wanted, _, _) in TABLE {
        let mut values = Vec::new();
        tree.for_each_match(filter(wanted), |value| values.push(*value));
        values.sort_unstable();
        assert_eq!(values, model.matches(filter(wanted)), "{wanted}");
    }
}

/// What `tree` finds for `topic`, in the form and order of the model.
pub(crate) fn found<K, V>(tree: &SubscriptionTree<K, V>, topic: &str) -> Vec<(Option<String>, K, V)>
where
    K: Copy + Ord + core::hash::Hash,
    V: Copy + Ord,
{
    let mut found = Vec::new();
    tree.for_each_match(name(topic), |matched| match matched {
        Match::Subscriber(key, value) => found.push((None, key, *value)),
        Match::Group(group) => {
            found.extend(group.members().map(|(key, value)| (Some(group.name().to_owned()), key, *value)));
        }
    });
    found.sort();
    found
}
