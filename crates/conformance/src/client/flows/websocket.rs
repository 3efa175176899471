//! MQTT over WebSocket (section 6), for clients that have it.

use colibri_codec::Version;

use crate::client::websocket::{BINARY, CLOSE, CONTINUATION, TEXT, WebSocket};
use crate::client::{Client, Stage};
use crate::raw::{Encode, Kind, Publish, connack, hex, suback};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v3.1.1 MQTT-6.0.0-3", "v5 MQTT-6.0.0-3"],
        name: "A client offers the WebSocket subprotocol mqtt",
        run: subprotocol,
    },
    Case {
        ids: &["v3.1.1 MQTT-6.0.0-1", "v3.1.1 MQTT-6.0.0-2", "v5 MQTT-6.0.0-1", "v5 MQTT-6.0.0-2"],
        name: "A client speaks in binary frames, and its server's packets need not end where frames do",
        run: frames,
    },
    Case {
        ids: &["v3.1.1 MQTT-6.0.0-1", "v5 MQTT-6.0.0-1"],
        name: "A client closes when a text frame comes",
        run: text_frame,
    },
];

/// A client that was told `--ws`, and its request.
fn asked(stage: &Stage) -> Result<(Client, WebSocket), Stop> {
    let mut client = stage.subscriber(&["-t", "a/b", "-q", "1", "--ws"])?;
    let socket = WebSocket::accept(&mut client, stage.version(), stage.patience())?;
    Ok((client, socket))
}

fn subprotocol(stage: &Stage) -> Result<(), Stop> {
    let (_client, socket) = asked(stage)?;
    let offered = socket.field("Sec-WebSocket-Protocol").unwrap_or("none");
    if offered.split(',').any(|name| name.trim() == "mqtt") {
        return Ok(());
    }
    Err(socket.fail("mqtt among the subprotocols", offered))
}

/// The same, accepted by the server up to CONNACK.
fn accepted(stage: &Stage) -> Result<(Client, WebSocket), Stop> {
    let (client, mut socket) = asked(stage)?;
    socket.open()?;
    socket.expect(Kind::Connect)?;
    let bytes = connack(0, 0).encode(stage.version());
    let (front, back) = bytes.split_at(1);
    // One packet in two messages, the second of which comes in two frames.
    socket.send(BINARY, true, front)?;
    let (middle, back) = back.split_at(1);
    socket.send(BINARY, false, middle)?;
    socket.send(CONTINUATION, true, back)?;
    Ok((client, socket))
}

fn frames(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut socket) = accepted(stage)?;
    let packet = socket.expect(Kind::Subscribe)?;
    let id = packet.request().map_or(0, |request| request.id);
    let publish = |id| Publish::new("a/b", "x").qos(1, id).encode(stage.version());
    let packets = [suback(id, &[1]).encode(stage.version()), publish(7), publish(8)].concat();
    socket.send(BINARY, true, &packets)?;
    for id in [7_u16, 8] {
        let packet = socket.expect(Kind::Puback)?;
        if packet.bytes.get(2..4) != Some(&id.to_be_bytes()) {
            return Err(socket.fail(&format!("PUBACK under id {id}"), "another"));
        }
    }
    Ok(())
}

fn text_frame(stage: &Stage) -> Result<(), Stop> {
    let (_client, mut socket) = accepted(stage)?;
    socket.expect(Kind::Subscribe)?;
    socket.send(TEXT, true, &Publish::new("a/b", "x").qos(1, 7).encode(Version::V3_1_1))?;
    loop {
        match socket.next_frame()? {
            Some((CLOSE, _)) | None => return Ok(()),
            // A DISCONNECT may come first.
            Some((BINARY, bytes)) if bytes.first() != Some(&0xE0) => {
                return Err(socket.fail("the end of the connection", hex(&bytes)));
            }
            Some(_) => {}
        }
    }
}
