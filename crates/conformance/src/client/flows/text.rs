//! UTF-8 strings (section 1.5.3, in 5.0 section 1.5.4) in what comes and in what the client sends.

use crate::client::{Stage, session, should_end};
use crate::raw::{Packet, Publish};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v3.1.1 MQTT-1.5.3-1", "v3.1.1 MQTT-4.8.0-1", "v5 MQTT-1.5.4-1", "v5 MQTT-4.13.2-1"],
        name: "A client closes when a topic comes that is ill-formed UTF-8",
        run: ill_formed,
    },
    Case {
        ids: &["v3.1.1 MQTT-1.5.3-2", "v3.1.1 MQTT-4.7.3-2", "v5 MQTT-1.5.4-2", "v5 MQTT-4.7.3-2"],
        name: "A client closes when a topic with U+0000 comes",
        run: null,
    },
    Case {
        ids: &["v3.1.1 MQTT-1.5.3-3", "v5 MQTT-1.5.4-3"],
        name: "U+FEFF at the front of a topic is kept in both directions",
        run: byte_order_mark,
    },
];

/// The Reason Codes for a topic that is none.
const CODES: &[u8] = &[0x80, 0x81, 0x82, 0x90];

fn ill_formed(stage: &Stage) -> Result<(), Stop> {
    for topic in [&b"a/\xFF"[..], b"\xC0\x80", b"a/\xED\xA0\x80/b"] {
        let (_client, mut peer) = stage.subscribed(&["-t", "#"])?;
        peer.send(&Publish::new(topic, "x"))?;
        should_end(&mut peer, CODES)?;
    }
    Ok(())
}

fn null(stage: &Stage) -> Result<(), Stop> {
    for topic in ["a/\0", "\0"] {
        let (_client, mut peer) = stage.subscribed(&["-t", "#"])?;
        peer.send(&Publish::new(topic, "x"))?;
        should_end(&mut peer, CODES)?;
    }
    Ok(())
}

fn byte_order_mark(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "#", "-v"])?;
    peer.send(&Publish::new("\u{FEFF}a/\u{FEFF}b", "x"))?;
    client.expect_line("\u{FEFF}a/\u{FEFF}b x")?;
    let packets = session(&mut stage.publisher(&["-t", "\u{FEFF}a", "-m", "x"])?)?;
    let topic = packets.iter().find_map(Packet::publish).map(|publish| publish.topic.as_slice());
    if topic == Some("\u{FEFF}a".as_bytes()) {
        return Ok(());
    }
    Err(Stop::failed("", "a topic that begins with EF BB BF", format!("{topic:02X?}")))
}
