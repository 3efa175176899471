//! One file for each control packet, under the same fifteen names in every place that has them.

use super::Problem;
use super::tree::Tree;

/// The control packets of MQTT 5.0, in the order of their numbers.
const PACKETS: [&str; 15] = [
    "connect",
    "connack",
    "publish",
    "puback",
    "pubrec",
    "pubrel",
    "pubcomp",
    "subscribe",
    "suback",
    "unsubscribe",
    "unsuback",
    "pingreq",
    "pingresp",
    "disconnect",
    "auth",
];

/// The folders that hold them.
const FOLDERS: [&str; 2] = ["crates/codec/src/packet/", "crates/protocol/src/on/"];

/// The folders that hold them too once their part of a crate exists: the cases of servers and of clients.
const LATER: [(&str, &str); 2] = [
    ("crates/conformance/", "crates/conformance/src/cases/"),
    ("crates/conformance/src/client/", "crates/conformance/src/client/cases/"),
];

/// Checks that no packet's file is missing; a packet may also be a folder with a `mod.rs`.
pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let mut folders = FOLDERS.to_vec();
    let there = |(part, _): &&(&str, &str)| tree.rust_under(part).next().is_some();
    folders.extend(LATER.iter().filter(there).map(|(_, folder)| *folder));
    let mut problems = Vec::new();
    for folder in folders {
        for packet in PACKETS {
            let path = format!("{folder}{packet}.rs");
            if tree.get(&path).is_none() && tree.get(&format!("{folder}{packet}/mod.rs")).is_none() {
                problems.push(Problem::new(
                    &path,
                    1,
                    "the file is missing; every control packet has one here.",
                ));
            }
        }
    }
    problems
}
