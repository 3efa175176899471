//! The writer: nothing is reported done before it is on disk, and nothing of a group that failed is.

use std::collections::BTreeMap;
use std::time::Duration;

use colibri_protocol::Time;
use colibri_storage::faulty::{Call, Fault, Faulty};
use colibri_storage::memory::Memory;
use colibri_storage::writer::{Coalescer, Done, Durability, Health, Journal};
use colibri_storage::{Batch, Store, Table};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{Step, batch, steps};

fn insert(key: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.insert(Table::Queue, key, b"value");
    batch
}

fn delete(key: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.delete(Table::Queue, key);
    batch
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn there(store: &Faulty, key: &[u8]) -> bool {
    store.get(Table::Queue, key).unwrap().is_some()
}

#[test]
fn batches_of_many_shards_become_one_commit_and_one_sync() {
    let store = Faulty::new();
    let mut journal = Journal::new(store.clone(), Durability::Sync);
    journal.submit(1, 7, &insert(b"a"));
    journal.submit(0, 3, &insert(b"b"));
    journal.submit(1, 8, &insert(b"c"));
    assert_eq!(journal.commit(at(0)), [Done { shard: 1, ticket: 8 }, Done { shard: 0, ticket: 3 }]);
    assert_eq!((store.commits(), store.syncs()), (1, 1));
    assert_eq!(journal.commit(at(0)), []);
    assert!(there(&store.crash(0), b"c"));
}

#[test]
fn a_row_that_comes_and_goes_within_a_group_never_reaches_the_disk() {
    let store = Faulty::new();
    let mut journal = Journal::new(store.clone(), Durability::Sync);
    journal.submit(0, 1, &insert(b"a"));
    journal.submit(0, 2, &delete(b"a"));
    assert_eq!(journal.commit(at(0)), [Done { shard: 0, ticket: 2 }]);
    assert_eq!(store.commits(), 0);
}

#[test]
fn a_row_that_may_be_on_disk_is_deleted_there_even_if_it_was_inserted_in_the_same_group() {
    for fault in [Fault::Full, Fault::FullAfterWriting] {
        let store = Faulty::new();
        store.fail(Call::Sync, 1, fault);
        let mut journal = Journal::new(store.clone(), Durability::Sync);
        journal.submit(0, 1, &insert(b"a"));
        assert_eq!(journal.commit(at(0)), []);
        journal.submit(0, 2, &delete(b"a"));
        assert_eq!(journal.commit(at(1_000)), [Done { shard: 0, ticket: 2 }]);
        assert!(!there(&store.end_luckily(), b"a"));
    }
}

#[test]
fn while_the_disk_is_full_nothing_is_done_and_then_everything_in_order() {
    let store = Faulty::new();
    store.set_capacity(Some(0));
    let mut journal = Journal::new(store.clone(), Durability::Sync);
    journal.submit(0, 1, &insert(b"a"));
    assert_eq!(journal.commit(at(0)), []);
    assert!(matches!(journal.health(), Health::Full(_)));
    journal.submit(1, 1, &insert(b"b"));
    assert_eq!(journal.commit(at(10)), [], "it is not tried again at once");
    assert_eq!(store.commits(), 1);
    let retry = journal.timeout().unwrap();
    store.set_capacity(None);
    assert_eq!(journal.commit(retry), [Done { shard: 0, ticket: 1 }, Done { shard: 1, ticket: 1 }]);
    assert_eq!((journal.health(), journal.timeout()), (&Health::Good, None));
}

#[test]
fn after_the_disk_has_failed_nothing_is_reported_done_ever_again() {
    let store = Faulty::new();
    store.fail(Call::Sync, 2, Fault::Io);
    let mut journal = Journal::new(store, Durability::Sync);
    journal.submit(0, 1, &insert(b"a"));
    assert_eq!(journal.commit(at(0)), [Done { shard: 0, ticket: 1 }]);
    for ticket in 2..5 {
        journal.submit(0, ticket, &insert(&[u8::try_from(ticket).unwrap()]));
        assert_eq!(journal.commit(at(ticket * 10_000)), []);
        assert!(matches!(journal.health(), Health::Stopped(_)));
    }
    assert_eq!(journal.timeout(), None);
}

#[test]
fn a_periodic_sync_comes_when_its_period_is_over_and_a_failed_one_stops_the_journal() {
    let store = Faulty::new();
    let mut journal = Journal::new(store.clone(), Durability::Periodic(Duration::from_millis(100)));
    journal.submit(0, 1, &insert(b"a"));
    assert_eq!(journal.commit(at(5)), [Done { shard: 0, ticket: 1 }]);
    assert_eq!((store.syncs(), journal.timeout()), (0, Some(at(105))));
    journal.submit(0, 2, &insert(b"b"));
    assert_eq!(journal.commit(at(50)).len(), 1);
    assert_eq!(journal.timeout(), Some(at(105)), "the oldest commit counts");
    assert_eq!(journal.commit(at(105)), []);
    assert_eq!((store.syncs(), journal.timeout()), (1, None));
    store.fail_next(Call::Sync, Fault::Io);
    journal.submit(0, 3, &insert(b"c"));
    assert_eq!(journal.commit(at(200)).len(), 1);
    journal.commit(at(300));
    assert!(matches!(journal.health(), Health::Stopped(_)));
}

#[test]
fn an_orderly_end_syncs_whatever_the_durability() {
    for durability in [Durability::Sync, Durability::Periodic(Duration::from_secs(9)), Durability::None] {
        let store = Faulty::new();
        let mut journal = Journal::new(store.clone(), durability);
        journal.submit(0, 1, &insert(b"a"));
        journal.commit(at(0));
        journal.submit(0, 2, &insert(b"b"));
        assert_eq!(journal.finish(at(1)), [Done { shard: 0, ticket: 2 }]);
        let after = store.crash(0);
        assert!(there(&after, b"a") && there(&after, b"b"));
    }
}

proptest! {
    #[test]
    fn a_reduced_group_does_what_the_whole_group_does(before in steps(), parts in vec(steps(), 1..5)) {
        let mut whole = Memory::new();
        whole.commit(&batch(&before, &Memory::new()), false).unwrap();
        let mut reduced_store = whole.clone();
        let mut group = Batch::new();
        for steps in &parts {
            let batch = batch(steps, &whole);
            whole.commit(&batch, false).unwrap();
            group.merge(&batch);
        }
        let mut reduced = Batch::new();
        Coalescer::new().reduce(&group, &mut reduced);
        prop_assert!(reduced.len() <= group.len());
        reduced_store.commit(&reduced, false).unwrap();
        prop_assert_eq!(reduced_store, whole);
    }

    #[test]
    fn what_was_reported_done_outlives_any_crash_and_the_rest_is_a_prefix(
        turns in vec((vec((0..3u16, steps()), 0..4), any::<bool>()), 1..8),
        faults in vec((1..8u64, prop::sample::select(vec![Fault::Full, Fault::FullAfterWriting])), 0..4),
        seed in any::<u64>(),
    ) {
        let store = Faulty::new();
        for (number, fault) in &faults {
            store.fail(if seed % 2 == 0 { Call::Commit } else { Call::Sync }, *number, *fault);
        }
        run(&store, &turns, seed)?;
    }
}

/// What shards submit, and whether it is committed then.
type Turn = (Vec<(u16, Vec<Step>)>, bool);

/// Drives a journal, pulls the plug, and compares with the state after each submitted batch.
fn run(store: &Faulty, turns: &[Turn], seed: u64) -> Result<(), TestCaseError> {
    let mut journal = Journal::new(store.clone(), Durability::Sync);
    // The state after each batch, and the place of each ticket in this list.
    let mut states = vec![Memory::new()];
    let mut places = BTreeMap::new();
    let mut tickets = [0u64; 3];
    let mut done_to = 0;
    for (turn, (batches, commit)) in turns.iter().enumerate() {
        for (shard, steps) in batches {
            let mut state = states[states.len() - 1].clone();
            let batch = batch(steps, &state);
            state.commit(&batch, false).unwrap();
            tickets[usize::from(*shard)] += 1;
            journal.submit(*shard, tickets[usize::from(*shard)], &batch);
            places.insert((*shard, tickets[usize::from(*shard)]), states.len());
            states.push(state);
        }
        if *commit {
            for done in journal.commit(at(turn as u64 * 1_000)) {
                done_to = done_to.max(places[&(done.shard, done.ticket)]);
            }
        }
    }
    let after = store.crash(seed).visible();
    let found = states.iter().skip(done_to).any(|state| *state == after);
    prop_assert!(found, "done up to {}, found {:?}", done_to, after);
    Ok(())
}
