//! Cases of UNSUBACK: its identifier sets that of the UNSUBSCRIBE free.

use crate::client::{Stage, answer};
use crate::peer::Event;
use crate::raw::{Kind, Publish};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[Case {
    ids: &["v3.1.1 MQTT-2.3.1-2", "v5 MQTT-2.2.1-3", "v5 MQTT-4.5.0-2"],
    name: "A client that has unsubscribed and waits for UNSUBACK has distinct identifiers, and still acknowledges",
    run: distinct,
}];

fn distinct(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.subscriber(&["-t", "a/b", "-U", "c", "-U", "d", "-q", "1"])?;
    let mut peer = client.serve()?;
    let mut ids = Vec::new();
    while ids.is_empty() {
        let Event::Packet(packet) = peer.next_event()? else {
            return Err(peer.fail("UNSUBSCRIBE", "nothing more"));
        };
        match packet.request() {
            Some(request) if packet.kind() == Kind::Unsubscribe => ids.push(request.id),
            _ => answer(&mut peer, &packet)?,
        }
    }
    peer.send(&Publish::new("c", "late").qos(1, 7))?;
    loop {
        let Event::Packet(packet) = peer.next_event()? else {
            return Err(peer.fail("PUBACK", "nothing more"));
        };
        match packet.request() {
            Some(request) => ids.push(request.id),
            None if packet.kind() == Kind::Puback => break,
            None => {}
        }
    }
    let (count, all) = (ids.len(), format!("{ids:?}"));
    ids.sort_unstable();
    ids.dedup();
    peer.require(ids.len() == count && !ids.contains(&0), "distinct identifiers other than 0", all)
}
