//! Cases of DISCONNECT: how the client leaves, and how it is told to.

use std::time::Duration;

use crate::client::{End, Stage, expect_end};
use crate::peer::Event;
use crate::raw::property::{four, id};
use crate::raw::{Content, Kind, Packet, Publish, connack};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-3.14.4-1",
            "v3.1.1 MQTT-3.14.4-2",
            "v5 MQTT-3.14.2-1",
            "v5 MQTT-3.14.4-1",
            "v5 MQTT-3.14.4-2",
        ],
        name: "After its DISCONNECT a client sends nothing and closes",
        run: leaves,
    },
    Case {
        ids: &["v5 MQTT-3.14.1-1", "v5 MQTT-4.13.2-1"],
        name: "A client answers a DISCONNECT that has flags with DISCONNECT 0x81",
        run: flags,
    },
    Case {
        ids: &["v5 MQTT-3.14.2-1", "v5 MQTT-3.14.4-1", "v5 MQTT-3.14.4-2"],
        name: "A client that is provoked uses only codes that clients may use",
        run: provoked,
    },
    Case {
        ids: &["v5 MQTT-3.14.2-3", "v5 MQTT-3.14.2-4"],
        name: "A DISCONNECT keeps to the server's Maximum Packet Size",
        run: small,
    },
];

/// The codes that a DISCONNECT of a client may have.
const CODES: &[u8] = &[0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];

/// The DISCONNECT that comes, which has a code of clients; then the end, although the server closes nothing.
fn departure(peer: &mut Peer) -> Result<Packet, Stop> {
    let packet = peer.expect(Kind::Disconnect)?;
    let right = matches!(packet.content, Content::Reason(code, _) if CODES.contains(&code));
    if !right {
        return Err(peer.fail_with("DISCONNECT with a code that clients may use", &packet));
    }
    match peer.next_event()? {
        Event::Closed => Ok(packet),
        Event::Packet(more) => Err(peer.fail_with("nothing after DISCONNECT", &more)),
        Event::Silence => Err(peer.fail("the end of the connection after DISCONNECT", "nothing")),
    }
}

fn leaves(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.publisher(&["-t", "a/b", "-m", "x"])?;
    let mut peer = client.serve()?;
    peer.expect_publish()?;
    departure(&mut peer)?;
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b", "-C", "1"])?;
    peer.send(&Publish::new("a/b", "x"))?;
    departure(&mut peer).map(drop)
}

fn flags(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b"])?;
    peer.send(&[0xE1, 0x00])?;
    match expect_end(&mut peer, &[0x81])? {
        End::Disconnect(_) => Ok(()),
        End::Plain => {
            let text = "the client closes without a word, as it would without flags; 5.0 says it should give a reason (4.13.1)";
            Err(Stop::NotApplicable(text.to_owned()))
        }
    }
}

/// Packets that break the rules, each in another way.
const WRONG: [&[u8]; 6] = [
    &[0x36, 0x07, 0x00, 0x03, 0x61, 0x2F, 0x62, 0x00, 0x07],
    &[0x30, 0x04, 0x00, 0x01, 0xFF, 0x00],
    &[0x20, 0x03, 0x00, 0x00, 0x00],
    &[0xC0, 0x00],
    &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
    &[0x00, 0x00],
];

/// How long a client has for its answer to a packet that it may also ignore.
const SOON: Duration = Duration::from_secs(1);

fn provoked(stage: &Stage) -> Result<(), Stop> {
    let mut seen = 0;
    for wrong in WRONG {
        let (_client, mut peer) = stage.subscribed(&["-t", "a/b"])?;
        peer.send(wrong)?;
        while let Event::Packet(packet) = peer.next_within(SOON)? {
            let Content::Reason(code, _) = packet.content else { continue };
            if packet.kind() != Kind::Disconnect || !CODES.contains(&code) {
                return Err(peer.fail_with("DISCONNECT with a code that clients may use", &packet));
            }
            match peer.next_event()? {
                Event::Closed => seen += 1,
                Event::Packet(more) => return Err(peer.fail_with("nothing after DISCONNECT", &more)),
                Event::Silence => return Err(peer.fail("the end of the connection", "nothing")),
            }
        }
    }
    if seen == 0 {
        return Err(Stop::NotApplicable("nothing provokes a DISCONNECT".to_owned()));
    }
    Ok(())
}

fn small(stage: &Stage) -> Result<(), Stop> {
    let limit = connack(0, 0).property(four(id::MAXIMUM_PACKET_SIZE, 30));
    let long = "a text that is longer than the thirty bytes of the limit";
    let mut quiet = 0;
    for properties in [
        &["-D", "disconnect", "reason-string", long][..],
        &["-D", "disconnect", "user-property", "name", long],
    ] {
        let mut client = stage.publisher(&[&["-t", "a/b", "-m", "x"], properties].concat())?;
        let (mut peer, _) = client.serve_with(&limit)?;
        while let Event::Packet(packet) = peer.next_event()? {
            let size = packet.bytes.len();
            if size > 30 {
                return Err(peer.fail_with("no packet of more than 30 bytes", &packet));
            }
            quiet += usize::from(packet.kind() == Kind::Disconnect);
        }
    }
    if quiet == 0 {
        return Err(Stop::NotApplicable("the client leaves without a DISCONNECT".to_owned()));
    }
    // The same for a DISCONNECT that a violation brings about.
    let (_client, mut peer) = stage.subscribed_with(&["-t", "a/b"], &limit)?;
    peer.send(&[0xD1, 0x00])?;
    match expect_end(&mut peer, CODES)? {
        End::Plain => Ok(()),
        End::Disconnect(packet) => {
            peer.require(packet.bytes.len() <= 30, "at most 30 bytes", format!("{}", packet.bytes.len()))
        }
    }
}
