//! The promise that every store keeps: ordered tables, changed by atomic batches.

use core::fmt;
use core::ops::ControlFlow;

use crate::{Batch, StoreError};

/// The longest key of any table, in bytes: what the longest Topic Name needs, and what `fjall` takes.
pub const KEY_LENGTH_MAX: usize = 65_535;

/// The tables of a store. Their names and numbers are part of the format on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Counters of which no number may be used twice.
    Meta,
    /// Sessions by client identifier.
    Sessions,
    /// Subscriptions by session and filter.
    Subscriptions,
    /// Messages waiting or under way, by sequence and session.
    Queue,
    /// Messages that several queues share or that are large, by number.
    Bodies,
    /// Packet Identifiers of QoS 2 messages that were taken over and not released, by session.
    Received,
    /// Retained messages by topic.
    Retained,
}

/// Which rows of a table a scan visits: those with a prefix, perhaps only from some key on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rows<'a> {
    /// What the keys begin with; empty for all rows.
    pub prefix: &'a [u8],
    /// The first key to visit, or the next one behind it; empty for the first of the prefix.
    pub from: &'a [u8],
}

/// What a scan calls with the key and the value of each row.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Ordered tables of bytes that are changed by atomic batches.
///
/// What an implementation promises, and the module `contract` checks:
///
/// 1. **All or nothing.** After a crash of the process or of the machine the store holds all of a batch or
///    nothing of it. Within a batch, later changes of a key win over earlier ones.
/// 2. **A prefix.** What a crash leaves is what the first *n* batches made, in the order of the calls: if a
///    batch is there, so is every batch before it.
/// 3. **Sync.** When [`commit`](Self::commit) with `sync`, or [`sync`](Self::sync), has returned `Ok`, this batch
///    and all before it outlive power loss. Without `sync`, `Ok` means only that the batch is visible: the end
///    of the process may undo it, and what was committed after it.
/// 4. **Visible at once.** [`get`](Self::get) and [`scan`](Self::scan) see every batch committed before, synced or not.
///    While they could not, they fail with an error that [can be tried again](StoreError::can_retry).
/// 5. **In order.** A scan visits rows in ascending order of the bytes of their keys, each once.
/// 6. **Failure.** When a commit fails with an error that [can be tried again](StoreError::can_retry), nothing of
///    the batch is visible; whether it is there after a crash is unknown, and committing it again, perhaps with
///    more behind it, is right. After any other error the store takes no more changes until it is opened anew.
/// 7. **Nothing is overwritten** in answer to an error: what cannot be read stays as it is.
///
/// Keys have at most [`KEY_LENGTH_MAX`] bytes and at least one.
pub trait Store: Send {
    /// Makes all changes of `batch`, or none; with `sync` they outlive power loss when this returns.
    ///
    /// # Errors
    /// See [`StoreError`] and the sixth promise.
    fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError>;

    /// Makes what was committed outlive power loss.
    ///
    /// # Errors
    /// See [`StoreError`]. What was not synced has an unknown fate then, and either is kept to be made again with the
    /// next commit, when the error [can be tried again](StoreError::can_retry), or the store takes no more changes
    /// until it is opened anew.
    fn sync(&mut self) -> Result<(), StoreError>;

    /// The value of a key.
    ///
    /// # Errors
    /// When the disk cannot be read, or what it holds is damaged.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits rows in order, until `visit` breaks off.
    ///
    /// # Errors
    /// When the disk cannot be read, or what it holds is damaged; some rows may have been visited.
    fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// About how many bytes the store takes on disk (or in memory), if it knows.
    fn size(&self) -> Option<u64>;

    /// How many rows a table has, if the store knows that without counting and can be read at the moment.
    fn rows(&self, table: Table) -> Option<u64>;
}

impl<S: Store + ?Sized> Store for Box<S> {
    fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
        (**self).commit(batch, sync)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        (**self).sync()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (**self).get(table, key)
    }

    fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        (**self).scan(table, rows, visit)
    }

    fn size(&self) -> Option<u64> {
        (**self).size()
    }

    fn rows(&self, table: Table) -> Option<u64> {
        (**self).rows(table)
    }
}

impl Table {
    /// All tables, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Meta,
        Self::Sessions,
        Self::Subscriptions,
        Self::Queue,
        Self::Bodies,
        Self::Received,
        Self::Retained,
    ];

    /// The name of the table on disk and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Sessions => "sessions",
            Self::Subscriptions => "subscriptions",
            Self::Queue => "queue",
            Self::Bodies => "bodies",
            Self::Received => "received",
            Self::Retained => "retained",
        }
    }

    /// The table of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The place of the table in [`Table::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'a> Rows<'a> {
    /// All rows.
    pub const ALL: Self = Self { prefix: &[], from: &[] };

    /// The rows whose keys begin with `prefix`.
    #[must_use]
    pub const fn with_prefix(prefix: &'a [u8]) -> Self {
        Self { prefix, from: &[] }
    }

    /// Only the rows from this key on.
    #[must_use]
    pub const fn starting_at(self, from: &'a [u8]) -> Self {
        Self { prefix: self.prefix, from }
    }

    /// The least key that can be visited.
    #[must_use]
    pub fn start(&self) -> &'a [u8] {
        self.prefix.max(self.from)
    }
}
