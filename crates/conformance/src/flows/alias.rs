//! Cases of Topic Alias, which only 5.0 has.

use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Kind, Packet, Publish};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-3.3.2-7"],
        name: "Topic Aliases end with the connection they were made on",
        run: end_with_connection,
    },
    Case { ids: &["v5 MQTT-3.3.2-8"], name: "Topic Alias 0 ends the connection", run: zero },
    Case {
        ids: &["v5 MQTT-3.3.2-9", "v5 MQTT-3.2.2-17"],
        name: "A Topic Alias above the server's maximum ends the connection",
        run: above_maximum,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-12"],
        name: "Every Topic Alias up to the server's maximum is taken",
        run: all_taken,
    },
    Case { ids: &["v5 MQTT-3.3.2-12"], name: "A Topic Alias can be given to another topic", run: given_anew },
    Case {
        ids: &["v5 MQTT-3.3.2-11", "v5 MQTT-3.1.2-26"],
        name: "The server uses no Topic Alias above the client's maximum",
        run: server_keeps_to_maximum,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-27"],
        name: "The server uses no Topic Alias if the client allows none",
        run: server_uses_none,
    },
];

fn alias(topic: &str, payload: &str, alias: u16) -> Publish {
    Publish::new(topic, payload).property(two(id::TOPIC_ALIAS, alias))
}

/// The Topic Alias Maximum in the server's CONNACK.
fn maximum(peer: &Peer) -> u16 {
    let maximum = peer.connack().properties.number(id::TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
    u16::try_from(maximum).unwrap_or(u16::MAX)
}

/// That maximum, if there is one.
fn some_maximum(peer: &Peer) -> Result<u16, Stop> {
    match maximum(peer) {
        0 => Err(Stop::NotApplicable("CONNACK says Topic Alias Maximum 0".to_owned())),
        maximum => Ok(maximum),
    }
}

fn end_with_connection(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(&topic, 0)?;
    let mut peer = cx.accept(&cx.staying("a"))?;
    some_maximum(&peer)?;
    peer.publish(&alias(&topic, "known", 1))?;
    watcher.expect_payload("known")?;
    peer.cut();
    let mut peer = cx.accept(&cx.staying("a"))?;
    peer.publish(&alias("", "unknown", 1))?;
    peer.expect_close(&[0x82, 0x94])?;
    let mut publisher = cx.peer("p")?;
    let came = cx.drain(&mut publisher, &mut watcher)?;
    watcher.require_no_publish(&came, "no delivery for an alias of an earlier connection")?;
    cx.peer("a")?.leave()
}

fn zero(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.publish(&alias(&cx.topic("a"), "x", 0))?;
    // A server without aliases may call it a protocol error.
    peer.expect_close(&[0x82, 0x94])
}

fn above_maximum(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    let Some(above) = maximum(&peer).checked_add(1) else {
        return Err(Stop::NotApplicable("CONNACK says Topic Alias Maximum 65535".to_owned()));
    };
    peer.publish(&alias(&cx.topic("a"), "x", above))?;
    peer.expect_close(&[0x94])
}

fn all_taken(cx: &Context) -> Result<(), Stop> {
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(cx.topic("#"), 0)?;
    let mut peer = cx.peer("a")?;
    let maximum = some_maximum(&peer)?;
    let mut chosen = vec![1, maximum / 2 + 1, maximum];
    chosen.extend(2..=maximum.min(20));
    chosen.sort_unstable();
    chosen.dedup();
    for number in &chosen {
        peer.publish(&alias(&cx.topic(&number.to_string()), "set", *number))?;
        watcher.expect_payload("set")?;
    }
    for number in &chosen {
        peer.publish(&alias("", "used", *number))?;
        let publish = watcher.expect_payload("used")?;
        let topic = cx.topic(&number.to_string());
        let came = String::from_utf8_lossy(&publish.topic).into_owned();
        watcher.require(came == topic, &format!("the message on {topic}"), came)?;
    }
    Ok(())
}

fn given_anew(cx: &Context) -> Result<(), Stop> {
    let (first, second) = (cx.topic("first"), cx.topic("second"));
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(&second, 0)?;
    let mut peer = cx.peer("a")?;
    some_maximum(&peer)?;
    peer.publish(&alias(&first, "first", 1))?;
    peer.publish(&alias(&second, "second", 1))?;
    peer.publish(&alias("", "again", 1))?;
    watcher.expect_payload("second")?;
    let publish = watcher.expect_payload("again")?;
    let came = publish.properties.has(id::TOPIC_ALIAS);
    watcher.require(!came, "the publisher's alias kept to its connection", publish.to_string())
}

/// The messages that a client with this CONNECT property gets, three on each of twenty topics.
fn forwarded(cx: &Context, property: Vec<u8>) -> Result<(Peer, Vec<Packet>), Stop> {
    let mut subscriber = cx.accept(&cx.hello("s").property(property))?;
    subscriber.subscribe(cx.topic("#"), 0)?;
    let mut publisher = cx.peer("p")?;
    let mut came = Vec::new();
    for index in 0..60 {
        let topic = cx.topic(&(index % 20).to_string());
        publisher.publish(&Publish::new(topic, (index % 20).to_string()))?;
        came.push(subscriber.expect(Kind::Publish)?);
    }
    if let Event::Packet(packet) = subscriber.next_within(std::time::Duration::from_millis(1))? {
        return Err(subscriber.fail_with("one copy of each message", &packet));
    }
    Ok((subscriber, came))
}

fn server_keeps_to_maximum(cx: &Context) -> Result<(), Stop> {
    let (subscriber, came) = forwarded(cx, two(id::TOPIC_ALIAS_MAXIMUM, 2))?;
    let mut topics = [Vec::new(), Vec::new()];
    for packet in &came {
        let Some(publish) = packet.publish() else { continue };
        let mut topic = publish.topic.clone();
        if let Some(alias) = publish.properties.number(id::TOPIC_ALIAS) {
            let slot = usize::try_from(alias).ok().and_then(|alias| alias.checked_sub(1));
            let Some(known) = slot.and_then(|slot| topics.get_mut(slot)) else {
                return Err(subscriber.fail_with("Topic Alias 1 or 2, if any", packet));
            };
            if topic.is_empty() {
                topic.clone_from(known);
            } else {
                known.clone_from(&topic);
            }
        }
        let expected = cx.topic(&String::from_utf8_lossy(&publish.payload));
        if topic != expected.as_bytes() {
            return Err(subscriber.fail_with(format!("a message that stands for topic {expected}"), packet));
        }
    }
    Ok(())
}

fn server_uses_none(cx: &Context) -> Result<(), Stop> {
    for property in [Vec::new(), two(id::TOPIC_ALIAS_MAXIMUM, 0)] {
        let (subscriber, came) = forwarded(cx, property)?;
        let with_alias = |packet: &&Packet| {
            packet
                .publish()
                .is_none_or(|publish| publish.topic.is_empty() || publish.properties.has(id::TOPIC_ALIAS))
        };
        if let Some(packet) = came.iter().find(with_alias) {
            return Err(subscriber.fail_with("a full topic name and no Topic Alias", packet));
        }
    }
    Ok(())
}
