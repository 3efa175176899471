//! The file of the engine, which stays as it is until something is stored: the engine writes as soon as it opens
//! a file and when it closes it, and a store that turns out to be damaged is not to be touched.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// The file. Clones are handles of the same: one goes into the engine, the other stays with the store.
#[derive(Clone, Debug)]
pub(super) struct HeldFile(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: FileBackend,
    /// Whether writes are kept in memory.
    holds: AtomicBool,
    writes: Mutex<Vec<Write>>,
    /// For tests: whether there is no room for what is written.
    #[cfg(test)]
    is_full: AtomicBool,
}

/// What the engine has done to the file.
#[derive(Debug)]
enum Write {
    Bytes { at: u64, bytes: Box<[u8]> },
    Length(u64),
    Sync,
}

impl HeldFile {
    /// Keeps what is written in memory until [`release`](Self::release): some pages, as the engine is only read
    /// until then.
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        Ok(Self(Arc::new(Inner {
            file: FileBackend::new(file)?,
            holds: AtomicBool::new(true),
            writes: Mutex::default(),
            #[cfg(test)]
            is_full: AtomicBool::new(false),
        })))
    }

    /// From here on there is no room for what is written.
    #[cfg(test)]
    pub(super) fn fill_disk(&self) {
        self.0.is_full.store(true, Ordering::Release);
    }

    /// Does to the file what was held back, in the same order and with the same syncs, so that it is as if it
    /// had been done at once. From here on everything is. What failed can be tried again.
    pub(super) fn release(&self) -> io::Result<()> {
        if !self.holds() {
            return Ok(());
        }
        let mut writes = self.writes();
        for write in &*writes {
            match write {
                Write::Bytes { at, bytes } => self.0.file.write(*at, bytes)?,
                Write::Length(length) => self.0.file.set_len(*length)?,
                Write::Sync => self.0.file.sync_data()?,
            }
        }
        *writes = Vec::new();
        self.0.holds.store(false, Ordering::Release);
        Ok(())
    }

    fn holds(&self) -> bool {
        self.0.holds.load(Ordering::Acquire)
    }

    fn writes(&self) -> MutexGuard<'_, Vec<Write>> {
        self.0.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn length(&self, writes: &[Write]) -> io::Result<u64> {
        writes.iter().try_fold(self.0.file.len()?, |length, write| {
            Ok(match write {
                Write::Bytes { at, bytes } => length.max(at + bytes.len() as u64),
                Write::Length(length) => *length,
                Write::Sync => length,
            })
        })
    }
}

/// Copies what two ranges of a file have in common from the one to the other.
fn overlay(out: &mut [u8], out_at: u64, bytes: &[u8], at: u64) {
    let (start, end) = (at.max(out_at), (at + bytes.len() as u64).min(out_at + out.len() as u64));
    let range = |from: u64| Some(usize::try_from(start - from).ok()?..usize::try_from(end - from).ok()?);
    if start < end
        && let Some(to) = range(out_at).and_then(|range| out.get_mut(range))
        && let Some(from) = range(at).and_then(|range| bytes.get(range))
    {
        to.copy_from_slice(from);
    }
}

impl StorageBackend for HeldFile {
    fn len(&self) -> io::Result<u64> {
        if self.holds() { self.length(&self.writes()) } else { self.0.file.len() }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.holds() {
            return self.0.file.read(offset, out);
        }
        let writes = self.writes();
        if offset + out.len() as u64 > self.length(&writes)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.fill(0);
        let there = self.0.file.len()?.saturating_sub(offset);
        let there = usize::try_from(there).map_or(out.len(), |there| there.min(out.len()));
        if let Some(out) = out.get_mut(..there).filter(|out| !out.is_empty()) {
            self.0.file.read(offset, out)?;
        }
        for write in &*writes {
            match write {
                Write::Bytes { at, bytes } => overlay(out, offset, bytes, *at),
                Write::Length(length) => {
                    // What comes behind it later begins with zeros.
                    let kept = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX);
                    if let Some(cut) = out.get_mut(kept..) {
                        cut.fill(0);
                    }
                }
                Write::Sync => {}
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !self.holds() {
            return self.0.file.set_len(len);
        }
        self.writes().push(Write::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if !self.holds() {
            return self.0.file.sync_data();
        }
        self.writes().push(Write::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if self.0.is_full.load(Ordering::Acquire) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if !self.holds() {
            return self.0.file.write(offset, data);
        }
        self.writes().push(Write::Bytes { at: offset, bytes: data.into() });
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    #[test]
    fn what_is_held_back_reads_as_if_it_were_written_and_is_written_when_it_is_released() {
        let path = std::env::temp_dir().join(format!("colibri-held-{}", std::process::id()));
        std::fs::write(&path, b"0123456789").unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let held = HeldFile::new(file).unwrap();
        let read = |at, length| {
            let mut out = vec![b'?'; length];
            held.read(at, &mut out).map(|()| String::from_utf8(out).unwrap())
        };
        held.write(8, b"abcd").unwrap();
        held.sync_data().unwrap();
        assert_eq!((held.len().unwrap(), read(0, 12).unwrap().as_str()), (12, "01234567abcd"));
        held.set_len(4).unwrap();
        assert!(read(0, 5).is_err());
        held.set_len(8).unwrap();
        held.write(6, b"x").unwrap();
        let (whole, part) = ("0123\0\0x\0", "3\0\0x");
        assert_eq!((read(0, 8).unwrap().as_str(), read(3, 4).unwrap().as_str()), (whole, part));
        assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
        held.release().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole.as_bytes());
        held.write(0, b"y").unwrap();
        assert_eq!((read(0, 2).unwrap().as_str(), held.len().unwrap()), ("y1", 8));
        assert_eq!(&std::fs::read(&path).unwrap()[..2], b"y1");
        std::fs::remove_file(path).unwrap();
    }
}
