//! The QoS 2 exchange (section 4.3.3) with the client at either end.

use std::time::Duration;

use crate::client::Stage;
use crate::raw::property::{four, id};
use crate::raw::{Kind, Publish, pubcomp, pubrec, pubrel};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &[
            "v3.1.1 MQTT-3.3.1-1",
            "v3.1.1 MQTT-4.1.0-1",
            "v3.1.1 MQTT-4.3.3-1",
            "v3.1.1 MQTT-4.4.0-1",
            "v5 MQTT-3.3.1-1",
            "v5 MQTT-4.3.3-2",
            "v5 MQTT-4.3.3-3",
            "v5 MQTT-4.3.3-5",
            "v5 MQTT-4.3.3-6",
            "v5 MQTT-4.4.0-1",
        ],
        name: "A QoS 2 PUBLISH is sent again until PUBREC comes, and then its PUBREL until PUBCOMP does",
        run: again,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-7"],
        name: "A QoS 2 message that was sent before it expired is sent again after",
        run: no_expiry,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.3.3-2", "v5 MQTT-4.3.3-10", "v5 MQTT-4.3.3-12"],
        name: "A repeated QoS 2 PUBLISH is printed once, and after PUBCOMP its identifier is new",
        run: once,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.1.0-1", "v3.1.1 MQTT-4.3.3-2", "v5 MQTT-3.1.2-23", "v5 MQTT-4.3.3-10"],
        name: "A QoS 2 PUBLISH that comes again on a later connection is printed once",
        run: once_over_connections,
    },
    Case {
        ids: &["v5 MQTT-4.3.3-13"],
        name: "The exchange of an expired QoS 2 message is finished",
        run: finished,
    },
    Case {
        ids: &["v5 MQTT-4.4.0-2"],
        name: "A message that PUBREC 0x80 refuses is not sent again",
        run: refused,
    },
];

fn again(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.lines(&["-q", "2"])?;
    client.say("one");
    let first = peer.expect_payload("one")?;
    peer.require(!first.dup && first.qos == 2, "QoS 2 and DUP 0 at first", "another PUBLISH")?;
    peer.cut();
    let mut peer = client.resume()?;
    let second = peer.expect_payload("one")?;
    let came = format!("id {:?}, QoS {}, DUP {}", second.id, second.qos, second.dup);
    let right = second.id == first.id && second.dup && second.qos == 2;
    peer.require(right, &format!("QoS 2 and DUP 1 under id {:?}", first.id), came)?;
    let id = first.id.unwrap_or(0);
    peer.send(&pubrec(id))?;
    peer.expect_ack(Kind::Pubrel, id)?;
    peer.cut();
    let mut peer = client.resume()?;
    // `expect` also shows that no PUBLISH comes before it.
    let packet = peer.expect(Kind::Pubrel)?;
    peer.require(packet.bytes.get(2..4) == Some(&id.to_be_bytes()), "PUBREL under the same id", "another")?;
    peer.send(&pubcomp(id))?;
    peer.send(&Publish::new("fence", "x").qos(1, 7))?;
    let packet = peer.expect(Kind::Puback)?;
    peer.require(packet.bytes.get(2..4) == Some(&[0, 7]), "PUBACK under id 7", "another")?;
    peer.cut();
    let mut peer = client.resume()?;
    client.say("two");
    let publish = peer.expect_payload("two")?;
    peer.require(!publish.dup, "a new message with DUP 0", "DUP 1")
}

fn no_expiry(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) =
        stage.lines(&["-q", "2", "-D", "publish", "message-expiry-interval", "1"])?;
    client.say("one");
    let first = peer.expect_payload("one")?;
    peer.require(first.properties.has(id::MESSAGE_EXPIRY), "a Message Expiry Interval", "none")?;
    stage.wait(Duration::from_secs(2));
    peer.cut();
    let mut peer = client.resume()?;
    let second = peer.expect_payload("one")?;
    peer.require(second.id == first.id && second.dup, "the same PUBLISH with DUP 1", "another")?;
    let id = first.id.unwrap_or(0);
    peer.send(&pubrec(id))?;
    peer.expect_ack(Kind::Pubrel, id).map(drop)
}

fn once(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "2"])?;
    peer.send(&Publish::new("a/b", "one").qos(2, 7))?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    peer.send(&Publish::new("a/b", "one").qos(2, 7).dup())?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    peer.send(&pubrel(7))?;
    peer.expect_ack(Kind::Pubcomp, 7)?;
    peer.send(&Publish::new("a/b", "two").qos(2, 7))?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    peer.send(&pubrel(7))?;
    peer.expect_ack(Kind::Pubcomp, 7)?;
    peer.send(&Publish::new("a/b", "three"))?;
    for line in ["one", "two", "three"] {
        client.expect_line(line)?;
    }
    Ok(())
}

fn once_over_connections(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "2"])?;
    peer.send(&Publish::new("a/b", "one").qos(2, 7))?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    peer.cut();
    let mut peer = client.resume()?;
    peer.send(&Publish::new("a/b", "one").qos(2, 7).dup())?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    peer.send(&pubrel(7))?;
    peer.expect_ack(Kind::Pubcomp, 7)?;
    peer.send(&Publish::new("a/b", "two"))?;
    client.expect_line("one")?;
    client.expect_line("two")
}

fn finished(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "2"])?;
    peer.send(&Publish::new("a/b", "one").qos(2, 7).property(four(id::MESSAGE_EXPIRY, 1)))?;
    peer.expect_ack(Kind::Pubrec, 7)?;
    stage.wait(Duration::from_secs(2));
    peer.send(&pubrel(7))?;
    let ack = peer.expect_ack(Kind::Pubcomp, 7)?;
    peer.require(ack.code == 0, "PUBCOMP with code 0x00", format!("0x{:02X}", ack.code))
}

fn refused(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.lines(&["-q", "2"])?;
    client.say("one");
    let id = peer.expect_payload("one")?.id.unwrap_or(0);
    peer.send(&pubrec(id).code(0x80))?;
    peer.send(&Publish::new("fence", "x").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    peer.cut();
    let mut peer = client.resume()?;
    client.say("two");
    let publish = peer.expect_payload("two")?;
    peer.require(!publish.dup, "DUP 0", "DUP 1")
}
