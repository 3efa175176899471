//! Cases of SUBSCRIBE: the client's filters.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::client::server::knows;
use crate::client::{Stage, refuses};
use crate::raw::{Kind, Packet};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-1",
            "v3.1.1 MQTT-3.8.1-1",
            "v3.1.1 MQTT-3.8.3-1",
            "v3.1.1 MQTT-3.8.3-3",
            "v5 MQTT-2.2.1-3",
            "v5 MQTT-2.2.2-1",
            "v5 MQTT-3.8.1-1",
            "v5 MQTT-3.8.3-1",
            "v5 MQTT-3.8.3-2",
        ],
        name: "SUBSCRIBE has first byte 82, an identifier and the filters as they were given",
        run: filters,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.3-1", "v5 MQTT-1.5.4-1", "v5 MQTT-3.8.3-1"],
        name: "A client does not subscribe to a filter that is ill-formed UTF-8",
        run: ill_formed,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.8.3-3", "v3.1.1 MQTT-3.10.3-2", "v5 MQTT-3.8.3-2", "v5 MQTT-3.10.3-2"],
        name: "Without a filter a client sends neither SUBSCRIBE nor UNSUBSCRIBE",
        run: no_filter,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.1-2", "v3.1.1 MQTT-4.7.1-3", "v5 MQTT-4.7.1-1", "v5 MQTT-4.7.1-2"],
        name: "A client does not subscribe with a misplaced wildcard",
        run: wildcards,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.1-2", "v3.1.1 MQTT-4.7.1-3", "v5 MQTT-4.7.1-1", "v5 MQTT-4.7.1-2"],
        name: "A client subscribes with wildcards in their places",
        run: right_wildcards,
    },
    Case {
        ids: &["v5 MQTT-4.8.2-1", "v5 MQTT-4.8.2-2"],
        name: "A client does not subscribe to a malformed shared filter",
        run: shared,
    },
    Case {
        ids: &["v5 MQTT-3.8.3-4"],
        name: "A client does not ask for No Local on a Shared Subscription",
        run: no_local,
    },
];

/// A client with these flags refuses, and sends no SUBSCRIBE.
fn no_subscribe(stage: &Stage, flags: &[&str]) -> Result<(), Stop> {
    let mut client = stage.subscriber(flags)?;
    refuses(&mut client, "subscribes to nothing", |packet| packet.kind() == Kind::Subscribe).map(drop)
}

/// The SUBSCRIBE packets of a client with these filters, none of which is answered before the last has come.
fn filters(stage: &Stage) -> Result<(), Stop> {
    let filters = ["a/b", "año/+", "$SYS/#"];
    let mut client = stage.subscriber(&["-t", filters[0], "-t", filters[1], "-t", filters[2], "-q", "1"])?;
    let mut peer = client.serve()?;
    let mut came: Vec<(Vec<u8>, u8)> = Vec::new();
    while came.len() < filters.len() {
        let packet: Packet = peer.expect(Kind::Subscribe)?;
        let request = packet.request().filter(|request| request.id != 0 && !request.filters.is_empty());
        let Some(request) = request.filter(|_| packet.first() == 0x82) else {
            return Err(peer.fail_with("SUBSCRIBE with first byte 82, an identifier and a filter", &packet));
        };
        came.extend(request.filters.iter().cloned());
    }
    let right = filters.iter().all(|filter| came.iter().any(|(found, _)| found == filter.as_bytes()));
    peer.require(right, "the filters of -t", format!("{came:?}"))?;
    let right = came.iter().all(|(_, options)| options & 0b1100_0011 == 1);
    peer.require(right, "options with QoS 1 and no reserved bits", format!("{came:?}"))
}

fn ill_formed(stage: &Stage) -> Result<(), Stop> {
    for filter in [&b"a\xFF"[..], b"\xC0\x80", b"a/\xED\xA0\x80"] {
        let mut client = stage.subscriber(&[OsStr::new("-t"), OsStr::from_bytes(filter)])?;
        refuses(&mut client, "subscribes to nothing", |packet| packet.kind() == Kind::Subscribe)?;
    }
    Ok(())
}

fn no_filter(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.subscriber::<&str>(&[])?;
    refuses(&mut client, "asks for nothing", |packet| {
        [Kind::Subscribe, Kind::Unsubscribe].contains(&packet.kind())
    })
    .map(drop)
}

fn wildcards(stage: &Stage) -> Result<(), Stop> {
    for filter in ["a#", "#/a", "a/#/b", "a+", "a/b+", "+a/b"] {
        no_subscribe(stage, &["-t", filter])?;
    }
    Ok(())
}

fn right_wildcards(stage: &Stage) -> Result<(), Stop> {
    for filter in ["#", "a/#", "+", "+/a/+", "/+/#"] {
        let mut client = stage.subscriber(&["-t", filter])?;
        let mut peer = client.serve()?;
        let packet = peer.expect(Kind::Subscribe)?;
        let filters = packet.request().map(|request| request.filters.as_slice()).unwrap_or_default();
        let right = filters.first().is_some_and(|(found, _)| found == filter.as_bytes());
        peer.require(right, &format!("SUBSCRIBE to {filter}"), format!("{filters:?}"))?;
    }
    Ok(())
}

fn shared(stage: &Stage) -> Result<(), Stop> {
    for filter in ["$share//t", "$share/g", "$share/g+/t", "$share/g#/t", "$share/g/"] {
        no_subscribe(stage, &["-t", filter])?;
    }
    Ok(())
}

fn no_local(stage: &Stage) -> Result<(), Stop> {
    if let Err(complaint) = knows(stage, &["-t", "a/b", "--no-local"])? {
        let text = format!("the client has no --no-local: it ends with {complaint}");
        return Err(Stop::NotApplicable(text));
    }
    let mut client = stage.subscriber(&["-t", "a/b", "--no-local"])?;
    let mut peer = client.serve()?;
    let packet = peer.expect(Kind::Subscribe)?;
    let options = packet.request().and_then(|request| request.filters.first()).map(|(_, options)| *options);
    peer.require(options.is_some_and(|options| options & 4 != 0), "No Local 1", format!("{options:02X?}"))?;
    let mut client = stage.subscriber(&["-t", "$share/g/t", "--no-local"])?;
    refuses(&mut client, "does not ask for No Local on a Shared Subscription", |packet| {
        let no_local = |(_, options): &(Vec<u8>, u8)| options & 4 != 0;
        packet.kind() == Kind::Subscribe
            && packet.request().is_none_or(|request| request.filters.iter().any(no_local))
    })
    .map(drop)
}
