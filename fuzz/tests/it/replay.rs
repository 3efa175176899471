//! The replay, one test for each target.

use std::fs;

use colibri_fuzz::mutate::Mutator;
use colibri_fuzz::{TARGETS, Target, seeds, targets};

/// How many inputs are made from a fixed seed, beside those that are there.
const MADE: usize = 3_000;

/// Runs an input, and names it when it panics.
struct Named<'a>(&'a str, &'a [u8]);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is {}: {:02x?}", self.0, self.1);
        }
    }
}

fn run(target: &Target, name: &str, input: &[u8]) {
    let _named = Named(name, input);
    (target.run)(input);
}

fn replay(name: &str) {
    let target = targets::find(name).expect("a target");
    for (name, input) in seeds::folder(&seeds::crashes(target)).unwrap() {
        run(target, &name, &input);
    }
    let first = seeds::of(target).unwrap();
    assert!(first.len() >= 16, "the seeds of {} are gone", target.name);
    first.iter().for_each(|input| run(target, "a seed", input));
    let mut mutator = Mutator::new(target.kind, 20_240_229);
    let mut input = Vec::new();
    for _ in 0..MADE {
        let (parent, other) = (mutator.below(first.len()), mutator.below(first.len()));
        mutator.bend(&first[parent], &first[other], &mut input);
        run(target, "a bent seed", &input);
    }
}

macro_rules! replays {
    ($($test:ident $name:literal)+) => {
        $(#[test]
        fn $test() {
            replay($name);
        })+

        #[test]
        fn every_target_is_replayed() {
            let replayed = [$($name),+];
            assert!(TARGETS.iter().map(|target| target.name).eq(replayed));
        }
    };
}

replays! {
    any_bytes_are_a_packet_or_refused "decode"
    what_is_decoded_makes_a_round_trip "round_trip"
    what_a_caller_builds_is_refused_or_reads_the_same "encode"
    a_stream_may_be_cut_anyhow "stream"
    matching_is_what_section_4_7_says "matching"
    the_subscription_tree_is_its_model "subscriptions"
    the_retained_tree_is_its_model "retained"
    a_server_bears_any_peer "server"
    a_client_bears_any_peer "client"
    two_ends_keep_their_promises_over_broken_links "pair"
    the_shards_bear_any_clients "broker"
}

#[test]
fn every_folder_of_crashes_belongs_to_a_target() {
    let folders = fs::read_dir(seeds::root().join("fuzz/crashes")).unwrap();
    for folder in folders {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(name.ends_with(".md") || targets::find(&name).is_some(), "{name} belongs to no target");
    }
}
