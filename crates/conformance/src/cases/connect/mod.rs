//! Cases of CONNECT.

mod client_id;
mod format;
mod login;

use crate::peer::Event;
use crate::raw::property::{byte, id, text};
use crate::raw::{
    Connect, Content, Encode, Kind, PINGREQ, Publish, Subscribe, Unsubscribe, Will, pubrel, words,
};
use crate::{Case, Context, Peer, Stop};

/// The Reason Codes that may answer a packet that cannot be right.
const MALFORMED: [u8; 3] = [0x80, 0x81, 0x82];

/// Those of the format.
pub(super) const FORMAT: &[Case] = format::CASES;
/// Those of User Name and Password.
pub(super) const LOGIN: &[Case] = login::CASES;
/// Those of the Client Identifier.
pub(super) const CLIENT_ID: &[Case] = client_id::CASES;

/// Those of what comes before and after it.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.0-1", "v5 MQTT-3.1.0-1"],
        name: "A connection that begins with another packet than CONNECT is closed",
        run: another_packet_first,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.0-2", "v5 MQTT-3.1.0-2"],
        name: "A second CONNECT ends the connection",
        run: second_connect,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.4-5", "v5 MQTT-3.1.4-6"],
        name: "What follows a refused CONNECT has no effect",
        run: nothing_after_refusal,
    },
    Case {
        ids: &["v3.1.1 MQTT-7.1.1-1", "v5 MQTT-4.2.0-1"],
        name: "Packets may arrive byte by byte",
        run: byte_by_byte,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-1", "v5 MQTT-3.1.3-1"],
        name: "All five payload fields are taken in their order",
        run: five_fields,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-29"],
        name: "Request Problem Information 0 keeps reasons and User Properties off acknowledgements",
        run: no_problem_information,
    },
];

fn another_packet_first(cx: &Context) -> Result<(), Stop> {
    let publish = Publish::new(cx.topic("a"), "x").encode(cx.version());
    let subscribe = Subscribe::new(1).filter(cx.topic("a"), 0).encode(cx.version());
    for first in [publish, subscribe, PINGREQ.to_vec(), vec![0xE0, 0x00]] {
        let mut peer = cx.open()?;
        peer.send(&first)?;
        peer.expect_close(&MALFORMED)?;
    }
    Ok(())
}

fn second_connect(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&cx.hello("a"))?;
    peer.expect_close(&[0x82])
}

fn nothing_after_refusal(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(&topic, 0)?;
    let refused = if cx.v5() {
        cx.hello("a").property(text(id::AUTHENTICATION_METHOD, "NO-SUCH"))
    } else {
        Connect::new("").resuming()
    };
    let mut peer = cx.open()?;
    let mut bytes = refused.encode(cx.version());
    bytes.extend(Publish::new(&topic, "x").encode(cx.version()));
    peer.send(&bytes)?;
    if super::connack::accepts(&mut peer)? {
        return Err(Stop::NotApplicable("a CONNECT to be refused is accepted".to_owned()));
    }
    require_refusal(cx, &mut peer, "the refusal of the CONNECT")?;
    let mut publisher = cx.peer("p")?;
    let came = cx.drain(&mut publisher, &mut watcher)?;
    watcher.require_no_publish(&came, "no message from a client that was refused")
}

/// No CONNACK that accepts; the code of the one that refuses, if there is one, and then the end.
pub(crate) fn require_refusal(cx: &Context, peer: &mut Peer, expected: &str) -> Result<Option<u8>, Stop> {
    let mut code = None;
    let mut event = peer.next_event()?;
    if let Event::Packet(packet) = &event {
        // A CONNACK in the form of another version is one too: the server may not know ours.
        let connack = packet.kind() == Kind::Connack && packet.bytes.get(3).is_some_and(|code| *code != 0);
        peer.require(connack, expected, words(packet))?;
        code = packet.bytes.get(3).copied();
        event = peer.next_event()?;
    }
    match event {
        Event::Closed => Ok(code),
        Event::Packet(packet) => Err(peer.fail_with("the end of the connection", &packet)),
        Event::Silence => Err(peer.fail(expected, format!("nothing in {:?}", cx.patience()))),
    }
}

fn byte_by_byte(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    for byte in cx.hello("a").encode(cx.version()) {
        peer.send(&[byte])?;
    }
    peer.expect_connack()?;
    for byte in PINGREQ {
        peer.send(&[byte])?;
    }
    peer.expect(Kind::Pingresp)?;
    Ok(())
}

fn five_fields(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("will");
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(&topic, 0)?;
    let connect = cx.hello("a").will(Will::new(&topic, "gone")).user_name("user").password("secret");
    let mut peer = cx.open()?;
    peer.send(&connect)?;
    let event = peer.next_event()?;
    if let Event::Packet(packet) = &event
        && packet.kind() == Kind::Connack
        && matches!(packet.bytes.get(3), Some(0x04 | 0x05 | 0x86 | 0x87))
    {
        return Err(Stop::NotApplicable(format!("the login is refused: {}", words(packet))));
    }
    match event {
        Event::Packet(packet) if packet.kind() == Kind::Connack && packet.bytes.get(3) == Some(&0) => {}
        Event::Packet(packet) => return Err(peer.fail_with("CONNACK with code 0x00", &packet)),
        Event::Closed | Event::Silence => return Err(peer.fail("CONNACK with code 0x00", "none")),
    }
    peer.cut();
    let will = watcher.expect_payload("gone")?;
    watcher.require(will.topic == topic.as_bytes(), "the will under its topic", "another topic")
}

fn no_problem_information(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.accept(&cx.hello("a").property(byte(id::REQUEST_PROBLEM_INFORMATION, 0)))?;
    peer.send(&pubrel(77))?;
    peer.send(&Unsubscribe::new(1).filter(cx.topic("nothing")))?;
    peer.send(&Publish::new(cx.topic("nobody"), "x").qos(1, 2))?;
    peer.send(&Publish::new(cx.topic("nobody"), "x").qos(2, 3))?;
    peer.send(&Subscribe::new(4).filter(cx.topic("a"), 0))?;
    for packet in peer.fence()? {
        let properties = match &packet.content {
            Content::Ack(ack) => &ack.properties,
            Content::Answer(answer) => &answer.properties,
            _ => continue,
        };
        if properties.has(id::REASON_STRING) || properties.has(id::USER_PROPERTY) {
            return Err(peer.fail_with("neither Reason String nor User Property", &packet));
        }
    }
    Ok(())
}
