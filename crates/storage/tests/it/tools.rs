//! The tools: a check finds what is wrong, and an export comes back whole or not at all.

use colibri_codec::{PacketId, QoS, SubscriptionOptions, TopicFilter, TopicName};
use colibri_storage::memory::Memory;
use colibri_storage::records::{
    Counter, QueueBody, QueueRecord, QueueState, RetainedRecord, SessionRecord, StoredMessage,
    SubscriptionIdentifiers, SubscriptionRecord, body_key, encode_counter, queue_key, received_key,
    subscription_key,
};
use colibri_storage::tools::{TransferError, check, dump, export, import};
use colibri_storage::{Batch, Put, Store, Table};

fn message() -> StoredMessage<'static> {
    StoredMessage {
        topic: TopicName::new("a/b").unwrap(),
        qos: QoS::AtLeastOnce,
        retain: true,
        expires_at: Some(1_700_000_000_000),
        publisher: Some(1),
        properties: &[],
        payload: b"21.5 \xB0C",
    }
}

fn queued(body: QueueBody<'static>, state: QueueState) -> Vec<u8> {
    let mut value = Vec::new();
    QueueRecord {
        qos: QoS::AtLeastOnce,
        retain: false,
        replayed: false,
        state,
        subscription_identifiers: SubscriptionIdentifiers::new(&[5]),
        group: None,
        body,
    }
    .encode(&mut value);
    value
}

/// A store with a row of every kind.
fn sound() -> Memory {
    let mut batch = Batch::new();
    batch.put(Table::Meta, Counter::Session.key(), &encode_counter(2));
    batch.put(Table::Meta, Counter::Body.key(), &encode_counter(8));
    let session =
        SessionRecord { number: 1, expiry_interval: 60, connected: false, disconnected_at: 9, will: None };
    batch.put_with(Table::Sessions, b"client", Put::Insert, |out| session.encode(out));
    let mut key = Vec::new();
    subscription_key(1, TopicFilter::new("a/#").unwrap(), &mut key);
    let subscription = SubscriptionRecord { options: SubscriptionOptions::default(), identifier: Some(5) };
    batch.put_with(Table::Subscriptions, &key, Put::Insert, |out| subscription.encode(out));
    let one = PacketId::new(1).unwrap();
    batch.put(Table::Queue, &queue_key(1, 1), &queued(QueueBody::Shared(7), QueueState::Sent(one)));
    batch.put(Table::Queue, &queue_key(1, 2), &queued(QueueBody::Inline(message()), QueueState::Waiting));
    batch.put_with(Table::Bodies, &body_key(7), Put::Insert, |out| message().encode(out));
    batch.put(Table::Received, &received_key(1, one), b"");
    let retained = RetainedRecord { stored_at: 5, message: message() };
    batch.put_with(Table::Retained, retained.key(), Put::Insert, |out| retained.encode(out));
    let mut store = Memory::new();
    store.commit(&batch, true).unwrap();
    store
}

/// What a check says after one more change.
fn problems(change: impl FnOnce(&mut Batch)) -> Vec<String> {
    let mut store = sound();
    let mut batch = Batch::new();
    change(&mut batch);
    store.commit(&batch, true).unwrap();
    let report = check(&store).unwrap();
    assert_eq!(report.problem_count, report.problems.len() as u64);
    report.problems.iter().map(|problem| problem.error.to_string()).collect()
}

#[test]
fn a_sound_store_has_no_problems() {
    let report = check(&sound()).unwrap();
    assert!(report.holds(), "{report}");
    assert_eq!((report.rows, report.unused_bodies), ([2, 1, 1, 2, 1, 1, 1], 0));
}

#[test]
fn a_check_finds_what_does_not_fit() {
    let two = PacketId::new(2).unwrap();
    let sent = queued(QueueBody::Shared(7), QueueState::Sent(PacketId::new(1).unwrap()));
    let missing = queued(QueueBody::Shared(99), QueueState::Waiting);
    let found = [
        problems(|batch| batch.delete(Table::Bodies, &body_key(7))),
        problems(|batch| batch.delete(Table::Meta, Counter::Session.key())),
        problems(|batch| batch.put(Table::Queue, &queue_key(1, 3), &sent)),
        problems(|batch| batch.put(Table::Queue, &queue_key(1, 3), &missing)),
        problems(|batch| batch.put(Table::Queue, &queue_key(1, 3), &[1, 2, 3])),
        problems(|batch| batch.put(Table::Received, &received_key(3, two), b"")),
        problems(|batch| batch.put(Table::Received, &received_key(1, two), b"x")),
        problems(|batch| batch.put(Table::Meta, b"other", &encode_counter(1))),
        problems(|batch| batch.put(Table::Retained, b"c", b"")),
    ];
    let expected = [
        "there is no body 7",
        "session 1 is not below its counter",
        "packet identifier 1 is under way twice",
        "there is no body 99",
        "kind of body 3",
        "there is no session 3",
        "the value is not empty",
        "there is no such counter",
        "it ends within version",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_dump_has_a_line_for_each_row() {
    let mut out = Vec::new();
    dump(&sound(), &mut out).unwrap().unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 9);
    let line = "queue session 1, 2: QoS 1, waiting, identifier 5, \"a/b\", published with QoS 1, retain, \
                expires at 1700000000000 ms, 7 bytes \"21.5 \\xb0C\"";
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[test]
fn an_export_comes_back_whole() {
    let store = sound();
    let mut out = Vec::new();
    assert_eq!(export(&store, &mut out).unwrap(), 9);
    let mut again = Memory::new();
    assert_eq!(import(&mut again, &mut out.as_slice()).unwrap(), 9);
    assert_eq!(again, store);
    let error = import(&mut again, &mut out.as_slice()).unwrap_err();
    assert!(matches!(error, TransferError::NotEmpty));
}

#[test]
fn a_bad_line_is_named_and_nothing_is_imported() {
    let mut out = Vec::new();
    export(&sound(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let with = |place: usize, line: &str| {
        let mut lines = lines.clone();
        lines[place] = line;
        lines.join("\n")
    };
    let cases = [
        (with(0, "{\"colibri-storage\":2}"), "Line 1 cannot be imported: it has version 2"),
        (with(0, "{}"), "Line 1 cannot be imported: it is not the first line"),
        (with(3, "nonsense"), "Line 4 cannot be imported: it is not JSON"),
        (with(3, "[]"), "Line 4 cannot be imported: it is not a JSON object"),
        (
            with(4, "{\"table\":\"x\",\"key\":\"\",\"value\":\"\"}"),
            "Line 5 cannot be imported: there is no table",
        ),
        (with(4, "{\"table\":\"queue\",\"key\":\"0\",\"value\":\"\"}"), "\"key\" is not hexadecimal"),
        (
            with(4, "{\"table\":\"queue\",\"key\":\"00\",\"value\":\"\"}"),
            "Line 5 cannot be imported: table queue",
        ),
        (lines[..6].join("\n"), "Line 7 cannot be imported: the line with the number of rows is missing"),
        (with(10, "{\"rows\":8}"), "it says 8 rows, and there were 9"),
        (format!("{text}{{}}"), "Line 12 cannot be imported: there is a line behind"),
    ];
    for (text, expected) in cases {
        let mut store = Memory::new();
        let error = import(&mut store, &mut text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(store, Memory::new(), "nothing is imported");
    }
}
