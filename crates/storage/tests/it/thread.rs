//! The thread of a store: answers come to the right shard, in order, and an end loses nothing.

use std::sync::mpsc::{Receiver, channel};

use colibri_codec::{QoS, TopicName};
use colibri_storage::faulty::{Call, Fault, Faulty};
use colibri_storage::records::{
    QueueBody, QueueRecord, QueueState, StoredMessage, SubscriptionIdentifiers, body_key, queue_key,
};
use colibri_storage::writer::thread::{Notify, Reply, StoreThread};
use colibri_storage::writer::{Durability, Fetch, Health};
use colibri_storage::{Batch, Put, Store, StoreError, Table};

fn message(payload: &[u8]) -> StoredMessage<'_> {
    StoredMessage {
        topic: TopicName::new("a/b").unwrap(),
        qos: QoS::AtLeastOnce,
        retain: false,
        expires_at: None,
        publisher: None,
        properties: &[],
        payload,
    }
}

fn queue(batch: &mut Batch, session: u64, sequence: u64, body: QueueBody<'_>) {
    let record = QueueRecord {
        qos: QoS::AtLeastOnce,
        retain: false,
        replayed: false,
        state: QueueState::Waiting,
        subscription_identifiers: SubscriptionIdentifiers::default(),
        group: None,
        body,
    };
    let key = queue_key(session, sequence);
    batch.put_with(Table::Queue, &key, Put::Insert, |out| record.encode(out));
}

fn start(store: Faulty, durability: Durability) -> (StoreThread, Vec<Receiver<Reply>>) {
    let (notify, replies): (Vec<Notify>, Vec<_>) = (0..2)
        .map(|_| {
            let (sender, receiver) = channel();
            let notify: Notify = Box::new(move |reply| drop(sender.send(reply)));
            (notify, receiver)
        })
        .unzip();
    (StoreThread::spawn(store, durability, notify).unwrap(), replies)
}

#[test]
fn a_done_batch_is_on_disk_and_a_fetch_sees_what_was_submitted_before_it() {
    let store = Faulty::new();
    let (thread, replies) = start(store.clone(), Durability::Sync);
    let sender = thread.sender();
    let mut batch = sender.batch();
    (1..=5).for_each(|sequence| queue(&mut batch, 9, sequence, QueueBody::Inline(message(b"small"))));
    queue(&mut batch, 10, 1, QueueBody::Inline(message(b"another session")));
    sender.submit(0, 1, batch).unwrap();
    let mut batch = sender.batch();
    batch.put_with(Table::Bodies, &body_key(77), Put::Insert, |out| message(b"large").encode(out));
    queue(&mut batch, 9, 6, QueueBody::Shared(77));
    sender.submit(1, 1, batch).unwrap();
    sender.fetch(1, Fetch { token: 3, session: 9, from: 4, rows_max: 10, bytes_max: 1 << 20 }).unwrap();
    assert_eq!(replies[0].recv().unwrap(), Reply::Done { ticket: 1 });
    assert_eq!(replies[1].recv().unwrap(), Reply::Done { ticket: 1 });
    let Reply::Fetched(Ok(fetched)) = replies[1].recv().unwrap() else { panic!("rows were to come") };
    assert_eq!((fetched.token, fetched.session, fetched.more), (3, 9, false));
    let rows: Vec<_> = fetched.iter().collect();
    assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [4, 5, 6]);
    let body = StoredMessage::decode(b"", rows[2].body.unwrap()).unwrap();
    assert_eq!((body.payload, rows[0].body), (&b"large"[..], None));
    assert_eq!(sender.pending_bytes(), 0);
    assert!(store.crash(0).get(Table::Bodies, &body_key(77)).unwrap().is_some());
}

#[test]
fn a_fetch_keeps_to_its_limits_and_says_when_there_is_more() {
    let mut store = Faulty::new();
    let mut batch = Batch::new();
    (1..=5).for_each(|sequence| queue(&mut batch, 9, sequence, QueueBody::Inline(message(b"0123456789"))));
    store.commit(&batch, true).unwrap();
    let fetch = |rows_max, bytes_max| {
        let fetched = Fetch { token: 0, session: 9, from: 0, rows_max, bytes_max }.read(&store).unwrap();
        (fetched.len(), fetched.more)
    };
    assert_eq!(fetch(2, usize::MAX), (2, true));
    assert_eq!(fetch(5, usize::MAX), (5, false));
    assert_eq!(fetch(5, 1), (1, true), "the first row comes whatever its size");
    assert_eq!(fetch(0, usize::MAX), (0, true));
}

#[test]
fn an_end_commits_what_was_submitted_and_syncs_it() {
    let store = Faulty::new();
    let (thread, replies) = start(store.clone(), Durability::None);
    let sender = thread.sender();
    for ticket in 1..=100 {
        let mut batch = sender.batch();
        batch.insert(Table::Queue, &u64::to_be_bytes(ticket), b".");
        sender.submit(1, ticket, batch).unwrap();
    }
    thread.stop().unwrap();
    let last = replies[1].iter().last();
    assert_eq!(last, Some(Reply::Done { ticket: 100 }));
    assert!(store.crash(1).get(Table::Queue, &100u64.to_be_bytes()).unwrap().is_some());
    assert!(sender.submit(1, 101, Batch::new()).is_err());
}

#[test]
fn every_shard_hears_that_the_disk_has_failed_and_the_end_says_it_again() {
    let store = Faulty::new();
    store.fail(Call::Commit, 1, Fault::Io);
    let (thread, replies) = start(store, Durability::Sync);
    let mut batch = Batch::new();
    batch.insert(Table::Queue, b"a", b".");
    thread.sender().submit(0, 1, batch).unwrap();
    for replies in &replies {
        assert!(matches!(replies.recv().unwrap(), Reply::Health(Health::Stopped(StoreError::Io { .. }))));
    }
    let mut batch = Batch::new();
    batch.insert(Table::Queue, b"b", b".");
    thread.sender().submit(0, 2, batch).unwrap();
    let sender = thread.sender();
    assert!(matches!(thread.stop(), Err(StoreError::Io { .. })));
    assert_eq!(sender.pending_bytes(), 0, "what will never be done does not count as waiting");
}

#[test]
fn when_there_is_room_again_what_waited_is_done() {
    let store = Faulty::new();
    store.set_capacity(Some(0));
    let (thread, replies) = start(store.clone(), Durability::Sync);
    let mut batch = Batch::new();
    batch.insert(Table::Queue, b"a", b".");
    thread.sender().submit(0, 1, batch).unwrap();
    assert!(matches!(replies[0].recv().unwrap(), Reply::Health(Health::Full(_))));
    store.set_capacity(None);
    assert_eq!(replies[0].recv().unwrap(), Reply::Done { ticket: 1 });
    assert_eq!(replies[0].recv().unwrap(), Reply::Health(Health::Good));
}
