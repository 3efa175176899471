//! Whole runs from seeds: each breaks the broker, its disk and its clients in another way.

use colibri_sim::{Action, CLIENTS, Coverage, Plan, Step, WILLS};

/// How many steps a run has.
const STEPS: usize = 300;

/// Runs the seeds; gives what they came through.
fn run(seeds: std::ops::Range<u64>, shards: Option<usize>) -> Coverage {
    let mut coverage = Coverage::default();
    for seed in seeds {
        let plan = Plan::new(seed, shards, STEPS);
        match plan.run(false) {
            Ok(of_run) => coverage.add(&of_run),
            Err(failure) => panic!(
                "{}; cargo run --release -p colibri-sim -- --seed {seed} --shards {}",
                failure.sentence, plan.shards
            ),
        }
    }
    coverage
}

#[test]
fn every_promise_outlives_crashes_on_one_to_three_shards_and_every_fault_occurs() {
    let coverage = run(0..1_500, None);
    assert_eq!(coverage.missing(), [""; 0], "{coverage}");
}

#[test]
fn every_promise_outlives_crashes_on_one_shard() {
    run(100_000..100_200, Some(1));
}

#[test]
fn every_promise_outlives_crashes_on_eight_shards() {
    run(200_000..200_200, Some(8));
}

#[test]
fn a_failure_is_shrunk_to_steps_that_fail_and_are_among_those_that_were() {
    let mut plan = Plan::new(0, Some(1), 40);
    plan.run(false).unwrap();
    // There is no such client.
    plan.steps.insert(30, Step { action: Action::Read(CLIENTS, 1), turns: 0 });
    let (shorter, places) = plan.shrink();
    assert_eq!(places, [30]);
    assert_eq!(shorter, plan.only(&places));
    assert!(shorter.run(false).unwrap_err().sentence.starts_with("panic: "));
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
