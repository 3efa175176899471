//! Cases of PUBREC: the client's own, and what it makes of the server's.

use super::puback::CODES;
use crate::client::Stage;
use crate::raw::property::{four, id};
use crate::raw::{Kind, Publish, connack, pubrec, pubrel};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-6",
            "v3.1.1 MQTT-3.3.4-1",
            "v5 MQTT-2.2.1-5",
            "v5 MQTT-3.3.4-1",
            "v5 MQTT-3.5.2-1",
            "v5 MQTT-4.3.3-8",
        ],
        name: "A QoS 2 PUBLISH is answered with PUBREC under its identifier and a listed code",
        run: answers,
    },
    Case {
        ids: &["v5 MQTT-3.5.2-2", "v5 MQTT-3.5.2-3"],
        name: "A PUBREC keeps to the server's Maximum Packet Size",
        run: small,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-4"],
        name: "PUBREL follows a PUBREC below 0x80 and no other",
        run: pubrel_follows,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-9"],
        name: "After its own PUBREC of 0x80 or above a client takes the identifier for new",
        run: refused,
    },
];

fn answers(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "2"])?;
    for id in [1, 256, 65_535] {
        peer.send(&Publish::new("a/b", format!("{id}")).qos(2, id))?;
        let ack = peer.expect_ack(Kind::Pubrec, id)?;
        peer.require(CODES.contains(&ack.code), "a code of PUBREC", format!("0x{:02X}", ack.code))?;
    }
    Ok(())
}

fn small(stage: &Stage) -> Result<(), Stop> {
    let limit = connack(0, 0).property(four(id::MAXIMUM_PACKET_SIZE, 30));
    let (_client, mut peer) = stage.subscribed_with(&["-t", "a/b", "-q", "2"], &limit)?;
    for id in [7, 8] {
        peer.send(&Publish::new("a/b", "x").qos(2, id))?;
        let packet = peer.expect(Kind::Pubrec)?;
        peer.require(packet.bytes.len() <= 30, "at most 30 bytes", format!("{}", packet.bytes.len()))?;
    }
    Ok(())
}

fn pubrel_follows(stage: &Stage) -> Result<(), Stop> {
    for (code, follows) in [(0x00, true), (0x10, true), (0x80, false), (0x97, false)] {
        let (mut client, mut peer) = stage.lines(&["-q", "2"])?;
        client.say("x");
        let id = peer.expect_publish()?.id.unwrap_or(0);
        peer.send(&pubrec(id).code(code))?;
        if follows {
            peer.expect_ack(Kind::Pubrel, id)?;
            continue;
        }
        // The answer to a message from the server comes after all that the PUBREC brought about.
        peer.send(&Publish::new("c", "fence").qos(1, 7))?;
        let packet = peer.expect(Kind::Puback)?;
        peer.require(packet.bytes.get(2..4) == Some(&[0, 7]), "PUBACK and no PUBREL", "another packet")?;
    }
    Ok(())
}

fn refused(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "2"])?;
    peer.send(&Publish::new("other/topic", "x").qos(2, 7))?;
    let ack = peer.expect_ack(Kind::Pubrec, 7)?;
    if ack.code < 0x80 {
        let text = format!("PUBREC with code 0x{:02X}: the client takes every message", ack.code);
        return Err(Stop::NotApplicable(text));
    }
    peer.send(&Publish::new("a/b", "y").qos(2, 7))?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    peer.send(&pubrel(7))?;
    peer.expect_ack(Kind::Pubcomp, 7)?;
    client.expect_line("y")
}
