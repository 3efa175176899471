//! The stores in memory keep the contract, and the one with faults loses and fails as it says.

use colibri_storage::faulty::{Call, Fault, Faulty};
use colibri_storage::memory::Memory;
use colibri_storage::{Batch, Store, StoreError, Table, contract};

fn put(key: &[u8]) -> Batch {
    let mut batch = Batch::new();
    batch.put(Table::Queue, key, b"value");
    batch.put(Table::Bodies, key, b"value");
    batch
}

#[test]
fn memory_keeps_the_contract() {
    contract::check(Memory::new).unwrap();
}

#[test]
fn the_store_with_faults_keeps_the_contract() {
    contract::check(Faulty::new).unwrap();
}

#[test]
fn a_store_that_was_ended_and_opened_again_keeps_what_it_had() {
    let store = Faulty::new();
    let mut now = store;
    contract::check_reopening(|| {
        now = now.end_luckily();
        Ok(now.clone())
    })
    .unwrap();
}

#[test]
fn a_crash_leaves_what_was_synced_and_a_prefix_of_the_rest() {
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let mut store = Faulty::new();
        (0..4u8).for_each(|number| store.commit(&put(&[number]), number == 1).unwrap());
        let after = store.crash(seed);
        let there: Vec<bool> =
            (0..4u8).map(|number| after.get(Table::Queue, &[number]).unwrap().is_some()).collect();
        let whole: Vec<bool> =
            (0..4u8).map(|number| after.get(Table::Bodies, &[number]).unwrap().is_some()).collect();
        assert_eq!(there, whole, "a batch is there whole or not at all");
        assert!(there.is_sorted_by(|earlier, later| earlier >= later), "no gap: {there:?}");
        assert!(there[1], "what was synced is there");
        lengths.insert(there.iter().filter(|there| **there).count());
        assert!(matches!(store.commit(&put(b"x"), true), Err(StoreError::Stopped { .. })));
    }
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [2, 3, 4], "every prefix comes up");
}

#[test]
fn a_sync_keeps_all_that_was_committed_before_it() {
    for seed in 0..16 {
        let mut store = Faulty::new();
        store.commit(&put(b"a"), false).unwrap();
        store.sync().unwrap();
        assert!(store.crash(seed).get(Table::Queue, b"a").unwrap().is_some());
    }
}

#[test]
fn a_full_disk_refuses_what_makes_it_fuller_until_rows_are_deleted() {
    let mut store = Faulty::new();
    store.commit(&put(b"a"), true).unwrap();
    store.set_capacity(store.size());
    let error = store.commit(&put(b"b"), true).unwrap_err();
    assert!(error.can_retry());
    assert_eq!(store.get(Table::Queue, b"b").unwrap(), None);
    let mut batch = Batch::new();
    batch.delete(Table::Queue, b"a");
    batch.delete(Table::Bodies, b"a");
    store.commit(&batch, true).unwrap();
    store.commit(&put(b"b"), true).unwrap();
}

#[test]
fn a_batch_that_failed_after_it_was_written_may_be_there_after_a_crash_and_is_not_seen_before() {
    let mut store = Faulty::new();
    store.fail(Call::Commit, 1, Fault::FullAfterWriting);
    assert!(store.commit(&put(b"a"), true).is_err());
    assert_eq!(store.get(Table::Queue, b"a").unwrap(), None);
    store.commit(&put(b"b"), true).unwrap();
    assert!(store.end_luckily().get(Table::Queue, b"a").unwrap().is_some());
}

#[test]
fn a_failed_disk_takes_no_more_changes() {
    for call in [Call::Commit, Call::Sync] {
        let mut store = Faulty::new();
        store.commit(&put(b"a"), true).unwrap();
        store.fail(call, 2, Fault::Io);
        assert!(matches!(store.commit(&put(b"b"), true), Err(StoreError::Io { .. })));
        assert!(matches!(store.commit(&put(b"c"), true), Err(StoreError::Stopped { .. })));
        assert!(matches!(store.sync(), Err(StoreError::Stopped { .. })));
        assert!(store.get(Table::Queue, b"a").unwrap().is_some(), "reading goes on");
    }
}
