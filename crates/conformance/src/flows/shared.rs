//! Cases of shared subscriptions, which only 5.0 has.

use std::time::Duration;

use crate::peer::Event;
use crate::raw::property::{four, id};
use crate::raw::{Content, Kind, Packet, Publish, Subscribe, hex, puback, pubrec};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-3.8.3-4"],
        name: "No Local on a shared subscription ends the connection",
        run: no_local,
    },
    Case {
        ids: &["v5 MQTT-4.8.2-1", "v5 MQTT-4.8.2-2"],
        name: "A shared filter without a name or a filter is refused",
        run: wrong_filters,
    },
    Case {
        ids: &["v5 MQTT-4.8.2-3"],
        name: "Each member of a share gets messages within the QoS granted to it",
        run: granted_qos,
    },
    Case {
        // Section 4.8.2: no Retained Messages are sent when a Shared Subscription is made; 3.3.1.3 speaks of
        // Non-shared ones.
        ids: &["v5 MQTT-3.3.1-9"],
        name: "A shared subscription brings no retained messages, and the later ones",
        run: not_retained,
    },
    Case {
        ids: &["v5 MQTT-4.8.2-4"],
        name: "A QoS 2 delivery that was cut short is completed with the same member",
        run: completed_with_member,
    },
    Case {
        ids: &["v5 MQTT-4.8.2-5"],
        name: "A QoS 2 message whose member's session has ended goes to no other member",
        run: not_passed_on,
    },
    Case {
        ids: &["v5 MQTT-4.8.2-6"],
        name: "A message that a member refuses goes to no other member",
        run: refused,
    },
];

/// The filter of the share and the topic it is about.
fn names(cx: &Context) -> (String, String) {
    let topic = cx.topic("a");
    (format!("$share/group/{topic}"), topic)
}

/// Joins the share.
fn join(peer: &mut Peer, filter: &str, qos: u8) -> Result<(), Stop> {
    if peer.connack().properties.number(id::SHARED_AVAILABLE) == Some(0) {
        return Err(Stop::NotApplicable("CONNACK says Shared Subscription Available 0".to_owned()));
    }
    let granted = peer.subscribe(filter, qos)?;
    if granted < qos {
        return Err(Stop::NotApplicable(format!("SUBACK grants QoS {granted} for {qos}")));
    }
    Ok(())
}

fn no_local(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Subscribe::new(1).filter(names(cx).0, 0x04))?;
    peer.expect_close(&[0x82])
}

fn wrong_filters(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let filters = [
        format!("$share//{topic}"),
        "$share/g".to_owned(),
        "$share/g/".to_owned(),
        "$share/".to_owned(),
        format!("$share/g+/{topic}"),
        format!("$share/g#/{topic}"),
        format!("$share/+/{topic}"),
    ];
    for filter in filters {
        let mut peer = cx.peer("a")?;
        peer.send(&Subscribe::new(1).filter(&filter, 0))?;
        match peer.peek()? {
            Event::Packet(packet) if packet.kind() == Kind::Suback => {
                let refused = matches!(
                    &packet.content,
                    Content::Answer(answer) if matches!(answer.codes.as_slice(), [code] if *code >= 0x80)
                );
                if !refused {
                    return Err(peer.fail_with("SUBACK 0x8F or the end of the connection", &packet));
                }
            }
            _ => peer.expect_close(&[0x81, 0x82, 0x8F])?,
        }
    }
    Ok(())
}

fn granted_qos(cx: &Context) -> Result<(), Stop> {
    const MESSAGES: u16 = 12;
    let (filter, topic) = names(cx);
    let mut members = [cx.peer("a")?, cx.peer("b")?];
    for (member, qos) in members.iter_mut().zip([0, 2]) {
        join(member, &filter, qos)?;
    }
    let mut publisher = cx.peer("p")?;
    for packet in 1..=MESSAGES {
        publisher.publish(&Publish::new(&topic, "x").qos(2, packet))?;
    }
    let mut total = 0;
    for (member, qos) in members.iter_mut().zip([0, 2]) {
        let came = cx.drain(&mut publisher, member)?;
        for packet in came.iter().filter(|packet| packet.kind() == Kind::Publish) {
            total += 1;
            if packet.publish().is_none_or(|publish| publish.qos != qos) {
                return Err(member.fail_with(format!("the message at QoS {qos}"), packet));
            }
        }
    }
    let [member, _] = &members;
    member.require(total == MESSAGES, "each message at one member", format!("{total} deliveries"))
}

fn not_retained(cx: &Context) -> Result<(), Stop> {
    let (filter, topic) = names(cx);
    let mut publisher = cx.peer("p")?;
    if publisher.connack().properties.number(id::RETAIN_AVAILABLE) == Some(0) {
        return Err(Stop::NotApplicable("CONNACK says Retain Available 0".to_owned()));
    }
    publisher.publish(&Publish::new(&topic, "kept").qos(1, 1).retained())?;
    let mut member = cx.peer("a")?;
    join(&mut member, &filter, 1)?;
    // A retained message may come later than a fence, which is on another topic.
    for _ in 0..2 {
        let came = cx.drain(&mut publisher, &mut member)?;
        member.require_no_publish(&came, "no retained message at a shared subscription (section 4.8.2)")?;
    }
    publisher.publish(&Publish::new(&topic, "live").qos(1, 2))?;
    let live = member.expect_payload("live")?;
    member.acknowledge(&live)?;
    publisher.publish(&Publish::new(&topic, "").qos(1, 3).retained())
}

/// A member `a`, of a session that stays so long, to which a QoS 2 message has come, a member `b` that
/// joined afterwards, and the publisher. The identifier of the message is the last of them.
fn begun(cx: &Context, expiry: u32) -> Result<(Peer, Peer, Peer, u16), Stop> {
    let (filter, topic) = names(cx);
    let connect = cx.hello("a").property(four(id::SESSION_EXPIRY, expiry));
    let mut member = cx.accept(&connect)?;
    join(&mut member, &filter, 2)?;
    let mut publisher = cx.peer("p")?;
    publisher.publish(&Publish::new(&topic, "x").qos(2, 1))?;
    let packet = member.expect_payload("x")?.id.unwrap_or(0);
    let mut other = cx.peer("b")?;
    join(&mut other, &filter, 2)?;
    Ok((member, other, publisher, packet))
}

/// Fails if the message has come to this member.
fn require_none(cx: &Context, publisher: &mut Peer, other: &mut Peer) -> Result<(), Stop> {
    let came = cx.drain(publisher, other)?;
    other.require_no_publish(&came, "nothing at another member")
}

fn completed_with_member(cx: &Context) -> Result<(), Stop> {
    let (member, mut other, mut publisher, packet) = begun(cx, 60)?;
    member.cut();
    cx.wait(Duration::from_millis(500));
    require_none(cx, &mut publisher, &mut other)?;
    let mut member = cx.accept(&cx.staying("a"))?;
    member.require(member.session_present(), "Session Present 1", "0")?;
    let again = member.expect_payload("x")?;
    member.require(
        again.id == Some(packet) && again.dup,
        "the same identifier and DUP 1",
        again.to_string(),
    )?;
    member.send(&pubrec(packet))?;
    member.expect_ack(Kind::Pubrel, packet)?;
    member.cut();
    let mut member = cx.accept(&cx.staying("a"))?;
    member.expect_ack(Kind::Pubrel, packet)?;
    member.send(&crate::raw::pubcomp(packet))?;
    member.fence()?;
    require_none(cx, &mut publisher, &mut other)?;
    member.leave()?;
    cx.peer("a")?.leave()
}

fn not_passed_on(cx: &Context) -> Result<(), Stop> {
    let (member, mut other, mut publisher, _) = begun(cx, 1)?;
    member.cut();
    cx.wait(Duration::from_secs(3));
    require_none(cx, &mut publisher, &mut other)
}

fn refused(cx: &Context) -> Result<(), Stop> {
    let (mut member, mut other, mut publisher, packet) = begun(cx, 0)?;
    member.send(&pubrec(packet).code(0x80))?;
    member.fence()?;
    require_none(cx, &mut publisher, &mut other)?;
    member.unsubscribe(names(cx).0)?;
    other.unsubscribe(names(cx).0)?;
    // The same at QoS 1.
    let filter = format!("$share/group/{}", cx.topic("one"));
    join(&mut member, &filter, 1)?;
    publisher.publish(&Publish::new(cx.topic("one"), "y").qos(1, 2))?;
    let packet = member.expect_payload("y")?.id.unwrap_or(0);
    join(&mut other, &filter, 1)?;
    member.send(&puback(packet).code(0x80))?;
    let came: Vec<Packet> = member.fence()?;
    let shown = came.iter().map(|packet| hex(&packet.bytes)).collect::<Vec<_>>().join(" ");
    member.require(came.is_empty(), "nothing more at the member that refused", shown)?;
    require_none(cx, &mut publisher, &mut other)
}
