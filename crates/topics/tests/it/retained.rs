//! Keeping, replacing and forgetting values, and walking them in any shape of tree.

use crate::{filter, name};
use colibri_topics::RetainedTree;

fn found<'t>(tree: &RetainedTree<&'t str>, wanted: &str) -> Vec<&'t str> {
    let mut values = Vec::new();
    tree.for_each_match(filter(wanted), |value| values.push(*value));
    values.sort_unstable();
    values
}

#[test]
fn a_second_value_for_a_name_replaces_the_first() {
    let mut tree = RetainedTree::new(1);
    assert_eq!(tree.insert(name("a/b"), 1), None);
    assert_eq!(tree.insert(name("a/b"), 2), Some(1));
    assert_eq!(tree.get(name("a/b")), Some(&2));
    assert_eq!(tree.get_mut(name("a/b")).map(core::mem::take), Some(2));
    assert_eq!(tree.get(name("a")), None);
    assert_eq!(tree.len(), 1);
    assert_eq!(tree.remove(name("a")), None);
    assert_eq!(tree.remove(name("a/b")), Some(0));
    assert_eq!(tree.remove(name("a/b")), None);
    assert!(tree.is_empty());
}

#[test]
fn names_that_begin_with_a_dollar_sign_are_hidden_wherever_they_stand_among_siblings() {
    let orders = [["$a", "b", "$c", "d"], ["b", "$a", "d", "$c"], ["b", "d", "$a", "$c"]];
    for order in orders {
        let mut tree = RetainedTree::new(1);
        for text in order {
            tree.insert(name(text), text);
        }
        assert_eq!(found(&tree, "#"), ["b", "d"]);
        assert_eq!(found(&tree, "+"), ["b", "d"]);
        assert_eq!(found(&tree, "+/#"), ["b", "d"]);
        assert_eq!(found(&tree, "$a/#"), ["$a"]);
    }
}

#[test]
fn siblings_are_still_found_after_any_of_them_is_removed() {
    let texts = ["s/a", "s/b", "s/c", "s/d/x", "s/d/y", "s"];
    for gone in texts {
        let mut tree = RetainedTree::new(1);
        for text in texts {
            tree.insert(name(text), text);
        }
        assert_eq!(tree.remove(name(gone)), Some(gone));
        let mut left: Vec<_> = texts.into_iter().filter(|text| *text != gone).collect();
        left.sort_unstable();
        assert_eq!(found(&tree, "#"), left, "without {gone}");
        assert_eq!(found(&tree, "s/#"), left, "without {gone}");
        left.retain(|text| text.matches('/').count() == 1);
        assert_eq!(found(&tree, "s/+"), left, "without {gone}");
    }
}

#[test]
fn nothing_is_left_after_all_names_are_removed() {
    let texts: Vec<String> =
        (0..1_000).map(|n| format!("site/{}/{}/{}", n % 7, "long".repeat(n % 30), n)).collect();
    let mut tree = RetainedTree::new(1);
    for _ in 0..3 {
        for (value, text) in texts.iter().enumerate() {
            assert_eq!(tree.insert(name(text), value), None);
        }
        let mut count = 0;
        tree.for_each_match(filter("site/+/#"), |_| count += 1);
        assert_eq!(count, texts.len());
        for (value, text) in texts.iter().enumerate() {
            assert_eq!(tree.remove(name(text)), Some(value));
        }
        assert_eq!((tree.len(), tree.entries()), (0, 0));
    }
}
