//! `redb`: a copy-on-write B-tree.

use std::path::Path;

use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use crate::Result;
use crate::engine::{Engine, Group};

const QUEUE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("queue");
const SESSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("sessions");

/// A database with two tables.
pub struct Redb {
    database: Database,
}

impl Engine for Redb {
    const NAME: &str = "redb";

    fn open(directory: &Path) -> Result<Self> {
        let cache = std::env::var("CACHE").ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(64);
        let database = Database::builder().set_cache_size(cache << 20).create(directory.join("data.redb"))?;
        let transaction = database.begin_write()?;
        transaction.open_table(QUEUE)?;
        transaction.open_table(SESSIONS)?;
        transaction.commit()?;
        Ok(Self { database })
    }

    fn commit(&mut self, group: &Group) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_quick_repair(std::env::var_os("QUICK").is_some());
        {
            let mut queue = transaction.open_table(QUEUE)?;
            for (key, row) in &group.puts {
                queue.insert(key.as_slice(), row.as_slice())?;
            }
            for key in &group.deletes {
                queue.remove(key.as_slice())?;
            }
            let mut sessions = transaction.open_table(SESSIONS)?;
            for (key, row) in &group.sessions {
                sessions.insert(key.as_bytes(), row.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn count(&self, prefix: &[u8], most: usize) -> Result<usize> {
        let transaction = self.database.begin_read()?;
        let queue = transaction.open_table(QUEUE)?;
        let mut rows = 0;
        for row in queue.range(prefix..)?.take(most) {
            let (key, _row) = row?;
            if !key.value().starts_with(prefix) {
                break;
            }
            rows += 1;
        }
        Ok(rows)
    }
}
