//! Sizes: the client's maximum, and the longest topics.

use crate::peer::Event;
use crate::raw::property::{four, id, two};
use crate::raw::{Connect, Kind, Packet, Publish, Subscribe};
use crate::{Context, Peer, Stop};

/// A connection with such a Maximum Packet Size, if the CONNACK fits into it.
fn limited(cx: &Context, connect: Connect, size: u32) -> Result<Peer, Stop> {
    let mut peer = cx.open()?;
    peer.send(&connect.property(four(id::MAXIMUM_PACKET_SIZE, size)))?;
    if peer.peek()? == Event::Closed {
        return Err(Stop::NotApplicable(format!("no CONNACK of the server fits into {size} bytes")));
    }
    peer.expect_connack()?;
    Ok(peer)
}

pub(super) fn within_maximum(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    // The size of a PUBLISH with this topic, no properties and a payload of ten bytes.
    let size = 2 + 2 + topic.len() + 1 + 10;
    let mut subscriber = limited(cx, cx.hello("s"), u32::try_from(size).unwrap_or(u32::MAX))?;
    subscriber.subscribe(&topic, 0)?;
    let mut publisher = cx.peer("p")?;
    for length in [9, 11, 10, 200, 2_000, 1] {
        publisher.publish(&Publish::new(&topic, vec![b'x'; length]))?;
    }
    publisher.fence()?;
    for length in [9, 10, 1] {
        let publish = subscriber.expect_publish()?;
        let came = format!("{} bytes", publish.payload.len());
        subscriber.require(publish.payload.len() == length, &format!("a payload of {length} bytes"), came)?;
    }
    let more: Vec<Packet> = subscriber.fence()?;
    subscriber.require_no_publish(&more, "only the messages that fit")
}

pub(super) fn counts_as_delivered(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let connect = cx.hello("s").property(two(id::RECEIVE_MAXIMUM, 1));
    let mut subscriber = limited(cx, connect, 128)?;
    subscriber.subscribe(&topic, 2)?;
    let mut publisher = cx.peer("p")?;
    for (packet, qos) in [(1, 1), (3, 2)] {
        publisher.publish(&Publish::new(&topic, vec![b'x'; 500]).qos(qos, packet))?;
        publisher.publish(&Publish::new(&topic, "small").qos(qos, packet + 1))?;
        let publish = subscriber.expect_payload("small")?;
        subscriber.acknowledge(&publish)?;
    }
    Ok(())
}

pub(super) fn longest_topic(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    let limit = peer.connack().properties.number(id::MAXIMUM_PACKET_SIZE);
    if limit.is_some_and(|limit| limit < 70_000) {
        return Err(Stop::NotApplicable(format!("CONNACK says Maximum Packet Size {limit:?}")));
    }
    let mut topic = cx.topic("");
    topic.extend(std::iter::repeat_n('t', usize::from(u16::MAX) - topic.len()));
    peer.send(&Subscribe::new(1).filter(&topic, 0))?;
    // In 3.1.1 a server cannot announce that it takes no packet of this size.
    if peer.peek()? == Event::Closed {
        return Err(Stop::NotApplicable("the server takes no SUBSCRIBE of 65,540 bytes".to_owned()));
    }
    peer.expect_answer(Kind::Suback, 1)?;
    peer.publish(&Publish::new(&topic, "x"))?;
    let publish = peer.expect_payload("x")?;
    let same = publish.topic == topic.as_bytes();
    peer.require(same, "the topic of 65535 bytes", format!("one of {} bytes", publish.topic.len()))
}
