//! Whole runs from seeds: each breaks the broker, its disk and its clients in another way.

use colibri_sim::{Plan, WILLS};

/// How many steps a run has.
const STEPS: usize = 300;

fn run(seeds: std::ops::Range<u64>, shards: Option<usize>) {
    for seed in seeds {
        let plan = Plan::new(seed, shards, STEPS);
        if let Err(failure) = plan.run(false) {
            panic!(
                "{}; cargo run -p colibri-sim -- --seed {seed} --shards {}",
                failure.sentence, plan.shards
            );
        }
    }
}

#[test]
fn every_promise_outlives_crashes_on_one_to_three_shards() {
    run(0..1_500, None);
}

#[test]
fn every_promise_outlives_crashes_on_one_shard() {
    run(100_000..100_300, Some(1));
}

#[test]
fn every_promise_outlives_crashes_on_eight_shards() {
    run(200_000..200_300, Some(8));
}

#[test]
fn every_promise_outlives_crashes_with_many_wills() {
    run(WILLS..WILLS + 400, Some(3));
    run(WILLS + 400..WILLS + 600, None);
}

#[test]
fn a_plan_comes_to_the_same_each_time() {
    for seed in 0..5 {
        let plan = Plan::new(seed, None, STEPS);
        assert_eq!(plan, Plan::new(seed, None, STEPS));
        assert_eq!(plan.run(true), plan.run(true));
    }
}
