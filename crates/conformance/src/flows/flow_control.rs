//! Cases of the Receive Maximum, in both directions.

use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Content, Kind, PINGREQ, Packet, Publication, Publish, Subscribe, puback, pubcomp, pubrec};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-3.3.4-9", "v5 MQTT-4.9.0-2"],
        name: "At the Receive Maximum each PUBACK lets one more message through",
        run: pubacks_let_through,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-9", "v5 MQTT-4.9.0-2"],
        name: "At the Receive Maximum PUBCOMP and a failing PUBREC let a message through, and PUBREC does not",
        run: pubcomps_let_through,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-10", "v5 MQTT-4.9.0-3"],
        name: "At the Receive Maximum all other packets are still answered",
        run: others_go_on,
    },
    Case {
        ids: &["v5 MQTT-4.9.0-1"],
        name: "The first messages are at least one and at most the Receive Maximum",
        run: first_messages,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-9"],
        name: "Messages sent again keep to the Receive Maximum of the new connection",
        run: resumed_with_less,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-7"],
        name: "A client that exceeds the server's Receive Maximum is told so or cut off",
        run: server_maximum,
    },
];

/// A subscriber at QoS 2 with this Receive Maximum, and a publisher.
fn pair(cx: &Context, maximum: u16) -> Result<(Peer, Peer), Stop> {
    let mut subscriber = cx.accept(&cx.hello("s").property(two(id::RECEIVE_MAXIMUM, maximum)))?;
    subscriber.subscribe(cx.topic("a"), 2)?;
    Ok((subscriber, cx.peer("p")?))
}

/// Publishes so many messages.
fn publish(cx: &Context, publisher: &mut Peer, qos: u8, count: u16) -> Result<(), Stop> {
    for number in 1..=count {
        publisher.publish(&Publish::new(cx.topic("a"), number.to_string()).qos(qos, number))?;
    }
    Ok(())
}

/// Exactly so many messages come, under these identifiers.
fn expect_messages(
    cx: &Context,
    (subscriber, publisher): (&mut Peer, &mut Peer),
    count: usize,
) -> Result<Vec<u16>, Stop> {
    let came = cx.drain_messages(publisher, subscriber, count)?;
    let publishes: Vec<&Publication> = came.iter().filter_map(Packet::publish).collect();
    let came = publishes.iter().map(|publish| String::from_utf8_lossy(&publish.payload)).collect::<Vec<_>>();
    let expected = format!("{count} more at QoS 1 or 2");
    subscriber.require(publishes.len() == count, &expected, format!("{came:?}"))?;
    Ok(publishes.iter().filter_map(|publish| publish.id).collect())
}

fn pubacks_let_through(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = pair(cx, 2)?;
    publish(cx, &mut publisher, 1, 5)?;
    let mut ids = expect_messages(cx, (&mut subscriber, &mut publisher), 2)?;
    for more in [1, 1, 1, 0, 0] {
        if ids.is_empty() {
            return Err(subscriber.fail("a message to acknowledge", "none"));
        }
        subscriber.send(&puback(ids.remove(0)))?;
        ids.extend(expect_messages(cx, (&mut subscriber, &mut publisher), more)?);
    }
    Ok(())
}

fn pubcomps_let_through(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = pair(cx, 2)?;
    publish(cx, &mut publisher, 2, 5)?;
    let ids = expect_messages(cx, (&mut subscriber, &mut publisher), 2)?;
    let [one, two] = ids.as_slice() else { return Err(subscriber.fail("two ids", format!("{ids:?}"))) };
    subscriber.send(&pubrec(*one))?;
    subscriber.expect_ack(Kind::Pubrel, *one)?;
    expect_messages(cx, (&mut subscriber, &mut publisher), 0)?;
    subscriber.send(&pubcomp(*one))?;
    expect_messages(cx, (&mut subscriber, &mut publisher), 1)?;
    subscriber.send(&pubrec(*two).code(0x80))?;
    expect_messages(cx, (&mut subscriber, &mut publisher), 1)?;
    Ok(())
}

fn others_go_on(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = pair(cx, 1)?;
    publish(cx, &mut publisher, 1, 3)?;
    let first = subscriber.expect_publish()?;
    subscriber.send(&PINGREQ)?;
    subscriber.expect(Kind::Pingresp)?;
    subscriber.send(&Subscribe::new(21).filter(cx.topic("b"), 1))?;
    subscriber.expect_answer(Kind::Suback, 21)?;
    for (qos, id) in [(1, 22), (2, 23)] {
        subscriber.publish(&Publish::new(cx.topic("c"), "x").qos(qos, id))?;
    }
    publisher.send(&Publish::new(cx.topic("b"), "0"))?;
    subscriber.expect_payload("0")?;
    subscriber.unsubscribe(cx.topic("b"))?;
    subscriber.acknowledge(&first)?;
    subscriber.expect_payload("2")?;
    Ok(())
}

fn first_messages(cx: &Context) -> Result<(), Stop> {
    for (maximum, qos) in [(1, 1), (10, 1), (10, 2)] {
        let (mut subscriber, mut publisher) = pair(cx, maximum)?;
        publish(cx, &mut publisher, qos, 15)?;
        let came = cx.drain_messages(&mut publisher, &mut subscriber, 1)?;
        let count = came.iter().filter(|packet| packet.kind() == Kind::Publish).count();
        let holds = (1..=usize::from(maximum)).contains(&count);
        subscriber.require(holds, &format!("1 to {maximum} messages"), format!("{count}"))?;
        subscriber.leave()?;
        publisher.leave()?;
    }
    Ok(())
}

fn resumed_with_less(cx: &Context) -> Result<(), Stop> {
    let staying = cx.staying("s");
    let mut subscriber = cx.accept(&staying)?;
    let mut publisher = cx.peer("p")?;
    subscriber.subscribe(cx.topic("a"), 1)?;
    publish(cx, &mut publisher, 1, 4)?;
    for number in 1..=4 {
        subscriber.expect_payload(number.to_string())?;
    }
    subscriber.cut();
    subscriber = cx.accept(&staying.property(two(id::RECEIVE_MAXIMUM, 2)))?;
    let mut ids = expect_messages(cx, (&mut subscriber, &mut publisher), 2)?;
    for more in [1, 1, 0, 0] {
        if ids.is_empty() {
            return Err(subscriber.fail("a message to acknowledge", "none"));
        }
        subscriber.send(&puback(ids.remove(0)))?;
        ids.extend(expect_messages(cx, (&mut subscriber, &mut publisher), more)?);
    }
    subscriber.leave()?;
    cx.peer("s")?.leave()
}

fn server_maximum(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("p")?;
    // Without the property there are fewer identifiers than the server takes.
    let maximum = peer.connack().properties.number(id::RECEIVE_MAXIMUM).unwrap_or(65_535);
    let Some(above) = u16::try_from(maximum).ok().and_then(|maximum| maximum.checked_add(1)) else {
        return Err(Stop::NotApplicable("the Receive Maximum is 65535, as many as there are ids".to_owned()));
    };
    for id in 1..=above {
        peer.send(&Publish::new(cx.topic("a"), "x").qos(2, id))?;
    }
    loop {
        match peer.next_event()? {
            Event::Closed => return Ok(()),
            Event::Packet(packet) => match packet.content {
                // Refusing the message keeps the promise too: DISCONNECT is a SHOULD of section 4.13.2.
                Content::Ack(ack) if packet.kind() == Kind::Pubrec && ack.code >= 0x80 => return Ok(()),
                Content::Ack(_) if packet.kind() == Kind::Pubrec => {}
                Content::Reason(0x93, _) => return peer.expect_close(&[]),
                _ => return Err(peer.fail_with("DISCONNECT 0x93 or the end", &packet)),
            },
            Event::Silence => {
                let expected = format!("the end after {above} messages, one more than Receive Maximum");
                return Err(peer.fail(expected, "nothing"));
            }
        }
    }
}
