//! The bounds of Topic Names and Topic Filters (section 4.7.3).

use crate::client::{Stage, refuses, session};
use crate::raw::{Kind, Packet};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v3.1.1 MQTT-4.7.3-1", "v5 MQTT-4.7.3-1"],
        name: "A client neither publishes to an empty topic nor subscribes to an empty filter",
        run: empty,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.3-3", "v5 MQTT-4.7.3-3"],
        name: "A client publishes to a topic of 65,535 bytes and to no longer one",
        run: longest,
    },
];

fn empty(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.publisher(&["-t", "", "-m", "x"])?;
    refuses(&mut client, "publishes nothing", |packet| packet.kind() == Kind::Publish)?;
    let mut client = stage.subscriber(&["-t", ""])?;
    refuses(&mut client, "subscribes to nothing", |packet| packet.kind() == Kind::Subscribe).map(drop)
}

fn longest(stage: &Stage) -> Result<(), Stop> {
    let topic = "a".repeat(65_535);
    let packets = session(&mut stage.publisher(&["-t", &topic, "-m", "x"])?)?;
    let sent = packets.iter().find_map(Packet::publish).map_or(0, |publish| publish.topic.len());
    if sent != topic.len() {
        return Err(Stop::failed("", "a PUBLISH to a topic of 65,535 bytes", format!("{sent} bytes")));
    }
    let mut client = stage.publisher(&["-t", &"a".repeat(65_536), "-m", "x"])?;
    refuses(&mut client, "publishes nothing", |packet| packet.kind() == Kind::Publish).map(drop)
}
