//! The subscription tree against a list that answers by looking at everything.

use arbitrary::{Arbitrary, Result, Unstructured};
use colibri_codec::topic::{TopicFilter, TopicName};
use colibri_topics::oracle::SubscriptionModel;
use colibri_topics::{GroupId, Match, SubscriptionTree};

use crate::operations;
use crate::trace;

/// Subscribers are numbers below this: more than make a list of members keep an index.
const KEYS: u8 = 90;

#[derive(Arbitrary, Debug)]
enum Op {
    Subscribe {
        filter: Filter,
        key: u8,
        value: u8,
    },
    /// So many neighbours at once, which is how crowds come about.
    Crowd {
        filter: Filter,
        first: u8,
        count: u8,
    },
    Unsubscribe {
        filter: Filter,
        key: u8,
    },
    /// Undoes one of the subscriptions made.
    Undo(u8),
    Publish(Name),
    /// The turn of a group passes to each member once.
    Round(Filter),
}

/// A filter of few levels of few texts, so that filters and names meet.
#[derive(Debug)]
pub(super) struct Filter(pub(super) String);

#[derive(Debug)]
pub(super) struct Name(pub(super) String);

impl<'a> Arbitrary<'a> for Name {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = 1 + u8::arbitrary(u)? % 5;
        let levels =
            (0..count).map(|_| Ok(["a", "b", "", "$x", "c", "a"][usize::from(u8::arbitrary(u)? % 6)]));
        Ok(Self(or_slash(levels.collect::<Result<Vec<_>>>()?.join("/"))))
    }
}

impl<'a> Arbitrary<'a> for Filter {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let shape = u8::arbitrary(u)?;
        let share = ["", "", "", "", "", "$share/g/", "$share/h/", "$share/g/"][usize::from(shape >> 5)];
        let mut levels = Vec::new();
        for _ in 0..1 + shape % 5 {
            let level = ["a", "b", "", "$x", "+", "+", "#", "a"][usize::from(u8::arbitrary(u)? % 8)];
            levels.push(level);
            if level == "#" {
                break;
            }
        }
        Ok(Self(format!("{share}{}", or_slash(levels.join("/")))))
    }
}

/// A single empty level is no topic.
fn or_slash(text: String) -> String {
    if text.is_empty() { "/".to_owned() } else { text }
}

type Tree = SubscriptionTree<u8, u8>;

pub(super) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(seed) = u8::arbitrary(&mut u) else { return };
    let mut tree = Tree::new(u64::from(seed));
    let mut model = SubscriptionModel::new();
    let mut made = Vec::new();
    operations::for_each(&mut u, |op: Op| {
        act(&mut tree, &mut model, &mut made, &op);
        assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
        trace::note((trace::bucket(tree.len()), trace::bucket(tree.entries())));
    });
    for (text, key) in made {
        let filter = TopicFilter::new(&text).unwrap();
        assert_eq!(tree.unsubscribe(filter, key), model.unsubscribe(filter, key));
    }
    assert_eq!((tree.len(), tree.entries()), (0, 0));
}

fn act(tree: &mut Tree, model: &mut SubscriptionModel<u8, u8>, made: &mut Vec<(String, u8)>, op: &Op) {
    let generation = tree.generation();
    match op {
        Op::Subscribe { filter, key, value } => subscribe(tree, model, made, (&filter.0, key % KEYS, *value)),
        Op::Crowd { filter, first, count } => {
            for key in 0..count % 48 {
                subscribe(tree, model, made, (&filter.0, first.wrapping_add(key) % KEYS, key));
            }
        }
        Op::Unsubscribe { filter, key } => unsubscribe(tree, model, &filter.0, key % KEYS),
        Op::Undo(which) => {
            if !made.is_empty() {
                let (text, key) = made.swap_remove(usize::from(*which) % made.len());
                unsubscribe(tree, model, &text, key);
            }
        }
        Op::Publish(name) => {
            let name = TopicName::new(&name.0).unwrap();
            assert_eq!(found(tree, name), model.matches(name));
            assert_eq!(tree.generation(), generation);
        }
        Op::Round(filter) => round(tree, &filter.0),
    }
}

fn subscribe(
    tree: &mut Tree,
    model: &mut SubscriptionModel<u8, u8>,
    made: &mut Vec<(String, u8)>,
    (text, key, value): (&str, u8, u8),
) {
    let filter = TopicFilter::new(text).unwrap();
    let generation = tree.generation();
    let before = tree.get(filter, key).copied();
    assert_eq!(tree.subscribe(filter, key, value), before);
    assert_eq!(model.subscribe(filter, key, value), before);
    assert_eq!(tree.get(filter, key), Some(&value));
    assert_ne!(tree.generation(), generation);
    made.push((text.to_owned(), key));
}

fn unsubscribe(tree: &mut Tree, model: &mut SubscriptionModel<u8, u8>, text: &str, key: u8) {
    let filter = TopicFilter::new(text).unwrap();
    let generation = tree.generation();
    let removed = tree.unsubscribe(filter, key);
    assert_eq!(removed, model.unsubscribe(filter, key));
    assert_eq!(tree.generation() != generation, removed.is_some());
    assert_eq!(tree.get(filter, key), None);
}

/// All matches of a name in the form of the model.
fn found(tree: &Tree, name: TopicName<'_>) -> Vec<(Option<String>, u8, u8)> {
    let mut found = Vec::new();
    tree.for_each_match(name, |hit| match hit {
        Match::Subscriber(key, value) => found.push((None, key, *value)),
        Match::Group(group) => {
            assert!(!group.is_empty() && group.len() == group.members().len());
            assert!(tree.group_by_id(group.id()).is_some_and(|other| std::ptr::eq(other, group)));
            let share = Some(group.name().to_owned());
            found.extend(group.members().map(|(key, value)| (share.clone(), key, *value)));
        }
    });
    found.sort();
    found
}

/// In as many turns as there are members each has one, and who is not accepted has none.
fn round(tree: &Tree, text: &str) {
    let Some((share, filter)) = TopicFilter::new(text).unwrap().share() else { return };
    let Some(group) = tree.group(share, filter) else {
        assert!(tree.group_by_id(&GroupId::new(share, filter)).is_none());
        return;
    };
    let mut members: Vec<u8> = group.members().map(|(key, _)| key).collect();
    let mut turns: Vec<u8> =
        members.iter().filter_map(|_| group.next(|_| true)).map(|(key, _)| key).collect();
    members.sort_unstable();
    turns.sort_unstable();
    assert_eq!(turns, members);
    let even = group.next(|key| key % 2 == 0).map(|(key, _)| key);
    assert_eq!(even.is_some(), members.iter().any(|key| key % 2 == 0));
    assert!(even.is_none_or(|key| key % 2 == 0));
    assert!(
        members.iter().all(|key| group.value_of(*key) == tree.get(TopicFilter::new(text).unwrap(), *key))
    );
    assert_eq!(group.next(|_| false), None);
}
