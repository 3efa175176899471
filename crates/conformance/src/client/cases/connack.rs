//! Cases of CONNACK: what the client makes of the server's answer.

use std::time::Duration;

use crate::client::{Stage, answer, expect_end};
use crate::peer::Event;
use crate::raw::property::{byte, four, id};
use crate::raw::{Kind, Publication, connack};
use crate::{Case, Stop};

/// How long a client has to send what it should not, or need not wait with.
const EARLY: Duration = Duration::from_millis(300);

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v5 MQTT-3.2.2-4"],
        name: "A client without a session closes when told Session Present 1",
        run: session_present,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-11"],
        name: "A client told a Maximum QoS publishes at no higher QoS",
        run: maximum_qos,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-14"],
        name: "A client told Retain Available 0 publishes nothing retained",
        run: no_retain,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-15"],
        name: "A client sends no packet above the server's Maximum Packet Size",
        run: maximum_packet_size,
    },
    Case {
        ids: &["v5 MQTT-4.13.2-1"],
        name: "A client that was refused sends nothing more and closes",
        run: refused,
    },
];

fn session_present(stage: &Stage) -> Result<(), Stop> {
    for flags in [&["-t", "a/b"][..], &["-t", "a/b", "-i", "conformance"]] {
        let mut client = stage.subscriber(flags)?;
        let (mut peer, hello) = client.connect()?;
        peer.require(hello.clean(), "Clean Start 1 without -c", "Clean Start 0")?;
        peer.send(&connack(1, 0))?;
        expect_end(&mut peer, &[0x80, 0x81, 0x82])?;
    }
    Ok(())
}

/// The client is told this in its CONNACK and publishes with these flags; whether `wrong` comes.
fn told(
    stage: &Stage,
    property: Vec<u8>,
    flags: &[&str],
    wrong: fn(&Publication) -> bool,
    expected: &str,
) -> Result<(), Stop> {
    let mut client = stage.publisher(&[&["-t", "a/b", "-m", "a message of some length"], flags].concat())?;
    let (mut peer, _) = client.serve_with(&connack(0, 0).property(property))?;
    loop {
        match peer.next_event()? {
            Event::Packet(packet) => {
                if packet.kind() == Kind::Publish && packet.publish().is_none_or(wrong) {
                    return Err(peer.fail_with(expected, &packet));
                }
                answer(&mut peer, &packet)?;
            }
            Event::Closed => return Ok(()),
            Event::Silence => return Err(peer.fail(format!("{expected}, and the end"), "the client runs on")),
        }
    }
}

fn maximum_qos(stage: &Stage) -> Result<(), Stop> {
    for qos in ["1", "2"] {
        let expected = "no PUBLISH above QoS 0";
        told(stage, byte(id::MAXIMUM_QOS, 0), &["-q", qos], |publish| publish.qos > 0, expected)?;
    }
    let expected = "no PUBLISH above QoS 1";
    told(stage, byte(id::MAXIMUM_QOS, 1), &["-q", "2"], |publish| publish.qos > 1, expected)
}

fn no_retain(stage: &Stage) -> Result<(), Stop> {
    told(stage, byte(id::RETAIN_AVAILABLE, 0), &["-r"], |publish| publish.retain, "no PUBLISH with RETAIN 1")
}

fn maximum_packet_size(stage: &Stage) -> Result<(), Stop> {
    for qos in ["0", "1", "2"] {
        let property = four(id::MAXIMUM_PACKET_SIZE, 20);
        told(stage, property, &["-q", qos], |_| true, "no PUBLISH of more than 20 bytes")?;
    }
    let filter = "a/filter/that/is/longer/than/the/server/takes";
    for flags in [&["-t", filter][..], &["-t", "a", "-U", filter]] {
        let mut client = stage.subscriber(flags)?;
        let limit = connack(0, 0).property(four(id::MAXIMUM_PACKET_SIZE, 20));
        let (mut peer, _) = client.serve_with(&limit)?;
        // Whether the client then ends or runs on without the filter is its own affair.
        while let Event::Packet(packet) = peer.next_within(EARLY)? {
            if packet.bytes.len() > 20 {
                return Err(peer.fail_with("no packet of more than 20 bytes", &packet));
            }
            answer(&mut peer, &packet)?;
        }
    }
    Ok(())
}

fn refused(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.publisher(&["-t", "a/b", "-m", "x", "-q", "1"])?;
    let (mut peer, _) = client.connect()?;
    // What a client sends right behind its CONNECT is its own risk and no violation.
    while let Event::Packet(_) = peer.next_within(EARLY)? {}
    peer.send(&connack(0, 0x87))?;
    expect_end(&mut peer, &[])?;
    let ended = client.expect_exit()?;
    peer.require(ended.code != Some(0), "an exit code that tells of the failure", ended.words())
}
