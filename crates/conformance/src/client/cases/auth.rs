//! Cases of AUTH: extended authentication, as far as the client has it.

use std::time::Duration;

use crate::client::{Client, Stage, expect_end};
use crate::peer::Event;
use crate::raw::property::{id, text};
use crate::raw::{Content, Kind, Packet, auth, connack, frame};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v5 MQTT-3.1.2-30"],
        name: "A client that named a method sends nothing but AUTH and DISCONNECT before CONNACK",
        run: nothing_before_connack,
    },
    Case {
        ids: &["v5 MQTT-4.12.0-3", "v5 MQTT-4.12.0-5", "v5 MQTT-3.15.2-1"],
        name: "An AUTH of the server is answered with AUTH 0x18 and the same method",
        run: exchange,
    },
    Case {
        ids: &["v5 MQTT-3.15.2-2", "v5 MQTT-3.15.2-3"],
        name: "An AUTH has no Reason String and no User Property that the server did not ask for",
        run: small,
    },
    Case { ids: &["v5 MQTT-4.12.0-7"], name: "A client that named no method sends no AUTH", run: no_method },
    Case {
        ids: &["v5 MQTT-3.15.1-1", "v5 MQTT-4.13.2-1"],
        name: "A client closes when an AUTH with flags comes",
        run: flags,
    },
    Case {
        ids: &["v5 MQTT-4.12.1-1", "v5 MQTT-4.12.1-2"],
        name: "A client authenticates again with the method of its CONNECT",
        run: again,
    },
];

/// The method of these cases.
const METHOD: &str = "CONFORMANCE";

/// How long a client has for what it must not do.
const EARLY: Duration = Duration::from_millis(500);

/// A client whose CONNECT names the method, and its connection.
fn with_method(stage: &Stage) -> Result<(Client, Peer), Stop> {
    let flags = ["-t", "a/b", "-m", "x", "-D", "connect", "authentication-method", METHOD];
    let mut client = stage.publisher(&flags)?;
    let (peer, hello) = client.connect()?;
    let named = hello.properties.bytes(id::AUTHENTICATION_METHOD) == Some(METHOD.as_bytes());
    peer.require(named, "CONNECT with this Authentication Method", "another CONNECT")?;
    Ok((client, peer))
}

fn nothing_before_connack(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer) = with_method(stage)?;
    loop {
        match peer.next_within(EARLY)? {
            Event::Packet(packet) if [Kind::Auth, Kind::Disconnect].contains(&packet.kind()) => {}
            Event::Packet(packet) => return Err(peer.fail_with("nothing but AUTH and DISCONNECT", &packet)),
            Event::Closed => return Ok(()),
            Event::Silence => break,
        }
    }
    peer.send(&connack(0, 0).property(text(id::AUTHENTICATION_METHOD, METHOD)))?;
    peer.expect(Kind::Publish).map(drop)
}

/// The client's answer to AUTH 0x18, or that it has none.
fn challenged(stage: &Stage) -> Result<(Client, Peer, Packet), Stop> {
    let (client, mut peer) = with_method(stage)?;
    let challenge = auth(0x18).property(text(id::AUTHENTICATION_METHOD, METHOD));
    peer.send(&challenge.property(text(id::AUTHENTICATION_DATA, "challenge")))?;
    match peer.next_event()? {
        Event::Packet(packet) if packet.kind() == Kind::Auth => Ok((client, peer, packet)),
        Event::Closed => Err(Stop::NotApplicable("the client closes when AUTH 0x18 comes".to_owned())),
        Event::Packet(packet) if packet.kind() == Kind::Disconnect => {
            Err(Stop::NotApplicable("the client disconnects when AUTH 0x18 comes".to_owned()))
        }
        Event::Packet(packet) => Err(peer.fail_with("AUTH, or the end of the connection", &packet)),
        Event::Silence => Err(Stop::NotApplicable("the client does not answer AUTH 0x18".to_owned())),
    }
}

fn exchange(stage: &Stage) -> Result<(), Stop> {
    let (_client, peer, packet) = challenged(stage)?;
    match &packet.content {
        Content::Reason(0x18, properties)
            if properties.bytes(id::AUTHENTICATION_METHOD) == Some(METHOD.as_bytes()) =>
        {
            Ok(())
        }
        _ => Err(peer.fail_with("AUTH 0x18 with the method of CONNECT", &packet)),
    }
}

fn small(stage: &Stage) -> Result<(), Stop> {
    // A server's Maximum Packet Size is known from CONNACK on, so it binds no AUTH of the first exchange.
    challenged(stage)?;
    Err(Stop::NotApplicable("no flag asks the client to authenticate again, after CONNACK".to_owned()))
}

fn no_method(stage: &Stage) -> Result<(), Stop> {
    for code in [0x18, 0x19] {
        let mut client = stage.publisher(&["-t", "a/b", "-m", "x"])?;
        let (mut peer, _) = client.connect()?;
        peer.send(&auth(code).property(text(id::AUTHENTICATION_METHOD, METHOD)))?;
        loop {
            match peer.next_event()? {
                Event::Packet(packet) if packet.kind() == Kind::Auth => {
                    return Err(peer.fail_with("no AUTH", &packet));
                }
                Event::Packet(_) => {}
                Event::Closed | Event::Silence => break,
            }
        }
    }
    Ok(())
}

fn flags(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.publisher(&["-t", "a/b", "-m", "x"])?;
    let (mut peer, _) = client.connect()?;
    peer.send(&frame(0xF1, &[]))?;
    expect_end(&mut peer, &[0x80, 0x81, 0x82])?;
    let (_client, mut peer) = with_method(stage)?;
    peer.send(&frame(0xF1, &[]))?;
    expect_end(&mut peer, &[0x80, 0x81, 0x82]).map(drop)
}

fn again(stage: &Stage) -> Result<(), Stop> {
    challenged(stage)?;
    Err(Stop::NotApplicable("no flag asks the client to authenticate again".to_owned()))
}
