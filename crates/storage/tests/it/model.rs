//! Batches: merging them and applying them one by one come to the same.

use colibri_storage::memory::Memory;
use colibri_storage::{Batch, Put, Store, Table};
use proptest::collection::vec;
use proptest::prelude::*;

/// One change over few keys, so that they meet.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(u8, u8),
    Delete(u8),
    DeletePrefix(u8),
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..12u8, any::<u8>()).prop_map(|(key, value)| Step::Put(key, value)),
        4 => (0..12u8).prop_map(Step::Delete),
        1 => (0..3u8).prop_map(Step::DeletePrefix),
    ];
    vec(step, 0..12)
}

/// Twelve keys under three prefixes.
pub(crate) fn key(number: u8) -> [u8; 2] {
    [number / 4, number]
}

pub(crate) fn batch(steps: &[Step], model: &Memory) -> Batch {
    let mut batch = Batch::new();
    let mut model = model.clone();
    for step in steps {
        let mut one = Batch::new();
        match *step {
            Step::Put(number, value) => {
                let there = model.get(Table::Queue, &key(number)).unwrap().is_some();
                let put = if there { Put::Replace } else { Put::Insert };
                one.put_with(Table::Queue, &key(number), put, |bytes| bytes.push(value));
            }
            Step::Delete(number) => one.delete(Table::Queue, &key(number)),
            Step::DeletePrefix(prefix) => one.delete_prefix(Table::Queue, &[prefix]),
        }
        model.commit(&one, false).unwrap();
        batch.merge(&one);
    }
    batch
}

proptest! {
    #[test]
    fn merged_batches_do_what_they_did_one_by_one(parts in vec(steps(), 0..4)) {
        let mut one_by_one = Memory::new();
        let mut merged = Batch::new();
        for steps in &parts {
            let batch = batch(steps, &one_by_one);
            one_by_one.commit(&batch, false).unwrap();
            merged.merge(&batch);
        }
        let mut at_once = Memory::new();
        at_once.commit(&merged, false).unwrap();
        prop_assert_eq!(at_once, one_by_one);
    }
}

#[test]
fn a_cleared_batch_has_no_changes_and_the_order_is_kept() {
    let mut batch = Batch::new();
    batch.put(Table::Queue, b"a", b"1");
    batch.delete(Table::Queue, b"a");
    let changes: Vec<String> = batch.iter().map(|change| format!("{change:?}")).collect();
    assert!(changes[0].starts_with("Put") && changes[1].starts_with("Delete"), "{changes:?}");
    assert_eq!((batch.len(), batch.size()), (2, 3));
    batch.clear();
    assert_eq!((batch.len(), batch.size()), (0, 0));
}
