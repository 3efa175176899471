//! Filters and names against section 4.7 written down naively.

use colibri_codec::topic::{ShareName, TopicFilter, TopicName};
use colibri_topics::{Match, RetainedTree, SubscriptionTree, matches};

use crate::trace;

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (filter_text, name_text) = text.split_once('\n').unwrap_or((&text, &text));
    let (filter, name) = (TopicFilter::new(filter_text), TopicName::new(name_text));
    assert_eq!(filter.is_ok(), is_filter(filter_text), "{filter_text:?}");
    assert_eq!(name.is_ok(), is_name(name_text), "{name_text:?}");
    assert_eq!(ShareName::new(name_text).is_ok(), is_share_name(name_text), "{name_text:?}");
    trace::note((filter.map(|_| ()), name.map(|_| ())));
    let (Ok(filter), Ok(name)) = (filter, name) else { return };
    assert_eq!(name.levels().collect::<Vec<_>>(), name_text.split('/').collect::<Vec<_>>());

    let wanted = naive(filter_text, name_text);
    trace::note((wanted, filter.share().is_some(), name.is_dollar(), filter.has_wildcard()));
    assert_eq!(matches(filter, name), wanted, "{filter_text:?} {name_text:?}");

    let mut subscriptions = SubscriptionTree::new(1);
    subscriptions.subscribe(filter, 7u8, 9u8);
    let mut found = 0;
    subscriptions.for_each_match(name, |hit| {
        found += 1;
        match hit {
            Match::Subscriber(key, value) => assert!(filter.share().is_none() && (key, *value) == (7, 9)),
            Match::Group(group) => {
                assert_eq!(filter.share().map(|(share, _)| share.as_str()), Some(group.name()));
                assert_eq!(group.next(|_| true), Some((7, &9)));
            }
        }
    });
    assert_eq!(found, usize::from(wanted), "{filter_text:?} {name_text:?}");
    assert_eq!(subscriptions.unsubscribe(filter, 7), Some(9));
    assert_eq!((subscriptions.len(), subscriptions.entries()), (0, 0));

    let mut retained = RetainedTree::new(1);
    retained.insert(name, 3u8);
    let mut found = 0;
    retained.for_each_match(filter, |_| found += 1);
    assert_eq!(found, usize::from(wanted), "{filter_text:?} {name_text:?}");
    assert_eq!(retained.remove(name), Some(3));
    assert_eq!(retained.entries(), 0);
}

fn is_name(text: &str) -> bool {
    (1..=65_535).contains(&text.len()) && !text.contains(['\0', '+', '#'])
}

fn is_share_name(text: &str) -> bool {
    (1..=65_535).contains(&text.len()) && !text.contains(['\0', '+', '#', '/'])
}

fn is_filter(text: &str) -> bool {
    if !(1..=65_535).contains(&text.len()) || text.contains('\0') {
        return false;
    }
    let levels: Vec<&str> = text.split('/').collect();
    match levels.as_slice() {
        ["$share", share, rest @ ..] => {
            is_share_name(share)
                && rest != [""]
                && !rest.is_empty()
                && !(rest[0] == "$share" && rest.len() > 1)
                && are_wildcards_in_place(rest)
        }
        all => are_wildcards_in_place(all),
    }
}

fn are_wildcards_in_place(levels: &[&str]) -> bool {
    let last = levels.len() - 1;
    levels.iter().enumerate().all(|(at, level)| match *level {
        "+" => true,
        "#" => at == last,
        other => !other.contains(['+', '#']),
    })
}

/// Whether a filter matches a name, in the words of sections 4.7 and 4.8.
fn naive(filter: &str, name: &str) -> bool {
    let mut levels: Vec<&str> = filter.split('/').collect();
    if levels[0] == "$share" && levels.len() > 1 {
        levels.drain(..2);
    }
    if name.starts_with('$') && matches!(levels[0], "+" | "#") {
        return false;
    }
    naive_levels(&levels, &name.split('/').collect::<Vec<_>>())
}

fn naive_levels(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) | ([], []) => true,
        ([wanted, filter @ ..], [level, name @ ..]) => {
            (*wanted == "+" || wanted == level) && naive_levels(filter, name)
        }
        ([], _) | (_, []) => false,
    }
}
