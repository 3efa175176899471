//! Cases of PUBACK: the client's own, and what it makes of the server's.

use crate::client::Stage;
use crate::client::server::knows;
use crate::raw::property::{four, id, pair};
use crate::raw::{Kind, Publish, connack};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-6",
            "v3.1.1 MQTT-3.3.4-1",
            "v5 MQTT-2.2.1-5",
            "v5 MQTT-3.3.4-1",
            "v5 MQTT-3.4.2-1",
            "v5 MQTT-4.3.2-4",
        ],
        name: "A QoS 1 PUBLISH is answered with PUBACK under its identifier and a listed code",
        run: answers,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.4-1", "v5 MQTT-3.3.4-1"],
        name: "A QoS 0 PUBLISH is not answered",
        run: no_answer,
    },
    Case {
        ids: &["v5 MQTT-3.4.2-2", "v5 MQTT-3.4.2-3"],
        name: "A PUBACK keeps to the server's Maximum Packet Size",
        run: small,
    },
];

/// The codes that a PUBACK and a PUBREC may have.
pub(super) const CODES: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

fn answers(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "1"])?;
    for id in [1, 256, 65_535] {
        peer.send(&Publish::new("a/b", format!("{id}")).qos(1, id))?;
        let ack = peer.expect_ack(Kind::Puback, id)?;
        peer.require(CODES.contains(&ack.code), "a code of PUBACK", format!("0x{:02X}", ack.code))?;
        client.expect_line(format!("{id}"))?;
    }
    Ok(())
}

fn no_answer(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "1"])?;
    peer.send(&Publish::new("a/b", "zero"))?;
    client.expect_line("zero")?;
    peer.send(&Publish::new("a/b", "one").qos(1, 7))?;
    let packet = peer.expect(Kind::Puback)?;
    peer.require(packet.bytes.get(2..4) == Some(&[0, 7]), "PUBACK under id 7 alone", "another PUBACK")
}

fn small(stage: &Stage) -> Result<(), Stop> {
    let limit = connack(0, 0).property(four(id::MAXIMUM_PACKET_SIZE, 30));
    let properties = ["-D", "puback", "user-property", "a name that is long", "a value that is long"];
    let known = knows(stage, &[&["-t", "a/b"], &properties[..]].concat())?.is_ok();
    let flags: &[&str] = if known { &properties } else { &[] };
    let (_client, mut peer) = stage.subscribed_with(&[&["-t", "a/b", "-q", "1"], flags].concat(), &limit)?;
    for id in [7, 8] {
        let publish = Publish::new("a/b", "x").qos(1, id).property(pair("name", "value"));
        peer.send(&publish)?;
        let packet = peer.expect(Kind::Puback)?;
        peer.require(packet.bytes.len() <= 30, "at most 30 bytes", format!("{}", packet.bytes.len()))?;
    }
    Ok(())
}
