//! The order of acknowledgements and of messages that are sent again (section 4.6).

use crate::client::Stage;
use crate::raw::{Ack, Content, Encode, Kind, Publish, puback, pubrec};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-1", "v5 MQTT-4.6.0-1"],
        name: "Messages are sent again in the order in which they were sent first",
        run: again,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-2", "v5 MQTT-4.6.0-2"],
        name: "PUBACK packets go out in the order of their PUBLISH packets",
        run: pubacks,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-3", "v5 MQTT-4.6.0-3"],
        name: "PUBREC packets go out in the order of their PUBLISH packets",
        run: pubrecs,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-4", "v5 MQTT-4.6.0-4"],
        name: "PUBREL packets go out in the order of the PUBREC packets",
        run: pubrels,
    },
];

const LINES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

fn again(stage: &Stage) -> Result<(), Stop> {
    for qos in ["1", "2"] {
        let (mut client, mut peer) = stage.lines(&["-q", qos])?;
        LINES.iter().for_each(|line| client.say(line));
        let mut ids = Vec::new();
        for line in LINES {
            ids.push(peer.expect_payload(line)?.id);
        }
        // One in the middle is acknowledged, and is not sent again.
        if qos == "1" {
            peer.send(&puback(ids.get(2).copied().flatten().unwrap_or(0)))?;
            fence(&mut peer)?;
        }
        peer.cut();
        let mut peer = client.resume()?;
        for (line, id) in LINES.iter().zip(&ids).filter(|(line, _)| qos == "2" || **line != "three") {
            let publish = peer.expect_payload(line)?;
            let came = format!("id {:?} and DUP {}", publish.id, publish.dup);
            peer.require(
                publish.id == *id && publish.dup,
                &format!("{line:?} under {id:?} with DUP 1"),
                came,
            )?;
        }
    }
    Ok(())
}

/// What was sent before has arrived, for a message after it is acknowledged.
fn fence(peer: &mut Peer) -> Result<(), Stop> {
    peer.send(&Publish::new("fence", "x").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7).map(drop)
}

/// A burst of PUBLISH packets in one piece is answered in its order.
fn burst(stage: &Stage, qos: u8, kind: Kind) -> Result<(), Stop> {
    let (_client, mut peer) = stage.subscribed(&["-t", "#", "-q", "2"])?;
    let ids = [9, 3, 700, 1, 65_535, 8, 2, 4];
    let packets = ids.map(|id| Publish::new("a/b", "x").qos(qos, id).encode(stage.version()));
    peer.send(&packets.concat())?;
    expect_order(&mut peer, kind, &ids)
}

fn expect_order(peer: &mut Peer, kind: Kind, ids: &[u16]) -> Result<(), Stop> {
    for id in ids {
        let packet = peer.expect(kind)?;
        let right = matches!(&packet.content, Content::Ack(Ack { id: came, .. }) if came == id);
        if !right {
            return Err(peer.fail_with(format!("{} under id {id}, of {ids:?}", kind.name()), &packet));
        }
    }
    Ok(())
}

fn pubacks(stage: &Stage) -> Result<(), Stop> {
    burst(stage, 1, Kind::Puback)
}

fn pubrecs(stage: &Stage) -> Result<(), Stop> {
    burst(stage, 2, Kind::Pubrec)
}

fn pubrels(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.lines(&["-q", "2"])?;
    LINES.iter().for_each(|line| client.say(line));
    let mut ids = Vec::new();
    for line in LINES {
        ids.push(peer.expect_payload(line)?.id.unwrap_or(0));
    }
    let shuffled: Vec<u16> = [3, 0, 5, 1, 4, 2].iter().filter_map(|index| ids.get(*index).copied()).collect();
    let packets: Vec<Vec<u8>> = shuffled.iter().map(|id| pubrec(*id).encode(stage.version())).collect();
    peer.send(&packets.concat())?;
    expect_order(&mut peer, Kind::Pubrel, &shuffled)
}
