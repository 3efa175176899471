//! Why a store cannot do what it was asked, in a sentence that says how to mend it.

use core::fmt;
use std::io;
use std::path::PathBuf;

use crate::Table;

/// Why a store cannot be opened, read or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// There is no room for more. Nothing is lost; writing goes on when there is room again.
    Full {
        /// The data directory; empty for a store in memory.
        path: PathBuf,
    },
    /// What is stored is damaged, or is no store of this broker.
    Corrupt {
        /// The file, or the table and key.
        place: String,
        /// What is wrong there.
        what: String,
    },
    /// A newer version wrote this store.
    Newer {
        /// The data directory, or the table and key.
        place: String,
        /// The version found.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// There is no store.
    Missing {
        /// The data directory.
        path: PathBuf,
    },
    /// There is something else in the data directory.
    Foreign {
        /// The data directory.
        path: PathBuf,
        /// A file in it.
        found: String,
    },
    /// Another process has this store open.
    Locked {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The operating system refused something.
    Io {
        /// The file or directory it was about.
        path: PathBuf,
        /// The kind of refusal.
        kind: io::ErrorKind,
        /// What the system said.
        message: String,
    },
    /// A key is empty or longer than [`KEY_LENGTH_MAX`](crate::KEY_LENGTH_MAX); nothing was changed.
    Key {
        /// The table it was for.
        table: Table,
        /// Its length in bytes.
        length: usize,
    },
    /// An earlier error was such that the store takes no more changes.
    Stopped {
        /// That error, in words.
        reason: String,
    },
}

impl StoreError {
    /// What the operating system said about a file. A full disk becomes [`StoreError::Full`].
    pub fn io(path: impl Into<PathBuf>, error: &io::Error) -> Self {
        let path = path.into();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            kind => Self::Io { path, kind, message: error.to_string() },
        }
    }

    /// A row that cannot be right.
    pub fn corrupt_row(table: Table, key: &[u8], what: impl Into<String>) -> Self {
        Self::Corrupt { place: row(table, key), what: what.into() }
    }

    /// A row of a version that this program does not know.
    pub(crate) fn newer_row(table: Table, key: &[u8], found: u8, known: u8) -> Self {
        Self::Newer { place: row(table, key), found: found.into(), known: known.into() }
    }

    /// What is damaged and how, for one who knows already that something is; else the whole sentence.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Corrupt { place, what } => format!("{place}: {what}"),
            other => other.to_string(),
        }
    }

    /// Whether the same may succeed later without anything being opened anew: only when there was no room.
    #[must_use]
    pub const fn can_retry(&self) -> bool {
        matches!(self, Self::Full { .. })
    }
}

/// A row in words: its table, and its key as text if it is text, else in hexadecimal.
fn row(table: Table, key: &[u8]) -> String {
    const SHOWN: usize = 64;
    let shown = key.get(..SHOWN).unwrap_or(key);
    let more = if shown.len() < key.len() { "..." } else { "" };
    match core::str::from_utf8(shown) {
        Ok(text) if !text.chars().any(char::is_control) => format!("table {table}, key \"{text}\"{more}"),
        Ok(_) | Err(_) => {
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("table {table}, key 0x{hex}{more}")
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { path } if path.as_os_str().is_empty() => {
                write!(f, "There is no room for more; nothing is lost, make room and writing goes on.")
            }
            Self::Full { path } => write!(
                f,
                "There is no room for more on the disk of {}; nothing is lost, make room there and writing goes on.",
                path.display()
            ),
            Self::Corrupt { place, what } => write!(
                f,
                "The store is damaged: {place}: {what}; nothing was changed, so keep a copy of the data directory, \
                 then restore a backup or start with an empty directory."
            ),
            Self::Newer { place, found, known } => write!(
                f,
                "{place} has version {found} of the format and this program knows versions up to {known}; \
                 nothing was changed, so start the newer program again, or export with it and import here."
            ),
            Self::Missing { path } => write!(
                f,
                "There is no store in {}: name the data directory of a broker, which has a file FORMAT in it.",
                path.display()
            ),
            Self::Foreign { path, found } => write!(
                f,
                "{} is no data directory: it has no file FORMAT and is not empty, there is {found}; nothing was \
                 changed, so name one that is empty or new, or put FORMAT back if it was there.",
                path.display()
            ),
            Self::Locked { path } => write!(
                f,
                "Another process has the store open: {} is locked; stop that process, or use another data directory.",
                path.display()
            ),
            Self::Io {
                path,
                kind: io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem,
                message,
            } => {
                write!(
                    f,
                    "{} cannot be written or read: {message}; give this user the right to, or use another data directory.",
                    path.display()
                )
            }
            Self::Io { path, message, .. } => write!(
                f,
                "The system failed at {}: {message}; mend that and start again, what was acknowledged is kept.",
                path.display()
            ),
            Self::Key { table, length } => write!(
                f,
                "A key of table {table} would have {length} bytes, and 1 to {} are possible; nothing was changed.",
                crate::KEY_LENGTH_MAX
            ),
            Self::Stopped { reason } => write!(
                f,
                "The store takes no more changes since an earlier error, and has to be opened anew: {reason}"
            ),
        }
    }
}

impl std::error::Error for StoreError {}
