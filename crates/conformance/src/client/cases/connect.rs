//! Cases of CONNECT: what the client's flags become in it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::client::server::connect_or_refusal;
use crate::client::{Stage, refuses, session};
use crate::raw::{Hello, Packet, connack};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.0-1", "v5 MQTT-3.1.0-1", "v5 MQTT-3.1.2-1"],
        name: "The first packet of a client is CONNECT, with the protocol name MQTT",
        run: first_packet,
    },
    Case {
        ids: &[
            "v3.1.1 MQTT-3.1.2-9",
            "v3.1.1 MQTT-3.1.2-14",
            "v3.1.1 MQTT-3.1.3-10",
            "v5 MQTT-3.1.2-9",
            "v5 MQTT-3.1.2-12",
            "v5 MQTT-3.1.3-11",
        ],
        name: "CONNECT with a will says how to publish it, for each QoS",
        run: will,
    },
    Case {
        ids: &[
            "v3.1.1 MQTT-3.1.2-11",
            "v3.1.1 MQTT-3.1.2-13",
            "v3.1.1 MQTT-3.1.2-15",
            "v5 MQTT-3.1.2-11",
            "v5 MQTT-3.1.2-13",
        ],
        name: "CONNECT without a will has no trace of one",
        run: no_will,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-18", "v3.1.1 MQTT-3.1.2-20", "v5 MQTT-3.1.2-16", "v5 MQTT-3.1.2-18"],
        name: "CONNECT without a login ends with the Client Identifier",
        run: no_login,
    },
    Case {
        ids: &[
            "v3.1.1 MQTT-3.1.2-19",
            "v3.1.1 MQTT-3.1.2-20",
            "v3.1.1 MQTT-3.1.2-21",
            "v3.1.1 MQTT-3.1.3-11",
            "v5 MQTT-3.1.2-17",
            "v5 MQTT-3.1.2-18",
            "v5 MQTT-3.1.2-19",
            "v5 MQTT-3.1.3-12",
        ],
        name: "User Name and Password are there exactly when their flags say so",
        run: login,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-22", "v5 MQTT-3.1.2-19"],
        name: "A password without a user name is for 5.0 alone",
        run: password_alone,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-1", "v5 MQTT-3.1.3-1"],
        name: "The fields of CONNECT come in their order",
        run: order,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-3", "v3.1.1 MQTT-3.1.3-4", "v5 MQTT-3.1.3-3", "v5 MQTT-3.1.3-4"],
        name: "The Client Identifier is the first field and valid UTF-8",
        run: client_id,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-7"],
        name: "An empty Client Identifier goes with Clean Session 1",
        run: empty_client_id,
    },
    Case {
        ids: &[
            "v3.1.1 MQTT-1.5.3-1",
            "v3.1.1 MQTT-3.1.3-4",
            "v3.1.1 MQTT-3.1.3-10",
            "v3.1.1 MQTT-3.1.3-11",
            "v5 MQTT-1.5.4-1",
            "v5 MQTT-3.1.3-4",
            "v5 MQTT-3.1.3-11",
            "v5 MQTT-3.1.3-12",
        ],
        name: "No CONNECT carries ill-formed UTF-8",
        run: ill_formed,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.1-1", "v5 MQTT-4.7.0-1"],
        name: "A Will Topic has no wildcards",
        run: will_wildcards,
    },
];

/// The CONNECT of a subscriber with these flags.
fn hello(stage: &Stage, flags: &[&str]) -> Result<(Peer, Hello), Stop> {
    stage.subscriber(&[&["-t", "a/b"], flags].concat())?.connect()
}

fn first_packet(stage: &Stage) -> Result<(), Stop> {
    for flags in [&["-t", "a/b", "-m", "x"][..], &["-t", "a/b", "-m", "x", "-q", "2"]] {
        let mut client = stage.publisher(flags)?;
        let (mut peer, hello) = client.connect()?;
        check_protocol(stage, &peer, &hello)?;
        peer.send(&connack(0, 0))?;
        peer.expect_publish()?;
    }
    let (peer, hello) = hello(stage, &[])?;
    check_protocol(stage, &peer, &hello)
}

fn check_protocol(stage: &Stage, peer: &Peer, hello: &Hello) -> Result<(), Stop> {
    let right = hello.protocol_name == b"MQTT" && hello.level == stage.version().level();
    let name = String::from_utf8_lossy(&hello.protocol_name);
    let expected = format!("the protocol name MQTT and level {}", stage.version().level());
    peer.require(right, &expected, format!("{name:?} and level {}", hello.level))
}

fn will(stage: &Stage) -> Result<(), Stop> {
    for (qos, retain) in [("0", false), ("1", true), ("2", false)] {
        let flags = ["--will-topic", "últimas/palabras", "--will-payload", "adiós", "--will-qos", qos];
        let retained: &[&str] = if retain { &["--will-retain"] } else { &[] };
        let (peer, hello) = hello(stage, &[&flags, retained].concat())?;
        let level = qos.bytes().next().unwrap_or(b'0') - b'0';
        let flags = 0x04 | level << 3 | if retain { 0x20 } else { 0 };
        let came = format!("flags 0x{:02X}", hello.flags);
        peer.require(hello.flags & 0x3C == flags, &format!("will flags 0x{flags:02X}"), came)?;
        let fields = hello.will.as_ref().map(|will| (will.topic.as_slice(), will.payload.as_slice()));
        let right = fields == Some(("últimas/palabras".as_bytes(), "adiós".as_bytes()));
        peer.require(right, "the Will Topic and the Will Message of the flags", format!("{fields:?}"))?;
    }
    Ok(())
}

fn no_will(stage: &Stage) -> Result<(), Stop> {
    for flags in [&[][..], &["-u", "name", "-P", "secret"]] {
        let (peer, hello) = hello(stage, flags)?;
        let came = format!("flags 0x{:02X}", hello.flags);
        peer.require(hello.flags & 0x3C == 0, "bits 2 to 5 of the flags clear", came)?;
    }
    Ok(())
}

fn no_login(stage: &Stage) -> Result<(), Stop> {
    // That nothing is left over behind the fields is shown by the packet being readable at all.
    let (peer, hello) = hello(stage, &["-i", "conformance"])?;
    peer.require(hello.flags & 0xC1 == 0, "no login flags", format!("flags 0x{:02X}", hello.flags))?;
    peer.require(hello.client_id == b"conformance", "the Client Identifier of -i", "another")
}

fn login(stage: &Stage) -> Result<(), Stop> {
    let (peer, with_both) = hello(stage, &["-u", "señal", "-P", "secreto"])?;
    let came = format!("flags 0x{:02X}", with_both.flags);
    peer.require(with_both.flags & 0xC0 == 0xC0, "both login flags", came)?;
    let fields = (with_both.user_name.as_deref(), with_both.password.as_deref());
    let right = fields == (Some("señal".as_bytes()), Some(&b"secreto"[..]));
    peer.require(right, "the User Name and the Password of the flags", format!("{fields:?}"))?;
    let (peer, with_name) = hello(stage, &["-u", "señal"])?;
    let came = format!("flags 0x{:02X}", with_name.flags);
    peer.require(with_name.flags & 0xC0 == 0x80, "the User Name Flag alone", came)?;
    peer.require(with_name.user_name.as_deref() == Some("señal".as_bytes()), "the User Name", "another")
}

fn password_alone(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.subscriber(&["-t", "a/b", "-P", "secreto"])?;
    if stage.v5() {
        let (peer, hello) = client.connect()?;
        if hello.flags & 0xC0 == 0 {
            let text = "the client leaves a password out that has no user name";
            return Err(Stop::NotApplicable(text.to_owned()));
        }
        let right = hello.flags & 0xC0 == 0x40 && hello.password.as_deref() == Some(b"secreto");
        return peer.require(
            right,
            "Password Flag 1 and the Password",
            format!("flags 0x{:02X}", hello.flags),
        );
    }
    // Leaving the password out is right too.
    let wrong = |hello: &Hello| hello.flags & 0xC0 == 0x40;
    match connect_or_refusal(&mut client)? {
        Some((peer, packet)) if packet.connect().is_some_and(wrong) => {
            Err(peer.fail_with("no Password Flag without User Name Flag", &packet))
        }
        Some(_) | None => Ok(()),
    }
}

fn order(stage: &Stage) -> Result<(), Stop> {
    let flags = ["-i", "one", "--will-topic", "two", "--will-payload", "three", "-u", "four", "-P", "five"];
    let (peer, hello) = hello(stage, &flags)?;
    let will = hello.will.as_ref();
    let fields = [
        Some(hello.client_id.as_slice()),
        will.map(|will| will.topic.as_slice()),
        will.map(|will| will.payload.as_slice()),
        hello.user_name.as_deref(),
        hello.password.as_deref(),
    ];
    let expected = [&b"one"[..], b"two", b"three", b"four", b"five"].map(Some);
    let came: Vec<String> =
        fields.iter().map(|field| String::from_utf8_lossy(field.unwrap_or(b"(none)")).into_owned()).collect();
    peer.require(fields == expected, "the fields one, two, three, four, five in this order", came.join(", "))
}

fn client_id(stage: &Stage) -> Result<(), Stop> {
    for flags in [&["-i", "ñandú"][..], &[]] {
        let (peer, hello) = hello(stage, flags)?;
        let text = String::from_utf8(hello.client_id.clone());
        let right = text.as_deref().is_ok_and(|text| flags.is_empty() || text == "ñandú");
        let expected = "a Client Identifier in UTF-8, the one of -i if it is given";
        peer.require(right, expected, String::from_utf8_lossy(&hello.client_id))?;
    }
    Ok(())
}

fn empty_client_id(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.subscriber(&["-t", "a/b", "-i", "", "-c"])?;
    let wrong = |hello: &Hello| hello.client_id.is_empty() && !hello.clean();
    match connect_or_refusal(&mut client)? {
        Some((peer, packet)) if packet.connect().is_some_and(wrong) => {
            Err(peer.fail_with("Clean Session 1", &packet))
        }
        Some(_) | None => Ok(()),
    }
}

fn ill_formed(stage: &Stage) -> Result<(), Stop> {
    let wrong = OsStr::from_bytes(b"a\xFFb");
    let surrogate = OsStr::from_bytes(b"a\xED\xA0\x80b");
    for (flag, more) in [("-i", &[][..]), ("-u", &[]), ("--will-topic", &["--will-payload", "x"])] {
        for bad in [wrong, surrogate] {
            let mut flags = vec![OsStr::new("-t"), OsStr::new("a/b"), OsStr::new(flag), bad];
            flags.extend(more.iter().map(OsStr::new));
            let mut client = stage.subscriber(&flags)?;
            let holds = |packet: &Packet| {
                let bytes = bad.as_bytes();
                packet.bytes.windows(bytes.len()).any(|window| window == bytes)
            };
            refuses(&mut client, &format!("sends nothing ill-formed of {flag}"), holds)?;
        }
    }
    Ok(())
}

fn will_wildcards(stage: &Stage) -> Result<(), Stop> {
    for topic in ["a/+", "a/#", "+", "#"] {
        let mut client =
            stage.publisher(&["-t", "a/b", "-m", "x", "--will-topic", topic, "--will-payload", "x"])?;
        refuses(&mut client, "sends no CONNECT with this Will Topic", |packet| packet.connect().is_some())?;
    }
    let mut client =
        stage.publisher(&["-t", "a/b", "-m", "x", "--will-topic", "a/$", "--will-payload", "x"])?;
    session(&mut client).map(drop)
}
