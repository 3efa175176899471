//! What a message costs the broker, to be counted in instructions by `cargo xtask bench`.
//!
//! A scenario steps one shard in memory until it has settled, calls [`begin_measuring`], and steps on. The
//! functions that [`broker_turn`] and its like name are what is counted; `sockets::kernel_reads` and
//! `sockets::kernel_writes`, which they call, are not. Everything is the same in every run: the seed, the
//! time, the order. Run by hand, without callgrind, it prints what it would count.
//!
//! `instructions --list` names the scenarios; `instructions NAME...` runs some. For each figure a line is
//! printed: its name, the function to count in, by how much to divide, and the unit.

mod client;
mod scenarios;
mod sockets;
mod tree;

use std::error::Error;

use scenarios::SCENARIOS;

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo bench` adds an option that means nothing here.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.iter().any(|word| word == "--list") {
        SCENARIOS.iter().for_each(|scenario| println!("{}", scenario.name));
        println!("{}", tree::NAME);
        return Ok(());
    }
    let known = |word: &String| word == tree::NAME || SCENARIOS.iter().any(|known| known.name == word);
    if let Some(word) = words.iter().find(|word| !known(word)) {
        return Err(format!("there is no scenario `{word}`; `--list` names them").into());
    }
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    for scenario in SCENARIOS.iter().filter(|scenario| chosen(scenario.name)) {
        let delivered = scenario.run()?;
        println!("{} broker_turn {delivered} message", scenario.name);
    }
    if chosen(tree::NAME) {
        tree::run()?;
    }
    Ok(())
}

/// What was counted before this is thrown away.
#[inline(never)]
fn begin_measuring() {
    std::hint::black_box(());
}
