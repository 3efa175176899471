//! The transport: a stream without borders.

use std::time::Duration;

use crate::client::{Stage, answer};
use crate::raw::{Encode, Kind, Publish, connack};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[Case {
    ids: &["v3.1.1 MQTT-7.1.2-1", "v5 MQTT-4.2.0-1"],
    name: "A client works over TCP when the server's packets come byte by byte",
    run: byte_by_byte,
}];

/// How far the bytes are apart.
const GAP: Duration = Duration::from_millis(3);

fn byte_by_byte(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.subscriber(&["-t", "a/b", "-q", "1"])?;
    let (mut peer, _) = client.connect()?;
    let drip = |peer: &mut Peer, bytes: &[u8]| {
        bytes.iter().try_for_each(|byte| {
            stage.wait(GAP);
            peer.send(&[*byte])
        })
    };
    drip(&mut peer, &connack(0, 0).encode(stage.version()))?;
    let packet = peer.expect(Kind::Subscribe)?;
    answer(&mut peer, &packet)?;
    drip(&mut peer, &Publish::new("a/b", "slowly").qos(1, 7).encode(stage.version()))?;
    peer.expect_ack(Kind::Puback, 7)?;
    client.expect_line("slowly")
}
