//! Measures embedded stores on what a broker does to its queues: rows put in groups with one sync each, and
//! deleted a few groups later. The program prints one line of figures for each run.
//!
//! `colibri-storage-engines raw|fjall|redb DIR groups|long|reopen|drain|backlog|crashed [N]`

mod engine;
mod fjall_engine;
mod redb_engine;
mod system;

use std::error::Error;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use engine::{Engine, Group};
use system::Usage;

/// What a run can fail with.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The bytes of a row, unless the variable `ROW` says otherwise.
static ROW: LazyLock<usize> =
    LazyLock::new(|| std::env::var("ROW").ok().and_then(|text| text.parse().ok()).unwrap_or(150));
/// How many sessions have queues, unless the variable `SESSIONS` says otherwise.
static SESSIONS: LazyLock<u64> =
    LazyLock::new(|| std::env::var("SESSIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100));

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, directory, run, rest @ ..] = arguments.as_slice() else {
        return Err(
            "usage: colibri-storage-engines raw|fjall|redb DIR groups|long|reopen|drain|backlog|crashed [N]"
                .into(),
        );
    };
    let directory = Path::new(directory);
    let number = rest.first().map_or(Ok(0), |number| number.parse())?;
    match engine.as_str() {
        "raw" => raw(directory),
        "fjall" => runs::<fjall_engine::Fjall>(directory, run, number),
        "redb" => runs::<redb_engine::Redb>(directory, run, number),
        other => Err(format!("no engine {other}").into()),
    }
}

fn runs<E: Engine>(directory: &Path, run: &str, number: u64) -> Result<()> {
    match run {
        "groups" => groups::<E>(directory),
        "long" => long::<E>(directory, if number == 0 { 5_000_000 } else { number }),
        "reopen" => reopen::<E>(directory, if number == 0 { 1_000_000 } else { number }),
        "drain" => drain::<E>(directory),
        "backlog" => backlog::<E>(directory),
        "crashed" => crashed::<E>(directory),
        other => Err(format!("no run {other}").into()),
    }
}

/// What the disk alone can do: 4 KiB behind the end of a file, or within it, then `fdatasync`.
fn raw(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let path = directory.join("raw");
    let mut file = File::create(&path)?;
    let block = [7; 4096];
    for within in [false, true] {
        let started = Instant::now();
        let mut syncs = 0u32;
        while started.elapsed() < Duration::from_secs(3) {
            if within {
                file.seek(SeekFrom::Start(u64::from(syncs % 64) * 4096))?;
            }
            file.write_all(&block)?;
            file.sync_data()?;
            syncs += 1;
        }
        let each = started.elapsed() / syncs;
        let place = if within { "within a file" } else { "behind its end" };
        println!("raw, {place}: {:.0} syncs/s, {each:?} each", 1.0 / each.as_secs_f64());
    }
    fs::remove_file(path)?;
    Ok(())
}

/// Messages per second and what each costs, by the size of a group.
fn groups<E: Engine>(directory: &Path) -> Result<()> {
    for size in [1u64, 10, 100, 1_000, 10_000] {
        let mut engine = E::create(&fresh(directory)?)?;
        let mut pattern = Pattern::new(size, 2);
        let before = Usage::now()?;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(4) {
            engine.commit(&pattern.next_group())?;
        }
        report(E::NAME, &format!("groups of {size}"), pattern.messages, started, before, directory)?;
    }
    Ok(())
}

/// Many messages in groups of 1,000 that are deleted ten groups later.
fn long<E: Engine>(directory: &Path, messages: u64) -> Result<()> {
    let mut engine = E::create(&fresh(directory)?)?;
    let mut pattern = Pattern::new(1_000, 10);
    let before = Usage::now()?;
    let started = Instant::now();
    let (mut most, mut slowest) = (0, Duration::ZERO);
    while pattern.messages < messages {
        let group = pattern.next_group();
        let at = Instant::now();
        engine.commit(&group)?;
        slowest = slowest.max(at.elapsed());
        if pattern.messages % 100_000 == 0 {
            most = most.max(system::disk_use(directory)?);
        }
    }
    report(E::NAME, "long", pattern.messages, started, before, directory)?;
    let at = Instant::now();
    let mut rows = 0;
    for session in 0..*SESSIONS {
        rows += engine.count(&session.to_be_bytes(), 1)?;
    }
    let heads = at.elapsed();
    println!(
        "  most on disk {} MB, slowest commit {slowest:?}, first rows of {} queues ({rows}) in {heads:?}",
        most >> 20,
        *SESSIONS,
    );
    drop(engine);
    let at = Instant::now();
    let engine = E::open(directory)?;
    println!("  opened again in {:?}, {} MB", at.elapsed(), system::disk_use(directory)? >> 20);
    drop(engine);
    Ok(())
}

/// Queues one million rows and leaves them there.
fn reopen<E: Engine>(directory: &Path, messages: u64) -> Result<()> {
    let mut engine = E::create(&fresh(directory)?)?;
    let mut pattern = Pattern::new(1_000, u64::MAX);
    let before = Usage::now()?;
    let started = Instant::now();
    while pattern.messages < messages {
        engine.commit(&pattern.next_group())?;
    }
    report(E::NAME, "queueing", pattern.messages, started, before, directory)
}

/// Opens what `reopen` left, reads all of it, deletes all of it, and looks what is left.
fn drain<E: Engine>(directory: &Path) -> Result<()> {
    let at = Instant::now();
    let mut engine = E::open(directory)?;
    println!("{}: opened in {:?}, {} MB of memory", E::NAME, at.elapsed(), Usage::now()?.memory >> 20);
    let at = Instant::now();
    let rows = engine.count(&[], usize::MAX)?;
    println!("  {rows} rows read in {:?}, {} MB of memory", at.elapsed(), Usage::now()?.memory >> 20);
    let at = Instant::now();
    let mut group = Group::default();
    for sequence in 0..rows as u64 {
        group.deletes.push(key(sequence));
        if group.deletes.len() == 1_000 {
            engine.commit(&group)?;
            group.deletes.clear();
        }
    }
    engine.commit(&group)?;
    println!("  deleted in {:?}, {} MB on disk", at.elapsed(), system::disk_use(directory)? >> 20);
    let at = Instant::now();
    let left = engine.count(&[], usize::MAX)?;
    println!("  {left} rows left, read in {:?}", at.elapsed());
    // Background work has a minute to give the room back.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_secs(2));
        let mut pattern = Pattern::new(100, 1);
        pattern.messages = 1 << 40;
        engine.commit(&pattern.next_group())?;
    }
    let at = Instant::now();
    let left = engine.count(&[], usize::MAX)?;
    println!("  later: {left} rows in {:?}, {} MB on disk", at.elapsed(), system::disk_use(directory)? >> 20);
    drop(engine);
    let at = Instant::now();
    drop(E::open(directory)?);
    println!("  opened again in {:?}, {} MB on disk", at.elapsed(), system::disk_use(directory)? >> 20);
    Ok(())
}

/// Live traffic through queues that hold one million rows already; ends as `kill -9` would end it.
fn backlog<E: Engine>(directory: &Path) -> Result<()> {
    let mut engine = E::create(&fresh(directory)?)?;
    let mut pattern = Pattern::new(10_000, u64::MAX);
    while pattern.messages < 1_000_000 {
        engine.commit(&pattern.next_group())?;
    }
    for size in [10, 100, 1_000, 10_000] {
        let first = pattern.messages;
        pattern = Pattern { messages: first, ..Pattern::new(size, 2) };
        let before = Usage::now()?;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            engine.commit(&pattern.next_group())?;
        }
        let messages = pattern.messages - first;
        report(E::NAME, &format!("backlog, groups of {size}"), messages, started, before, directory)?;
    }
    std::process::abort()
}

/// Opens what `backlog` left.
fn crashed<E: Engine>(directory: &Path) -> Result<()> {
    let at = Instant::now();
    let engine = E::open(directory)?;
    println!(
        "{}: after a crash: opened in {:?}, {} MB of memory",
        E::NAME,
        at.elapsed(),
        Usage::now()?.memory >> 20
    );
    let rows = engine.count(&[], usize::MAX)?;
    println!("  {rows} rows");
    Ok(())
}

fn fresh(directory: &Path) -> Result<std::path::PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    Ok(directory.to_owned())
}

fn report(
    name: &str,
    run: &str,
    messages: u64,
    started: Instant,
    before: Usage,
    directory: &Path,
) -> Result<()> {
    let elapsed = started.elapsed();
    let after = Usage::now()?;
    let count = messages as f64;
    println!(
        "{name}: {run}: {messages} messages in {:.2} s, {:.0}/s, {:.2} us CPU each, {:.0} bytes written each, {} MB on disk, {} MB of memory",
        elapsed.as_secs_f64(),
        count / elapsed.as_secs_f64(),
        (after.cpu - before.cpu).as_secs_f64() * 1e6 / count,
        (after.written - before.written) as f64 / count,
        system::disk_use(directory)? >> 20,
        after.memory >> 20,
    );
    Ok(())
}

/// The key of the message with this number.
fn key(message: u64) -> [u8; 16] {
    (u128::from(message % *SESSIONS) << 64 | u128::from(message)).to_be_bytes()
}

/// Makes one group after another.
struct Pattern {
    size: u64,
    /// After how many groups a message is deleted.
    lag: u64,
    messages: u64,
    group: Group,
    state: u64,
}

impl Pattern {
    fn new(size: u64, lag: u64) -> Self {
        Self { size, lag, messages: 0, group: Group::default(), state: 0x9E37_79B9_7F4A_7C15 }
    }

    fn next_group(&mut self) -> Group {
        let mut group = std::mem::take(&mut self.group);
        group.clear();
        let first = self.messages;
        for message in first..first + self.size {
            group.puts.push((key(message), self.row()));
        }
        self.messages += self.size;
        if let Some(oldest) = self.lag.checked_mul(self.size).and_then(|behind| first.checked_sub(behind)) {
            group.deletes.extend((oldest..oldest + self.size).map(key));
        }
        for session in 0..2 {
            group.sessions.push((format!("client-{}", (first + session) % *SESSIONS), self.row()));
        }
        group
    }

    /// A row as a sensor's JSON would be: half of it compresses.
    fn row(&mut self) -> Vec<u8> {
        let mut row =
            b"\x01\x01\x00\x01\x14plant/7/line/3/sensor/temperature{\"value\":21.53,\"unit\":\"C\"}".to_vec();
        row.truncate(*ROW);
        while row.len() < *ROW {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            row.extend_from_slice(&self.state.to_le_bytes());
        }
        row.truncate(*ROW);
        row
    }
}
