//! Cases of QoS 2 from both ends.

use std::time::Duration;

use super::qos1::{forget, resume, stay};
use crate::raw::property::{byte, four, id as property};
use crate::raw::{Content, Kind, Packet, Publish, pubcomp, pubrec, pubrel};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-3.3.1-1",
            "v3.1.1 MQTT-4.3.3-1",
            "v3.1.1 MQTT-4.4.0-1",
            "v5 MQTT-3.3.1-1",
            "v5 MQTT-4.3.3-3",
            "v5 MQTT-4.4.0-1",
        ],
        name: "A message at QoS 2 is sent again with DUP 1 and its identifier until PUBREC comes",
        run: resent_until_pubrec,
    },
    Case {
        ids: &[
            "v3.1.1 MQTT-4.3.3-1",
            "v3.1.1 MQTT-4.4.0-1",
            "v5 MQTT-4.3.3-5",
            "v5 MQTT-4.3.3-6",
            "v5 MQTT-4.4.0-1",
        ],
        name: "PUBREL is sent again until PUBCOMP comes, and the PUBLISH is not",
        run: pubrel_until_pubcomp,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-4"],
        name: "A PUBREC of 0x00 or 0x10 is answered with PUBREL and one of 0x80 is not",
        run: pubrec_codes,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-7"],
        name: "A message at QoS 2 that was sent does not expire",
        run: sent_does_not_expire,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.3.3-2", "v5 MQTT-4.3.3-8", "v5 MQTT-4.3.3-11", "v5 MQTT-4.3.3-12"],
        name: "A PUBLISH repeated before PUBREL is one message, and one after PUBCOMP is another",
        run: repeated,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.3.3-2", "v5 MQTT-4.3.3-10", "v5 MQTT-4.3.3-11"],
        name: "A PUBLISH repeated on the next connection of its session is one message",
        run: repeated_after_resumption,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-9"],
        name: "After a PUBREC of 0x80 or above the same identifier is a new message",
        run: new_after_refusal,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-13"],
        name: "The handshake of an expired message is finished",
        run: expired_is_finished,
    },
];

/// Publishes at QoS 2; the identifier under which the subscriber gets it.
fn pass(publisher: &mut Peer, subscriber: &mut Peer, publish: &Publish) -> Result<u16, Stop> {
    publisher.publish(publish)?;
    let came = subscriber.expect_publish()?;
    let holds = came.qos == 2 && !came.dup;
    subscriber.require(holds, "QoS 2 and DUP 0", format!("QoS {}, DUP {}", came.qos, came.dup))?;
    Ok(came.id.unwrap_or(0))
}

/// The next packet is the PUBLISH under this identifier, again.
fn expect_again(subscriber: &mut Peer, id: u16) -> Result<(), Stop> {
    let came = subscriber.expect_publish()?;
    let holds = came.qos == 2 && came.dup && came.id == Some(id);
    let words = format!("QoS {}, DUP {}, id {:?}", came.qos, came.dup, came.id);
    subscriber.require(holds, &format!("QoS 2, DUP 1 and id {id}"), words)
}

/// Finishes the exchange from PUBREC on.
fn finish(subscriber: &mut Peer, id: u16) -> Result<(), Stop> {
    subscriber.send(&pubrec(id))?;
    subscriber.expect_ack(Kind::Pubrel, id)?;
    subscriber.send(&pubcomp(id))
}

fn resent_until_pubrec(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = stay(cx, &topic, 2)?;
    let mut publisher = cx.peer("p")?;
    let id = pass(&mut publisher, &mut subscriber, &Publish::new(&topic, "x").qos(2, 1))?;
    for _ in 0..2 {
        subscriber = resume(cx, subscriber)?;
        expect_again(&mut subscriber, id)?;
    }
    finish(&mut subscriber, id)?;
    subscriber = resume(cx, subscriber)?;
    expect_quiet(cx, &mut publisher, &mut subscriber)?;
    forget(cx, subscriber)
}

/// Neither PUBLISH nor PUBREL comes.
fn expect_quiet(cx: &Context, publisher: &mut Peer, subscriber: &mut Peer) -> Result<(), Stop> {
    let came = cx.drain(publisher, subscriber)?;
    let again = |packet: &&Packet| matches!(packet.kind(), Kind::Publish | Kind::Pubrel);
    match came.iter().find(again) {
        Some(packet) => Err(subscriber.fail_with("neither PUBLISH nor PUBREL", packet)),
        None => Ok(()),
    }
}

fn pubrel_until_pubcomp(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = stay(cx, &topic, 2)?;
    let mut publisher = cx.peer("p")?;
    let id = pass(&mut publisher, &mut subscriber, &Publish::new(&topic, "x").qos(2, 1))?;
    subscriber.send(&pubrec(id))?;
    subscriber.expect_ack(Kind::Pubrel, id)?;
    for _ in 0..2 {
        subscriber = resume(cx, subscriber)?;
        let packet = subscriber.expect(Kind::Pubrel)?;
        if !matches!(&packet.content, Content::Ack(ack) if ack.id == id) {
            return Err(subscriber.fail_with(format!("PUBREL under id {id}"), &packet));
        }
        expect_quiet(cx, &mut publisher, &mut subscriber)?;
    }
    subscriber.send(&pubcomp(id))?;
    subscriber = resume(cx, subscriber)?;
    expect_quiet(cx, &mut publisher, &mut subscriber)?;
    forget(cx, subscriber)
}

fn pubrec_codes(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(&topic, 2)?;
    for code in [0x00, 0x10, 0x80, 0x00] {
        let id = pass(&mut publisher, &mut subscriber, &Publish::new(&topic, "x").qos(2, 1))?;
        subscriber.send(&pubrec(id).code(code))?;
        if code < 0x80 {
            subscriber.expect_ack(Kind::Pubrel, id)?;
            subscriber.send(&pubcomp(id))?;
        } else {
            expect_quiet(cx, &mut publisher, &mut subscriber)?;
        }
    }
    Ok(())
}

fn sent_does_not_expire(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = stay(cx, &topic, 2)?;
    let mut publisher = cx.peer("p")?;
    let publish = Publish::new(&topic, "x").qos(2, 1).property(four(property::MESSAGE_EXPIRY, 1));
    let id = pass(&mut publisher, &mut subscriber, &publish)?;
    subscriber.fence()?;
    subscriber.cut();
    cx.wait(Duration::from_secs(2));
    subscriber = cx.accept(&cx.staying("s"))?;
    expect_again(&mut subscriber, id)?;
    finish(&mut subscriber, id)?;
    forget(cx, subscriber)
}

/// How many messages came to the subscriber, which must be at least one.
fn count(cx: &Context, publisher: &mut Peer, subscriber: &mut Peer) -> Result<usize, Stop> {
    let came = cx.drain_messages(publisher, subscriber, 1)?;
    Ok(came.iter().filter(|packet| packet.kind() == Kind::Publish).count())
}

fn repeated(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("a"), 0)?;
    let publish = Publish::new(cx.topic("a"), "x").qos(2, 9);
    let again = publish.clone().dup();
    // In 5.0 a client repeats a message on its next connection only [v5 MQTT-4.4.0-1]; another case does that.
    let repetitions = if cx.v5() { 0 } else { 2 };
    for sent in std::iter::once(&publish).chain(std::iter::repeat_n(&again, repetitions)) {
        publisher.send(sent)?;
        publisher.expect_ack(Kind::Pubrec, 9)?;
    }
    publisher.send(&pubrel(9))?;
    publisher.expect_ack(Kind::Pubcomp, 9)?;
    let came = count(cx, &mut publisher, &mut subscriber)?;
    subscriber.require(came == 1, "one message, however often its PUBLISH was sent", format!("{came}"))?;
    for next in [&publish, &publish.clone().dup()] {
        publisher.publish(next)?;
        let came = count(cx, &mut publisher, &mut subscriber)?;
        subscriber.require(came == 1, "another message after PUBCOMP", format!("{came}"))?;
    }
    Ok(())
}

fn repeated_after_resumption(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = cx.peer("w")?;
    subscriber.subscribe(&topic, 0)?;
    let mut publisher = cx.accept(&cx.staying("s"))?;
    let publish = Publish::new(&topic, "x").qos(2, 9);
    publisher.send(&publish)?;
    publisher.expect_ack(Kind::Pubrec, 9)?;
    publisher = resume(cx, publisher)?;
    publisher.send(&publish.dup())?;
    publisher.expect_ack(Kind::Pubrec, 9)?;
    publisher = resume(cx, publisher)?;
    publisher.send(&pubrel(9))?;
    publisher.expect_ack(Kind::Pubcomp, 9)?;
    let came = count(cx, &mut publisher, &mut subscriber)?;
    subscriber.require(came == 1, "one message for a PUBLISH sent twice", format!("{came}"))?;
    forget(cx, publisher)
}

fn new_after_refusal(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = cx.peer("s")?;
    subscriber.subscribe(&topic, 0)?;
    let not_text = Publish::new(&topic, b"\xFF").property(byte(property::PAYLOAD_FORMAT, 1));
    let reserved = Publish::new(format!("$SYS/{topic}"), "x");
    for refused in [reserved, not_text, Publish::new(format!("{topic}/+"), "x")] {
        let mut publisher = cx.peer("p")?;
        publisher.send(&refused.qos(2, 9))?;
        let event = publisher.next_event()?;
        let crate::peer::Event::Packet(Packet { content: Content::Ack(ack), .. }) = event else { continue };
        if ack.code < 0x80 {
            continue;
        }
        publisher.publish(&Publish::new(&topic, "x").qos(2, 9))?;
        let came = count(cx, &mut publisher, &mut subscriber)?;
        return subscriber.require(came == 1, "one message", format!("{came}"));
    }
    Err(Stop::NotApplicable("no PUBLISH at QoS 2 was answered with a PUBREC of 0x80 or above".to_owned()))
}

fn expired_is_finished(cx: &Context) -> Result<(), Stop> {
    let mut publisher = cx.peer("p")?;
    let publish = Publish::new(cx.topic("a"), "x").qos(2, 9);
    publisher.send(&publish.property(four(property::MESSAGE_EXPIRY, 1)))?;
    publisher.expect_ack(Kind::Pubrec, 9)?;
    cx.wait(Duration::from_secs(2));
    publisher.send(&pubrel(9))?;
    let code = publisher.expect_ack(Kind::Pubcomp, 9)?.code;
    publisher.require(code == 0, "PUBCOMP with code 0x00", format!("0x{code:02X}"))
}
