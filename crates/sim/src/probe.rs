//! A client that comes once, asks what is retained, and goes.

use std::collections::BTreeMap;

use crate::World;
use crate::packet::{Got, first, serial};

/// What is retained under `r/` and `w/`: the serial of each topic.
pub(crate) fn retained(world: &World) -> BTreeMap<String, u64> {
    let link = world.connect();
    link.send(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05probe");
    link.send(b"\x82\x08\x00\x01\x00\x03r/+\x00");
    link.send(b"\x82\x08\x00\x02\x00\x03w/+\x00");
    let mut bytes = Vec::new();
    loop {
        world.run();
        let taken = link.take(usize::MAX);
        if taken.is_empty() {
            break;
        }
        bytes.extend(taken);
    }
    let mut found = BTreeMap::new();
    let mut rest = bytes.as_slice();
    while let Ok(Some((got, length))) = first(rest, colibri_codec::Version::V3_1_1) {
        rest = rest.get(length..).unwrap_or_default();
        if let Got::Publish(message) = got {
            found.insert(message.topic, serial(&message.payload));
        }
    }
    link.send(&[0xE0, 0]);
    link.end();
    world.run();
    found
}
