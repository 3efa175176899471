//! The filters with a wildcard: a tree of levels, walked without recursion and without a stack.

use crate::arena::{Arena, NONE};
use crate::audience::Audience;
use crate::label::Label;
use crate::label_index::LabelIndex;
use crate::levels::{level_from, start_before};
use crate::tree::Match;
use colibri_codec::topic::{TopicFilter, TopicName};
use core::hash::Hash;
use foldhash::fast::FixedState;

/// The node above all first levels.
const ROOT: u32 = 0;

/// The subscribers of filters that may match several names.
///
/// Each node stands for the levels from the root down to it. A walk goes back up by the addresses of
/// the parents, so that it needs no memory of its own for however many levels.
pub(crate) struct WildcardFilters<K, V> {
    nodes: Arena<Node<K, V>>,
    by_label: LabelIndex,
}

/// One level of the filters that begin alike. 72 bytes for keys and values of 8 bytes together.
struct Node<K, V> {
    /// The text of this level; empty for `+`, which its parent knows by address.
    label: Label<22>,
    /// Who is subscribed to the filter that ends at this node.
    here: Audience<K, V>,
    /// Who is subscribed to the filter that ends in `/#` after this node.
    below: Audience<K, V>,
    parent: u32,
    /// The child for `+`, or [`NONE`].
    plus: u32,
    /// How many children there are besides the one for `+`.
    literals: u32,
}

/// Where the subscribers of one filter are.
#[derive(Clone, Copy)]
enum Place {
    Here(u32),
    Below(u32),
}

/// The state of a walk: `node` stands for the levels before `start`.
#[derive(Clone, Copy)]
struct Step {
    node: u32,
    /// Where the next level begins in the name; beyond its end when no level is left.
    start: usize,
}

impl<K: Copy + Eq + Hash, V: Copy> WildcardFilters<K, V> {
    pub(crate) fn new(state: FixedState) -> Self {
        let mut nodes = Arena::new();
        nodes.claim(Node::new(&[], NONE));
        Self { nodes, by_label: LabelIndex::new(state) }
    }

    /// How many levels of filters there are, those that filters have in common counted once.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - 1
    }

    /// Who is subscribed to `filter`.
    pub(crate) fn audience(&self, filter: TopicFilter<'_>) -> Option<&Audience<K, V>> {
        Some(match self.place(filter)? {
            Place::Here(node) => &self.nodes[node].here,
            Place::Below(node) => &self.nodes[node].below,
        })
    }

    /// The subscribers of `filter`, which the caller adds one to.
    pub(crate) fn audience_or_new(&mut self, filter: TopicFilter<'_>) -> &mut Audience<K, V> {
        let mut node = ROOT;
        for level in filter.levels() {
            node = match level {
                "#" => return &mut self.nodes[node].below,
                "+" if self.nodes[node].plus != NONE => self.nodes[node].plus,
                "+" => {
                    let child = self.nodes.claim(Node::new(&[], node));
                    self.nodes[node].plus = child;
                    child
                }
                _ => self.literal_or_new(node, level.as_bytes()),
            };
        }
        &mut self.nodes[node].here
    }

    /// Lets `remove` take somebody from the subscribers of `filter`, and forgets levels nobody wants.
    pub(crate) fn remove_from<R>(
        &mut self,
        filter: TopicFilter<'_>,
        remove: impl FnOnce(&mut Audience<K, V>) -> Option<R>,
    ) -> Option<R> {
        let (node, removed) = match self.place(filter)? {
            Place::Here(node) => (node, remove(&mut self.nodes[node].here)),
            Place::Below(node) => (node, remove(&mut self.nodes[node].below)),
        };
        self.prune(node);
        removed
    }

    /// Hands everybody whose filter matches `name` to `on_match`.
    ///
    /// Visits a node once at most on the way down and once on the way up.
    pub(crate) fn for_each_match<'t>(
        &'t self,
        name: TopicName<'_>,
        on_match: &mut impl FnMut(Match<'t, K, V>),
    ) {
        let text = name.as_str().as_bytes();
        let mut step = Step { node: ROOT, start: 0 };
        // How many nodes from the root to here have a `+` that is still to be tried.
        let mut untried = 0u32;
        loop {
            let node = &self.nodes[step.node];
            // [v5 MQTT-4.7.2-1] [v3.1.1 MQTT-4.7.2-1]
            let hidden = step.node == ROOT && name.is_dollar();
            if !hidden {
                node.below.for_each(on_match);
            }
            let plus = if hidden { NONE } else { node.plus };
            if let Some(level) = level_from(text, step.start) {
                let next = step.start + level.len() + 1;
                let literal = if node.literals > 0 { self.literal(step.node, level) } else { None };
                if let Some(child) = literal {
                    untried += u32::from(plus != NONE);
                    step = Step { node: child, start: next };
                    continue;
                }
                if plus != NONE {
                    step = Step { node: plus, start: next };
                    continue;
                }
            } else {
                node.here.for_each(on_match);
            }
            if untried == 0 {
                return;
            }
            untried -= 1;
            step = self.next_untried(text, step, name.is_dollar());
        }
    }

    /// Goes up to the closest node whose `+` is untried and enters that.
    fn next_untried(&self, text: &[u8], from: Step, is_dollar: bool) -> Step {
        let Step { mut node, mut start } = from;
        while node != ROOT {
            let parent = self.nodes[node].parent;
            let plus = self.nodes[parent].plus;
            let hidden = parent == ROOT && is_dollar;
            if plus != NONE && plus != node && !hidden {
                return Step { node: plus, start };
            }
            node = parent;
            start = start_before(text, start);
        }
        Step { node, start }
    }

    /// Releases `node` and the nodes above it for as long as they serve no filter.
    fn prune(&mut self, mut node: u32) {
        while node != ROOT && self.nodes[node].is_unused() {
            let parent = self.nodes[node].parent;
            if self.nodes[parent].plus == node {
                self.nodes[parent].plus = NONE;
            } else {
                let hash = self.by_label.hash(parent, self.nodes[node].label.as_bytes());
                self.by_label.remove(hash, node);
                self.nodes[parent].literals -= 1;
            }
            self.nodes.release(node);
            node = parent;
        }
    }

    fn place(&self, filter: TopicFilter<'_>) -> Option<Place> {
        let mut node = ROOT;
        for level in filter.levels() {
            node = match level {
                "#" => return Some(Place::Below(node)),
                "+" => Some(self.nodes[node].plus).filter(|plus| *plus != NONE)?,
                _ => self.literal(node, level.as_bytes())?,
            };
        }
        Some(Place::Here(node))
    }

    #[inline]
    fn literal(&self, parent: u32, level: &[u8]) -> Option<u32> {
        self.find(self.by_label.hash(parent, level), parent, level)
    }

    fn literal_or_new(&mut self, parent: u32, level: &[u8]) -> u32 {
        let hash = self.by_label.hash(parent, level);
        if let Some(child) = self.find(hash, parent, level) {
            return child;
        }
        let child = self.nodes.claim(Node::new(level, parent));
        self.by_label.insert(hash, child);
        self.nodes[parent].literals += 1;
        child
    }

    #[inline]
    fn find(&self, hash: u32, parent: u32, level: &[u8]) -> Option<u32> {
        self.by_label.find(hash, |child| {
            let child = &self.nodes[child];
            child.parent == parent && child.label.as_bytes() == level
        })
    }
}

impl<K, V> Node<K, V> {
    fn new(label: &[u8], parent: u32) -> Self {
        Self {
            label: Label::new(label),
            here: Audience::Empty,
            below: Audience::Empty,
            parent,
            plus: NONE,
            literals: 0,
        }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> Node<K, V> {
    const fn is_unused(&self) -> bool {
        self.here.is_empty() && self.below.is_empty() && self.plus == NONE && self.literals == 0
    }
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self::new(&[], NONE)
    }
}
