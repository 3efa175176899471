//! The filters without a wildcard: one look-up of the whole text, however many levels it has.

use crate::arena::Arena;
use crate::audience::Audience;
use crate::label::Label;
use crate::label_index::LabelIndex;
use core::hash::Hash;
use foldhash::fast::FixedState;

/// Filters have no parent here; their hashes are made with this one.
const NO_PARENT: u32 = 0;

/// The subscribers of each filter that matches one name only.
pub(crate) struct ExactFilters<K, V> {
    filters: Arena<ExactFilter<K, V>>,
    by_text: LabelIndex,
}

/// 64 bytes for keys and values of up to 8 bytes together, with the text of most filters inside.
struct ExactFilter<K, V> {
    text: Label<46>,
    audience: Audience<K, V>,
}

impl<K, V> Default for ExactFilter<K, V> {
    fn default() -> Self {
        Self { text: Label::default(), audience: Audience::default() }
    }
}

impl<K: Copy + Eq + Hash, V: Copy> ExactFilters<K, V> {
    pub(crate) const fn new(state: FixedState) -> Self {
        Self { filters: Arena::new(), by_text: LabelIndex::new(state) }
    }

    /// How many filters somebody is subscribed to.
    pub(crate) fn len(&self) -> usize {
        self.filters.len()
    }

    /// Who is subscribed to the filter `text`.
    #[inline]
    pub(crate) fn audience(&self, text: &[u8]) -> Option<&Audience<K, V>> {
        let found = self.find(self.by_text.hash(NO_PARENT, text), text)?;
        Some(&self.filters[found].audience)
    }

    /// The subscribers of the filter `text`, which the caller adds one to.
    pub(crate) fn audience_or_new(&mut self, text: &[u8]) -> &mut Audience<K, V> {
        let hash = self.by_text.hash(NO_PARENT, text);
        let index = self.find(hash, text).unwrap_or_else(|| {
            let filter = ExactFilter { text: Label::new(text), audience: Audience::Empty };
            let index = self.filters.claim(filter);
            self.by_text.insert(hash, index);
            index
        });
        &mut self.filters[index].audience
    }

    /// Lets `remove` take somebody from the subscribers of `text`, and forgets a filter nobody wants.
    pub(crate) fn remove_from<R>(
        &mut self,
        text: &[u8],
        remove: impl FnOnce(&mut Audience<K, V>) -> Option<R>,
    ) -> Option<R> {
        let hash = self.by_text.hash(NO_PARENT, text);
        let index = self.find(hash, text)?;
        let audience = &mut self.filters[index].audience;
        let removed = remove(audience);
        if audience.is_empty() {
            self.by_text.remove(hash, index);
            self.filters.release(index);
        }
        removed
    }

    #[inline]
    fn find(&self, hash: u32, text: &[u8]) -> Option<u32> {
        self.by_text.find(hash, |index| self.filters[index].text.as_bytes() == text)
    }
}
