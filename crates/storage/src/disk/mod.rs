//! The store on disk: `redb`, a copy-on-write B-tree in one file (why, says `docs/decisions/0201`).
//!
//! This is the only file that names the engine. Its commits are atomic, ordered, and durable when they
//! return if that is asked for. A commit that was not made durable is lost with the process, and keeps the
//! pages that it frees from being used again, so every 64 MiB one is made durable unasked.

mod directory;

use core::ops::{Bound, ControlFlow};
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, Durability, Error, ReadableDatabase, ReadableTableMetadata, StorageError,
    TableDefinition, TableError, WriteTransaction,
};

use crate::{Batch, Change, Rows, Store, StoreError, Table, Visit};
use directory::{Directory, Missing};

/// The file of the engine in the data directory.
const FILE: &str = "data.redb";
/// After so many bytes of changes without a sync a commit is made durable all the same.
const UNSYNCED_MAX: usize = 64 << 20;
/// A file that is written to see whether a full disk has room again, and deleted at once.
const PROBE: &str = "PROBE";
/// How much room that file asks for: copies of the pages on the way to each row are many times the rows.
const PROBE_FACTOR: usize = 8;
const PROBE_MIN: usize = 1 << 20;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type OpenTable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// How a store on disk is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// Memory for pages of the file, in bytes; 64 MiB by default. More makes the reading of long queues
    /// cheaper; less makes commits wait for the disk when there are long queues of many sessions.
    pub cache_bytes: usize,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20 }
    }
}

/// A store on disk, open in this process only.
#[derive(Debug)]
pub struct Disk {
    directory: Directory,
    options: DiskOptions,
    engine: Engine,
    /// Bytes of changes since the last durable commit.
    unsynced: usize,
    /// Whether the disk had no room when it was last written to.
    was_full: bool,
}

#[derive(Debug)]
enum Engine {
    Open(Database),
    /// The disk was full, and the file could not be opened again since.
    Closed,
    Stopped {
        reason: String,
    },
}

impl Disk {
    /// Opens the store in a data directory, which is made if it is not there.
    ///
    /// After a crash the whole file is read once, which takes about a second for 100 MB.
    ///
    /// # Errors
    /// When the directory is not this broker's, is of a newer format, damaged, locked by another process, or
    /// cannot be written. Nothing is changed then.
    pub fn open(path: impl AsRef<Path>, options: DiskOptions) -> Result<Self, StoreError> {
        Self::open_or(path.as_ref(), options, Missing::Create)
    }

    /// Opens a store that has to be there already, for tools.
    ///
    /// # Errors
    /// As for [`Disk::open`], and when there is no store.
    pub fn open_existing(path: impl AsRef<Path>, options: DiskOptions) -> Result<Self, StoreError> {
        Self::open_or(path.as_ref(), options, Missing::Refuse)
    }

    fn open_or(path: &Path, options: DiskOptions, missing: Missing) -> Result<Self, StoreError> {
        let directory = Directory::open(path, missing)?;
        let file = directory.path().join(FILE);
        // An empty one is what an older version left of its first start when the power failed.
        if file.metadata().map_or(true, |found| found.len() == 0) {
            directory.create(FILE, |new| open_file(new, options))?;
        }
        let engine = Engine::Open(open_file(&file, options)?);
        Ok(Self { directory, options, engine, unsynced: 0, was_full: false })
    }

    /// Reads the whole file and compares all checksums.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn verify(&mut self) -> Result<(), StoreError> {
        let path = self.file();
        let checked = match &mut self.engine {
            Engine::Open(database) => database.check_integrity(),
            Engine::Closed => return Err(StoreError::Full { path }),
            Engine::Stopped { reason } => return Err(StoreError::Stopped { reason: reason.clone() }),
        };
        match checked {
            Ok(true) => Ok(()),
            Ok(false) => Err(damaged(&path, "checksums did not match, and the engine has mended the file")),
            Err(error) => Err(told(&path, error)),
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join(FILE)
    }

    fn database(&self) -> Result<&Database, StoreError> {
        match &self.engine {
            Engine::Open(database) => Ok(database),
            Engine::Closed => Err(StoreError::Full { path: self.file() }),
            Engine::Stopped { reason } => Err(StoreError::Stopped { reason: reason.clone() }),
        }
    }

    /// Opens the file again after the disk was full: the engine takes no changes after any failed write.
    fn reopen(&mut self) -> Result<(), StoreError> {
        // The file is locked as long as it is open.
        self.engine = Engine::Closed;
        match open_file(&self.file(), self.options) {
            Ok(database) => {
                self.engine = Engine::Open(database);
                Ok(())
            }
            Err(error) => {
                if !error.can_retry() {
                    self.engine = Engine::Stopped { reason: error.to_string() };
                }
                Err(error)
            }
        }
    }

    /// Looks whether a full disk has room again. The engine is not bothered for that, because each time it
    /// fails it has to read its whole file.
    fn probe(&self, bytes: usize) -> Result<(), StoreError> {
        let path = self.directory.path().join(PROBE);
        let block = [0x55; 64 << 10];
        let blocks = bytes.saturating_mul(PROBE_FACTOR).max(PROBE_MIN) / block.len();
        let probe = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            (0..=blocks).try_for_each(|_| file.write_all(&block))
        };
        let probed = probe();
        fs::remove_file(&path).and(probed).map_err(|error| StoreError::io(self.file(), &error))
    }

    fn failed(&mut self, error: Error) -> StoreError {
        let error = told(&self.file(), error);
        self.was_full = error.can_retry();
        // Changes that were committed and not synced are lost with the file handle, so only a store that
        // had none can go on.
        if error.can_retry() && self.unsynced == 0 {
            return self.reopen().err().unwrap_or(error);
        }
        self.engine = Engine::Stopped { reason: error.to_string() };
        match error {
            StoreError::Full { path } => StoreError::Io {
                path,
                kind: io::ErrorKind::StorageFull,
                message: "there was no room, and changes that were not synced are lost".into(),
            },
            other => other,
        }
    }
}

impl Store for Disk {
    fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
        batch.check()?;
        if self.was_full {
            self.probe(batch.size())?;
        }
        if matches!(self.engine, Engine::Closed) {
            self.reopen()?;
        }
        let durable = sync || self.unsynced + batch.size() > UNSYNCED_MAX;
        match write(self.database()?, batch, durable) {
            Ok(()) => {
                self.was_full = false;
                self.unsynced = if durable { 0 } else { self.unsynced + batch.size().max(1) };
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if self.unsynced == 0 {
            return self.database().map(|_| ());
        }
        match write(self.database()?, &Batch::new(), true) {
            Ok(()) => {
                self.unsynced = 0;
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut found = None;
        read(self.database()?, table, |rows| {
            found = rows.get(key)?.map(|value| value.value().to_vec());
            Ok(())
        })
        .map_err(|error| told(&self.file(), error))?;
        Ok(found)
    }

    fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        read(self.database()?, table, |ordered| {
            for row in ordered.range::<&[u8]>((Bound::Included(rows.start()), Bound::Unbounded))? {
                let (key, value) = row?;
                let key = key.value();
                if !key.starts_with(rows.prefix) || visit(key, value.value()) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
        .map_err(|error| told(&self.file(), error))
    }

    fn size(&self) -> Option<u64> {
        fs::metadata(self.file()).ok().map(|metadata| metadata.len())
    }

    fn rows(&self, table: Table) -> Option<u64> {
        let mut count = 0;
        let counted = read(self.database().ok()?, table, |rows| {
            count = rows.len()?;
            Ok(())
        });
        counted.ok().map(|()| count)
    }
}

fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

fn open_file(path: &Path, options: DiskOptions) -> Result<Database, StoreError> {
    // The engine says of itself that it may panic when it opens a file that something else has changed.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        Database::builder().set_cache_size(options.cache_bytes).create(path)
    }));
    match opened {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => Err(StoreError::Locked { path: path.to_owned() }),
        Ok(Err(DatabaseError::UpgradeRequired(version))) => {
            let what =
                format!("its engine wrote version {version}, which has to be exported by the older program");
            Err(damaged(path, &what))
        }
        Ok(Err(error)) => Err(told(path, error)),
        Err(_) => Err(damaged(path, "the engine cannot make sense of it")),
    }
}

fn write(database: &Database, batch: &Batch, durable: bool) -> Result<(), Error> {
    let mut transaction = database.begin_write()?;
    let durability = if durable { Durability::Immediate } else { Durability::None };
    transaction.set_durability(durability)?;
    change(&transaction, batch)?;
    transaction.commit()?;
    Ok(())
}

fn change(transaction: &WriteTransaction, batch: &Batch) -> Result<(), Error> {
    let mut tables: [Option<OpenTable<'_>>; Table::ALL.len()] = [const { None }; Table::ALL.len()];
    for change in batch.iter() {
        let (Change::Put { table, .. } | Change::Delete { table, .. } | Change::DeletePrefix { table, .. }) =
            change;
        let Some(slot) = tables.get_mut(table.index()) else { continue };
        let rows = match slot {
            Some(rows) => rows,
            None => slot.insert(transaction.open_table(definition(table))?),
        };
        match change {
            Change::Put { table: _, key, value, put: _ } => drop(rows.insert(key, value)?),
            Change::Delete { table: _, key } => drop(rows.remove(key)?),
            Change::DeletePrefix { table: _, prefix } => {
                let end = behind(prefix);
                let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                rows.retain_in::<&[u8], _>((Bound::Included(prefix), end), |_, _| false)?;
            }
        }
    }
    Ok(())
}

/// The least key behind all that begin with `prefix`; none if that is all 0xFF.
fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut key = prefix.get(..=last)?.to_vec();
    *key.last_mut()? += 1;
    Some(key)
}

type ReadTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// Reads a table; one that was never written to has no rows.
fn read(
    database: &Database,
    table: Table,
    with: impl FnOnce(&ReadTable) -> Result<(), StorageError>,
) -> Result<(), Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(definition(table)) {
        Ok(rows) => Ok(with(&rows)?),
        Err(TableError::TableDoesNotExist(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// An error of the engine in our words.
fn told(path: &Path, error: impl Into<Error>) -> StoreError {
    match error.into() {
        Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => damaged(path, &error.to_string()),
        Error::Io(error) => StoreError::io(path, &error),
        Error::Corrupted(what) => damaged(path, &what),
        error @ (Error::TableTypeMismatch { .. } | Error::TableIsMultimap(_)) => {
            damaged(path, &error.to_string())
        }
        Error::DatabaseAlreadyOpen => StoreError::Locked { path: path.to_owned() },
        other => {
            StoreError::Io { path: path.to_owned(), kind: io::ErrorKind::Other, message: other.to_string() }
        }
    }
}

fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Corrupt { place: path.display().to_string(), what: what.to_owned() }
}
