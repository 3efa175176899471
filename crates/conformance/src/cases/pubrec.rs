//! Cases of PUBREC.

use super::puback::{listed_codes, small_answers};
use crate::{Case, Context, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case { ids: &["v5 MQTT-3.5.2-1"], name: "A PUBREC has a code that is listed for it", run: codes },
    Case {
        ids: &["v5 MQTT-3.5.2-2", "v5 MQTT-3.5.2-3"],
        name: "A PUBREC keeps to the client's Maximum Packet Size",
        run: small,
    },
];

fn codes(cx: &Context) -> Result<(), Stop> {
    listed_codes(cx, 2)
}

fn small(cx: &Context) -> Result<(), Stop> {
    small_answers(cx, 2)
}
