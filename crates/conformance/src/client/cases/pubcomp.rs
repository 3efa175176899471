//! Cases of PUBCOMP: the client's own, and what it makes of the server's.

use crate::client::Stage;
use crate::peer::Event;
use crate::raw::property::{four, id, text};
use crate::raw::{Content, Kind, Publish, connack, pubrel};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v5 MQTT-2.2.1-5", "v5 MQTT-3.7.2-1", "v5 MQTT-4.3.3-11", "v3.1.1 MQTT-4.3.3-2"],
        name: "PUBREL is answered with PUBCOMP under its identifier",
        run: answers,
    },
    Case {
        ids: &["v5 MQTT-3.7.2-1", "v5 MQTT-3.7.2-2", "v5 MQTT-3.7.2-3"],
        name: "A PUBCOMP for an unknown identifier has code 0x00 or 0x92 and keeps to the Maximum Packet Size",
        run: unknown,
    },
];

/// A Packet Identifier that no client has got to.
pub(super) const UNKNOWN: u16 = 40_000;

/// The packet that comes has a code for an unknown identifier and at most 30 bytes; the client may also take
/// what came for a violation.
pub(super) fn unknown_code(peer: &mut Peer, kind: Kind) -> Result<(), Stop> {
    let expected = format!("{} with code 0x00 or 0x92 in at most 30 bytes", kind.name());
    match peer.next_event()? {
        Event::Packet(packet) => match &packet.content {
            Content::Ack(ack)
                if packet.kind() == kind
                    && ack.id == UNKNOWN
                    && [0x00, 0x92].contains(&ack.code)
                    && packet.bytes.len() <= 30 =>
            {
                Ok(())
            }
            Content::Reason(0x80..=0x82, _) if packet.kind() == Kind::Disconnect => Ok(()),
            _ => Err(peer.fail_with(expected, &packet)),
        },
        Event::Closed => Ok(()),
        Event::Silence => Err(Stop::NotApplicable(format!("no {} for an unknown identifier", kind.name()))),
    }
}

fn answers(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "2"])?;
    for id in [1, 256, 65_535] {
        peer.send(&Publish::new("a/b", format!("{id}")).qos(2, id))?;
        peer.expect_ack(Kind::Pubrec, id)?;
        peer.send(&pubrel(id))?;
        let ack = peer.expect_ack(Kind::Pubcomp, id)?;
        peer.require(ack.code == 0, "code 0x00", format!("0x{:02X}", ack.code))?;
        client.expect_line(format!("{id}"))?;
    }
    Ok(())
}

fn unknown(stage: &Stage) -> Result<(), Stop> {
    let limit = connack(0, 0).property(four(id::MAXIMUM_PACKET_SIZE, 30));
    let (_client, mut peer) = stage.subscribed_with(&["-t", "a/b", "-q", "2"], &limit)?;
    peer.send(&pubrel(UNKNOWN).code(0x92).property(text(id::REASON_STRING, "x".repeat(100))))?;
    unknown_code(&mut peer, Kind::Pubcomp)
}
