//! Measures a million subscriptions, and a million retained names, of several shapes: bytes of
//! resident memory for each, and nanoseconds for each search.
//!
//! `cargo run --release -p colibri-topics --example million` runs every shape in a process of its
//! own, so that no shape finds memory that another one has left; with the name of a shape behind
//! `--` it runs that shape only. Linux only: the memory is read from `/proc/self/statm`.

use colibri_codec::topic::{TopicFilter, TopicName};
use colibri_topics::{Match, RetainedTree, SubscriptionTree};
use std::error::Error;
use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

const COUNT: u32 = 1_000_000;
const SEARCHES: u32 = 1_000_000;
const PAGE_BYTES: usize = 4096;

const SHAPES: [&str; 8] = ["exact", "plus", "hash", "flat", "pair", "crowd", "mixed", "retained"];

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(shape) = std::env::args().nth(1) {
        return if shape == "retained" { measure_retained() } else { measure(&shape) };
    }
    println!("{:<26} {:>9} {:>9} {:>10} {:>10}", "shape", "bytes", "ns/add", "ns/search", "matches");
    for shape in SHAPES {
        let status = Command::new(std::env::current_exe()?).arg(shape).status()?;
        if !status.success() {
            return Err(format!("{shape}: {status}").into());
        }
    }
    Ok(())
}

/// The filter of subscription `n`.
fn filter_text(shape: &str, n: u32) -> String {
    match shape {
        "exact" => format!("site/{}/device/{n:07}/command", n % 100),
        "plus" => format!("device/{n:07}/+/state"),
        "hash" => format!("device/{n:07}/#"),
        "flat" => format!("{n:07}/+"),
        "pair" => format!("device/{:07}", n / 2),
        "crowd" => "news".to_owned(),
        _ => match n % 10 {
            0..=3 => filter_text("exact", n),
            4..=5 => filter_text("plus", n),
            6 => format!("site/+/device/{n:07}/command"),
            7..=8 => filter_text("hash", n),
            _ => format!("group/{}", n % 1000),
        },
    }
}

/// The name of a message that subscription `n` gets.
fn name_text(shape: &str, n: u32) -> String {
    match shape {
        "plus" => format!("device/{n:07}/temperature/state"),
        "hash" => format!("device/{n:07}/temperature/state"),
        "flat" => format!("{n:07}/state"),
        "mixed" => match n % 10 {
            0..=3 | 6 => filter_text("exact", n),
            4..=5 | 7..=8 => name_text("plus", n),
            _ => filter_text("mixed", n),
        },
        _ => filter_text(shape, n),
    }
}

fn measure(shape: &str) -> Result<(), Box<dyn Error>> {
    let filters: Vec<String> = scattered().map(|n| filter_text(shape, n)).collect();
    let searches = if shape == "crowd" { 100 } else { SEARCHES };
    let names: Vec<String> =
        scattered().skip(7).step_by(3).cycle().map(|n| name_text(shape, n)).take(searches as usize).collect();
    let before = resident_bytes()?;
    let start = Instant::now();
    let mut tree = SubscriptionTree::new(0x5EED);
    for (key, text) in (0..COUNT).zip(&filters) {
        tree.subscribe(TopicFilter::new(text)?, key, 1_u32);
    }
    let adding = start.elapsed();
    let bytes = resident_bytes()?.saturating_sub(before);
    let mut matches = 0_u64;
    let start = Instant::now();
    for text in &names {
        tree.for_each_match(TopicName::new(text)?, |found| match found {
            Match::Subscriber(key, value) => matches += u64::from(black_box((key, *value)).1),
            Match::Group(group) => matches += group.len() as u64,
        });
    }
    let searching = start.elapsed();
    report(shape, bytes, adding.as_nanos(), searching.as_nanos(), (searches, matches));
    // What nobody is subscribed to shows the price of a search that ends early.
    if shape == "mixed" {
        let start = Instant::now();
        for text in &names {
            let name = TopicName::new(text.get(1..).unwrap_or(text))?;
            tree.for_each_match(name, |_| matches += 1);
        }
        report("mixed, nobody subscribed", 0, 0, start.elapsed().as_nanos(), (searches, 0));
        let name = TopicName::new("device/0000004/temperature/state")?;
        let start = Instant::now();
        for _ in 0..SEARCHES {
            tree.for_each_match(black_box(name), |_| matches += 1);
        }
        report("mixed, one hot topic", 0, 0, start.elapsed().as_nanos(), (SEARCHES, SEARCHES.into()));
    }
    black_box(matches);
    Ok(())
}

fn measure_retained() -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = scattered().map(|n| filter_text("exact", n)).collect();
    let before = resident_bytes()?;
    let start = Instant::now();
    let mut tree = RetainedTree::new(0x5EED);
    for (value, text) in (0_u64..).zip(&names) {
        tree.insert(TopicName::new(text)?, value);
    }
    let adding = start.elapsed();
    let bytes = resident_bytes()?.saturating_sub(before);
    let exact: Vec<String> = names.iter().step_by(3).cloned().collect();
    let plus: Vec<String> = (0..10_000).map(|n| format!("site/+/device/{n:07}/command")).collect();
    let hash: Vec<String> = (0..100).map(|n| format!("site/{n}/#")).collect();
    let searches = [("retained, exact", exact), ("retained, + of 100", plus), ("retained, # of 10000", hash)];
    for (title, filters) in searches {
        let mut matches = 0_u64;
        let start = Instant::now();
        for text in &filters {
            tree.for_each_match(TopicFilter::new(text)?, |value| {
                black_box(*value);
                matches += 1;
            });
        }
        let count = u32::try_from(filters.len())?;
        report(title, bytes, adding.as_nanos(), start.elapsed().as_nanos(), (count, matches));
    }
    Ok(())
}

/// Prints one line; what belongs to the whole tree is zero, and a dash, in further lines about it.
fn report(title: &str, bytes: usize, adding: u128, searching: u128, (searches, matches): (u32, u64)) {
    let or_dash = |each: u128| if each == 0 { "-".to_owned() } else { each.to_string() };
    let bytes_each = or_dash(bytes as u128 / u128::from(COUNT));
    let add = or_dash(adding / u128::from(COUNT));
    let search = searching / u128::from(searches.max(1));
    let matches = matches / u64::from(searches.max(1));
    println!("{title:<26} {bytes_each:>9} {add:>9} {search:>10} {matches:>10}");
}

/// All numbers below [`COUNT`] once each, far from their order: neighbours in memory must not be
/// neighbours in time, or the caches would flatter the tree.
fn scattered() -> impl Iterator<Item = u32> + Clone {
    // A step that has no factor in common with the count visits everything.
    std::iter::successors(Some(0), |n| Some((n + 618_033) % COUNT)).take(COUNT as usize)
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split(' ').nth(1).ok_or("no resident size in /proc/self/statm")?.parse()?;
    Ok(pages * PAGE_BYTES)
}
