//! Changes that are made together or not at all, in one buffer that is used again.

use core::fmt;

use crate::{KEY_LENGTH_MAX, StoreError, Table};

/// Changes of a store in their order, made together or not at all.
///
/// Keys and values lie behind each other in one buffer; [`clear`](Self::clear) keeps it, so a batch that is
/// used again allocates nothing.
#[derive(Clone, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// One change: a key, and behind it in the buffer a value.
#[derive(Clone, Copy)]
struct Entry {
    start: usize,
    /// Behind the key.
    middle: usize,
    end: usize,
    table: Table,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Put(Put),
    Delete,
    DeletePrefix,
}

/// Whether a row that is put may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The row may be there, and is replaced.
    Replace,
    /// The caller promises that the row is not there when this change is made. A row that is inserted and
    /// deleted before it was written then costs nothing (see [`Coalescer`](crate::Coalescer)).
    Insert,
}

/// One change of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// The key has this value from now on.
    Put {
        /// Where.
        table: Table,
        /// 1 to [`KEY_LENGTH_MAX`] bytes.
        key: &'a [u8],
        /// Any bytes.
        value: &'a [u8],
        /// What is known of the row; a store need not look at it.
        put: Put,
    },
    /// The key is no longer there; it need not have been.
    Delete {
        /// Where.
        table: Table,
        /// 1 to [`KEY_LENGTH_MAX`] bytes.
        key: &'a [u8],
    },
    /// No key with this prefix is there any longer. Costs as much as deleting each of them.
    DeletePrefix {
        /// Where.
        table: Table,
        /// 1 to [`KEY_LENGTH_MAX`] bytes.
        prefix: &'a [u8],
    },
}

impl Batch {
    /// No changes.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), entries: Vec::new() }
    }

    /// Gives a key a value, whether it had one or not.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.put_with(table, key, Put::Replace, |bytes| bytes.extend_from_slice(value));
    }

    /// Adds a row that is not there: see [`Put::Insert`].
    pub fn insert(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.put_with(table, key, Put::Insert, |bytes| bytes.extend_from_slice(value));
    }

    /// Gives a key the value that `encode` appends to the buffer, which saves a copy.
    pub fn put_with(&mut self, table: Table, key: &[u8], put: Put, encode: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let middle = self.bytes.len();
        encode(&mut self.bytes);
        let end = self.bytes.len();
        self.entries.push(Entry { start, middle, end, table, kind: Kind::Put(put) });
    }

    /// Deletes a key, which need not be there.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        self.push_key(table, key, Kind::Delete);
    }

    /// Deletes all keys that begin with `prefix`.
    pub fn delete_prefix(&mut self, table: Table, prefix: &[u8]) {
        self.push_key(table, prefix, Kind::DeletePrefix);
    }

    /// Adds the changes of another batch behind these.
    pub fn merge(&mut self, other: &Self) {
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.entries.extend(other.entries.iter().map(|entry| Entry {
            start: entry.start + shift,
            middle: entry.middle + shift,
            end: entry.end + shift,
            ..*entry
        }));
    }

    /// Adds one change.
    pub fn push(&mut self, change: Change<'_>) {
        match change {
            Change::Put { table, key, value, put } => {
                self.put_with(table, key, put, |bytes| bytes.extend_from_slice(value));
            }
            Change::Delete { table, key } => self.delete(table, key),
            Change::DeletePrefix { table, prefix } => self.delete_prefix(table, prefix),
        }
    }

    /// The changes in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Change<'_>> + DoubleEndedIterator + Clone {
        self.entries.iter().map(|entry| self.change(entry))
    }

    /// The change at a place in the order.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Change<'_>> {
        self.entries.get(index).map(|entry| self.change(entry))
    }

    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of all keys and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the changes and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    /// Gives back memory beyond this many bytes of keys and values; for after a rare large batch.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.bytes.shrink_to(bytes);
        self.entries.shrink_to(bytes / size_of::<Entry>());
    }

    /// Checks that all keys can be stored; every store does so before it changes anything.
    ///
    /// # Errors
    /// [`StoreError::Key`] for the first that is empty or too long.
    pub fn check(&self) -> Result<(), StoreError> {
        for entry in &self.entries {
            let length = entry.middle - entry.start;
            if length == 0 || length > KEY_LENGTH_MAX {
                return Err(StoreError::Key { table: entry.table, length });
            }
        }
        Ok(())
    }

    fn push_key(&mut self, table: Table, key: &[u8], kind: Kind) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let end = self.bytes.len();
        self.entries.push(Entry { start, middle: end, end, table, kind });
    }

    #[inline]
    fn change(&self, entry: &Entry) -> Change<'_> {
        let table = entry.table;
        // The places are those of this buffer, which only grows between two clears.
        let key = self.bytes.get(entry.start..entry.middle).unwrap_or_default();
        match entry.kind {
            Kind::Put(put) => {
                let value = self.bytes.get(entry.middle..entry.end).unwrap_or_default();
                Change::Put { table, key, value, put }
            }
            Kind::Delete => Change::Delete { table, key },
            Kind::DeletePrefix => Change::DeletePrefix { table, prefix: key },
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
