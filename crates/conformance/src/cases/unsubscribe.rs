//! Cases of UNSUBSCRIBE.

use crate::raw::{Encode, Kind, Publish, Unsubscribe, frame, hex, pubcomp, pubrec};
use crate::{Case, Context, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.10.1-1", "v5 MQTT-3.10.1-1"],
        name: "An UNSUBSCRIBE with other flags than 0010 ends the connection",
        run: wrong_flags,
    },
    Case {
        ids: &["v3.1.1 MQTT-2.3.1-1", "v5 MQTT-2.2.1-3"],
        name: "An UNSUBSCRIBE under Packet Identifier 0 ends the connection",
        run: id_zero,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.3-1", "v5 MQTT-3.10.3-1"],
        name: "An UNSUBSCRIBE with a filter that is not UTF-8 ends the connection",
        run: not_utf8,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.3-2", "v5 MQTT-3.10.3-2"],
        name: "An UNSUBSCRIBE without a filter ends the connection",
        run: no_filter,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.4-1", "v5 MQTT-3.10.4-1"],
        name: "Only a filter that is the same character for character is deleted",
        run: exact,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.4-2", "v5 MQTT-3.10.4-2"],
        name: "After the UNSUBACK no new message comes",
        run: no_more,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.4-2", "v5 MQTT-3.10.4-2"],
        name: "After the UNSUBACK for a filter with # no message comes on the level above it either",
        run: no_more_above,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.4-3", "v5 MQTT-3.10.4-3"],
        name: "Deliveries that have begun are completed after the UNSUBSCRIBE",
        run: begun,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.4-6", "v5 MQTT-3.10.4-6"],
        name: "Several filters in one UNSUBSCRIBE are all deleted and get one UNSUBACK",
        run: several,
    },
];

fn wrong_flags(cx: &Context) -> Result<(), Stop> {
    let packet = Unsubscribe::new(1).filter("a").encode(cx.version());
    for first in [0xA0, 0xA1, 0xA3, 0xA6, 0xAA] {
        let mut peer = cx.peer("a")?;
        peer.send(&frame(first, packet.get(2..).unwrap_or_default()))?;
        peer.expect_close(&[0x81])?;
    }
    Ok(())
}

fn id_zero(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Unsubscribe::new(0).filter(cx.topic("a")))?;
    peer.expect_close(&[0x81, 0x82])
}

fn not_utf8(cx: &Context) -> Result<(), Stop> {
    for filter in [&b"a/\xFF"[..], b"a/\xC0\x80", b"a/\xED\xA0\x80"] {
        let mut peer = cx.peer("a")?;
        peer.send(&Unsubscribe::new(1).filter(filter))?;
        peer.expect_close(&[0x81])?;
    }
    Ok(())
}

fn no_filter(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Unsubscribe::new(1))?;
    peer.expect_close(&[0x82])
}

fn exact(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a/b");
    let filter = cx.topic("a/+");
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    subscriber.subscribe(&filter, 0)?;
    for other in [topic.clone(), cx.topic("a/#"), cx.topic("A/+"), cx.topic("a/+/"), cx.topic("+/+")] {
        subscriber.unsubscribe(&other)?;
    }
    publisher.publish(&Publish::new(&topic, "goes on"))?;
    subscriber.expect_payload("goes on")?;
    subscriber.unsubscribe(&filter)?;
    publisher.publish(&Publish::new(&topic, "stopped"))?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_no_publish(&came, "no message after the exact filter was deleted")
}

fn no_more(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    subscriber.subscribe(&topic, 2)?;
    publisher.publish(&Publish::new(&topic, "before").qos(1, 1))?;
    let publish = subscriber.expect_payload("before")?;
    subscriber.acknowledge(&publish)?;
    subscriber.unsubscribe(&topic)?;
    for (packet, qos) in [(2, 0), (3, 1), (4, 2)] {
        publisher.publish(&Publish::new(&topic, "after").qos(qos, packet))?;
    }
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_no_publish(&came, "no message after the UNSUBACK")
}

fn no_more_above(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("a/#"), 0)?;
    subscriber.unsubscribe(cx.topic("a/#"))?;
    // A server that keeps part of the filter may show it only while there is another one.
    subscriber.subscribe(cx.topic("a/+"), 0)?;
    publisher.publish(&Publish::new(cx.topic("a"), "x"))?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_no_publish(&came, "no message on the level above")
}

fn begun(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    let mut publisher = cx.peer("p")?;
    if subscriber.subscribe(&topic, 2)? < 2 {
        return Err(Stop::NotApplicable("SUBACK grants less than QoS 2".to_owned()));
    }
    publisher.publish(&Publish::new(&topic, "one").qos(1, 1))?;
    publisher.publish(&Publish::new(&topic, "two").qos(2, 2))?;
    let one = subscriber.expect_payload("one")?;
    let two = subscriber.expect_payload("two")?.id.unwrap_or(0);
    subscriber.unsubscribe(&topic)?;
    subscriber.send(&pubrec(two))?;
    subscriber.expect_ack(Kind::Pubrel, two)?;
    subscriber.cut();
    // The QoS 1 message was not acknowledged and the PUBREL not answered: both come again.
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    let again = subscriber.find(Kind::Publish)?;
    let same = again.publish().is_some_and(|publish| publish.id == one.id && publish.payload == b"one");
    if !same {
        return Err(subscriber.fail_with("the QoS 1 message again under its identifier", &again));
    }
    subscriber.acknowledge(&one)?;
    subscriber.expect_ack(Kind::Pubrel, two)?;
    subscriber.send(&pubcomp(two))?;
    subscriber.fence()?;
    subscriber.leave()?;
    cx.peer("s")?.leave()
}

fn several(cx: &Context) -> Result<(), Stop> {
    let topics = [cx.topic("a"), cx.topic("b"), cx.topic("c")];
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    for topic in &topics {
        subscriber.subscribe(topic, 0)?;
    }
    subscriber.send(&topics.iter().fold(Unsubscribe::new(9), Unsubscribe::filter))?;
    let codes = subscriber.expect_answer(Kind::Unsuback, 9)?.codes;
    let expected: &[u8] = if cx.v5() { &[0, 0, 0] } else { &[] };
    subscriber.require(codes == expected, "one UNSUBACK, in 5.0 with 00 00 00", hex(&codes))?;
    for topic in &topics {
        publisher.publish(&Publish::new(topic, "x"))?;
    }
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_none(&came, "no second UNSUBACK and no message")
}
