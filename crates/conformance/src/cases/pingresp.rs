//! Cases of PINGRESP.

use crate::{Case, Context, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[Case {
    ids: &["v3.1.1 MQTT-4.8.0-1", "v5 MQTT-4.13.1-1"],
    name: "A PINGRESP from a client, which only servers send, ends the connection",
    run: from_a_client,
}];

fn from_a_client(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&[0xD0, 0x00])?;
    peer.expect_close(&[0x81, 0x82])
}
