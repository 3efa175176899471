//! The layout of what the client sends: fixed-header flags, lengths, properties.

use crate::client::{Stage, answer, session, should_end};
use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Kind, PINGRESP, Packet, Publish, connack, hex, pubrel, words};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v3.1.1 MQTT-2.2.2-1", "v5 MQTT-2.1.3-1", "v5 MQTT-2.2.2-1"],
        name: "All packets of a client can be read and have the flags of their kind",
        run: flags,
    },
    Case {
        ids: &["v5 MQTT-1.5.5-1"],
        name: "A Variable Byte Integer has as few bytes as it needs",
        run: shortest,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.8.0-1", "v5 MQTT-4.13.2-1"],
        name: "A client closes when bytes come that are no packet",
        run: no_packet,
    },
];

/// What the client sends has the flags of the standards.
fn judge(packet: &Packet) -> Result<(), Stop> {
    let right = match packet.kind() {
        Kind::Publish => true,
        Kind::Pubrel | Kind::Subscribe | Kind::Unsubscribe => packet.first() & 0x0F == 2,
        _ => packet.first() & 0x0F == 0,
    };
    if right {
        return Ok(());
    }
    let came = format!("{}: {}", words(packet), hex(&packet.bytes));
    Err(Stop::failed("", "the fixed-header flags of this kind", came))
}

fn flags(stage: &Stage) -> Result<(), Stop> {
    for qos in ["0", "1", "2"] {
        let mut client = stage.publisher(&["-t", "a/b", "-m", "x", "-q", qos])?;
        session(&mut client)?.iter().try_for_each(judge)?;
    }
    let flags = ["-t", "a/b", "-U", "c", "-q", "2", "-C", "2", "-k", "5"];
    let mut client = stage.subscriber(&flags)?;
    let answers = connack(0, 0).property(two(id::SERVER_KEEP_ALIVE, 1));
    let (mut peer, _) = client.serve_with(&answers)?;
    let mut kinds = Vec::new();
    while let Event::Packet(packet) = peer.next_within(stage.patience() + PING)? {
        judge(&packet)?;
        kinds.push(packet.kind());
        match packet.kind() {
            Kind::Unsubscribe => {
                answer(&mut peer, &packet)?;
                peer.send(&Publish::new("a/b", "x").qos(1, 7))?;
            }
            Kind::Pingreq => {
                peer.send(&PINGRESP)?;
                peer.send(&Publish::new("a/b", "x").qos(2, 8))?;
                peer.send(&pubrel(8))?;
            }
            _ => answer(&mut peer, &packet)?,
        }
    }
    let wanted = [Kind::Subscribe, Kind::Unsubscribe, Kind::Puback, Kind::Pingreq, Kind::Pubrec];
    let right = wanted.iter().all(|kind| kinds.contains(kind));
    peer.require(right, "SUBSCRIBE, UNSUBSCRIBE, PUBACK, PINGREQ and PUBREC", format!("{kinds:?}"))
}

/// The shortest Keep Alive that all clients take.
const PING: std::time::Duration = std::time::Duration::from_secs(5);

fn shortest(stage: &Stage) -> Result<(), Stop> {
    for (length, bytes) in [(127_usize, 1), (128, 2), (16_383, 2), (16_384, 3)] {
        // Two bytes of length, three of topic, one of Property Length.
        let payload = "x".repeat(length - 6);
        let packets = session(&mut stage.publisher(&["-t", "a/b", "-m", &payload])?)?;
        let packet = packets.iter().find(|packet| packet.kind() == Kind::Publish);
        let Some(packet) = packet else { return Err(Stop::failed("", "a PUBLISH", "none")) };
        let right = packet.bytes.len() == 1 + bytes + length;
        let expected = format!("PUBLISH with a Remaining Length of {length} in {bytes} bytes");
        if !right {
            return Err(Stop::failed("", expected, hex(&packet.bytes)));
        }
    }
    for (length, bytes) in [(127_usize, 1), (128, 2), (16_383, 2), (16_384, 3)] {
        // A User Property with a name of one letter has six bytes besides its value.
        let value = "x".repeat(length - 6);
        let flags = ["-t", "a/b", "-m", "x", "-D", "publish", "user-property", "n", &value];
        let packets = session(&mut stage.publisher(&flags)?)?;
        let packet = packets.iter().find(|packet| packet.kind() == Kind::Publish);
        let Some(packet) = packet else { return Err(Stop::failed("", "a PUBLISH", "none")) };
        let header = if length > 16_300 {
            4
        } else if length > 127 - 7 {
            3
        } else {
            2
        };
        let right = packet.bytes.len() == header + 5 + bytes + length + 1;
        let expected = format!("PUBLISH with a Property Length of {length} in {bytes} bytes");
        if !right {
            return Err(Stop::failed("", expected, hex(&packet.bytes)));
        }
    }
    Ok(())
}

fn no_packet(stage: &Stage) -> Result<(), Stop> {
    let mut wrong = vec![
        &[0x00, 0x00][..],
        &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
        // What only a client sends.
        &[0xC0, 0x00],
        &[0x82, 0x06, 0x00, 0x07, 0x00, 0x01, 0x61, 0x00],
        // A PUBLISH that ends within its topic, and a PUBACK that ends within its identifier.
        &[0x30, 0x02, 0x00, 0x05],
        &[0x40, 0x01, 0x00],
        // A second CONNACK.
        if stage.v5() { &[0x20, 0x03, 0x00, 0x00, 0x00] } else { &[0x20, 0x02, 0x00, 0x00] },
    ];
    if !stage.v5() {
        wrong.push(&[0xF0, 0x00]);
    }
    for bytes in wrong {
        let (_client, mut peer) = stage.subscribed(&["-t", "a/b"])?;
        peer.send(&bytes.to_vec())?;
        should_end(&mut peer, &[0x80, 0x81, 0x82])?;
    }
    Ok(())
}
