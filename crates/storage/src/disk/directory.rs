//! The data directory: whose it is, which format it has, and that only one process has it open.
//!
//! ```text
//! DIR/LOCK     locked while a process has the store open; empty
//! DIR/FORMAT   "colibri-storage 1\n": the version of the format
//! DIR/<name>   the files of the engine, named after it
//! DIR/PROBE    only while the disk is full: whether there is room again
//! ```
//!
//! FORMAT gets its name last, when the files of the engine are there. So where it is they have to be, and an
//! unfinished first start has FORMAT.new instead.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::FILE;
use crate::StoreError;
use crate::records::FORMAT_VERSION;

const LOCK: &str = "LOCK";
const FORMAT: &str = "FORMAT";
/// Says until there is a store that one is being made; only a crash leaves it.
const FORMAT_NEW: &str = "FORMAT.new";
/// The format file before it gets its name.
const FORMAT_WHOLE: &str = "FORMAT.whole";
/// What comes behind the name of a file of the engine while it is made.
const NEW: &str = ".new";
const MAGIC: &str = "colibri-storage ";

/// A data directory that this process has locked.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The system releases the lock when this is closed, also when the process is killed.
    _lock: File,
    /// Whether there is no store in it yet.
    is_new: bool,
}

/// Whether a directory that is not there or empty becomes a data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Create,
    Refuse,
}

impl Directory {
    /// Locks the directory and checks its format; changes nothing in one that is not this broker's.
    pub(super) fn open(path: &Path, missing: Missing) -> Result<Self, StoreError> {
        if missing == Missing::Create {
            fs::create_dir_all(path).map_err(|error| StoreError::io(path, &error))?;
            // Its name is to be there after a loss of power, too. Who may not look into the directory above
            // has not made this one.
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            if let Ok(above) = File::open(above.unwrap_or_else(|| Path::new("."))) {
                above.sync_all().map_err(|error| StoreError::io(path, &error))?;
            }
        }
        let format = path.join(FORMAT);
        match (is_formatted(&format)?, missing) {
            (true, _) => {}
            (false, Missing::Refuse) => return Err(StoreError::Missing { path: path.to_owned() }),
            (false, Missing::Create) => check_empty(path)?,
        }
        let lock = lock(path)?;
        // Another process may have made it meanwhile.
        let is_new = !is_formatted(&format)?;
        if is_new {
            let new = path.join(FORMAT_NEW);
            // It has to be there before the files that it explains.
            let begin = || write_format(&new).and_then(|()| File::open(path)?.sync_all());
            begin().map_err(|error| StoreError::io(&new, &error))?;
        }
        Ok(Self { path: path.to_owned(), _lock: lock, is_new })
    }

    /// Whether there is no store in it yet: the files of the engine are to be made, and then it is finished.
    pub(super) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Says that there is a store.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        let (format, whole) = (self.path.join(FORMAT), self.path.join(FORMAT_WHOLE));
        let rename = || {
            write_format(&whole)?;
            fs::rename(&whole, &format)?;
            File::open(&self.path)?.sync_all()?;
            // Not before: one of them has to be there whatever a loss of power leaves.
            fs::remove_file(self.path.join(FORMAT_NEW))
        };
        rename().map_err(|error| StoreError::io(&format, &error))?;
        self.is_new = false;
        Ok(())
    }

    /// Makes a file whole or not at all: `make` makes it under another name, which may be there from before.
    pub(super) fn create<T>(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<T, StoreError>,
    ) -> Result<(), StoreError> {
        let (new, file) = (self.path.join(format!("{name}{NEW}")), self.path.join(name));
        let told = |error: io::Error| StoreError::io(&file, &error);
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(told(error)),
            Ok(()) | Err(_) => {}
        }
        drop(make(&new)?);
        fs::rename(&new, &file).map_err(told)?;
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(told)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let path = path.join(LOCK);
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| StoreError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path }),
        Err(TryLockError::Error(error)) => Err(StoreError::io(path, &error)),
    }
}

/// Whether there is a file that says the format, which has to be one that can be read.
fn is_formatted(format: &Path) -> Result<bool, StoreError> {
    match fs::read_to_string(format) {
        Ok(text) => check_format(format, &text).map(|()| true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(unreadable(format)),
        Err(error) => Err(StoreError::io(format, &error)),
    }
}

fn check_format(path: &Path, text: &str) -> Result<(), StoreError> {
    let version = text.strip_prefix(MAGIC).and_then(|rest| rest.trim_end().parse::<u32>().ok());
    match version {
        None | Some(0) => Err(unreadable(path)),
        Some(found) if found > FORMAT_VERSION => {
            Err(StoreError::Newer { place: path.display().to_string(), found, known: FORMAT_VERSION })
        }
        Some(_) => Ok(()),
    }
}

fn unreadable(path: &Path) -> StoreError {
    let what = format!("it does not say \"{MAGIC}\" and a version");
    StoreError::Corrupt { place: path.display().to_string(), what }
}

/// Checks that nothing of somebody else's is there.
fn check_empty(path: &Path) -> Result<(), StoreError> {
    let told = |error: io::Error| StoreError::io(path, &error);
    // What an unfinished first start leaves, and what a file system puts into its root.
    let is_unfinished = path.join(FORMAT_NEW).try_exists().map_err(told)?;
    let file_new = format!("{FILE}{NEW}");
    for entry in fs::read_dir(path).map_err(told)? {
        let name = entry.map_err(told)?.file_name();
        let names = [FORMAT_NEW, FORMAT_WHOLE, FILE, &file_new];
        let is_ours = is_unfinished && names.into_iter().any(|ours| name == *ours);
        if !is_ours && name != LOCK && name != "lost+found" {
            return Err(StoreError::Foreign { path: path.to_owned(), found: name.display().to_string() });
        }
    }
    Ok(())
}

/// Writes the format to a file that may be there from before.
fn write_format(path: &Path) -> io::Result<()> {
    let text = format!("{MAGIC}{FORMAT_VERSION}\n");
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}
