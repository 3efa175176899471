//! A store in memory: the model that the others are measured against, and what a broker without a data
//! directory uses.

use core::ops::ControlFlow;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::{Batch, Change, Rows, Store, StoreError, Table, Visit};

/// One table: its rows in order.
type Ordered = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store in memory. A sync does nothing, and a crash loses everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    tables: [Ordered; Table::ALL.len()],
    /// The bytes of all keys and values.
    size: u64,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the changes of a batch whose keys were checked.
    pub(crate) fn apply(&mut self, batch: &Batch) {
        for change in batch.iter() {
            match change {
                Change::Put { table, key, value, put: _ } => self.put(table, key, value),
                Change::Delete { table, key } => self.delete(table, key),
                Change::DeletePrefix { table, prefix } => {
                    let mut keys = Vec::new();
                    self.visit(table, Rows::with_prefix(prefix), &mut |key, _| {
                        keys.push(key.to_vec());
                        ControlFlow::Continue(())
                    });
                    keys.iter().for_each(|key| self.delete(table, key));
                }
            }
        }
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        let Some(rows) = self.tables.get_mut(table.index()) else { return };
        let replaced = match rows.get_mut(key) {
            Some(old) => {
                let length = old.len() + key.len();
                value.clone_into(old);
                length
            }
            None => {
                rows.insert(key.to_vec(), value.to_vec());
                0
            }
        };
        self.size = self.size + (key.len() + value.len()) as u64 - replaced as u64;
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        let Some(rows) = self.tables.get_mut(table.index()) else { return };
        if let Some(old) = rows.remove(key) {
            self.size -= (key.len() + old.len()) as u64;
        }
    }

    fn visit(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) {
        let Some(ordered) = self.tables.get(table.index()) else { return };
        for (key, value) in ordered.range::<[u8], _>((Bound::Included(rows.start()), Bound::Unbounded)) {
            if !key.starts_with(rows.prefix) || visit(key, value).is_break() {
                return;
            }
        }
    }
}

impl Store for Memory {
    fn commit(&mut self, batch: &Batch, _sync: bool) -> Result<(), StoreError> {
        batch.check()?;
        self.apply(batch);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tables.get(table.index()).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.visit(table, rows, visit);
        Ok(())
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }

    fn rows(&self, table: Table) -> Option<u64> {
        self.tables.get(table.index()).map(|rows| rows.len() as u64)
    }
}
