//! Records: what was encoded is decoded, and no bytes bring the decoders down.

use colibri_codec::{
    PacketId, Property, QoS, RetainHandling, SubscriptionOptions, TopicFilter, TopicName, Utf8String,
};
use colibri_storage::records::{
    Counter, NUMBER_MAX, QueueBody, QueueRecord, QueueState, RetainedRecord, SessionRecord, StoredMessage,
    StoredWill, SubscriptionIdentifiers, SubscriptionRecord, body_key, decode_counter, encode_counter,
    parse_body_key, parse_queue_key, parse_received_key, parse_subscription_key, queue_key, received_key,
    session_prefix, subscription_key,
};
use colibri_storage::{StoreError, Table};
use proptest::collection::vec;
use proptest::prelude::*;

fn qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(QoS::ALL.to_vec())
}

/// What a message is made of, owned.
#[derive(Clone, Debug)]
struct Parts {
    topic: String,
    qos: QoS,
    retain: bool,
    expires_at: Option<u64>,
    publisher: Option<u64>,
    properties: Vec<u8>,
    payload: Vec<u8>,
}

impl Parts {
    fn message(&self) -> StoredMessage<'_> {
        StoredMessage {
            topic: TopicName::new(&self.topic).unwrap(),
            qos: self.qos,
            retain: self.retain,
            expires_at: self.expires_at,
            publisher: self.publisher,
            properties: &self.properties,
            payload: &self.payload,
        }
    }
}

prop_compose! {
    fn parts()(
        topic in "[a-z/é]{1,40}",
        qos in qos(),
        retain in any::<bool>(),
        expires_at in any::<Option<u64>>(),
        publisher in any::<Option<u64>>(),
        content_type in prop::option::of("[a-z]{0,9}"),
        payload in vec(any::<u8>(), 0..200),
    ) -> Parts {
        let mut properties = Vec::new();
        if let Some(text) = &content_type {
            Property::ContentType(Utf8String::new(text).unwrap()).encode(&mut properties);
        }
        Parts { topic, qos, retain, expires_at, publisher, properties, payload }
    }
}

fn state() -> impl Strategy<Value = QueueState> {
    let id = || (1..=u16::MAX).prop_map(|number| PacketId::new(number).unwrap());
    prop_oneof![
        Just(QueueState::Waiting),
        id().prop_map(QueueState::Sent),
        (id(), any::<u32>()).prop_map(|(id, order)| QueueState::Released(id, order))
    ]
}

proptest! {
    #[test]
    fn a_queue_row_comes_back(
        parts in parts(),
        shared in prop::option::of(any::<u64>()),
        (qos, retain, replayed, state) in (qos(), any::<bool>(), any::<bool>(), state()),
        identifiers in vec(1..=268_435_455u32, 0..5),
        in_group in any::<bool>(),
    ) {
        let record = QueueRecord {
            qos,
            retain,
            replayed,
            state,
            subscription_identifiers: SubscriptionIdentifiers::new(&identifiers),
            group: in_group.then(|| TopicFilter::new("$share/workers/a/+").unwrap()),
            body: match (shared, state) {
                (Some(body), QueueState::Released(..)) if body % 2 == 0 => QueueBody::Gone,
                (Some(body), _) => QueueBody::Shared(body),
                (None, _) => QueueBody::Inline(parts.message()),
            },
        };
        let mut value = Vec::new();
        record.encode(&mut value);
        let decoded = QueueRecord::decode(b"key", &value).unwrap();
        prop_assert_eq!(decoded, record);
        prop_assert!(decoded.subscription_identifiers.iter().eq(identifiers.iter().copied()));
        let mut again = Vec::new();
        decoded.encode(&mut again);
        prop_assert_eq!(again, value);
    }

    #[test]
    fn a_session_and_a_retained_message_and_a_body_come_back(
        parts in parts(),
        number in 1..=NUMBER_MAX,
        (expiry_interval, connected, disconnected_at) in any::<(u32, bool, u64)>(),
        will in any::<Option<(u32, Option<u32>, Option<u64>)>>(),
    ) {
        let will = will.map(|(delay, message_expiry, due_at)| StoredWill {
            delay, message_expiry, due_at, message: parts.message(),
        });
        let session = SessionRecord { number, expiry_interval, connected, disconnected_at, will };
        let mut value = Vec::new();
        session.encode(&mut value);
        prop_assert_eq!(SessionRecord::decode(b"client", &value).unwrap(), session);

        let retained = RetainedRecord { stored_at: disconnected_at, message: parts.message() };
        value.clear();
        retained.encode(&mut value);
        prop_assert_eq!(RetainedRecord::decode(retained.key(), &value).unwrap(), retained);
        prop_assert!(RetainedRecord::decode(b"another topic", &value).is_err());

        value.clear();
        parts.message().encode(&mut value);
        prop_assert_eq!(StoredMessage::decode(&body_key(1), &value).unwrap(), parts.message());
    }

    #[test]
    fn a_subscription_comes_back(
        (qos, no_local, retain_as_published) in (qos(), any::<bool>(), any::<bool>()),
        retain_handling in prop::sample::select(
            vec![RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend]),
        identifier in prop::option::of(1..=268_435_455u32),
        session in 1..=NUMBER_MAX,
    ) {
        let options = SubscriptionOptions { qos, no_local, retain_as_published, retain_handling };
        let record = SubscriptionRecord { options, identifier };
        let mut value = Vec::new();
        record.encode(&mut value);
        prop_assert_eq!(SubscriptionRecord::decode(b"key", &value).unwrap(), record);
        let filter = TopicFilter::new("$share/g/a/#").unwrap();
        let mut key = Vec::new();
        subscription_key(session, filter, &mut key);
        prop_assert_eq!(parse_subscription_key(&key).unwrap(), (session, filter));
    }

    #[test]
    fn keys_come_back_and_keep_the_order(
        session in 1..=NUMBER_MAX,
        sequence in 1..=NUMBER_MAX,
        id in 1..=u16::MAX,
    ) {
        prop_assert_eq!(parse_queue_key(&queue_key(session, sequence)).unwrap(), (session, sequence));
        prop_assert_eq!(parse_body_key(&body_key(sequence)).unwrap(), sequence);
        let id = PacketId::new(id).unwrap();
        prop_assert_eq!(parse_received_key(&received_key(session, id)).unwrap(), (session, id));
        prop_assert!(queue_key(session, sequence) < queue_key(session, sequence + 1));
    }

    #[test]
    fn garbage_is_refused_with_its_table_or_read_but_never_panics(
        first in 0..3u8,
        rest in vec(any::<u8>(), 0..64),
    ) {
        let value = [&[first][..], &rest].concat();
        for (table, result) in decode_all(&value) {
            if let Err(error) = result {
                prop_assert!(error.to_string().contains(&format!("table {table}, key \"k\"")), "{}", error);
            }
        }
        prop_assert!(parse_queue_key(&value).is_err() || value.len() == 16);
        prop_assert!(parse_body_key(&value).is_err() || value.len() == 8);
        drop(parse_received_key(&value));
        drop(parse_subscription_key(&value));
    }

    #[test]
    fn a_row_that_was_cut_short_or_changed_never_panics(
        parts in parts(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let record = QueueRecord {
            qos: QoS::AtLeastOnce,
            retain: false,
            replayed: false,
            state: QueueState::Waiting,
            subscription_identifiers: SubscriptionIdentifiers::new(&[1, 300]),
            group: None,
            body: QueueBody::Inline(parts.message()),
        };
        let mut value = Vec::new();
        record.encode(&mut value);
        let at = at.index(value.len());
        prop_assert!(QueueRecord::decode(b"k", &value[..at.min(8)]).is_err(), "a row that was cut short was taken");
        value[at] = byte;
        drop(QueueRecord::decode(b"k", &value));
        drop(QueueRecord::decode(b"k", &value[..at]));
    }
}

fn decode_all(value: &[u8]) -> Vec<(Table, Result<(), StoreError>)> {
    vec![
        (Table::Queue, QueueRecord::decode(b"k", value).map(drop)),
        (Table::Sessions, SessionRecord::decode(b"k", value).map(drop)),
        (Table::Subscriptions, SubscriptionRecord::decode(b"k", value).map(drop)),
        (Table::Bodies, StoredMessage::decode(b"k", value).map(drop)),
        (Table::Retained, RetainedRecord::decode(b"k", value).map(drop)),
    ]
}

#[test]
fn a_row_of_a_newer_version_says_so() {
    for (_, result) in decode_all(&[9, 1, 2, 3]) {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 9, known: 1, .. }), "{error}");
    }
}

#[test]
fn a_counter_comes_back() {
    for number in [0, 1, 127, 128, NUMBER_MAX] {
        assert_eq!(decode_counter(Counter::Session, &encode_counter(number)).unwrap(), number);
    }
    let error = decode_counter(Counter::Body, &[1]).unwrap_err();
    assert!(error.to_string().contains("table meta, key \"next body\""), "{error}");
}

#[test]
fn a_number_that_no_broker_gives_out_is_damage() {
    let id = PacketId::new(1).unwrap();
    for number in [0, NUMBER_MAX + 1, u64::MAX] {
        let refused = [
            parse_queue_key(&queue_key(number, 1)).map(drop),
            parse_queue_key(&queue_key(1, number)).map(drop),
            parse_body_key(&body_key(number)).map(drop),
            parse_received_key(&received_key(number, id)).map(drop),
            parse_subscription_key(&[&session_prefix(number)[..], b"a"].concat()).map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert!(error.to_string().contains(&format!("the number {number}")), "{error}");
        }
    }
    for counter in [Counter::Session, Counter::Body] {
        decode_counter(counter, &encode_counter(u64::MAX)).unwrap_err();
    }
    let mut session = vec![1, 0, 0, 60];
    session.extend_from_slice(&[0; 8]);
    let error = SessionRecord::decode(b"c", &session).unwrap_err();
    assert!(error.to_string().contains("the number 0"), "{error}");
    // Not a counter.
    assert_eq!(decode_counter(Counter::Placement, &encode_counter(u64::MAX)).unwrap(), u64::MAX);
}

#[test]
fn a_damaged_row_is_named_by_its_table_and_key() {
    let error = QueueRecord::decode(&queue_key(1, 0x1234), &[1, 0]).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("table queue, key 0x00000000000012340000000000000001: it ends within kind of body"),
        "{text}"
    );
}
