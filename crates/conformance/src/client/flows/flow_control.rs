//! Flow control (section 4.9 of 5.0), and the Packet Identifiers of what is under way.

use crate::client::{Client, Stage};
use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Kind, PINGRESP, Packet, Publish, connack, puback, pubcomp, pubrec};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-1",
            "v3.1.1 MQTT-2.3.1-2",
            "v5 MQTT-2.2.1-3",
            "v5 MQTT-4.3.2-1",
            "v5 MQTT-4.3.3-1",
        ],
        name: "Messages under way have distinct identifiers other than 0",
        run: distinct,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-7", "v5 MQTT-4.9.0-1", "v5 MQTT-4.9.0-2"],
        name: "A client has at most Receive Maximum QoS 1 messages under way",
        run: receive_maximum_qos1,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-7", "v5 MQTT-4.9.0-1", "v5 MQTT-4.9.0-2"],
        name: "A client has at most Receive Maximum QoS 2 messages under way, until PUBCOMP or a failing PUBREC",
        run: receive_maximum_qos2,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-8", "v5 MQTT-4.9.0-3"],
        name: "A client that has used up the Receive Maximum still pings and acknowledges",
        run: others_go_on,
    },
];

fn distinct(stage: &Stage) -> Result<(), Stop> {
    for qos in ["1", "2"] {
        let (mut client, mut peer) = stage.lines(&["-q", qos])?;
        let mut ids = Vec::new();
        for line in 0..10 {
            client.say(&format!("{line}"));
        }
        for line in 0..10 {
            let publish = peer.expect_payload(format!("{line}"))?;
            peer.require(!publish.dup, "DUP 0", "DUP 1")?;
            let id = publish.id.unwrap_or(0);
            peer.require(id != 0 && !ids.contains(&id), "another identifier than 0 and", format!("{id}"))?;
            ids.push(id);
        }
    }
    Ok(())
}

/// A client that has been told Receive Maximum 2 and to publish five lines, and the first two of them. The
/// Server Keep Alive makes it ping soon.
fn full(stage: &Stage, qos: &str) -> Result<(Client, Peer, u16, u16), Stop> {
    let answer = connack(0, 0).property(two(id::RECEIVE_MAXIMUM, 2)).property(two(id::SERVER_KEEP_ALIVE, 1));
    let (mut client, mut peer) = stage.lines_with(&["-q", qos], &answer)?;
    for line in ["one", "two", "three", "four", "five"] {
        client.say(line);
    }
    let one = publish(&mut peer, "one")?;
    let two = publish(&mut peer, "two")?;
    nothing_more(&mut peer)?;
    Ok((client, peer, one, two))
}

/// Nothing but a PINGREQ comes, which has a second.
fn nothing_more(peer: &mut Peer) -> Result<(), Stop> {
    peer.expect(Kind::Pingreq)?;
    peer.send(&PINGRESP)
}

/// The next PUBLISH, before which PINGREQ may come.
fn publish(peer: &mut Peer, payload: &str) -> Result<u16, Stop> {
    loop {
        match peer.next_event()? {
            Event::Packet(packet) if packet.kind() == Kind::Pingreq => peer.send(&PINGRESP)?,
            Event::Packet(packet) => match packet.publish() {
                Some(publish) if publish.payload == payload.as_bytes() => return Ok(publish.id.unwrap_or(0)),
                Some(_) | None => return Err(peer.fail_with(format!("PUBLISH {payload:?}"), &packet)),
            },
            Event::Closed | Event::Silence => {
                return Err(peer.fail(format!("PUBLISH {payload:?}"), "nothing more"));
            }
        }
    }
}

fn receive_maximum_qos1(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer, one, two) = full(stage, "1")?;
    peer.send(&puback(two))?;
    publish(&mut peer, "three")?;
    nothing_more(&mut peer)?;
    peer.send(&puback(one).code(0x80))?;
    publish(&mut peer, "four")?;
    nothing_more(&mut peer)
}

fn receive_maximum_qos2(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer, one, two) = full(stage, "2")?;
    peer.send(&pubrec(one).code(0x80))?;
    publish(&mut peer, "three")?;
    peer.send(&pubrec(two))?;
    find_pubrel(&mut peer, two)?;
    nothing_more(&mut peer)?;
    peer.send(&pubcomp(two))?;
    publish(&mut peer, "four")?;
    nothing_more(&mut peer)
}

fn find_pubrel(peer: &mut Peer, id: u16) -> Result<(), Stop> {
    loop {
        match peer.next_event()? {
            Event::Packet(packet) if packet.kind() == Kind::Pingreq => peer.send(&PINGRESP)?,
            Event::Packet(packet) => {
                let right =
                    packet.kind() == Kind::Pubrel && packet.bytes.get(2..4) == Some(&id.to_be_bytes());
                return if right { Ok(()) } else { Err(peer.fail_with("PUBREL", &packet)) };
            }
            Event::Closed | Event::Silence => return Err(peer.fail("PUBREL", "nothing more")),
        }
    }
}

fn others_go_on(stage: &Stage) -> Result<(), Stop> {
    for qos in ["1", "2"] {
        let (_client, mut peer, ..) = full(stage, qos)?;
        peer.send(&Publish::new("c", "x").qos(1, 7))?;
        let packet: Packet = peer.find(Kind::Puback)?;
        peer.require(packet.bytes.get(2..4) == Some(&[0, 7]), "PUBACK under id 7", "another PUBACK")?;
        peer.find(Kind::Pingreq)?;
    }
    Ok(())
}
