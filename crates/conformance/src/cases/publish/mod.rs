//! Cases of PUBLISH.

mod properties;
pub(super) mod refused;

use std::collections::BTreeSet;

use crate::raw::{Encode, Kind, PUBACK, PUBREC, Packet, Publish, hex, pubrel};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-5",
            "v3.1.1 MQTT-3.3.1-2",
            "v3.1.1 MQTT-4.3.1-1",
            "v5 MQTT-2.2.1-2",
            "v5 MQTT-2.2.2-1",
            "v5 MQTT-3.3.1-2",
            "v5 MQTT-4.3.1-1",
        ],
        name: "A message at QoS 0 has DUP 0, no identifier and nothing but topic and payload",
        run: qos_0_bytes,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-3", "v5 MQTT-3.3.1-3"],
        name: "The DUP flag a message arrived with is not passed on",
        run: dup_is_not_passed_on,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.1-4", "v5 MQTT-3.3.1-4"],
        name: "A PUBLISH with QoS 3 ends the connection",
        run: refused::qos_3,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-1", "v5 MQTT-3.3.2-1"],
        name: "A PUBLISH to a topic that is not UTF-8 ends the connection",
        run: refused::topic_not_utf8,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-1", "v5 MQTT-3.3.2-1"],
        name: "The topic comes first and as it was sent, in every alphabet",
        run: topic_comes_first,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-2", "v3.1.1 MQTT-4.7.1-1", "v5 MQTT-3.3.2-2", "v5 MQTT-4.7.0-1"],
        name: "A PUBLISH to a topic with a wildcard is refused and not delivered",
        run: refused::wildcards,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.1-1", "v5 MQTT-4.7.0-1"],
        name: "A Will Topic with a wildcard is refused",
        run: refused::will_wildcards,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.3-1", "v5 MQTT-4.7.3-1"],
        name: "A PUBLISH to an empty topic ends the connection and an empty filter is refused",
        run: refused::empty,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.3-2", "v5 MQTT-4.7.3-2"],
        name: "A topic or filter with U+0000 ends the connection",
        run: refused::null_character,
    },
    Case {
        ids: &["v3.1.1 MQTT-2.3.1-1", "v5 MQTT-2.2.1-3"],
        name: "Packet Identifier 0 ends the connection",
        run: refused::id_0,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.5-2"],
        name: "A message that is not authorized is acknowledged or ends the connection, and goes nowhere",
        run: refused::not_authorized,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-3", "v5 MQTT-3.3.2-3"],
        name: "A subscriber gets the messages on matching topics and no others",
        run: filters_match,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.4-1", "v3.1.1 MQTT-2.3.1-6", "v5 MQTT-3.3.4-1", "v5 MQTT-2.2.1-5"],
        name: "QoS 0 gets no answer, QoS 1 PUBACK and QoS 2 PUBREC under the same identifier",
        run: answers_follow_qos,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.5-1", "v5 MQTT-3.3.4-2"],
        name: "A message that matches several subscriptions comes at the highest QoS among them",
        run: highest_qos,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.4-6", "v5 MQTT-3.8.4-8"],
        name: "A message comes at the lower of its own QoS and the granted one",
        run: lower_qos,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-4"],
        name: "The Payload Format Indicator comes as it was sent",
        run: properties::payload_format,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-13", "v5 MQTT-3.3.2-19"],
        name: "A Response Topic or Content Type that is not UTF-8 ends the connection",
        run: properties::not_utf8,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-14"],
        name: "A Response Topic with a wildcard is refused",
        run: properties::response_wildcard,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-15", "v5 MQTT-3.3.2-16", "v5 MQTT-3.3.2-20"],
        name: "Response Topic, Correlation Data and Content Type come as they were sent",
        run: properties::passed_on,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-17", "v5 MQTT-3.3.2-18"],
        name: "All User Properties come in their order",
        run: properties::user_properties,
    },
];

fn qos_0_bytes(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(&topic, 0)?;
    let plain = Publish::new(&topic, "x");
    let wanted = plain.encode(cx.version());
    for publish in [plain.clone(), plain.clone().qos(1, 1), plain.clone().qos(1, 2).dup(), plain.qos(2, 3)] {
        publisher.publish(&publish)?;
        let packet = subscriber.expect(Kind::Publish)?;
        if packet.bytes != wanted {
            return Err(subscriber.fail_with(hex(&wanted), &packet));
        }
    }
    Ok(())
}

fn dup_is_not_passed_on(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(&topic, 2)?;
    for qos in [1, 2] {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 1).dup())?;
        let publish = subscriber.expect_payload("x")?;
        subscriber.require(!publish.dup, "a PUBLISH with DUP 0", "DUP 1")?;
        subscriber.acknowledge(&publish)?;
    }
    Ok(())
}

fn topic_comes_first(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("#"), 2)?;
    for (rest, qos) in [("a", 0), ("ä/ß", 1), ("Ж 水", 2), ("𐍈//", 1)] {
        let topic = cx.topic(rest);
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 1))?;
        let publish = subscriber.expect_payload("x")?;
        let came = String::from_utf8_lossy(&publish.topic);
        subscriber.require(publish.topic == topic.as_bytes(), &format!("topic {topic:?}"), came)?;
        subscriber.acknowledge(&publish)?;
    }
    Ok(())
}

/// The payloads of the PUBLISH packets among these.
fn payloads(packets: &[Packet]) -> BTreeSet<String> {
    let publishes = packets.iter().filter_map(Packet::publish);
    publishes.map(|publish| String::from_utf8_lossy(&publish.payload).into_owned()).collect()
}

/// Filters and, among [`TOPICS`], those that they match.
const MATCHES: [(&str, &[&str]); 11] = [
    ("a", &["a"]),
    ("a/b", &["a/b"]),
    ("a/+", &["a/b", "a/", "a/B"]),
    ("a/#", &["a", "a/b", "a/", "a/B", "a/b/c", "a//c"]),
    ("+", &["a", "ab"]),
    ("+/+", &["a/b", "a/", "a/B", "/b"]),
    ("+/b/#", &["a/b", "/b", "a/b/c"]),
    ("a/+/c", &["a/b/c", "a//c"]),
    ("/+", &["/b"]),
    ("a/b/c/#", &["a/b/c"]),
    ("#", &TOPICS),
];

const TOPICS: [&str; 8] = ["a", "a/b", "a/", "a/B", "a/b/c", "a//c", "/b", "ab"];

fn filters_match(cx: &Context) -> Result<(), Stop> {
    let mut publisher = cx.peer("p")?;
    for (index, (filter, wanted)) in MATCHES.into_iter().enumerate() {
        // A new one each time, so that a filter that outlives its UNSUBSCRIBE shows elsewhere.
        let mut subscriber = cx.peer(&format!("s{index}"))?;
        subscriber.subscribe(cx.topic(filter), 0)?;
        for topic in TOPICS {
            publisher.send(&Publish::new(cx.topic(topic), topic))?;
        }
        // "#" takes in the topic above as well, on which nothing is published.
        let came = payloads(&cx.drain(&mut publisher, &mut subscriber)?);
        let wanted = wanted.iter().map(|&topic| topic.to_owned()).collect::<BTreeSet<_>>();
        let holds = came == wanted;
        subscriber.require(holds, &format!("{filter:?} to match {wanted:?}"), format!("{came:?}"))?;
        subscriber.cut();
    }
    Ok(())
}

/// Sends the PUBLISH; the answer to it, which must be in its shortest form in 3.1.1.
fn answer(cx: &Context, peer: &mut Peer, qos: u8, id: u16) -> Result<Packet, Stop> {
    peer.send(&Publish::new(cx.topic("a"), "x").qos(qos, id))?;
    let (kind, first) = if qos == 1 { (Kind::Puback, PUBACK) } else { (Kind::Pubrec, PUBREC) };
    let packet = peer.expect(kind)?;
    let [high, low] = id.to_be_bytes();
    let holds = if cx.v5() {
        packet.first() == first && packet.bytes.get(2..4) == Some(&[high, low])
    } else {
        packet.bytes == [first, 2, high, low]
    };
    let expected = format!("{} under id {id}", kind.name());
    if holds { Ok(packet) } else { Err(peer.fail_with(expected, &packet)) }
}

fn answers_follow_qos(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("p")?;
    peer.send(&Publish::new(cx.topic("a"), "x"))?;
    if let Some(packet) = peer.fence()?.first() {
        return Err(peer.fail_with("no answer to QoS 0", packet));
    }
    for id in [1, 256, 0x0201, u16::MAX] {
        answer(cx, &mut peer, 1, id)?;
        answer(cx, &mut peer, 2, id)?;
        peer.send(&pubrel(id))?;
        peer.expect_ack(Kind::Pubcomp, id)?;
    }
    Ok(())
}

fn highest_qos(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("a/#"), 2)?;
    subscriber.subscribe(cx.topic("a/b"), 0)?;
    subscriber.subscribe(cx.topic("a/+"), 1)?;
    for qos in [1, 2] {
        publisher.publish(&Publish::new(cx.topic("a/b"), "x").qos(qos, 1))?;
        let came = cx.drain_messages(&mut publisher, &mut subscriber, 1)?;
        let highest = came.iter().filter_map(Packet::publish).map(|publish| publish.qos).max();
        subscriber.require(
            highest == Some(qos),
            &format!("a copy at QoS {qos} and none above"),
            format!("the highest QoS of any copy is {highest:?}"),
        )?;
        for publish in came.iter().filter_map(Packet::publish) {
            subscriber.acknowledge(publish)?;
        }
    }
    Ok(())
}

fn lower_qos(cx: &Context) -> Result<(), Stop> {
    let mut publisher = cx.peer("p")?;
    let mut subscriber = cx.peer("s")?;
    for wanted in [0, 1, 2] {
        let topic = cx.topic(&wanted.to_string());
        let granted = subscriber.subscribe(&topic, wanted)?;
        for published in [0, 1, 2] {
            publisher.publish(&Publish::new(&topic, "x").qos(published, 1))?;
            let publish = subscriber.expect_payload("x")?;
            let lower = published.min(granted);
            let expected = format!("QoS {lower} (published {published}, granted {granted})");
            subscriber.require(publish.qos == lower, &expected, format!("QoS {}", publish.qos))?;
            subscriber.acknowledge(&publish)?;
        }
    }
    Ok(())
}
