//! Cases of a second connection with the Client Identifier of the first.

use crate::peer::Event;
use crate::raw::{Content, Kind, Publish, Will};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.4-2", "v5 MQTT-3.1.4-3"],
        name: "A second connection with the same Client Identifier ends the first",
        run: first_ends,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.4-2", "v3.1.1 MQTT-3.1.3-2", "v5 MQTT-3.1.4-3", "v5 MQTT-3.1.2-5"],
        name: "The session moves to the second connection",
        run: session_moves,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-8", "v5 MQTT-3.1.2-8"],
        name: "A takeover publishes the will of the connection it ends",
        run: will,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.4-2", "v5 MQTT-3.1.4-3"],
        name: "Of ten connections with the same Client Identifier the last one stays",
        run: last_stays,
    },
];

/// The older connection ends: without a word in 3.1.1; in 5.0 DISCONNECT 0x8E may come first, as section 4.13.2,
/// to which the statement refers, asks for it without binding the server (SHOULD). The general codes do not say
/// it: the client is not at fault, and the statement names the code.
fn require_taken_over(peer: &mut Peer) -> Result<(), Stop> {
    if let Event::Packet(packet) = peer.peek()?
        && packet.kind() == Kind::Disconnect
        && !matches!(packet.content, Content::Reason(0x8E, _))
    {
        return Err(peer.fail_with("the end of the connection, possibly after DISCONNECT 0x8E", &packet));
    }
    peer.expect_close(&[0x8E])
}

fn first_ends(cx: &Context) -> Result<(), Stop> {
    let mut first = cx.peer("a")?;
    let mut second = cx.peer("a")?;
    require_taken_over(&mut first)?;
    second.fence()?;
    let mut third = cx.accept(&cx.staying("a"))?;
    require_taken_over(&mut second)?;
    third.fence()?;
    third.leave()?;
    cx.peer("a")?.leave()
}

fn session_moves(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let mut first = cx.accept(&cx.staying("a"))?;
    first.subscribe(&topic, 1)?;
    publisher.publish(&Publish::new(&topic, "open").qos(1, 1))?;
    let open = first.expect_payload("open")?;
    let mut second = cx.accept(&cx.staying("a"))?;
    require_taken_over(&mut first)?;
    second.require(second.session_present(), "Session Present 1", "0")?;
    let again = second.expect_payload("open")?;
    let same = again.id == open.id && again.dup;
    second.require(same, "the message again under its identifier with DUP 1", again.to_string())?;
    second.acknowledge(&again)?;
    publisher.publish(&Publish::new(&topic, "next").qos(1, 2))?;
    let next = second.expect_payload("next")?;
    second.acknowledge(&next)?;
    second.leave()?;
    cx.peer("a")?.leave()
}

fn will(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("will");
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(&topic, 0)?;
    let mut first = cx.accept(&cx.hello("a").will(Will::new(&topic, "gone")))?;
    let second = cx.peer("a")?;
    require_taken_over(&mut first)?;
    watcher.expect_payload("gone")?;
    second.leave()
}

fn last_stays(cx: &Context) -> Result<(), Stop> {
    let mut peers = Vec::new();
    for _ in 0..10 {
        peers.push(cx.peer("a")?);
    }
    let Some(mut last) = peers.pop() else { return Ok(()) };
    for peer in &mut peers {
        require_taken_over(peer)?;
    }
    last.subscribe(cx.topic("a"), 0)?;
    last.publish(&Publish::new(cx.topic("a"), "x"))?;
    last.expect_payload("x")?;
    last.leave()
}
