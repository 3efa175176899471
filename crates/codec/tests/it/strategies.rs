//! Arbitrary packets that the standard allows, of every type and version.
//!
//! Packets borrow from what they are made of, so the strategies leak it: a few megabytes for the life
//! of one test process.

use core::num::{NonZeroU16, NonZeroU32};

use colibri_codec::packet::{
    Auth, Connack, Connect, Delivery, Disconnect, Pingreq, Pingresp, Puback, Pubcomp, Publish, Pubrec,
    Pubrel, RetainHandling, Suback, Subscribe, Subscription, SubscriptionOptions, Unsuback, UnsubackReason,
    Unsubscribe, Will,
};
use colibri_codec::{
    BinaryData, ConnectReturnCode, Packet, PacketId, PacketType, Properties, Property, PropertyId,
    PropertySet, QoS, ReasonCode, Sequence, TopicFilter, TopicName, Utf8String, VARIABLE_BYTE_INTEGER_MAX,
    Version,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, any, prop_oneof};
use proptest::sample::{select, subsequence};
use proptest::strategy::{BoxedStrategy, Strategy};

/// The configuration of a property test: how many cases, and no file is written on failure.
pub(crate) fn configured(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) fn version() -> impl Strategy<Value = Version> {
    select(&Version::ALL[..])
}

/// A packet of any type that exists in the version.
pub(crate) fn packet(version: Version) -> BoxedStrategy<Packet<'static>> {
    let all = vec![
        connect(version).prop_map(Packet::Connect).boxed(),
        connack(version).prop_map(Packet::Connack).boxed(),
        publish(version).prop_map(Packet::Publish).boxed(),
        acknowledgement(version),
        subscribe(version).prop_map(Packet::Subscribe).boxed(),
        suback(version).prop_map(Packet::Suback).boxed(),
        unsubscribe(version).prop_map(Packet::Unsubscribe).boxed(),
        unsuback(version).prop_map(Packet::Unsuback).boxed(),
        Just(Packet::Pingreq(Pingreq)).boxed(),
        Just(Packet::Pingresp(Pingresp)).boxed(),
        disconnect(version).prop_map(Packet::Disconnect).boxed(),
        auth().prop_map(Packet::Auth).boxed(),
    ];
    let count = if version == Version::V5 { all.len() } else { all.len() - 1 };
    (0..count).prop_flat_map(move |index| all[index].clone()).boxed()
}

pub(crate) fn publish(version: Version) -> impl Strategy<Value = Publish<'static>> {
    let delivery = (0..3_u8, packet_id()).prop_map(|(qos, id)| match qos {
        0 => Delivery::AtMostOnce,
        1 => Delivery::AtLeastOnce(id),
        _ => Delivery::ExactlyOnce(id),
    });
    let fields = (any::<bool>(), delivery, any::<bool>(), option::weighted(0.8, topic_name()));
    let rest = (properties(version, Publish::PROPERTIES), topic_name(), bytes());
    (fields, rest).prop_map(move |((dup, delivery, retain, topic), (properties, other, payload))| {
        let dup = dup && delivery != Delivery::AtMostOnce;
        let topic = if properties.topic_alias().is_some() { topic } else { Some(topic.unwrap_or(other)) };
        Publish { dup, delivery, retain, topic, properties, payload }
    })
}

fn connect(version: Version) -> impl Strategy<Value = Connect<'static>> {
    let first = (any::<bool>(), any::<u16>(), properties(version, Connect::PROPERTIES), string());
    let rest = (option::of(will(version)), option::of(string()), option::of(binary()));
    (first, rest).prop_map(
        move |((clean_start, keep_alive, properties, client_id), (will, user_name, password))| {
            let password = password.filter(|_| version == Version::V5 || user_name.is_some());
            Connect { version, clean_start, keep_alive, properties, client_id, will, user_name, password }
        },
    )
}

fn will(version: Version) -> impl Strategy<Value = Will<'static>> {
    (topic_name(), binary(), qos(), any::<bool>(), properties(version, Will::PROPERTIES)).prop_map(
        |(topic, payload, qos, retain, properties)| Will { topic, payload, qos, retain, properties },
    )
}

fn connack(version: Version) -> impl Strategy<Value = Connack<'static>> {
    let reason = match version {
        Version::V5 => reason(PacketType::Connack).boxed(),
        Version::V3_1 | Version::V3_1_1 => {
            (0..=5_u8).prop_map(|number| ConnectReturnCode::from_number(number).unwrap().reason()).boxed()
        }
    };
    let reason = prop_oneof![Just(ReasonCode::Success), reason];
    (any::<bool>(), reason, properties(version, Connack::PROPERTIES)).prop_map(
        move |(present, reason, properties)| {
            let session_present = present && reason == ReasonCode::Success && version != Version::V3_1;
            Connack { session_present, reason, properties }
        },
    )
}

fn acknowledgement(version: Version) -> BoxedStrategy<Packet<'static>> {
    let of = move |packet_type| {
        let reason = match version {
            Version::V5 => reason(packet_type).boxed(),
            Version::V3_1 | Version::V3_1_1 => Just(ReasonCode::Success).boxed(),
        };
        (packet_id(), reason, properties(version, Puback::PROPERTIES))
    };
    prop_oneof![
        of(PacketType::Puback).prop_map(|(packet_id, reason, properties)| {
            Packet::Puback(Puback { packet_id, reason, properties })
        }),
        of(PacketType::Pubrec).prop_map(|(packet_id, reason, properties)| {
            Packet::Pubrec(Pubrec { packet_id, reason, properties })
        }),
        of(PacketType::Pubrel).prop_map(|(packet_id, reason, properties)| {
            Packet::Pubrel(Pubrel { packet_id, reason, properties })
        }),
        of(PacketType::Pubcomp).prop_map(|(packet_id, reason, properties)| {
            Packet::Pubcomp(Pubcomp { packet_id, reason, properties })
        }),
    ]
    .boxed()
}

fn subscribe(version: Version) -> impl Strategy<Value = Subscribe<'static>> {
    let handling = select(&[RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend][..]);
    let options = (qos(), any::<bool>(), any::<bool>(), handling);
    let subscription =
        (topic_filter(), options).prop_map(move |(filter, (qos, local, published, handling))| {
            let options = match version {
                Version::V5 => SubscriptionOptions {
                    qos,
                    no_local: local && filter.share().is_none(),
                    retain_as_published: published,
                    retain_handling: handling,
                },
                Version::V3_1 | Version::V3_1_1 => {
                    SubscriptionOptions { qos, ..SubscriptionOptions::default() }
                }
            };
            Subscription { filter, options }
        });
    let subscriptions = sequence(subscription.boxed());
    (packet_id(), properties(version, Subscribe::PROPERTIES), subscriptions).prop_map(
        |(packet_id, properties, subscriptions)| Subscribe {
            packet_id,
            properties,
            subscriptions: Sequence::new(subscriptions),
        },
    )
}

fn suback(version: Version) -> impl Strategy<Value = Suback<'static>> {
    let reason = match version {
        Version::V5 => reason(PacketType::Suback).boxed(),
        Version::V3_1 | Version::V3_1_1 => select(vec![
            ReasonCode::Success,
            ReasonCode::GrantedQos1,
            ReasonCode::GrantedQos2,
            ReasonCode::UnspecifiedError,
        ])
        .boxed(),
    };
    (packet_id(), properties(version, Suback::PROPERTIES), sequence(reason)).prop_map(
        |(packet_id, properties, reasons)| Suback { packet_id, properties, reasons: Sequence::new(reasons) },
    )
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Unsubscribe<'static>> {
    let filters = sequence(topic_filter().boxed());
    (packet_id(), properties(version, Unsubscribe::PROPERTIES), filters).prop_map(
        |(packet_id, properties, filters)| Unsubscribe {
            packet_id,
            properties,
            filters: Sequence::new(filters),
        },
    )
}

fn unsuback(version: Version) -> impl Strategy<Value = Unsuback<'static>> {
    let reasons = match version {
        Version::V5 => {
            sequence(reason(PacketType::Unsuback).prop_map(|code| UnsubackReason::new(code).unwrap()).boxed())
        }
        Version::V3_1 | Version::V3_1_1 => Just(&[][..]).boxed(),
    };
    (packet_id(), properties(version, Unsuback::PROPERTIES), reasons).prop_map(
        |(packet_id, properties, reasons)| Unsuback {
            packet_id,
            properties,
            reasons: Sequence::new(reasons),
        },
    )
}

fn disconnect(version: Version) -> impl Strategy<Value = Disconnect<'static>> {
    let reason = match version {
        Version::V5 => reason(PacketType::Disconnect).boxed(),
        Version::V3_1 | Version::V3_1_1 => Just(ReasonCode::Success).boxed(),
    };
    (reason, properties(version, Disconnect::PROPERTIES))
        .prop_map(|(reason, properties)| Disconnect { reason, properties })
}

fn auth() -> impl Strategy<Value = Auth<'static>> {
    let shortest = Auth { reason: ReasonCode::Success, properties: Properties::EMPTY };
    let method = string().prop_map(Property::AuthenticationMethod);
    let others = list(Auth::PROPERTIES);
    let full = (reason(PacketType::Auth), method, others).prop_map(|(reason, method, others)| {
        let mut all = others.to_vec();
        if !all.iter().any(|property| property.id() == PropertyId::AuthenticationMethod) {
            all.push(method);
        }
        Auth { reason, properties: Properties::new(all.leak()) }
    });
    prop_oneof![1 => Just(shortest), 9 => full]
}

fn reason(packet_type: PacketType) -> impl Strategy<Value = ReasonCode> + Clone {
    let all = ReasonCode::ALL.iter().copied().filter(|code| code.allowed_in(packet_type));
    select(all.collect::<Vec<_>>())
}

/// Properties of a packet or a will; none before 5.0.
fn properties(version: Version, allowed: PropertySet) -> BoxedStrategy<Properties<'static>> {
    match version {
        Version::V5 => prop_oneof![
            1 => Just(Properties::EMPTY),
            3 => list(allowed).prop_map(Properties::new),
        ]
        .boxed(),
        Version::V3_1 | Version::V3_1_1 => Just(Properties::EMPTY).boxed(),
    }
}

/// Some of the allowed properties in any order, those that may repeat also repeatedly.
fn list(allowed: PropertySet) -> impl Strategy<Value = &'static [Property<'static>]> {
    let ids = PropertyId::ALL.into_iter().filter(|id| allowed.contains(*id)).collect::<Vec<_>>();
    let mut repeatable = vec![PropertyId::UserProperty];
    if allowed == Publish::PROPERTIES {
        repeatable.push(PropertyId::SubscriptionIdentifier);
    }
    let count = ids.len();
    (subsequence(ids, 0..=count), vec(select(repeatable), 0..=3))
        .prop_map(|(once, again)| [once, again].concat())
        .prop_shuffle()
        .prop_flat_map(|ids| ids.into_iter().map(property).collect::<Vec<_>>())
        .prop_map(|properties| {
            // Authentication Data needs a method.
            let has = |id| properties.iter().any(|property: &Property<'_>| property.id() == id);
            let lacks_method = !has(PropertyId::AuthenticationMethod);
            let kept = properties
                .iter()
                .filter(|property| !lacks_method || property.id() != PropertyId::AuthenticationData);
            &*kept.copied().collect::<Vec<_>>().leak()
        })
}

pub(crate) fn property(id: PropertyId) -> BoxedStrategy<Property<'static>> {
    use PropertyId as Id;
    match id {
        Id::PayloadFormatIndicator => any::<bool>().prop_map(Property::PayloadFormatIndicator).boxed(),
        Id::MessageExpiryInterval => any::<u32>().prop_map(Property::MessageExpiryInterval).boxed(),
        Id::ContentType => string().prop_map(Property::ContentType).boxed(),
        Id::ResponseTopic => topic_name().prop_map(Property::ResponseTopic).boxed(),
        Id::CorrelationData => binary().prop_map(Property::CorrelationData).boxed(),
        Id::SubscriptionIdentifier => {
            let number = prop_oneof![
                1..=200_u32,
                1..=VARIABLE_BYTE_INTEGER_MAX,
                select(&[127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VARIABLE_BYTE_INTEGER_MAX][..]),
            ];
            number.prop_map(Property::SubscriptionIdentifier).boxed()
        }
        Id::SessionExpiryInterval => any::<u32>().prop_map(Property::SessionExpiryInterval).boxed(),
        Id::AssignedClientIdentifier => string().prop_map(Property::AssignedClientIdentifier).boxed(),
        Id::ServerKeepAlive => any::<u16>().prop_map(Property::ServerKeepAlive).boxed(),
        Id::AuthenticationMethod => string().prop_map(Property::AuthenticationMethod).boxed(),
        Id::AuthenticationData => binary().prop_map(Property::AuthenticationData).boxed(),
        Id::RequestProblemInformation => any::<bool>().prop_map(Property::RequestProblemInformation).boxed(),
        Id::WillDelayInterval => any::<u32>().prop_map(Property::WillDelayInterval).boxed(),
        Id::RequestResponseInformation => {
            any::<bool>().prop_map(Property::RequestResponseInformation).boxed()
        }
        Id::ResponseInformation => string().prop_map(Property::ResponseInformation).boxed(),
        Id::ServerReference => string().prop_map(Property::ServerReference).boxed(),
        Id::ReasonString => string().prop_map(Property::ReasonString).boxed(),
        Id::ReceiveMaximum => any::<NonZeroU16>().prop_map(Property::ReceiveMaximum).boxed(),
        Id::TopicAliasMaximum => any::<u16>().prop_map(Property::TopicAliasMaximum).boxed(),
        Id::TopicAlias => any::<NonZeroU16>().prop_map(Property::TopicAlias).boxed(),
        Id::MaximumQos => any::<bool>().prop_map(Property::MaximumQos).boxed(),
        Id::RetainAvailable => any::<bool>().prop_map(Property::RetainAvailable).boxed(),
        Id::UserProperty => (string(), string()).prop_map(Property::UserProperty).boxed(),
        Id::MaximumPacketSize => any::<NonZeroU32>().prop_map(Property::MaximumPacketSize).boxed(),
        Id::WildcardSubscriptionAvailable => {
            any::<bool>().prop_map(Property::WildcardSubscriptionAvailable).boxed()
        }
        Id::SubscriptionIdentifierAvailable => {
            any::<bool>().prop_map(Property::SubscriptionIdentifierAvailable).boxed()
        }
        Id::SharedSubscriptionAvailable => {
            any::<bool>().prop_map(Property::SharedSubscriptionAvailable).boxed()
        }
    }
}

/// One to five elements.
fn sequence<T: Clone + std::fmt::Debug + 'static>(element: BoxedStrategy<T>) -> BoxedStrategy<&'static [T]> {
    vec(element, 1..=5).prop_map(|list| &*list.leak()).boxed()
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|number| PacketId::new(number).unwrap())
}

fn qos() -> impl Strategy<Value = QoS> {
    select(&QoS::ALL[..])
}

/// Text without U+0000: short, empty, of all planes, with U+FEFF, and now and then as long as it may be.
fn string() -> impl Strategy<Value = Utf8String<'static>> {
    text("[^\0]{0,12}").prop_map(|text| Utf8String::new(text).unwrap())
}

fn topic_name() -> impl Strategy<Value = TopicName<'static>> {
    text("[^\0+#]{1,12}").prop_filter_map("a name has a character", |text| TopicName::new(text).ok())
}

fn topic_filter() -> impl Strategy<Value = TopicFilter<'static>> {
    let level = prop_oneof![2 => text("[^\0+#/]{0,6}"), 1 => Just("+")];
    let levels = (vec(level, 1..=5), any::<bool>(), option::weighted(0.2, "[^\0+#/]{1,6}"));
    levels.prop_filter_map(
        "a filter has a character and fits its length",
        |(mut levels, all_below, share)| {
            if all_below {
                levels.push("#");
            }
            let filter = levels.join("/");
            let filter = match share {
                Some(name) => format!("$share/{name}/{filter}"),
                None => filter,
            };
            TopicFilter::new(String::leak(filter)).ok()
        },
    )
}

/// What the pattern describes, and what it is likely to miss.
fn text(pattern: &'static str) -> impl Strategy<Value = &'static str> + Clone {
    prop_oneof![
        60 => pattern.prop_map(|text| &*text.leak()),
        20 => "[a-z/]{1,10}".prop_map(|text| &*text.leak()),
        10 => select(&["", "\u{FEFF}", "\u{FEFF}a", "€", "\u{10FFFF}", "\u{1}", "$SYS/x"][..]),
        1 => select(&[("a", 65_535), ("€", 21_845), ("b", 127), ("b", 128)][..])
            .prop_map(|(unit, times)| &*unit.repeat(times).leak()),
    ]
}

fn binary() -> impl Strategy<Value = BinaryData<'static>> {
    let long = Just(&*vec![0xA5; 65_535].leak());
    prop_oneof![60 => bytes(), 1 => long].prop_map(|bytes| BinaryData::new(bytes).unwrap())
}

fn bytes() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![10 => vec(any::<u8>(), 0..=20), 1 => vec(any::<u8>(), 100..=300)]
        .prop_map(|bytes| &*bytes.leak())
}
