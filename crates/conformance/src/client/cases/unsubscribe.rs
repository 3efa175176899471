//! Cases of UNSUBSCRIBE: the client's filters.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::client::{Stage, answer, refuses};
use crate::peer::Event;
use crate::raw::Kind;
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-1",
            "v3.1.1 MQTT-3.10.1-1",
            "v3.1.1 MQTT-3.10.3-1",
            "v3.1.1 MQTT-3.10.3-2",
            "v5 MQTT-2.2.1-3",
            "v5 MQTT-2.2.2-1",
            "v5 MQTT-3.10.1-1",
            "v5 MQTT-3.10.3-1",
            "v5 MQTT-3.10.3-2",
        ],
        name: "UNSUBSCRIBE has first byte A2, an identifier and the filters as they were given",
        run: filters,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.10.3-1", "v5 MQTT-3.10.3-1"],
        name: "A client does not unsubscribe from a filter that is ill-formed UTF-8",
        run: ill_formed,
    },
];

fn filters(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.subscriber(&["-t", "a/b", "-U", "año/+", "-U", "c/#"])?;
    let mut peer = client.serve()?;
    let mut came: Vec<Vec<u8>> = Vec::new();
    while came.len() < 2 {
        let Event::Packet(packet) = peer.next_event()? else {
            return Err(peer.fail("UNSUBSCRIBE", "nothing more"));
        };
        answer(&mut peer, &packet)?;
        if packet.kind() != Kind::Unsubscribe {
            continue;
        }
        let request = packet.request().filter(|request| request.id != 0 && !request.filters.is_empty());
        let Some(request) = request.filter(|_| packet.first() == 0xA2) else {
            return Err(peer.fail_with("UNSUBSCRIBE with first byte A2, an identifier and a filter", &packet));
        };
        came.extend(request.filters.iter().map(|(filter, _)| filter.clone()));
    }
    let right = came == ["año/+".as_bytes(), b"c/#"];
    peer.require(right, "the filters of -U in their order", format!("{came:?}"))
}

fn ill_formed(stage: &Stage) -> Result<(), Stop> {
    let bad = OsStr::from_bytes(b"a\xFF");
    let mut client = stage.subscriber(&[OsStr::new("-t"), OsStr::new("a/b"), OsStr::new("-U"), bad])?;
    refuses(&mut client, "unsubscribes from nothing", |packet| packet.kind() == Kind::Unsubscribe).map(drop)
}
