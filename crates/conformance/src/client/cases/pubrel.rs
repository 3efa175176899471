//! Cases of PUBREL: the client's own, and what it makes of the server's.

use super::pubcomp::{UNKNOWN, unknown_code};
use crate::client::Stage;
use crate::raw::property::{four, id, text};
use crate::raw::{Kind, connack, pubcomp, pubrec};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-3.6.1-1",
            "v3.1.1 MQTT-2.3.1-6",
            "v5 MQTT-3.6.1-1",
            "v5 MQTT-2.2.1-5",
            "v5 MQTT-3.6.2-1",
        ],
        name: "PUBREC is answered with PUBREL, first byte 62, under its identifier",
        run: answers,
    },
    Case {
        ids: &["v5 MQTT-3.6.2-1", "v5 MQTT-3.6.2-2", "v5 MQTT-3.6.2-3"],
        name: "A PUBREL for an unknown identifier has code 0x00 or 0x92 and keeps to the Maximum Packet Size",
        run: unknown,
    },
];

fn answers(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.lines(&["-q", "2"])?;
    for line in ["one", "two"] {
        client.say(line);
        let id = peer.expect_publish()?.id.unwrap_or(0);
        peer.send(&pubrec(id))?;
        let packet = peer.expect(Kind::Pubrel)?;
        let right = packet.first() == 0x62 && packet.bytes.get(2..4) == Some(&id.to_be_bytes());
        if !right {
            return Err(peer.fail_with(format!("PUBREL with first byte 62 under id {id}"), &packet));
        }
        code(&peer, packet.bytes.get(4).copied().unwrap_or(0))?;
        peer.send(&pubcomp(id))?;
    }
    Ok(())
}

fn code(peer: &Peer, code: u8) -> Result<(), Stop> {
    peer.require([0x00, 0x92].contains(&code), "code 0x00 or 0x92", format!("0x{code:02X}"))
}

fn unknown(stage: &Stage) -> Result<(), Stop> {
    let limit = connack(0, 0).property(four(id::MAXIMUM_PACKET_SIZE, 30));
    let (_client, mut peer) = stage.lines_with(&["-q", "2"], &limit)?;
    peer.send(&pubrec(UNKNOWN).property(text(id::REASON_STRING, "x".repeat(100))))?;
    unknown_code(&mut peer, Kind::Pubrel)
}
