//! What is read off the bytes of properties alone is what taking them apart gives.

use colibri_codec::{
    Connack, Delivery, EncodeError, Malformed, Packet, Properties, Property, PropertyId, PropertySet,
    Publish, ReasonCode, TopicName, VARIABLE_BYTE_INTEGER_MAX, Version,
};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select, subsequence};
use proptest::strategy::Strategy;

use crate::strategies::{configured, property};
use crate::{Bytes, encode};

/// Any property, as often as it likes.
const ANYTHING: PropertySet = {
    let mut set = PropertySet::of(&PropertyId::ALL);
    let mut rest = PropertyId::ALL.as_slice();
    while let [id, tail @ ..] = rest {
        set = set.repeating(*id);
        rest = tail;
    }
    set
};

/// Properties in any order; often those of a PUBLISH, so that some packets are allowed.
fn properties() -> impl Strategy<Value = Vec<Property<'static>>> {
    let of_publish = PropertyId::ALL.into_iter().filter(|id| Publish::PROPERTIES.contains(*id));
    let id = prop_oneof![3 => select(of_publish.collect::<Vec<_>>()), 1 => select(&PropertyId::ALL[..])];
    vec(id.prop_flat_map(property), 0..=5)
}

/// The same, with values among them that only a caller can have.
fn callers_properties() -> impl Strategy<Value = Vec<Property<'static>>> {
    let wrong = select(&[0, VARIABLE_BYTE_INTEGER_MAX + 1][..]).prop_map(Property::SubscriptionIdentifier);
    (properties(), proptest::option::weighted(0.2, (any::<Index>(), wrong))).prop_map(
        |(mut properties, wrong)| {
            if let Some((at, wrong)) = wrong {
                properties.insert(at.index(properties.len() + 1), wrong);
            }
            properties
        },
    )
}

fn sets() -> impl Strategy<Value = PropertySet> {
    let count = PropertyId::ALL.len();
    prop_oneof![
        Just(Publish::PROPERTIES),
        subsequence(PropertyId::ALL.to_vec(), 0..=count).prop_map(|ids| PropertySet::of(&ids)),
    ]
}

fn bytes_of<'a>(properties: impl IntoIterator<Item = Property<'a>>) -> Vec<u8> {
    let mut bytes = Bytes::default();
    properties.into_iter().for_each(|property| property.encode(&mut bytes));
    bytes.0
}

/// What stands wrong in a packet with these properties, found one after the other.
fn first_error(
    properties: &Properties<'_>,
    allowed: PropertySet,
    repeatable: &[PropertyId],
) -> Option<Malformed> {
    let mut seen = Vec::new();
    properties.iter().find_map(|property| {
        let id = property.id();
        if !allowed.contains(id) {
            return Some(Malformed::PropertyNotAllowed(id));
        }
        if seen.contains(&id) && !repeatable.contains(&id) {
            return Some(Malformed::PropertyTwice(id));
        }
        seen.push(id);
        match property {
            Property::SubscriptionIdentifier(number) if number == 0 || number > VARIABLE_BYTE_INTEGER_MAX => {
                Some(Malformed::PropertyValue(id))
            }
            _ => None,
        }
    })
}

/// Compares each getter with what the iterator finds.
macro_rules! getters_agree {
    ($properties:ident: $($name:ident $getter:ident),+ $(,)?) => {
        $(
            let found = $properties.iter().find_map(|property| match property {
                Property::$name(value) => Some(value),
                _ => None,
            });
            prop_assert_eq!($properties.$getter(), found);
        )+
    };
}

proptest! {
    #![proptest_config(configured(2_000))]

    #[test]
    fn a_getter_gives_the_first_there_is(list in properties(), wire in properties()) {
        let bytes = bytes_of(wire);
        let checked = Properties::from_wire(&bytes, ANYTHING).unwrap();
        for properties in [checked, Properties::from_checked(&bytes), Properties::new(&list)] {
            let properties =
                if properties.wire().is_empty() { properties } else { properties.with_list(&list) };
            getters_agree! { properties:
                PayloadFormatIndicator payload_format_indicator,
                MessageExpiryInterval message_expiry_interval,
                ContentType content_type,
                ResponseTopic response_topic,
                CorrelationData correlation_data,
                SubscriptionIdentifier subscription_identifier,
                SessionExpiryInterval session_expiry_interval,
                AssignedClientIdentifier assigned_client_identifier,
                ServerKeepAlive server_keep_alive,
                AuthenticationMethod authentication_method,
                AuthenticationData authentication_data,
                RequestProblemInformation request_problem_information,
                WillDelayInterval will_delay_interval,
                RequestResponseInformation request_response_information,
                ResponseInformation response_information,
                ServerReference server_reference,
                ReasonString reason_string,
                ReceiveMaximum receive_maximum,
                TopicAliasMaximum topic_alias_maximum,
                TopicAlias topic_alias,
                MaximumQos maximum_qos,
                RetainAvailable retain_available,
                UserProperty user_property,
                MaximumPacketSize maximum_packet_size,
                WildcardSubscriptionAvailable wildcard_subscription_available,
                SubscriptionIdentifierAvailable subscription_identifier_available,
                SharedSubscriptionAvailable shared_subscription_available,
            }
        }
    }

    #[test]
    fn what_came_is_refused_at_encoding_as_if_it_was_looked_at_one_by_one(
        list in callers_properties(),
        wire in properties(),
    ) {
        let bytes = bytes_of(wire);
        for stored in [Properties::from_wire(&bytes, ANYTHING).unwrap(), Properties::from_checked(&bytes)] {
            let properties = stored.with_list(&list);
            let repeatable = [PropertyId::UserProperty, PropertyId::SubscriptionIdentifier];
            let publish = Publish {
                dup: false,
                delivery: Delivery::AtMostOnce,
                retain: false,
                topic: Some(TopicName::new("t").unwrap()),
                properties,
                payload: &[],
            };
            let expected = first_error(&properties, Publish::PROPERTIES, &repeatable);
            let refused = encode(&Packet::Publish(publish), Version::V5).err();
            prop_assert_eq!(refused, expected.map(EncodeError::from));
            let connack = Connack { session_present: false, reason: ReasonCode::Success, properties };
            let expected = first_error(&properties, Connack::PROPERTIES, &[PropertyId::UserProperty]);
            let refused = encode(&Packet::Connack(connack), Version::V5).err();
            prop_assert_eq!(refused, expected.map(EncodeError::from));
        }
    }

    #[test]
    fn a_set_holds_all_properties_or_not(list in properties(), wire in properties(), set in sets()) {
        let bytes = bytes_of(wire);
        let properties = Properties::from_checked(&bytes).with_list(&list);
        let all = properties.iter().all(|property| set.contains(property.id()));
        prop_assert_eq!(properties.is_within(set), all);
        for id in PropertyId::ALL {
            let any = properties.iter().any(|property| property.id() == id);
            prop_assert_eq!(properties.contains(id), any);
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn a_copy_of_a_set_is_what_a_filter_leaves(
        list in callers_properties(),
        wire in properties(),
        set in sets(),
        front in vec(any::<u8>(), 0..=3),
    ) {
        let bytes = bytes_of(wire);
        let properties = Properties::from_wire(&bytes, ANYTHING).unwrap().with_list(&list);
        let written = |property: &Property<'_>| match property {
            Property::SubscriptionIdentifier(number) => (1..=VARIABLE_BYTE_INTEGER_MAX).contains(number),
            _ => true,
        };
        let kept = properties.iter().filter(|property| set.contains(property.id()) && written(property));
        let kept = kept.collect::<Vec<_>>();
        let mut out = front.clone();
        let copy = properties.copy_within(set, &mut out);
        prop_assert_eq!(copy.iter().collect::<Vec<_>>(), kept.clone());
        prop_assert_eq!(copy.wire(), bytes_of(kept));
        prop_assert!(copy.list().is_empty());
        // It knows of itself what taking it apart would tell.
        let again = Properties::from_wire(copy.wire(), ANYTHING).unwrap();
        prop_assert_eq!(format!("{copy:?}"), format!("{again:?}"));
        let ids = PropertyId::ALL.map(|id| PropertySet::of(&[id]));
        prop_assert_eq!(ids.map(|id| copy.is_within(id)), ids.map(|id| again.is_within(id)));
        let encoded = |properties: Properties<'_>| {
            let connack = Connack { session_present: false, reason: ReasonCode::Success, properties };
            encode(&Packet::Connack(connack), Version::V5)
        };
        prop_assert_eq!(encoded(copy), encoded(again));
        let copied = copy.wire().len();
        prop_assert_eq!(&out[..out.len() - copied], front);
    }
}

proptest! {
    #![proptest_config(configured(10_000))]

    #[test]
    fn bytes_are_accepted_if_all_of_them_can_be_read(
        wire in properties(),
        changes in vec((any::<Index>(), any::<bool>(), prop_oneof![any::<u8>(), 0..=4_u8]), 0..=2),
        length in any::<Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = bytes_of(wire);
        for (at, inserted, byte) in changes {
            match at.index(bytes.len() + 1) {
                at if inserted || at == bytes.len() => bytes.insert(at, byte),
                at => bytes[at] = byte,
            }
        }
        if cut {
            bytes.truncate(length.index(bytes.len() + 1));
        }
        let scanned = Properties::from_checked(&bytes);
        prop_assert!(bytes.starts_with(scanned.wire()));
        let read = bytes_of(scanned.iter());
        let checked = Properties::from_wire(&bytes, ANYTHING);
        prop_assert_eq!(checked.is_ok(), read == bytes, "{:?}", checked);
        if let Ok(checked) = checked {
            prop_assert_eq!(scanned.wire(), checked.wire());
            prop_assert_eq!(scanned, checked);
        }
        // Whatever the bytes are, what reads them ends.
        prop_assert!(scanned.user_property().is_none_or(|_| !scanned.is_within(PropertySet::NONE)));
        prop_assert!(scanned.subscription_identifier() != Some(0));
    }
}

#[test]
fn each_character_of_a_string_is_checked_wherever_it_stands() {
    let user_property = |value: &[u8]| {
        let mut bytes = vec![PropertyId::UserProperty.number(), 0, 0, 0, u8::try_from(value.len()).unwrap()];
        bytes.extend_from_slice(value);
        Properties::from_wire(&bytes, Publish::PROPERTIES).map(|properties| properties.wire().len())
    };
    for length in 1..=40 {
        assert_eq!(user_property(&vec![0x7F; length]), Ok(5 + length));
        assert_eq!(user_property(&vec![0x01; length]), Ok(5 + length));
        for at in 0..length {
            let with = |byte| {
                let mut value = vec![b'a'; length];
                value[at] = byte;
                user_property(&value)
            };
            assert_eq!(with(0), Err(Malformed::StringHasNul));
            assert_eq!(with(0x80), Err(Malformed::StringNotUtf8));
            assert_eq!(with(0xFF), Err(Malformed::StringNotUtf8));
        }
    }
    assert_eq!(user_property("é\u{FEFF}€".as_bytes()), Ok(13));
    assert_eq!(user_property(b"\0\xFF"), Err(Malformed::StringNotUtf8));
}

#[test]
fn bytes_that_nobody_checked_are_read_as_far_as_they_are_properties() {
    // A Topic Alias, then a number that is no property's.
    let properties = Properties::from_checked(&[0x23, 0, 1, 0x7E, 0]);
    assert_eq!(properties.wire(), [0x23, 0, 1]);
    assert_eq!(properties.topic_alias().map(u16::from), Some(1));
    // A value that is wrong is none.
    let properties = Properties::from_checked(&[0x01, 2]);
    assert_eq!(properties.wire(), [0x01, 2]);
    assert_eq!(properties.payload_format_indicator(), None);
    assert_eq!(properties.iter().count(), 0);
}
