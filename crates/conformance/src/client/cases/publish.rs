//! Cases of PUBLISH: its flags, its topic, its properties, and what the client makes of wrong ones.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::client::{Stage, refuses, session, should_end};
use crate::raw::property::{id, pair, text};
use crate::raw::{Encode, Kind, Packet, Publish, frame, hex, words};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-5",
            "v3.1.1 MQTT-3.3.1-2",
            "v3.1.1 MQTT-3.3.2-1",
            "v3.1.1 MQTT-4.3.1-1",
            "v5 MQTT-2.2.1-2",
            "v5 MQTT-2.2.2-1",
            "v5 MQTT-3.3.1-2",
            "v5 MQTT-3.3.2-1",
            "v5 MQTT-4.3.1-1",
        ],
        name: "A QoS 0 PUBLISH has DUP 0, the topic first, and no Packet Identifier",
        run: at_most_once,
    },
    Case {
        ids: &[
            "v3.1.1 MQTT-3.3.1-4",
            "v3.1.1 MQTT-4.8.0-1",
            "v5 MQTT-3.3.1-4",
            "v5 MQTT-3.14.2-1",
            "v5 MQTT-4.13.2-1",
        ],
        name: "A client closes when a PUBLISH with QoS 3 comes",
        run: qos_3,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-2", "v3.1.1 MQTT-4.7.1-1", "v5 MQTT-3.3.2-2", "v5 MQTT-4.7.0-1"],
        name: "A client does not publish to a topic with wildcards",
        run: wildcards,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.8.0-1", "v5 MQTT-4.13.2-1"],
        name: "A client closes when a PUBLISH with wildcards in its topic comes",
        run: wildcards_come,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-1", "v5 MQTT-1.5.4-1", "v5 MQTT-3.3.2-1"],
        name: "A client does not publish to a topic that is ill-formed UTF-8",
        run: ill_formed_topic,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-13", "v5 MQTT-3.3.2-19", "v5 MQTT-1.5.4-1", "v5 MQTT-1.5.7-1"],
        name: "No property of a PUBLISH is ill-formed UTF-8",
        run: ill_formed_property,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-13", "v5 MQTT-3.3.2-19", "v5 MQTT-1.5.7-1"],
        name: "Response Topic, Content Type and User Properties are sent as they were given",
        run: properties,
    },
    Case { ids: &["v5 MQTT-3.3.2-14"], name: "A Response Topic has no wildcards", run: response_topic },
    Case {
        ids: &["v5 MQTT-1.5.7-1", "v5 MQTT-3.3.2-13", "v5 MQTT-3.3.2-19", "v5 MQTT-4.13.2-1"],
        name: "A client closes when a PUBLISH with ill-formed properties comes",
        run: ill_formed_property_comes,
    },
    Case {
        ids: &["v5 MQTT-3.3.4-6"],
        name: "A PUBLISH of a client has no Subscription Identifier",
        run: no_subscription_id,
    },
];

/// The PUBLISH packets of a client that publishes with these flags and ends.
fn published(stage: &Stage, flags: &[&str]) -> Result<Vec<Packet>, Stop> {
    let packets = session(&mut stage.publisher(flags)?)?;
    Ok(packets.into_iter().filter(|packet| packet.kind() == Kind::Publish).collect())
}

fn at_most_once(stage: &Stage) -> Result<(), Stop> {
    for (flags, first) in [(&[][..], 0x30), (&["-r"], 0x31)] {
        let packets = published(stage, &[&["-t", "año/b", "-m", "payload"], flags].concat())?;
        let right = Publish::new("año/b", "payload").encode(stage.version());
        let right = frame(first, right.get(2..).unwrap_or_default());
        let [packet] = packets.as_slice() else {
            return Err(Stop::failed("", "one PUBLISH", format!("{} of them", packets.len())));
        };
        if packet.bytes != right {
            let came = format!("{}: {}", words(packet), hex(&packet.bytes));
            return Err(Stop::failed("", format!("PUBLISH: {}", hex(&right)), came));
        }
    }
    Ok(())
}

/// The Reason Codes with which a client may end the connection after a packet that breaks the rules.
const CODES: &[u8] = &[0x80, 0x81, 0x82, 0x90];

fn qos_3(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b"])?;
    let mut bytes = Publish::new("a/b", "x").qos(1, 7).encode(stage.version());
    if let Some(first) = bytes.first_mut() {
        *first = 0x36;
    }
    peer.send(&bytes)?;
    should_end(&mut peer, CODES).map(drop)
}

fn wildcards(stage: &Stage) -> Result<(), Stop> {
    for topic in ["a/+", "a/#", "+", "#", "a+b", "a#"] {
        let mut client = stage.publisher(&["-t", topic, "-m", "x"])?;
        refuses(&mut client, "publishes nothing", |packet| packet.kind() == Kind::Publish)?;
    }
    Ok(())
}

fn wildcards_come(stage: &Stage) -> Result<(), Stop> {
    for topic in ["a/+", "a/#"] {
        let (_client, mut peer) = stage.subscribed(&["-t", "#"])?;
        peer.send(&Publish::new(topic, "x"))?;
        should_end(&mut peer, CODES)?;
    }
    Ok(())
}

fn ill_formed_topic(stage: &Stage) -> Result<(), Stop> {
    for topic in [&b"a\xFF"[..], b"\xC0\x80", b"a/\xED\xA0\x80"] {
        let flags = [OsStr::new("-m"), OsStr::new("x"), OsStr::new("-t"), OsStr::from_bytes(topic)];
        let mut client = stage.publisher(&flags)?;
        refuses(&mut client, "publishes nothing", |packet| packet.kind() == Kind::Publish)?;
    }
    Ok(())
}

fn ill_formed_property(stage: &Stage) -> Result<(), Stop> {
    let bad = OsStr::from_bytes(b"a\xFF");
    for name in ["response-topic", "content-type", "user-property"] {
        let mut flags: Vec<&OsStr> = ["-t", "a/b", "-m", "x", "-D", "publish", name].map(OsStr::new).to_vec();
        flags.push(bad);
        if name == "user-property" {
            flags.push(OsStr::new("value"));
        }
        let mut client = stage.publisher(&flags)?;
        let expected = format!("publishes nothing with this {name}");
        refuses(&mut client, &expected, |packet| packet.kind() == Kind::Publish)?;
    }
    Ok(())
}

fn properties(stage: &Stage) -> Result<(), Stop> {
    let flags = [
        "-t",
        "a/b",
        "-m",
        "x",
        "-D",
        "publish",
        "response-topic",
        "respuesta/ñ",
        "-D",
        "publish",
        "content-type",
        "texto/ñ",
        "-D",
        "publish",
        "user-property",
        "clave ñ",
        "valor ñ",
    ];
    let packets = published(stage, &flags)?;
    let Some(publish) = packets.first().and_then(Packet::publish) else {
        return Err(Stop::failed("", "a PUBLISH", "none"));
    };
    let list = &publish.properties;
    let right = list.bytes(id::RESPONSE_TOPIC) == Some("respuesta/ñ".as_bytes())
        && list.bytes(id::CONTENT_TYPE) == Some("texto/ñ".as_bytes())
        && list.pairs() == [("clave ñ".as_bytes(), "valor ñ".as_bytes())];
    if right { Ok(()) } else { Err(Stop::failed("", "the properties of the flags", format!("{list:?}"))) }
}

fn response_topic(stage: &Stage) -> Result<(), Stop> {
    for topic in ["r/#", "r/+"] {
        let mut client =
            stage.publisher(&["-t", "a/b", "-m", "x", "-D", "publish", "response-topic", topic])?;
        refuses(&mut client, "publishes nothing with this Response Topic", |packet| {
            packet.kind() == Kind::Publish
        })?;
    }
    Ok(())
}

fn ill_formed_property_comes(stage: &Stage) -> Result<(), Stop> {
    for property in [
        pair(b"a\xFF", "value"),
        pair("name", b"a\xFF"),
        pair("name", b"a\x00"),
        text(id::RESPONSE_TOPIC, b"a\xFF"),
        text(id::CONTENT_TYPE, b"a\xFF"),
    ] {
        let (_client, mut peer) = stage.subscribed(&["-t", "a/b"])?;
        peer.send(&Publish::new("a/b", "x").property(property))?;
        should_end(&mut peer, CODES)?;
    }
    Ok(())
}

fn no_subscription_id(stage: &Stage) -> Result<(), Stop> {
    let flags = ["-t", "a/b", "-m", "x", "-D", "publish", "subscription-identifier", "5"];
    let mut client = stage.publisher(&flags)?;
    refuses(&mut client, "sends no PUBLISH with property 0x0B", |packet| {
        packet.publish().is_some_and(|publish| publish.properties.has(id::SUBSCRIPTION_ID))
    })?;
    let packets = published(stage, &["-t", "a/b", "-m", "x", "-q", "1"])?;
    let has =
        |packet: &Packet| packet.publish().is_some_and(|publish| publish.properties.has(id::SUBSCRIPTION_ID));
    match packets.iter().find(|packet| has(packet)) {
        Some(packet) => Err(Stop::failed("", "no property 0x0B", words(packet))),
        None if packets.is_empty() => Err(Stop::failed("", "a PUBLISH", "none")),
        None => Ok(()),
    }
}
