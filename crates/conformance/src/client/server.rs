//! The polite server that the suite is where a case says nothing else, and how clients end and refuse.

use colibri_codec::Version;

use super::process::{Ended, Move, expect_connect};
use super::{Client, Stage};
use crate::peer::Event;
use crate::raw::{
    Content, Kind, PINGRESP, Packet, connack, hex, puback, pubcomp, pubrec, pubrel, suback, unsuback, words,
};
use crate::{Peer, Stop};

/// Answers a packet of a client as a server does that has nothing against it.
pub(crate) fn answer(peer: &mut Peer, packet: &Packet) -> Result<(), Stop> {
    match (&packet.content, packet.kind()) {
        (Content::Connect(_), _) => peer.send(&connack(0, 0)),
        (Content::Publish(publish), _) => match (publish.qos, publish.id) {
            (1, Some(id)) => peer.send(&puback(id)),
            (2, Some(id)) => peer.send(&pubrec(id)),
            _ => Ok(()),
        },
        (Content::Ack(ack), Kind::Pubrec) => peer.send(&pubrel(ack.id)),
        (Content::Ack(ack), Kind::Pubrel) => peer.send(&pubcomp(ack.id)),
        (Content::Request(_), Kind::Subscribe) => grant(peer, packet),
        (Content::Request(request), _) => {
            let codes = vec![0; request.filters.len()];
            peer.send(&unsuback(request.id, &codes))
        }
        (Content::Other, Kind::Pingreq) => peer.send(&PINGRESP),
        _ => Ok(()),
    }
}

/// Answers a SUBSCRIBE with the QoS it asks for.
pub(super) fn grant(peer: &mut Peer, packet: &Packet) -> Result<(), Stop> {
    let Some(request) = packet.request() else {
        return Err(peer.fail_with("SUBSCRIBE", packet));
    };
    let codes: Vec<u8> = request.filters.iter().map(|(_, options)| options & 3).collect();
    peer.send(&suback(request.id, &codes))
}

/// All packets of the client's next connection, to each of which it got a polite answer, until it closes.
pub(crate) fn session(client: &mut Client) -> Result<Vec<Packet>, Stop> {
    let mut peer = client.accept()?;
    let mut packets = vec![peer.expect(Kind::Connect)?];
    peer.send(&connack(0, 0))?;
    loop {
        match peer.next_event()? {
            Event::Packet(packet) => {
                readable(&peer, &packet)?;
                answer(&mut peer, &packet)?;
                packets.push(packet);
            }
            Event::Closed => return Ok(packets),
            Event::Silence => return Err(peer.fail("the end of the connection", "nothing")),
        }
    }
}

fn readable(peer: &Peer, packet: &Packet) -> Result<(), Stop> {
    let readable = packet.content != Content::Unreadable;
    peer.require(readable, "a packet that can be read", format!("{}: {}", words(packet), hex(&packet.bytes)))
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Without a word.
    Plain,
    /// After this DISCONNECT.
    Disconnect(Packet),
}

/// The client ends the connection: in 5.0 a DISCONNECT with one of these codes may come first, in 3.1.1 one
/// without a code. What it asks for on its own account, such as a SUBSCRIBE on a new connection, may come too.
pub(crate) fn expect_end(peer: &mut Peer, codes: &[u8]) -> Result<End, Stop> {
    let expected = format!("the end of the connection, before which DISCONNECT [{}] may come", hex(codes));
    let mut end = End::Plain;
    loop {
        let packet = match peer.next_event()? {
            Event::Closed => return Ok(end),
            Event::Silence => return Err(peer.fail(expected, "nothing: the client goes on")),
            Event::Packet(packet) => packet,
        };
        match (&packet.content, packet.kind()) {
            _ if end != End::Plain => return Err(peer.fail_with("nothing after DISCONNECT", &packet)),
            (Content::Request(_), _) | (_, Kind::Pingreq) => answer(peer, &packet)?,
            (Content::Reason(code, _), Kind::Disconnect)
                if peer.version() != Version::V5 || codes.contains(code) =>
            {
                end = End::Disconnect(packet);
            }
            _ => return Err(peer.fail_with(expected, &packet)),
        }
    }
}

/// The client ends the connection because of a packet that breaks the rules. In 3.1.1 it must, as in
/// [`expect_end`]. In 5.0 it should [section 4.13.1], and how closely it looks is its own affair.
pub(crate) fn should_end(peer: &mut Peer, codes: &[u8]) -> Result<End, Stop> {
    if peer.version() != Version::V5 {
        return expect_end(peer, codes);
    }
    match peer.peek()? {
        Event::Packet(packet) if packet.kind() != Kind::Disconnect && packet.request().is_none() => {
            let text = format!(
                "{} comes: the client does not close, as 5.0 says it should (4.13.1)",
                words(&packet)
            );
            Err(Stop::NotApplicable(text))
        }
        Event::Silence => {
            let text = "the client goes on and does not close, as 5.0 says it should (4.13.1)";
            Err(Stop::NotApplicable(text.to_owned()))
        }
        Event::Packet(_) | Event::Closed => expect_end(peer, codes),
    }
}

/// The client refuses: it says so and ends, and on whatever connection it opens it sends no packet that
/// `wrong` tells of.
pub(crate) fn refuses(
    client: &mut Client,
    expected: &str,
    wrong: impl Fn(&Packet) -> bool,
) -> Result<Ended, Stop> {
    client.hush();
    let expected = format!("the client ends with an error, and {expected}");
    let judge = |peer: &Peer, packet: &Packet| {
        if wrong(packet) { Err(peer.fail_with(&expected, packet)) } else { Ok(()) }
    };
    loop {
        let mut peer = match client.next_move() {
            Move::Connected(stream) => client.peer(stream)?,
            Move::Ended(ended) if ended.complains() => return Ok(ended),
            Move::Ended(ended) => return Err(Stop::failed("", expected, ended.words())),
            Move::Nothing => return Err(Stop::failed("", expected, "it runs on")),
        };
        while let Event::Packet(packet) = peer.next_event()? {
            judge(&peer, &packet)?;
            answer(&mut peer, &packet)?;
        }
    }
}

/// The CONNECT of the client; none if it refuses to connect and says so.
pub(crate) fn connect_or_refusal(client: &mut Client) -> Result<Option<(Peer, Packet)>, Stop> {
    match client.next_move() {
        Move::Connected(stream) => {
            let mut peer = client.peer(stream)?;
            let packet = peer.expect(Kind::Connect)?;
            Ok(Some((peer, packet)))
        }
        Move::Ended(ended) if ended.complains() => Ok(None),
        Move::Ended(ended) => Err(Stop::failed("", "CONNECT, or an error", ended.words())),
        Move::Nothing => Err(Stop::failed("", "CONNECT, or an error", "nothing")),
    }
}

/// Whether the client knows these flags, asked of one that would connect if it did; its complaint if not.
pub(crate) fn knows(stage: &Stage, flags: &[&str]) -> Result<Result<(), String>, Stop> {
    let mut client = stage.subscriber(flags)?;
    match client.next_move() {
        Move::Connected(stream) => {
            let mut peer = client.peer(stream)?;
            expect_connect(&mut peer).map(|_| Ok(()))
        }
        Move::Ended(ended) => Ok(Err(ended.words())),
        Move::Nothing => Err(Stop::failed("", "a connection from the client", "nothing")),
    }
}
