//! The store on disk: the contract, a process that is killed, and directories that are not to be touched.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use colibri_storage::disk::{Disk, DiskOptions};
use colibri_storage::{Batch, Rows, Store, StoreError, Table, contract};

/// A process that is being started has the locks of this one until it has become another program.
static STARTING: RwLock<()> = RwLock::new(());

/// A directory that goes when this is dropped; until then no process is started.
struct Scratch(PathBuf, Option<RwLockReadGuard<'static, ()>>);

impl Scratch {
    fn new() -> Self {
        let mut scratch = Self::for_processes();
        scratch.1 = Some(STARTING.read().unwrap_or_else(PoisonError::into_inner));
        scratch
    }

    /// One for who starts processes.
    fn for_processes() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("colibri-storage-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path, None)
    }

    fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// All files with their contents.
    fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(self.store()).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn open(path: &Path) -> Result<Disk, StoreError> {
    Disk::open(path, DiskOptions { cache_bytes: 1 << 20 })
}

fn refusal(path: &Path) -> StoreError {
    open(path).map(|_| ()).unwrap_err()
}

#[test]
fn the_store_on_disk_keeps_the_contract() {
    let scratch = Scratch::new();
    let mut number = 0;
    contract::check(|| {
        number += 1;
        open(&scratch.0.join(number.to_string())).unwrap()
    })
    .unwrap();
    contract::check_reopening(|| open(&scratch.store())).unwrap();
    let mut disk = open(&scratch.store()).unwrap();
    disk.verify().unwrap();
    assert!(disk.size() > Some(0));
}

/// Where the process that is to be killed writes.
const CHILD: &str = "COLIBRI_STORAGE_TEST_DIRECTORY";

/// What batch `number` does: rows of its own, and the end of those of an earlier batch.
fn numbered(number: u64) -> Batch {
    let mut batch = Batch::new();
    for row in 0..number % 7 + 1 {
        let key = [number.to_be_bytes(), row.to_be_bytes()].concat();
        batch.insert(
            Table::Queue,
            &key,
            &number.to_le_bytes().repeat(1 + usize::try_from(number % 99).unwrap()),
        );
    }
    if number.is_multiple_of(5) {
        batch.delete_prefix(Table::Queue, &(number - 4).to_be_bytes());
    }
    batch.put(Table::Meta, b"last", &number.to_be_bytes());
    batch
}

/// Not a test by itself: the process that [`a_killed_process_leaves_a_prefix`] starts and kills. It says
/// which batches are durable.
#[test]
fn the_process_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let mut disk = open(Path::new(&path)).unwrap();
    for number in last(&disk) + 1.. {
        let sync = number.is_multiple_of(3);
        disk.commit(&numbered(number), sync).unwrap();
        if sync {
            println!("durable {number}");
        }
    }
}

fn last(disk: &Disk) -> u64 {
    let value = disk.get(Table::Meta, b"last").unwrap();
    value.map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()))
}

#[test]
fn a_killed_process_leaves_a_prefix() {
    let scratch = Scratch::for_processes();
    let mut durable = 0;
    for lines in [1, 2, 5, 13, 40] {
        let starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "disk::the_process_that_is_killed", "--nocapture"])
            .env(CHILD, scratch.store())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(starting);
        let output = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let numbers = output.filter_map(|line| line.split("durable ").nth(1)?.parse::<u64>().ok());
        durable = numbers.take(lines).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let disk = open(&scratch.store()).unwrap();
        let last = last(&disk);
        assert!(last >= durable, "{last} is before {durable}, which was durable");
        let mut model = colibri_storage::memory::Memory::new();
        (1..=last).for_each(|number| model.commit(&numbered(number), false).unwrap());
        assert_eq!(rows(&disk), rows(&model), "after batch {last}");
    }
    assert!(durable >= 3 * (1 + 2 + 5 + 13 + 40), "every process went on where the one before was killed");
}

fn rows(store: &dyn Store) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        store
            .scan(table, Rows::ALL, &mut |key, value| {
                rows.push((table, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    rows
}

#[test]
fn a_store_that_is_open_is_locked() {
    let scratch = Scratch::new();
    let disk = open(&scratch.store()).unwrap();
    let error = refusal(&scratch.store());
    assert!(matches!(error, StoreError::Locked { .. }));
    assert!(error.to_string().contains("stop that process, or use another data directory"), "{error}");
    drop(disk);
    open(&scratch.store()).unwrap();
}

#[test]
fn a_newer_store_is_left_alone() {
    let scratch = Scratch::new();
    drop(open(&scratch.store()).unwrap());
    fs::write(scratch.store().join("FORMAT"), "colibri-storage 2\n").unwrap();
    let before = scratch.contents();
    let error = refusal(&scratch.store());
    assert!(matches!(error, StoreError::Newer { found: 2, known: 1, .. }), "{error}");
    assert_eq!(scratch.contents(), before);
}

#[test]
fn a_damaged_store_is_left_alone_and_named() {
    let scratch = Scratch::new();
    let mut disk = open(&scratch.store()).unwrap();
    (1..50).for_each(|number| disk.commit(&numbered(number), true).unwrap());
    drop(disk);
    let file = scratch.store().join("data.redb");
    let whole = fs::read(&file).unwrap();
    let sound = rows(&open(&scratch.store()).unwrap());
    let mut damages: Vec<Vec<u8>> = vec![b"no store at all".to_vec(), whole[..whole.len() / 2].to_vec()];
    let mut header = whole.clone();
    header[..320].fill(0xA5);
    damages.push(header);
    // The engine would panic over some of these, and begin anew with the last.
    for page in (0..whole.len() / 4096).step_by(3) {
        let mut zeroed = whole.clone();
        zeroed[page * 4096..][..4096].fill(0xA5);
        damages.push(zeroed);
    }
    damages.push(Vec::new());
    let mut refused = 0;
    for (number, damaged) in damages.iter().enumerate() {
        fs::write(&file, damaged).unwrap();
        let before = scratch.contents();
        match open(&scratch.store()).map(drop) {
            Ok(()) => {
                assert!(number > 2, "what is damaged is seen, unless it is a page that nothing is in");
                assert_eq!(rows(&open(&scratch.store()).unwrap()), sound);
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
                assert!(error.to_string().contains("data.redb"), "{error}");
            }
        }
        read_as_a_tool(&scratch.store());
        assert!(scratch.contents() == before, "nothing is changed");
    }
    assert!(refused > damages.len() / 3, "{refused} of {}", damages.len());
    fs::remove_file(&file).unwrap();
    assert!(refusal(&scratch.store()).to_string().contains("data.redb: it is not there"));
    assert!(!file.exists());
    fs::write(scratch.store().join("FORMAT"), "something else").unwrap();
    assert!(matches!(refusal(&scratch.store()), StoreError::Corrupt { .. }));
}

/// Does what tools do with a store that may be damaged; its errors are told, and nothing panics.
fn read_as_a_tool(path: &Path) {
    let Ok(mut disk) = Disk::open_existing(path, DiskOptions::default()) else { return };
    for table in Table::ALL {
        let read = disk.scan(table, Rows::ALL, &mut |_, _| ControlFlow::Continue(()));
        assert!(matches!(read, Ok(()) | Err(StoreError::Corrupt { .. })), "{read:?}");
    }
    let verified = disk.verify();
    assert!(matches!(verified, Ok(()) | Err(StoreError::Corrupt { .. })), "{verified:?}");
}

#[test]
fn a_store_is_not_written_to_before_the_first_commit() {
    let scratch = Scratch::new();
    drop(open(&scratch.store()).unwrap());
    let before = scratch.contents();
    let mut disk = open(&scratch.store()).unwrap();
    rows(&disk);
    disk.verify().unwrap();
    drop(disk);
    assert!(scratch.contents() == before);
    let mut disk = open(&scratch.store()).unwrap();
    disk.commit(&numbered(1), true).unwrap();
    drop(disk);
    assert!(scratch.contents() != before);
    assert_eq!(last(&open(&scratch.store()).unwrap()), 1);
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.store()).unwrap();
    fs::write(scratch.store().join("letter.txt"), "Dear").unwrap();
    let error = refusal(&scratch.store());
    assert!(error.to_string().contains("is not empty, there is letter.txt"), "{error}");
    assert_eq!(scratch.contents().len(), 1);
    let file = scratch.store().join("letter.txt");
    assert!(matches!(refusal(&file), StoreError::Io { .. } | StoreError::Corrupt { .. }));
}

#[test]
fn a_tool_does_not_make_a_store() {
    let scratch = Scratch::new();
    let error = Disk::open_existing(scratch.store(), DiskOptions::default()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("There is no store"), "{error}");
    assert!(!scratch.store().exists());
}

#[test]
fn a_crash_while_the_store_was_made_does_not_hinder() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.store()).unwrap();
    fs::write(scratch.store().join("LOCK"), "").unwrap();
    fs::write(scratch.store().join("FORMAT.new"), "colib").unwrap();
    fs::write(scratch.store().join("data.redb"), "").unwrap();
    fs::write(scratch.store().join("data.redb.new"), "re").unwrap();
    drop(open(&scratch.store()).unwrap());
    open(&scratch.store()).unwrap();
    // A file that is not explained is not touched.
    fs::remove_file(scratch.store().join("FORMAT")).unwrap();
    let before = scratch.contents();
    let error = refusal(&scratch.store());
    assert!(error.to_string().contains("there is data.redb"), "{error}");
    assert!(scratch.contents() == before);
}
