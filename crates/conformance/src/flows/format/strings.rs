//! Strings.

use crate::cases::require_refusal;
use crate::raw::property::{id, pair, text};
use crate::raw::{Encode, Publish, Subscribe, Unsubscribe, Will};
use crate::{Context, Stop};

/// Packets of a connected client with these bytes in each of their strings.
fn packets(cx: &Context, wrong: &[u8]) -> Vec<Vec<u8>> {
    let topic = [cx.topic("a").as_bytes(), wrong].concat();
    let version = cx.version();
    let mut packets = vec![
        Publish::new(&topic, "x").encode(version),
        Publish::new(&topic, "x").qos(1, 1).encode(version),
        Subscribe::new(1).filter(&topic, 0).encode(version),
        Unsubscribe::new(1).filter(&topic).encode(version),
    ];
    if cx.v5() {
        for property in [id::CONTENT_TYPE, id::RESPONSE_TOPIC] {
            let publish = Publish::new(cx.topic("a"), "x").property(text(property, wrong));
            packets.push(publish.encode(version));
        }
    }
    packets
}

/// Each of these bytes ends the connection, in a CONNECT and later.
fn all_end_it(cx: &Context, wrong: &[&[u8]]) -> Result<(), Stop> {
    for wrong in wrong {
        for packet in packets(cx, wrong) {
            let mut peer = cx.peer("a")?;
            peer.send(&packet)?;
            peer.expect_close(&[0x81])?;
        }
        let client_id = [cx.client_id("x").as_bytes(), wrong].concat();
        let topic = [cx.topic("w").as_bytes(), wrong].concat();
        let connects = [
            crate::raw::Connect::new(client_id),
            cx.hello("a").will(Will::new(topic, "gone")),
            cx.hello("a").user_name(wrong),
        ];
        for connect in connects {
            let mut peer = cx.open()?;
            peer.send(&connect)?;
            // The statement is about the end; that 3.1.1 wants no CONNACK before it is another matter.
            require_refusal(cx, &mut peer, "a refusal or the end of the connection")?;
        }
    }
    Ok(())
}

pub(super) fn not_utf8(cx: &Context) -> Result<(), Stop> {
    let wrong: [&[u8]; 7] =
        [b"\xFF", b"\xC0\x80", b"\xED\xA0\x80", b"\xED\xBF\xBF", b"\xE2\x82", b"\xF4\x90\x80\x80", b"\x80"];
    all_end_it(cx, &wrong)
}

pub(super) fn with_null(cx: &Context) -> Result<(), Stop> {
    all_end_it(cx, &[b"\0", b"/\0/a"])
}

pub(super) fn byte_order_mark(cx: &Context) -> Result<(), Stop> {
    // The topic itself begins with it, so the case's own name comes after it.
    let plain = cx.topic("a");
    let marked = format!("\u{FEFF}{plain}");
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    subscriber.subscribe(&marked, 0)?;
    let mut other = cx.peer("o")?;
    other.subscribe(&plain, 0)?;
    publisher.publish(&Publish::new(&marked, "x"))?;
    let publish = subscriber.expect_payload("x")?;
    let same = publish.topic == marked.as_bytes();
    subscriber.require(same, "the topic with EF BB BF in front", String::from_utf8_lossy(&publish.topic))?;
    let came = cx.drain(&mut publisher, &mut other)?;
    other.require_no_publish(&came, "nothing for the filter without EF BB BF")
}

pub(super) fn pairs(cx: &Context) -> Result<(), Stop> {
    let wrong: [&[u8]; 4] = [b"a\xFF", b"a\0", b"\xED\xA0\x80", b"\xC0\x80"];
    for wrong in wrong {
        for property in [pair(wrong, "value"), pair("name", wrong)] {
            let packets = [
                Publish::new(cx.topic("a"), "x").property(property.clone()).encode(cx.version()),
                Subscribe::new(1).filter(cx.topic("a"), 0).property(property.clone()).encode(cx.version()),
                Unsubscribe::new(1).filter(cx.topic("a")).property(property).encode(cx.version()),
            ];
            for packet in packets {
                let mut peer = cx.peer("a")?;
                peer.send(&packet)?;
                peer.expect_close(&[0x81])?;
            }
        }
    }
    Ok(())
}
