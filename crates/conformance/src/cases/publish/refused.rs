//! Cases of PUBLISH packets that a server does not take.

use crate::peer::Event;
use crate::raw::property::id;
use crate::raw::{Ack, Content, Encode, Kind, Packet, Publish, Subscribe, Unsubscribe, Will, pubrel};
use crate::{Context, Peer, Stop};

/// Sends the packet on a new connection, which must end, in 5.0 possibly after one of these codes.
fn ends(cx: &Context, packet: &(impl Encode + ?Sized), codes: &[u8]) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(packet)?;
    peer.expect_close(codes)
}

pub(super) fn qos_3(cx: &Context) -> Result<(), Stop> {
    let publish = Publish::new(cx.topic("a"), "x").qos(3, 1);
    ends(cx, &publish, &[0x81])?;
    ends(cx, &publish.clone().dup(), &[0x81])?;
    ends(cx, &publish.retained(), &[0x81])
}

pub(super) fn topic_not_utf8(cx: &Context) -> Result<(), Stop> {
    for wrong in [&b"\xFF"[..], b"\xC0\x80", b"\xED\xA0\x80", b"\xE2\x82", b"\xF4\x90\x80\x80"] {
        let topic = [cx.topic("").as_bytes(), wrong].concat();
        ends(cx, &Publish::new(topic, "x"), &[0x81])?;
    }
    Ok(())
}

/// Sends the PUBLISH on a new connection: in 5.0 a code of 0x80 or above may refuse it, otherwise the
/// connection must end.
pub(super) fn refuses(cx: &Context, publish: &Publish, codes: &[u8]) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(publish)?;
    if cx.v5()
        && publish.level() > 0
        && let Event::Packet(Packet { content: Content::Ack(ack), .. }) = peer.peek()?
        && Some(ack.id) == publish.id()
        && codes.contains(&ack.code)
    {
        return Ok(());
    }
    peer.expect_close(codes)
}

/// A subscriber to all topics of the case, and somebody to publish a fence.
fn watch(cx: &Context) -> Result<(Peer, Peer), Stop> {
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(cx.topic("#"), 0)?;
    Ok((watcher, cx.peer("p")?))
}

pub(super) fn wildcards(cx: &Context) -> Result<(), Stop> {
    let (mut watcher, mut publisher) = watch(cx)?;
    for rest in ["a/+", "a/#", "+/a", "a+", "#b/c"] {
        for qos in [0, 1, 2] {
            let publish = Publish::new(cx.topic(rest), "x").qos(qos, 1);
            refuses(cx, &publish, &[0x81, 0x82, 0x90])?;
        }
    }
    let came = cx.drain(&mut publisher, &mut watcher)?;
    watcher.require_no_publish(&came, "no message on a topic with a wildcard")
}

pub(super) fn will_wildcards(cx: &Context) -> Result<(), Stop> {
    for rest in ["a/+", "a/#"] {
        let mut peer = cx.open()?;
        peer.send(&cx.hello("a").will(Will::new(cx.topic(rest), "x")))?;
        match peer.next_event()? {
            Event::Closed => {}
            Event::Packet(Packet { content: Content::Connack(connack), .. }) if connack.code != 0 => {
                peer.expect_close(&[])?;
            }
            Event::Packet(packet) => return Err(peer.fail_with("a refusal", &packet)),
            Event::Silence => return Err(peer.fail("a refusal", "nothing")),
        }
    }
    cx.peer("a")?.leave()
}

pub(super) fn empty(cx: &Context) -> Result<(), Stop> {
    for qos in [0, 1, 2] {
        ends(cx, &Publish::new("", "x").qos(qos, 1), &[0x82])?;
    }
    let mut peer = cx.peer("a")?;
    peer.send(&Subscribe::new(1).filter("", 0))?;
    if cx.v5()
        && let Event::Packet(Packet { content: Content::Answer(answer), .. }) = peer.peek()?
        && answer.codes == [0x8F]
    {
        return Ok(());
    }
    peer.expect_close(&[0x81, 0x82, 0x8F])
}

pub(super) fn null_character(cx: &Context) -> Result<(), Stop> {
    let wrong = cx.topic("a\0b");
    ends(cx, &Publish::new(&wrong, "x"), &[0x81])?;
    ends(cx, &Publish::new(&wrong, "x").qos(1, 1), &[0x81])?;
    ends(cx, &Subscribe::new(1).filter(&wrong, 0), &[0x81])?;
    ends(cx, &Unsubscribe::new(1).filter(&wrong), &[0x81])
}

pub(super) fn id_0(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let codes = [0x81, 0x82];
    ends(cx, &Publish::new(&topic, "x").qos(1, 0), &codes)?;
    ends(cx, &Publish::new(&topic, "x").qos(2, 0), &codes)?;
    ends(cx, &Subscribe::new(0).filter(&topic, 0), &codes)?;
    ends(cx, &Unsubscribe::new(0).filter(&topic), &codes)
}

/// A topic that servers commonly keep for themselves.
pub(in crate::cases) fn reserved(cx: &Context) -> String {
    format!("$SYS/{}", cx.topic("a"))
}

pub(super) fn not_authorized(cx: &Context) -> Result<(), Stop> {
    let topic = reserved(cx);
    let (mut watcher, mut publisher, mut peer) = (cx.peer("w")?, cx.peer("p")?, cx.peer("a")?);
    let id = watcher.next_id();
    watcher.send(&Subscribe::new(id).filter(&topic, 0))?;
    if watcher.expect_answer(Kind::Suback, id)?.codes != [0] {
        return Err(Stop::NotApplicable("$SYS topics cannot be watched".to_owned()));
    }
    peer.send(&Publish::new(&topic, "x").qos(1, 1))?;
    match peer.next_event()? {
        Event::Closed => {}
        Event::Packet(Packet { content: Content::Ack(Ack { id: 1, .. }), .. }) => {}
        Event::Packet(packet) => return Err(peer.fail_with("PUBACK or the end", &packet)),
        Event::Silence => return Err(peer.fail("PUBACK or the end", "nothing")),
    }
    let came = cx.drain(&mut publisher, &mut watcher)?;
    if came.iter().any(|packet| packet.kind() == Kind::Publish) {
        return Err(Stop::NotApplicable("the server authorizes everyone to publish below $SYS".to_owned()));
    }
    Ok(())
}

/// PUBLISH packets at this QoS, under ids from 1, that a server may have something to say about.
pub(in crate::cases) fn provocations(cx: &Context, qos: u8) -> Vec<Publish> {
    let plain = |topic: String| Publish::new(topic, b"\xFF\xFE");
    let format = crate::raw::property::byte(id::PAYLOAD_FORMAT, 1);
    vec![
        plain(cx.topic("nobody")).qos(qos, 1),
        plain(reserved(cx)).qos(qos, 2),
        plain(cx.topic("a")).property(format).qos(qos, 3),
        plain(cx.topic("a/+")).qos(qos, 4),
        plain(cx.topic("nobody")).qos(qos, 5).retained(),
        plain("$share/a/b".to_owned()).qos(qos, 6),
    ]
}

/// Sends the PUBLISH on this connection; its PUBACK or PUBREC with all bytes, or `None` if the server ends
/// the connection instead. A QoS 2 exchange is brought to its end.
pub(in crate::cases) fn provoke(peer: &mut Peer, publish: &Publish) -> Result<Option<(Packet, Ack)>, Stop> {
    peer.send(publish)?;
    let kind = if publish.level() == 1 { Kind::Puback } else { Kind::Pubrec };
    match peer.next_event()? {
        Event::Packet(packet) if packet.kind() == kind => {
            let Content::Ack(ack) = packet.content.clone() else {
                return Err(peer.fail_with(kind.name(), &packet));
            };
            if kind == Kind::Pubrec && ack.code < 0x80 {
                peer.send(&pubrel(ack.id))?;
                peer.expect_ack(Kind::Pubcomp, ack.id)?;
            }
            Ok(Some((packet, ack)))
        }
        Event::Packet(packet) if packet.kind() == Kind::Disconnect => Ok(None),
        Event::Closed => Ok(None),
        Event::Packet(packet) => Err(peer.fail_with(kind.name(), &packet)),
        Event::Silence => Err(peer.fail(kind.name(), "nothing")),
    }
}
