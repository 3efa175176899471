//! A client that speaks MQTT over WebSocket passes the cases about it, and one that does so wrongly does not.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::exit;
use std::time::Duration;

use colibri_codec::Version;
use colibri_conformance::raw::{Connect, Content, Encode, Kind, Subscribe, puback, split};
use colibri_conformance::{Settings, Verdict, run};

use crate::scripted_client::{FAULT, command};

const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// A masked frame of less than 126 bytes that ends its message.
fn send(stream: &mut TcpStream, opcode: u8, payload: &[u8]) {
    let mask = [1, 2, 3, 4];
    let mut bytes = vec![0x80 | opcode, 0x80 | u8::try_from(payload.len()).unwrap()];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    stream.write_all(&bytes).unwrap();
}

/// The opcode and the payload of the next frame, which is short and has no mask.
fn next_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).unwrap();
    (head[0] & 0x0F, payload)
}

fn request(stream: &mut TcpStream, subprotocol: &str) {
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
}

/// Plays the client when the suite starts it.
#[test]
fn play() {
    let Ok(fault) = std::env::var(FAULT) else { return };
    let flags: Vec<String> = std::env::args().collect();
    let after = |flag: &str| flags.iter().position(|found| found == flag).map(|at| flags[at + 1].clone());
    let version = if after("-V").unwrap() == "mqttv5" { Version::V5 } else { Version::V3_1_1 };
    let mut stream = TcpStream::connect(("127.0.0.1", after("-p").unwrap().parse::<u16>().unwrap())).unwrap();
    request(&mut stream, if fault == "no_subprotocol" { "chat" } else { "chat, mqtt" });
    let connect = Connect::new("scripted").encode(version);
    let (front, back) = connect.split_at(3);
    let opcode = if fault == "speaks_text" { TEXT } else { BINARY };
    send(&mut stream, opcode, front);
    send(&mut stream, opcode, back);
    let mut bytes = Vec::new();
    loop {
        let (opcode, payload) = next_frame(&mut stream);
        if opcode == TEXT && fault != "takes_text" {
            exit(0);
        }
        if fault == "relies_on_frames" {
            bytes.clear();
        }
        bytes.extend(payload);
        let reading = if opcode == TEXT { Version::V3_1_1 } else { version };
        while let Ok(Some(packet)) = split(&bytes, reading) {
            bytes.drain(..packet.bytes.len());
            match (&packet.content, packet.kind()) {
                (_, Kind::Connack) => {
                    send(&mut stream, BINARY, &Subscribe::new(1).filter("a/b", 1).encode(version));
                }
                (Content::Publish(publish), _) => {
                    send(&mut stream, BINARY, &puback(publish.id.unwrap()).encode(version));
                }
                _ => {}
            }
        }
    }
}

/// The names of the WebSocket cases that a client with this fault fails.
fn failed(fault: &str) -> Vec<&'static str> {
    let mut settings = Settings::for_client(command(module_path!(), fault));
    settings.filter = Some("WebSocket".to_owned());
    settings.patience = Duration::from_secs(3);
    let report = run(&settings, &|_| {}).unwrap();
    assert_eq!(report.outcomes().len(), 6);
    assert!(!report.outcomes().iter().any(|outcome| matches!(outcome.verdict, Verdict::NotApplicable(_))));
    let mut names: Vec<&str> = report.failed().map(|outcome| outcome.case.name).collect();
    names.dedup();
    names
}

#[test]
fn a_client_over_websocket_passes() {
    assert_eq!(failed("none"), [""; 0]);
}

#[test]
fn faults_over_websocket_are_caught() {
    let frames = "A client speaks in binary frames, and its server's packets need not end where frames do";
    let text = "A client closes when a text frame comes";
    assert_eq!(failed("no subprotocol"), ["A client offers the WebSocket subprotocol mqtt"]);
    assert_eq!(failed("takes text"), [text]);
    assert!(failed("speaks text").contains(&frames));
    assert!(failed("relies on frames").contains(&frames));
}
