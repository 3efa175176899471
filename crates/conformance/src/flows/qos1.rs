//! Cases of QoS 1 from both ends, and of identifiers and redelivery where they are the same for QoS 2.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::raw::{Kind, Packet, Publish, puback, pubcomp, pubrec};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-1",
            "v3.1.1 MQTT-2.3.1-4",
            "v3.1.1 MQTT-4.3.2-1",
            "v3.1.1 MQTT-4.3.3-1",
            "v5 MQTT-2.2.1-4",
            "v5 MQTT-4.3.2-1",
            "v5 MQTT-4.3.2-2",
            "v5 MQTT-4.3.3-1",
            "v5 MQTT-4.3.3-2",
        ],
        name: "Messages not yet acknowledged have distinct identifiers that are not 0, and DUP 0",
        run: distinct_ids,
    },
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-4",
            "v3.1.1 MQTT-3.3.1-1",
            "v3.1.1 MQTT-4.3.2-1",
            "v3.1.1 MQTT-4.4.0-1",
            "v5 MQTT-3.3.1-1",
            "v5 MQTT-4.3.2-3",
            "v5 MQTT-4.4.0-1",
        ],
        name: "A message at QoS 1 is sent again with DUP 1 and its identifier until PUBACK comes",
        run: resent_until_puback,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.3.2-2", "v5 MQTT-4.3.2-4", "v5 MQTT-4.3.2-5"],
        name: "After PUBACK the same identifier is a new message, even with DUP 1",
        run: new_after_puback,
    },
    Case {
        ids: &["v5 MQTT-4.4.0-1"],
        name: "Nothing is sent again while the connection lasts",
        run: not_resent_without_reconnection,
    },
    Case {
        ids: &["v5 MQTT-4.4.0-2"],
        name: "A PUBACK or PUBREC of 0x80 counts and the message is not sent again",
        run: failing_codes_count,
    },
];

fn distinct_ids(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("a"), 2)?;
    let mut ids = BTreeSet::new();
    for number in 0..12 {
        let qos = 1 + u8::from(number >= 6);
        publisher.publish(&Publish::new(cx.topic("a"), "x").qos(qos, 7))?;
        let packet = subscriber.expect(Kind::Publish)?;
        let Some(publish) = packet.publish() else { return Err(subscriber.fail_with("PUBLISH", &packet)) };
        let first = 0x30 | qos << 1;
        if packet.first() != first || publish.id.is_none_or(|id| id == 0 || !ids.insert(id)) {
            let expected = format!("PUBLISH {first:02X} under an id other than 0 and {ids:?}");
            return Err(subscriber.fail_with(expected, &packet));
        }
    }
    Ok(())
}

/// Subscribes to the topic with a session that stays.
pub(super) fn stay(cx: &Context, topic: &str, qos: u8) -> Result<Peer, Stop> {
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    subscriber.subscribe(topic, qos)?;
    Ok(subscriber)
}

/// Cuts the connection, once all that was sent is processed, and resumes the session.
pub(super) fn resume(cx: &Context, mut peer: Peer) -> Result<Peer, Stop> {
    peer.fence()?;
    peer.cut();
    let peer = cx.accept(&cx.staying("s"))?;
    peer.require(peer.session_present(), "Session Present 1", "0")?;
    Ok(peer)
}

/// Ends the session that stays.
pub(super) fn forget(cx: &Context, peer: Peer) -> Result<(), Stop> {
    peer.leave()?;
    cx.peer("s")?.leave()
}

fn resent_until_puback(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = stay(cx, &topic, 1)?;
    let mut publisher = cx.peer("p")?;
    let mut ids = Vec::new();
    for payload in ["1", "2", "3"] {
        publisher.publish(&Publish::new(&topic, payload).qos(1, 1))?;
        let publish = subscriber.expect_payload(payload)?;
        subscriber.require(!publish.dup, "DUP 0 at first", "DUP 1")?;
        ids.push(publish.id.unwrap_or(0));
    }
    let [one, two, three] = ids.as_slice() else { return Err(subscriber.fail("three ids", "fewer")) };
    subscriber.send(&puback(*one))?;
    // Twice, as a message sent again is still not acknowledged.
    for _ in 0..2 {
        subscriber = resume(cx, subscriber)?;
        for (payload, id) in [("2", *two), ("3", *three)] {
            let publish = subscriber.expect_payload(payload)?;
            let came = format!("id {:?}, DUP {}", publish.id, publish.dup);
            let holds = publish.dup && publish.id == Some(id) && publish.qos == 1;
            subscriber.require(holds, &format!("QoS 1, id {id}, DUP 1"), came)?;
        }
    }
    subscriber.send(&puback(*two))?;
    subscriber.send(&puback(*three))?;
    subscriber = resume(cx, subscriber)?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_no_publish(&came, "nothing again after PUBACK")?;
    forget(cx, subscriber)
}

fn new_after_puback(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(&topic, 1)?;
    publisher.publish(&Publish::new(&topic, "x").qos(1, 5))?;
    publisher.publish(&Publish::new(&topic, "x").qos(1, 5).dup())?;
    publisher.publish(&Publish::new(&topic, "x").qos(1, 5))?;
    for _ in 0..3 {
        let publish = subscriber.expect_payload("x")?;
        subscriber.acknowledge(&publish)?;
    }
    Ok(())
}

fn not_resent_without_reconnection(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(&topic, 2)?;
    for qos in [1, 2, 2] {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 1))?;
    }
    let (_, released, _) =
        (subscriber.expect_publish()?, subscriber.expect_publish()?, subscriber.expect_publish()?);
    let id = released.id.unwrap_or(0);
    subscriber.send(&pubrec(id))?;
    subscriber.expect_ack(Kind::Pubrel, id)?;
    cx.wait(Duration::from_secs(5));
    if let Some(packet) = cx.drain(&mut publisher, &mut subscriber)?.first() {
        return Err(subscriber.fail_with("nothing again within 5 s", packet));
    }
    subscriber.send(&pubcomp(id))
}

fn failing_codes_count(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = stay(cx, &topic, 2)?;
    let mut publisher = cx.peer("p")?;
    for (qos, code) in [(1, 0x80), (2, 0x80), (1, 0x97), (2, 0x99)] {
        publisher.publish(&Publish::new(&topic, "x").qos(qos, 1))?;
        let id = subscriber.expect_payload("x")?.id.unwrap_or(0);
        let ack = if qos == 1 { puback(id) } else { pubrec(id) };
        subscriber.send(&ack.code(code))?;
    }
    subscriber = resume(cx, subscriber)?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    let again = |packet: &&Packet| matches!(packet.kind(), Kind::Publish | Kind::Pubrel);
    if let Some(packet) = came.iter().find(again) {
        return Err(subscriber.fail_with("nothing again after codes of 0x80 and above", packet));
    }
    forget(cx, subscriber)
}
