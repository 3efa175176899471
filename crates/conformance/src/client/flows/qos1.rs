//! The QoS 1 exchange (section 4.3.2) with the client at either end.

use crate::client::Stage;
use crate::raw::{Kind, Publish, connack, puback};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-2.3.1-3",
            "v3.1.1 MQTT-3.1.2-4",
            "v3.1.1 MQTT-3.1.3-2",
            "v3.1.1 MQTT-3.3.1-1",
            "v3.1.1 MQTT-4.1.0-1",
            "v3.1.1 MQTT-4.3.2-1",
            "v3.1.1 MQTT-4.4.0-1",
            "v5 MQTT-3.1.2-23",
            "v5 MQTT-3.1.3-2",
            "v5 MQTT-3.3.1-1",
            "v5 MQTT-4.3.2-2",
            "v5 MQTT-4.3.2-3",
            "v5 MQTT-4.4.0-1",
        ],
        name: "A QoS 1 message is sent again with DUP 1 under its identifier until PUBACK comes",
        run: again,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.3.2-2", "v5 MQTT-4.3.2-5"],
        name: "After PUBACK a PUBLISH under the same identifier is new, even with DUP 1",
        run: new_after_puback,
    },
    Case {
        ids: &["v5 MQTT-4.4.0-2"],
        name: "A message that PUBACK 0x80 refuses is not sent again",
        run: refused,
    },
];

fn again(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.lines(&["-q", "1"])?;
    client.say("one");
    let first = peer.expect_payload("one")?;
    peer.require(!first.dup && first.qos == 1, "QoS 1 and DUP 0 at first", "another PUBLISH")?;
    let id = first.id.unwrap_or(0);
    peer.cut();
    let mut peer = client.resume()?;
    let second = peer.expect_payload("one")?;
    let came = format!("id {:?}, QoS {}, DUP {}", second.id, second.qos, second.dup);
    let right = second.id == first.id && second.dup && second.qos == 1;
    peer.require(right, &format!("QoS 1 and DUP 1 under id {id}"), came)?;
    client.say("two");
    let other = peer.expect_payload("two")?;
    peer.require(
        other.id != first.id && !other.dup,
        "an identifier that is not in use, and DUP 0",
        "another",
    )?;
    peer.send(&puback(id))?;
    peer.send(&puback(other.id.unwrap_or(0)))?;
    // Acknowledged before the connection breaks: the answer to this comes later.
    peer.send(&Publish::new("fence", "x").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    peer.cut();
    let (mut peer, hello) = client.serve_with(&connack(1, 0))?;
    peer.require(hello.client_id == b"conformance", "the Client Identifier of before", "another")?;
    client.say("three");
    let third = peer.expect_payload("three")?;
    peer.require(!third.dup, "a new message with DUP 0", "DUP 1")
}

fn new_after_puback(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "1"])?;
    peer.send(&Publish::new("a/b", "one").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    peer.send(&Publish::new("a/b", "two").qos(1, 7).dup())?;
    peer.expect_ack(Kind::Puback, 7)?;
    peer.send(&Publish::new("a/b", "two").qos(1, 7).dup())?;
    peer.expect_ack(Kind::Puback, 7)?;
    for line in ["one", "two", "two"] {
        client.expect_line(line)?;
    }
    Ok(())
}

fn refused(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.lines(&["-q", "1"])?;
    client.say("one");
    let id = peer.expect_payload("one")?.id.unwrap_or(0);
    peer.send(&puback(id).code(0x80))?;
    peer.send(&Publish::new("fence", "x").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    peer.cut();
    let mut peer = client.resume()?;
    client.say("two");
    let publish = peer.expect_payload("two")?;
    peer.require(!publish.dup, "DUP 0", "DUP 1")
}
