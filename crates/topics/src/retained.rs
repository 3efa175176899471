//! The retained tree: a value for each topic name, found again by topic filter.

use crate::arena::{Arena, NONE};
use crate::label::Label;
use crate::label_index::LabelIndex;
use crate::levels::{level_from, start_before};
use colibri_codec::topic::{TopicFilter, TopicName};
use foldhash::fast::FixedState;

/// The node above all first levels.
const ROOT: u32 = 0;

/// What is kept for topic names, such as retained messages.
///
/// Each level that only one name has costs about 65 bytes and `T`. Nothing here limits how many
/// names there are or how many levels they have; the caller does.
///
/// A search by filter looks a level without wildcards up and walks the children of a level with
/// one: its cost follows what is below the part of the filter that has no wildcards, not what is
/// stored elsewhere. It allocates nothing and does not recurse.
pub struct RetainedTree<T> {
    nodes: Arena<Node<T>>,
    by_label: LabelIndex,
    len: usize,
}

/// One level of the names that begin alike. The children of a node are a doubly linked list.
struct Node<T> {
    label: Label<22>,
    value: Option<T>,
    parent: u32,
    first_child: u32,
    previous: u32,
    next: u32,
}

/// The state of a search: `node` matches the levels before `start`.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    /// Where the next level begins in the filter; beyond its end when no level is left.
    start: usize,
}

impl<T> RetainedTree<T> {
    /// A tree without names.
    ///
    /// The seed goes into the hashes of what peers choose: take it from a random source, so that
    /// peers cannot choose names whose hashes collide.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut nodes = Arena::new();
        nodes.claim(Node::new(&[], NONE));
        Self { nodes, by_label: LabelIndex::new(FixedState::with_seed(seed)), len: 0 }
    }

    /// Keeps `value` for `name` and returns what was kept before.
    pub fn insert(&mut self, name: TopicName<'_>, value: T) -> Option<T> {
        let node = name.levels().fold(ROOT, |node, level| self.child_or_new(node, level.as_bytes()));
        let before = self.nodes[node].value.replace(value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Forgets what is kept for `name` and returns it.
    pub fn remove(&mut self, name: TopicName<'_>) -> Option<T> {
        let node = self.node(name.as_str())?;
        let removed = self.nodes[node].value.take()?;
        self.len -= 1;
        self.prune(node);
        Some(removed)
    }

    /// What is kept for `name`.
    #[must_use]
    pub fn get(&self, name: TopicName<'_>) -> Option<&T> {
        self.nodes[self.node(name.as_str())?].value.as_ref()
    }

    /// What is kept for `name`, to be changed in place.
    #[must_use]
    pub fn get_mut(&mut self, name: TopicName<'_>) -> Option<&mut T> {
        let node = self.node(name.as_str())?;
        self.nodes[node].value.as_mut()
    }

    /// How many names there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no names.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many entries the memory of this tree goes into: levels of names, those in common
    /// counted once.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Hands what is kept for each name that `filter` matches to `on_match`, in no particular order.
    ///
    /// For a shared subscription the filter behind the share name counts.
    pub fn for_each_match<'t>(&'t self, filter: TopicFilter<'_>, mut on_match: impl FnMut(&'t T)) {
        let filter = filter.share().map_or(filter, |(_, behind)| behind);
        let text = filter.as_str().as_bytes();
        if !filter.has_wildcard() {
            if let Some(value) = self.node(filter.as_str()).and_then(|node| self.nodes[node].value.as_ref()) {
                on_match(value);
            }
            return;
        }
        let mut step = Some(Step { node: ROOT, start: 0 });
        while let Some(Step { node, start }) = step {
            let deeper = match level_from(text, start) {
                None => {
                    self.nodes[node].value.iter().for_each(&mut on_match);
                    None
                }
                Some(b"#") => {
                    self.for_each_below(node, &mut on_match);
                    None
                }
                Some(b"+") => self.visible(self.nodes[node].first_child).map(|node| (node, 1)),
                Some(level) => self.child(node, level).map(|node| (node, level.len())),
            };
            step = match deeper {
                Some((node, length)) => Some(Step { node, start: start + length + 1 }),
                None => self.next_sibling(text, Step { node, start }),
            };
        }
    }

    /// Goes up to the closest node that stands for a `+` and has a sibling, and enters the sibling.
    fn next_sibling(&self, text: &[u8], from: Step) -> Option<Step> {
        let Step { mut node, mut start } = from;
        while node != ROOT {
            let level_start = start_before(text, start);
            if level_from(text, level_start) == Some(b"+")
                && let Some(sibling) = self.visible(self.nodes[node].next)
            {
                return Some(Step { node: sibling, start });
            }
            node = self.nodes[node].parent;
            start = level_start;
        }
        None
    }

    /// Hands what is kept for `top` and everything below it to `on_match`.
    fn for_each_below<'t>(&'t self, top: u32, on_match: &mut impl FnMut(&'t T)) {
        self.nodes[top].value.iter().for_each(&mut *on_match);
        let mut next = self.visible(self.nodes[top].first_child);
        while let Some(node) = next {
            self.nodes[node].value.iter().for_each(&mut *on_match);
            next = self.visible(self.nodes[node].first_child);
            let mut up = node;
            while next.is_none() && up != top {
                next = self.visible(self.nodes[up].next);
                up = self.nodes[up].parent;
            }
        }
    }

    /// `node`, or the first sibling after it, that a wildcard may stand for.
    fn visible(&self, mut node: u32) -> Option<u32> {
        // [v5 MQTT-4.7.2-1] [v3.1.1 MQTT-4.7.2-1]
        while node != NONE
            && self.nodes[node].parent == ROOT
            && self.nodes[node].label.as_bytes().starts_with(b"$")
        {
            node = self.nodes[node].next;
        }
        (node != NONE).then_some(node)
    }

    /// The node for exactly the levels of `text`.
    fn node(&self, text: &str) -> Option<u32> {
        text.split('/').try_fold(ROOT, |node, level| self.child(node, level.as_bytes()))
    }

    #[inline]
    fn child(&self, parent: u32, level: &[u8]) -> Option<u32> {
        self.find(self.by_label.hash(parent, level), parent, level)
    }

    fn child_or_new(&mut self, parent: u32, level: &[u8]) -> u32 {
        let hash = self.by_label.hash(parent, level);
        if let Some(child) = self.find(hash, parent, level) {
            return child;
        }
        let second = self.nodes[parent].first_child;
        let child = self.nodes.claim(Node { next: second, ..Node::new(level, parent) });
        if second != NONE {
            self.nodes[second].previous = child;
        }
        self.nodes[parent].first_child = child;
        self.by_label.insert(hash, child);
        child
    }

    #[inline]
    fn find(&self, hash: u32, parent: u32, level: &[u8]) -> Option<u32> {
        self.by_label.find(hash, |child| {
            let child = &self.nodes[child];
            child.parent == parent && child.label.as_bytes() == level
        })
    }

    /// Releases `node` and the nodes above it for as long as they serve no name.
    fn prune(&mut self, mut node: u32) {
        while node != ROOT && self.nodes[node].value.is_none() && self.nodes[node].first_child == NONE {
            let Node { parent, previous, next, .. } = self.nodes[node];
            if next != NONE {
                self.nodes[next].previous = previous;
            }
            if previous == NONE {
                self.nodes[parent].first_child = next;
            } else {
                self.nodes[previous].next = next;
            }
            let hash = self.by_label.hash(parent, self.nodes[node].label.as_bytes());
            self.by_label.remove(hash, node);
            self.nodes.release(node);
            node = parent;
        }
    }
}

impl<T> Node<T> {
    fn new(label: &[u8], parent: u32) -> Self {
        Self { label: Label::new(label), value: None, parent, first_child: NONE, previous: NONE, next: NONE }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self::new(&[], NONE)
    }
}
