//! Cases of PINGRESP: what the client makes of a wrong one.

use crate::client::{Stage, should_end};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[Case {
    ids: &["v3.1.1 MQTT-2.2.2-2", "v5 MQTT-2.1.3-1", "v5 MQTT-4.13.2-1"],
    name: "A client closes when a PINGRESP with flags comes",
    run: flags,
}];

fn flags(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b"])?;
    peer.send(&[0xD1, 0x00])?;
    should_end(&mut peer, &[0x80, 0x81, 0x82]).map(drop)
}
