//! What is left of a group of changes does what the whole group does.

use colibri_storage::memory::Memory;
use colibri_storage::{Batch, Coalescer, Store, Table};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::model::{batch, steps};

#[test]
fn a_row_that_comes_and_goes_within_a_group_leaves_nothing() {
    let mut group = Batch::new();
    group.insert(Table::Queue, b"a", b"value");
    group.put(Table::Queue, b"a", b"another");
    group.delete(Table::Queue, b"a");
    let mut reduced = Batch::new();
    Coalescer::new().reduce(&group, &mut reduced);
    assert!(reduced.is_empty(), "{reduced:?}");
}

#[test]
fn a_row_that_may_be_on_disk_is_deleted_there_even_if_it_was_inserted_in_the_same_group() {
    let mut group = Batch::new();
    group.insert(Table::Queue, b"a", b"value");
    let mut coalescer = Coalescer::new();
    coalescer.forget_insertions(&group);
    group.delete(Table::Queue, b"a");
    let mut reduced = Batch::new();
    coalescer.reduce(&group, &mut reduced);
    assert_eq!(reduced.len(), 1, "{reduced:?}");
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
}
