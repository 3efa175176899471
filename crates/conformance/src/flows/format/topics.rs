//! Topic names and filters: what they may be, and which of them match.

use crate::peer::Event;
use crate::raw::{Content, Encode, Kind, Packet, Publish, Subscribe, Will};
use crate::{Context, Peer, Stop};

/// Filters and topics below the level of a case, with whether they match, by section 4.7 of the standards.
const TABLE: [(&str, &str, bool); 30] = [
    ("a/b", "a/b", true),
    ("a/b", "a/c", false),
    ("a/b", "a/b/", false),
    ("a/b", "a", false),
    ("a/b", "a/b/c", false),
    ("a/b/", "a/b/", true),
    ("a/b/", "a/b", false),
    ("a/#", "a", true),
    ("a/#", "a/b", true),
    ("a/#", "a/b/c", true),
    ("a/#", "a/", true),
    ("a/#", "ab", false),
    ("a/#", "b/a", false),
    ("a/+", "a", false),
    ("a/+", "a/", true),
    ("a/+", "a/b", true),
    ("a/+", "a/b/c", false),
    ("+/b", "a/b", true),
    ("+/b", "/b", true),
    ("+/b", "b", false),
    ("a/+/c", "a/b/c", true),
    ("a/+/c", "a//c", true),
    ("a/+/c", "a/c", false),
    ("a/+/c", "a/b/b/c", false),
    ("+/+", "a/b", true),
    ("+/+", "/", true),
    ("+/+/#", "a/b", true),
    ("+/+/#", "a", false),
    ("+/b/#", "a/b/c/d", true),
    ("+/b/#", "a/c/b", false),
];

/// Nothing but a refusal comes back for this packet: an acknowledgement with a code of 0x80 or above, or
/// the end of the connection.
fn require_refused(peer: &mut Peer, packet: &[u8]) -> Result<(), Stop> {
    peer.send(packet)?;
    let event = peer.peek()?;
    let Event::Packet(packet) = event else { return peer.expect_close(&[]) };
    let refused = match &packet.content {
        Content::Ack(ack) => ack.code >= 0x80,
        Content::Answer(answer) => matches!(answer.codes.as_slice(), [code] if *code >= 0x80),
        Content::Connack(_) | Content::Reason(..) => {
            return peer.expect_close(&[0x80, 0x81, 0x82, 0x8F, 0x90]);
        }
        _ => false,
    };
    if refused { Ok(()) } else { Err(peer.fail_with("a refusal or the end of the connection", &packet)) }
}

pub(super) fn wildcard_in_name(cx: &Context) -> Result<(), Stop> {
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(cx.topic("#"), 0)?;
    for rest in ["a/+", "a/#", "+", "a+b", "a#"] {
        let topic = cx.topic(rest);
        for qos in [0, 1, 2] {
            let mut peer = cx.peer("a")?;
            let publish = Publish::new(&topic, "x").qos(qos, 1);
            require_refused(&mut peer, &publish.encode(cx.version()))?;
        }
        let mut peer = cx.open()?;
        require_refused(&mut peer, &cx.hello("a").will(Will::new(&topic, "gone")).encode(cx.version()))?;
    }
    let mut publisher = cx.peer("p")?;
    let came = cx.drain(&mut publisher, &mut watcher)?;
    watcher.require_no_publish(&came, "no message on a topic with a wildcard")
}

/// The filters are refused, those that are right are not.
fn require_filters(cx: &Context, wrong: &[&str], right: &[&str]) -> Result<(), Stop> {
    for filter in wrong {
        let mut peer = cx.peer("a")?;
        let subscribe = Subscribe::new(1).filter(cx.topic(filter), 0);
        require_refused(&mut peer, &subscribe.encode(cx.version()))?;
    }
    let mut peer = cx.peer("a")?;
    for filter in right {
        peer.subscribe(cx.topic(filter), 0)?;
    }
    Ok(())
}

pub(super) fn hash_places(cx: &Context) -> Result<(), Stop> {
    require_filters(cx, &["a/b#", "a/#/c", "#/a", "##", "a/#b", "a/#/", "a/+#"], &["#", "a/#", "+/#", "a//#"])
}

pub(super) fn plus_places(cx: &Context) -> Result<(), Stop> {
    require_filters(cx, &["a/b+", "+a", "a/++", "a/+b/c", "a+/b"], &["+", "+/a/+", "a/+/b", "+/+", "/+"])
}

pub(super) fn dollar(cx: &Context) -> Result<(), Stop> {
    // The topic's second level is the case's own.
    let level = cx.client_id("t");
    let topic = format!("$t/{level}");
    let mut wild = cx.peer("w")?;
    for filter in ["#".to_owned(), format!("+/{level}"), "+/#".to_owned()] {
        wild.subscribe(filter, 0)?;
    }
    let mut named = cx.peer("n")?;
    named.subscribe("$t/#", 0)?;
    let mut publisher = cx.peer("p")?;
    publisher.publish(&Publish::new(&topic, "x"))?;
    let came = cx.drain(&mut publisher, &mut wild)?;
    let hidden = |packet: &&Packet| packet.publish().is_some_and(|publish| publish.topic.starts_with(b"$"));
    if let Some(packet) = came.iter().find(hidden) {
        return Err(wild.fail_with("nothing on a topic that begins with $ for # and +", packet));
    }
    named.expect_payload("x")?;
    Ok(())
}

pub(super) fn empty(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.peer("a")?;
    peer.send(&Publish::new("", "x"))?;
    peer.expect_close(&[0x81, 0x82, 0x90])?;
    let mut peer = cx.peer("a")?;
    if cx.v5() {
        return require_refused(&mut peer, &Subscribe::new(1).filter("", 0).encode(cx.version()));
    }
    peer.send(&Subscribe::new(1).filter("", 0))?;
    peer.expect_close(&[])
}

pub(super) fn table(cx: &Context) -> Result<(), Stop> {
    let mut publisher = cx.peer("p")?;
    let mut faults = Vec::new();
    for (index, (filter, topic, matches)) in TABLE.into_iter().enumerate() {
        let mut subscriber = cx.peer(&format!("s{index}"))?;
        // The first level of a filter may be a wildcard here, since the case's own levels come before it.
        subscriber.subscribe(cx.topic(filter), 0)?;
        publisher.publish(&Publish::new(cx.topic(topic), "x"))?;
        let came = cx.drain(&mut publisher, &mut subscriber)?;
        let count = came.iter().filter(|packet| packet.kind() == Kind::Publish).count();
        if count != usize::from(matches) {
            faults.push(format!("{filter} and {topic}: {count}"));
        }
        subscriber.cut();
    }
    let expected = "one message for each matching filter and topic, none for the others";
    publisher.require(faults.is_empty(), expected, faults.join("\n"))
}

pub(super) fn not_normalized(cx: &Context) -> Result<(), Stop> {
    let filter = cx.topic("caf\u{E9}/a");
    let mut subscriber = cx.peer("s")?;
    let mut publisher = cx.peer("p")?;
    subscriber.subscribe(&filter, 0)?;
    let others =
        ["cafe\u{301}/a", "CAF\u{C9}/a", "caf\u{E9}//a", "caf\u{E9}/A", "caf\u{E9}/a ", " caf\u{E9}/a"];
    for other in others {
        publisher.publish(&Publish::new(cx.topic(other), "other"))?;
    }
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_no_publish(&came, "no message on a topic that only resembles the filter")?;
    // Everything comes as it was sent, with characters that mean nothing to a server.
    subscriber.subscribe(cx.topic("all/#"), 0)?;
    for rest in ["all/e\u{301}", "all//x/", "all/ sp ace ", "all/\u{1F426}", "all/\u{F8FF}", "all/%2F\\"] {
        let topic = cx.topic(rest);
        publisher.publish(&Publish::new(&topic, "x"))?;
        let publish = subscriber.expect_payload("x")?;
        let came = String::from_utf8_lossy(&publish.topic).into_owned();
        subscriber.require(came == topic, &format!("the topic {topic:?}"), format!("{came:?}"))?;
    }
    Ok(())
}
