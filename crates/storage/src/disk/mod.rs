//! The store on disk: `redb`, a copy-on-write B-tree in one file (why, says `docs/decisions/0201`).
//!
//! Only this file and `held.rs` name the engine. Its commits are atomic, ordered, and durable when they
//! return if that is asked for. A commit that was not made durable is lost with the process, and keeps the
//! pages that it frees from being used again, so every 64 MiB one is made durable unasked.
//!
//! The engine trusts its file and panics over one that is damaged. So the checksums of all pages are compared
//! when a store is opened to be changed, which reads no more than a broker reads anyway, and a panic becomes
//! [`StoreError::Corrupt`]. The file is not written to before the first commit.

mod directory;
mod guard;
mod held;

use core::cell::Cell;
use core::ops::Bound;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::path::{Path, PathBuf};

use redb::{
    Database, DatabaseError, Durability, Error, ReadableDatabase, ReadableTableMetadata, StorageError,
    TableDefinition, TableError, WriteTransaction,
};

use crate::{Batch, Change, Rows, Store, StoreError, Table, Visit};
use directory::{Directory, Missing};
use guard::{guarded, unguarded};
use held::HeldFile;

/// The file of the engine in the data directory.
const FILE: &str = "data.redb";
/// After so many bytes of changes without a sync a commit is made durable all the same.
const UNSYNCED_MAX: usize = 64 << 20;
/// A file that is written to see whether a full disk has room again, and deleted at once.
const PROBE: &str = "PROBE";
/// How much room that file asks for: copies of the pages on the way to each row are many times the rows, and less
/// the more rows there are.
const PROBE_FACTOR: usize = 8;
const PROBE_FACTOR_BEYOND: usize = 2;
/// From how many bytes of rows on that is so.
const PROBE_MANY: usize = 1 << 20;
const PROBE_MIN: usize = 1 << 20;

/// What there is to say when the engine has panicked.
const NONSENSE: &str = "the engine cannot make sense of it";

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
    /// Whether the engine has panicked: it is not to be closed then, which writes to the file.
    panicked: Cell<bool>,
    /// What was committed since the last durable commit: the engine loses it when a write fails.
    unsynced: Batch,
    /// Whether it has, so that the next commit makes it again, and nothing can be read before.
    behind: bool,
    /// Whether the disk had no room when it was last written to.
    was_full: bool,
}

#[derive(Debug)]
enum Engine {
    Open(Opened),
    /// The disk was full, and the file could not be opened again since.
    Closed,
    Stopped {
        reason: String,
    },
}

#[derive(Debug)]
struct Opened {
    database: Database,
    file: HeldFile,
}

/// Whether checksums are compared when a file is opened. After a crash they always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checksums {
    All,
    /// None that need not be, so that tools show as much of a damaged store as can be read.
    Needed,
}

impl Disk {
    /// Opens the store in a data directory, which is made if it is not there.
    ///
    /// All that is stored is read once to compare checksums, which takes about a second for 100 MB.
    ///
    /// # Errors
    /// When the directory is not this broker's, is of a newer format, damaged, locked by another process, or
    /// cannot be written. Nothing is changed then, nor before the first commit.
    pub fn open(path: impl AsRef<Path>, options: DiskOptions) -> Result<Self, StoreError> {
        Self::open_or(path.as_ref(), options, Missing::Create)
    }

    /// Opens a store that has to be there already, for tools: without a commit nothing of it is changed, and if it
    /// is damaged, what can be read is.
    ///
    /// # Errors
    /// As for [`Disk::open`], and when there is no store.
    pub fn open_existing(path: impl AsRef<Path>, options: DiskOptions) -> Result<Self, StoreError> {
        Self::open_or(path.as_ref(), options, Missing::Refuse)
    }

    fn open_or(path: &Path, options: DiskOptions, missing: Missing) -> Result<Self, StoreError> {
        let mut directory = Directory::open(path, missing)?;
        let file = directory.path().join(FILE);
        if directory.is_new() {
            directory.create(FILE, |new| {
                File::create(new).map_err(|error| StoreError::io(new, &error))?;
                let opened = open_file(new, options, Checksums::Needed)?;
                opened.file.release().map_err(|error| StoreError::io(new, &error))?;
                Ok(opened)
            })?;
            directory.finish()?;
        }
        // The engine would make a new store of an empty file.
        match fs::symlink_metadata(&file) {
            Ok(found) if found.len() == 0 => return Err(damaged(&file, "it is empty")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(&file, "it is not there"));
            }
            Ok(_) | Err(_) => {}
        }
        let checksums = match missing {
            Missing::Create => Checksums::All,
            Missing::Refuse => Checksums::Needed,
        };
        let engine = Engine::Open(open_file(&file, options, checksums)?);
        Ok(Self {
            directory,
            options,
            engine,
            panicked: Cell::new(false),
            unsynced: Batch::new(),
            behind: false,
            was_full: false,
        })
    }

    /// Reads the whole file and compares all checksums.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn verify(&mut self) -> Result<(), StoreError> {
        let path = self.file();
        let checked = match &mut self.engine {
            Engine::Open(Opened { database, .. }) => guarded(|| database.check_integrity()),
            Engine::Closed => return Err(StoreError::Full { path }),
            Engine::Stopped { reason } => return Err(StoreError::Stopped { reason: reason.clone() }),
        };
        match checked {
            Some(Ok(true)) => Ok(()),
            Some(Ok(false)) => Err(damaged(&path, "what it says of its own pages does not agree with them")),
            Some(Err(error)) => Err(told(&path, error)),
            None => Err(self.note_panic()),
        }
    }

    /// Notes that the engine has panicked.
    fn note_panic(&self) -> StoreError {
        self.panicked.set(true);
        damaged(&self.file(), NONSENSE)
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join(FILE)
    }

    fn database(&self) -> Result<&Database, StoreError> {
        match &self.engine {
            Engine::Open(Opened { database, .. }) => Ok(database),
            Engine::Closed => Err(StoreError::Full { path: self.file() }),
            Engine::Stopped { reason } => Err(StoreError::Stopped { reason: reason.clone() }),
        }
    }

    /// Opens the file again after the disk was full: the engine takes no changes after any failed write.
    fn reopen(&mut self) -> Result<(), StoreError> {
        // The file is locked as long as it is open.
        self.close();
        let path = self.file();
        let opened = open_file(&path, self.options, Checksums::Needed).and_then(|opened| {
            opened.file.release().map_err(|error| StoreError::io(&path, &error))?;
            Ok(opened)
        });
        match opened {
            Ok(opened) => {
                self.engine = Engine::Open(opened);
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
        let few = bytes.min(PROBE_MANY);
        let wanted = few * PROBE_FACTOR + (bytes - few).saturating_mul(PROBE_FACTOR_BEYOND);
        let blocks = wanted.max(PROBE_MIN) / block.len();
        let probe = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            (0..=blocks).try_for_each(|_| file.write_all(&block))
        };
        let probed = probe();
        fs::remove_file(&path).and(probed).map_err(|error| StoreError::io(self.file(), &error))
    }

    /// Closes the file, to which the engine writes once more then.
    fn close(&mut self) {
        if let Engine::Open(opened) = mem::replace(&mut self.engine, Engine::Closed) {
            if self.panicked.get() {
                mem::forget(opened);
            } else if guarded(|| drop(opened)).is_none() {
                self.panicked.set(true);
            }
        }
    }

    /// Calls the engine to write.
    fn write(&self, batch: &Batch, durable: bool) -> Result<(), StoreError> {
        let path = self.file();
        if let Engine::Open(Opened { file, .. }) = &self.engine {
            file.release().map_err(|error| StoreError::io(&path, &error))?;
        }
        let database = self.database()?;
        match guarded(|| write(database, batch, durable)) {
            Some(written) => written.map_err(|error| told(&path, error)),
            None => Err(self.note_panic()),
        }
    }

    /// Calls the engine to read.
    fn read(
        &self,
        table: Table,
        with: impl FnOnce(&ReadTable) -> Result<(), StorageError>,
    ) -> Result<(), StoreError> {
        let database = self.database()?;
        if self.behind {
            return Err(StoreError::Full { path: self.file() });
        }
        match guarded(|| read(database, table, with)) {
            Some(done) => done.map_err(|error| told(&self.file(), error)),
            None => Err(self.note_panic()),
        }
    }

    fn failed(&mut self, error: StoreError) -> StoreError {
        self.was_full = error.can_retry();
        if self.was_full {
            self.behind = !self.unsynced.is_empty();
            return self.reopen().err().unwrap_or(error);
        }
        self.close();
        self.engine = Engine::Stopped { reason: error.to_string() };
        error
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for Disk {
    fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
        batch.check()?;
        if self.was_full {
            self.probe(self.unsynced.size() + batch.size())?;
        }
        if matches!(self.engine, Engine::Closed) {
            self.reopen()?;
        }
        self.database()?;
        let durable = sync || self.behind || self.unsynced.size() + batch.size() > UNSYNCED_MAX;
        let written = if self.behind {
            let mut all = self.unsynced.clone();
            all.merge(batch);
            self.write(&all, durable)
        } else {
            self.write(batch, durable)
        };
        if let Err(error) = written {
            return Err(self.failed(error));
        }
        (self.was_full, self.behind) = (false, false);
        if durable {
            self.unsynced.clear();
        } else {
            self.unsynced.merge(batch);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        match self.unsynced.is_empty() {
            true => self.database().map(|_| ()),
            false => self.commit(&Batch::new(), true),
        }
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut found = None;
        self.read(table, |rows| {
            found = rows.get(key)?.map(|value| value.value().to_vec());
            Ok(())
        })?;
        Ok(found)
    }

    fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.read(table, |ordered| {
            for row in ordered.range::<&[u8]>((Bound::Included(rows.start()), Bound::Unbounded))? {
                let (key, value) = row?;
                let key = key.value();
                let value = value.value();
                if !key.starts_with(rows.prefix) || unguarded(|| visit(key, value)).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn size(&self) -> Option<u64> {
        fs::metadata(self.file()).ok().map(|metadata| metadata.len())
    }

    fn rows(&self, table: Table) -> Option<u64> {
        let mut count = 0;
        let counted = self.read(table, |rows| {
            count = rows.len()?;
            Ok(())
        });
        counted.ok().map(|()| count)
    }
}

fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

fn open_file(path: &Path, options: DiskOptions, checksums: Checksums) -> Result<Opened, StoreError> {
    let opened = guarded(|| -> Result<Opened, DatabaseError> {
        let file = HeldFile::new(OpenOptions::new().read(true).write(true).open(path)?)?;
        let mut builder = Database::builder();
        builder.set_cache_size(options.cache_bytes);
        builder.set_check_integrity_on_open(checksums == Checksums::All);
        Ok(Opened { database: builder.create_with_backend(file.clone())?, file })
    });
    match opened {
        Some(Ok(opened)) => Ok(opened),
        Some(Err(DatabaseError::DatabaseAlreadyOpen)) => Err(StoreError::Locked { path: path.to_owned() }),
        Some(Err(DatabaseError::UpgradeRequired(version))) => {
            let what =
                format!("its engine wrote version {version}, which has to be exported by the older program");
            Err(damaged(path, &what))
        }
        Some(Err(error)) => Err(told(path, error)),
        None => Err(damaged(path, NONSENSE)),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn one(row: &[u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(Table::Meta, row, b"x");
        batch
    }

    #[test]
    fn what_was_not_synced_when_the_disk_became_full_is_there_when_it_has_room_again() {
        let path = std::env::temp_dir().join(format!("colibri-full-{}", std::process::id()));
        let mut disk = Disk::open(&path, DiskOptions::default()).unwrap();
        for sync in [true, false] {
            disk.commit(&one(b"unsynced"), false).unwrap();
            let Engine::Open(Opened { file, .. }) = &disk.engine else { panic!("it is open") };
            file.fill_disk();
            let refused = if sync { disk.sync() } else { disk.commit(&one(b"refused"), true) };
            assert!(refused.unwrap_err().can_retry());
            // It is not as if there were nothing.
            assert!(disk.get(Table::Meta, b"unsynced").unwrap_err().can_retry());
            disk.commit(&one(b"later"), false).unwrap();
            drop(disk);
            disk = Disk::open(&path, DiskOptions::default()).unwrap();
            for (row, there) in [("unsynced", true), ("refused", false), ("later", true)] {
                assert_eq!(disk.get(Table::Meta, row.as_bytes()).unwrap().is_some(), there, "{row}");
            }
            let mut all = Batch::new();
            all.delete_prefix(Table::Meta, b"u");
            all.delete_prefix(Table::Meta, b"l");
            disk.commit(&all, true).unwrap();
        }
        drop(disk);
        fs::remove_dir_all(path).unwrap();
    }
}
