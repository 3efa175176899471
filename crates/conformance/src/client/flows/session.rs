//! The client's part of the session (section 4.1): what it keeps, and what it throws away.

use std::time::Duration;

use crate::client::{Stage, answer, session};
use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Content, Kind, PINGRESP, Packet, Publish, connack, pubrel};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v5 MQTT-3.2.2-5"],
        name: "A client told Session Present 0 sends nothing again under an old identifier with DUP 1",
        run: forgotten,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-6", "v5 MQTT-3.1.2-4"],
        name: "A client with a clean session takes nothing over from the connection before",
        run: clean,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-6", "v5 MQTT-3.1.2-4"],
        name: "A client that is started anew with a clean session sends nothing from before",
        run: clean_start,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.1.0-1", "v3.1.1 MQTT-4.1.0-2", "v5 MQTT-4.1.0-1"],
        name: "An open exchange outlives a long silence on the connection",
        run: long_silence,
    },
];

/// The Packet Identifier of a message whose acknowledgement shows that all before it was dealt with.
const FENCE: u16 = 7;

/// The reconnection of a client with a message under way is told Session Present 0; nothing may come with
/// DUP 1. An application may publish its message anew.
fn no_repeat(stage: &Stage, flags: &[&str], qos: &str) -> Result<(), Stop> {
    let mut client = stage.publisher(&[flags, &["-t", "a/b", "-l", "-q", qos]].concat())?;
    let mut peer = client.serve()?;
    client.say("one");
    peer.expect_payload("one")?;
    peer.cut();
    let mut peer = client.serve()?;
    // What CONNACK brings about comes before the answer to this, and the new line after it.
    peer.send(&Publish::new("fence", "x").qos(1, FENCE))?;
    loop {
        let Event::Packet(packet) = peer.next_event()? else {
            return Err(peer.fail("PUBLISH \"two\"", "nothing more"));
        };
        match (packet.publish(), &packet.content) {
            (Some(publish), _) if publish.dup => {
                return Err(peer.fail_with("no PUBLISH with DUP 1 in a new session", &packet));
            }
            (Some(publish), _) if publish.payload == b"two" => return Ok(()),
            (Some(_), _) => answer(&mut peer, &packet)?,
            (None, Content::Ack(ack)) if packet.kind() == Kind::Puback && ack.id == FENCE => {
                client.say("two")
            }
            (None, _) => answer(&mut peer, &packet)?,
        }
    }
}

fn forgotten(stage: &Stage) -> Result<(), Stop> {
    no_repeat(stage, stage.staying(), "1")?;
    no_repeat(stage, stage.staying(), "2")
}

fn clean(stage: &Stage) -> Result<(), Stop> {
    no_repeat(stage, &["-i", "conformance"], "1")?;
    no_repeat(stage, &["-i", "conformance"], "2")
}

fn clean_start(stage: &Stage) -> Result<(), Stop> {
    let flags = ["-i", "conformance", "-t", "a/b", "-m", "one", "-q", "1"];
    let mut client = stage.publisher(&flags)?;
    let mut peer = client.serve()?;
    peer.expect_payload("one")?;
    peer.cut();
    drop(client);
    let mut client = stage.publisher(&["-i", "conformance", "-t", "a/b", "-m", "two", "-q", "1"])?;
    let packets = session(&mut client)?;
    let publishes: Vec<&[u8]> =
        packets.iter().filter_map(Packet::publish).map(|publish| publish.payload.as_slice()).collect();
    let clean = packets.first().and_then(Packet::connect).is_some_and(|hello| hello.clean());
    if clean && publishes == [b"two"] {
        return Ok(());
    }
    Err(Stop::failed("", "CONNECT with a clean session and one PUBLISH", format!("{publishes:?}")))
}

fn long_silence(stage: &Stage) -> Result<(), Stop> {
    let expiry: &[&str] = if stage.v5() { &["-x", "1"] } else { &[] };
    let flags = [&["-i", "conformance", "-t", "a/b", "-q", "2", "-k", "5"], expiry].concat();
    let mut client = stage.subscriber(&flags)?;
    let (mut peer, _) = client.serve_with(&connack(0, 0).property(two(id::SERVER_KEEP_ALIVE, 1)))?;
    let packet = peer.find(Kind::Subscribe)?;
    answer(&mut peer, &packet)?;
    peer.send(&Publish::new("a/b", "one").qos(2, 7))?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    for _ in 0..2 {
        match peer.next_within(Duration::from_secs(5) + stage.patience())? {
            Event::Packet(packet) if packet.kind() == Kind::Pingreq => peer.send(&PINGRESP)?,
            Event::Packet(packet) => return Err(peer.fail_with("PINGREQ", &packet)),
            Event::Closed | Event::Silence => return Err(peer.fail("PINGREQ", "nothing more")),
        }
    }
    peer.send(&Publish::new("a/b", "one").qos(2, 7).dup())?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    peer.send(&pubrel(7))?;
    peer.expect_ack(Kind::Pubcomp, 7)?;
    peer.send(&Publish::new("a/b", "two"))?;
    client.expect_line("one")?;
    client.expect_line("two")
}
