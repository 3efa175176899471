//! Cases of PINGREQ.

use crate::raw::{Kind, PINGREQ};
use crate::{Case, Context, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[Case {
    ids: &["v3.1.1 MQTT-3.12.4-1", "v5 MQTT-3.12.4-1"],
    name: "Each PINGREQ is answered with a PINGRESP",
    run: each_is_answered,
}];

fn each_is_answered(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&[PINGREQ, PINGREQ].concat())?;
    for _ in 0..2 {
        let packet = peer.expect(Kind::Pingresp)?;
        peer.require(packet.bytes == [0xD0, 0x00], "D0 00", crate::raw::hex(&packet.bytes))?;
    }
    Ok(())
}
