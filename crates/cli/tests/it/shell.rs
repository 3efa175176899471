//! `colibri shell` with commands from a pipe, against servers that follow a script.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a server of a test waits for what must come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server does next.
#[derive(Clone, Copy)]
enum Turn {
    /// Reads exactly these bytes.
    Read(&'static [u8]),
    /// Writes these bytes.
    Write(&'static [u8]),
    /// Reads until the client says that nothing more will come.
    ReadEnd,
}

/// A server for one connection, which it closes after its last turn.
struct Server {
    port: u16,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(turns: &'static [Turn]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            turns.iter().for_each(|turn| take(*turn, &mut stream));
        });
        Self { port, thread }
    }
}

fn take(turn: Turn, stream: &mut TcpStream) {
    match turn {
        Turn::Read(expected) => {
            let mut bytes = vec![0; expected.len()];
            stream.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, expected, "the shell sent {bytes:02x?} instead of {expected:02x?}");
        }
        Turn::Write(bytes) => stream.write_all(bytes).unwrap(),
        Turn::ReadEnd => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).unwrap();
            assert!(rest.is_empty(), "the shell sent {rest:02x?} too");
        }
    }
}

/// What a run of the shell came to.
struct Outcome {
    /// Its output without the times in the headings.
    output: String,
    code: i32,
}

/// Runs the shell with these options and this script.
fn run(options: &[&str], script: &str) -> Outcome {
    let mut shell = Command::new(env!("CARGO_BIN_EXE_colibri"))
        .arg("shell")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    // A shell that stops at a wrong line does not read the rest.
    drop(stdin.write_all(script.as_bytes()));
    drop(stdin);
    let output = shell.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut timeless = String::new();
    for line in text.lines() {
        let arrow = ["-> ", "<- ", "-- ", "== "].into_iter().find(|arrow| line.starts_with(arrow));
        match (arrow, line.split_once(" s  ")) {
            (Some(arrow), Some((_, rest))) => timeless.push_str(&format!("{arrow}{rest}\n")),
            _ => timeless.push_str(&format!("{line}\n")),
        }
    }
    Outcome { output: timeless, code: output.status.code().unwrap() }
}

/// Runs a script against a server; the port stands as PORT in the output.
fn converse(turns: &'static [Turn], options: &[&str], script: &str) -> Outcome {
    let server = Server::start(turns);
    let port = server.port.to_string();
    let options = [&["-p", &port], options].concat();
    let mut outcome = run(&options, script);
    outcome.output = outcome.output.replace(&format!(":{port} "), ":PORT ");
    if let Err(panic) = server.thread.join() {
        println!("{}", outcome.output);
        std::panic::resume_unwind(panic);
    }
    outcome
}

const CONNECT_3_1_1: &[u8] = b"\x10\x13\x00\x04MQTT\x04\x02\x00\x3c\x00\x07student";
const CONNECT_5: &[u8] = b"\x10\x14\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x07student";

#[test]
fn a_3_1_1_connect_is_shown_byte_by_byte() {
    let turns = &[Turn::Read(CONNECT_3_1_1), Turn::Write(b"\x20\x02\x00\x00"), Turn::ReadEnd];
    let outcome = converse(turns, &["-V", "3.1.1"], "# the first words\nconnect student\nexpect connack\n");
    assert_eq!(outcome.code, 0, "{}", outcome.output);
    let expected = r#"-- The TCP connection to 127.0.0.1:PORT is open.
-> CONNECT (1), 21 bytes
  0000  10 13 00 04 4d 51 54 54 04 02 00 3c 00 07 73 74  ....MQTT...<..st
  0010  75 64 65 6e 74                                   udent
  at    bytes                    section     field
  0000  10                       2.2         Packet type and flags: CONNECT
        0001 ----                              packet type 1: CONNECT
        ---- 0000                              reserved, must be 0000
  0001  13                       2.2.3       Remaining Length: 19
  0002  00 04                    3.1.2.1     Protocol Name length: 4
  0004  4d 51 54 54              3.1.2.1     Protocol Name: "MQTT"
  0008  04                       3.1.2.2     Protocol Level: 4, MQTT 3.1.1
  0009  02                       3.1.2.3     Connect Flags
        0--- ----                              User Name follows: no
        -0-- ----                              Password follows: no
        --0- ----                              Will Retain: no
        ---0 0---                              Will QoS 0, at most once
        ---- -0--                              Will follows: no
        ---- --1-                              Clean Session: yes
        ---- ---0                              reserved, must be 0
  000a  00 3c                    3.1.2.10    Keep Alive: 60 seconds
  000c  00 07                    3.1.3.1     Client Identifier length: 7
  000e  73 74 75 64 65 6e 74     3.1.3.1     Client Identifier: "student"

<- CONNACK (2), 4 bytes
  0000  20 02 00 00                                       ...
  at    bytes                    section     field
  0000  20                       2.2         Packet type and flags: CONNACK
        0010 ----                              packet type 2: CONNACK
        ---- 0000                              reserved, must be 0000
  0001  02                       2.2.3       Remaining Length: 2
  0002  00                       3.2.2.1     Connect Acknowledge Flags
        0000 000-                              reserved, must be 0
        ---- ---0                              Session Present: no
  0003  00                       3.2.2.3     Connect Return Code: 0 Connection Accepted

-- We closed the TCP connection without a DISCONNECT: the server publishes the will, if there is one.
"#;
    assert_eq!(outcome.output, expected);
}

#[test]
fn a_5_0_connect_shows_its_properties_one_by_one() {
    let script = "connect student keep-alive=10 clean=no user=ana password=pw session-expiry=60 user-property=k:v:w\n\
                  wait 0\nquit\n";
    let server = &[
        Turn::Read(
            b"\x10\x2b\x00\x04MQTT\x05\xc0\x00\x0a\x0e\x11\x00\x00\x00\x3c\x26\x00\x01k\x00\x03v:w\
              \x00\x07student\x00\x03ana\x00\x02pw",
        ),
        Turn::ReadEnd,
    ];
    let outcome = converse(server, &[], script);
    assert_eq!(outcome.code, 0, "{}", outcome.output);
    let expected = r#"-> CONNECT (1), 45 bytes
  0000  10 2b 00 04 4d 51 54 54 05 c0 00 0a 0e 11 00 00  .+..MQTT........
  0010  00 3c 26 00 01 6b 00 03 76 3a 77 00 07 73 74 75  .<&..k..v:w..stu
  0020  64 65 6e 74 00 03 61 6e 61 00 02 70 77           dent..ana..pw
  at    bytes                    section     field
  0000  10                       2.1.1       Packet type and flags: CONNECT
        0001 ----                              packet type 1: CONNECT
        ---- 0000                              reserved, must be 0000
  0001  2b                       2.1.4       Remaining Length: 43
  0002  00 04                    3.1.2.1     Protocol Name length: 4
  0004  4d 51 54 54              3.1.2.1     Protocol Name: "MQTT"
  0008  05                       3.1.2.2     Protocol Version: 5, MQTT 5.0
  0009  c0                       3.1.2.3     Connect Flags
        1--- ----                              User Name follows: yes
        -1-- ----                              Password follows: yes
        --0- ----                              Will Retain: no
        ---0 0---                              Will QoS 0, at most once
        ---- -0--                              Will follows: no
        ---- --0-                              Clean Start: no
        ---- ---0                              reserved, must be 0
  000a  00 0a                    3.1.2.10    Keep Alive: 10 seconds
  000c  0e                       3.1.2.11.1  Property Length: 14
  000d  11                       2.2.2.2       Property: 0x11 Session Expiry Interval
  000e  00 00 00 3c              3.1.2.11.2      Session Expiry Interval: 60 seconds
  0012  26                       2.2.2.2       Property: 0x26 User Property
  0013  00 01                    3.1.2.11.8      User Property name length: 1
  0015  6b                       3.1.2.11.8      User Property name: "k"
  0016  00 03                    3.1.2.11.8      User Property value length: 3
  0018  76 3a 77                 3.1.2.11.8      User Property value: "v:w"
  001b  00 07                    3.1.3.1     Client Identifier length: 7
  001d  73 74 75 64 65 6e 74     3.1.3.1     Client Identifier: "student"
  0024  00 03                    3.1.3.5     User Name length: 3
  0026  61 6e 61                 3.1.3.5     User Name: "ana"
  0029  00 02                    3.1.3.6     Password length: 2
  002b  70 77                    3.1.3.6     Password: "pw"

-- Nothing came in 0 s.
"#;
    assert!(outcome.output.contains(expected), "{}", outcome.output);
}

#[test]
fn a_qos_1_message_is_sent_and_its_acknowledgement_shown() {
    let turns = &[
        Turn::Read(CONNECT_5),
        Turn::Write(b"\x20\x03\x00\x00\x00"),
        Turn::Read(b"\x32\x0d\x00\x03a/b\x00\x01\x00hello"),
        Turn::Write(b"\x40\x03\x00\x01\x10"),
        Turn::Read(b"\xe0\x00"),
        Turn::ReadEnd,
    ];
    let script = "connect student\nexpect 2\n3 a/b hello 1\nexpect puback\n14\nexpect close\n";
    let outcome = converse(turns, &[], script);
    assert_eq!(outcome.code, 0, "{}", outcome.output);
    let expected = r#"-> PUBLISH (3), 15 bytes
  0000  32 0d 00 03 61 2f 62 00 01 00 68 65 6c 6c 6f     2...a/b...hello
  at    bytes                    section     field
  0000  32                       2.1.1       Packet type and flags: PUBLISH
        0011 ----                              packet type 3: PUBLISH
        ---- 0---                              DUP, sent before: no
        ---- -01-                              QoS 1, at least once
        ---- ---0                              RETAIN: no
  0001  0d                       2.1.4       Remaining Length: 13
  0002  00 03                    3.3.2.1     Topic Name length: 3
  0004  61 2f 62                 3.3.2.1     Topic Name: "a/b"
  0007  00 01                    3.3.2.2     Packet Identifier: 1
  0009  00                       3.3.2.3.1   Property Length: 0
  000a  68 65 6c 6c 6f           3.3.3       Payload: "hello"

<- PUBACK (4), 5 bytes
  0000  40 03 00 01 10                                   @....
  at    bytes                    section     field
  0000  40                       2.1.1       Packet type and flags: PUBACK
        0100 ----                              packet type 4: PUBACK
        ---- 0000                              reserved, must be 0000
  0001  03                       2.1.4       Remaining Length: 3
  0002  00 01                    3.4.2       Packet Identifier: 1
  0004  10                       3.4.2.1     Reason Code: 0x10 No matching subscribers

-> DISCONNECT (14), 2 bytes
"#;
    assert!(outcome.output.contains(expected), "{}", outcome.output);
    assert!(outcome.output.ends_with("-- The server closed the connection after our DISCONNECT.\n"));
}

#[test]
fn messages_that_come_are_acknowledged_unless_that_is_left_to_the_student() {
    const MESSAGES: &[Turn] = &[
        Turn::Read(CONNECT_3_1_1),
        // Cut and joined where no packet begins or ends.
        Turn::Write(b"\x20\x02\x00"),
        Turn::Write(b"\x00\x32\x06\x00\x01t\x00\x05x\x34\x06\x00"),
        Turn::Write(b"\x01t\x00\x06y"),
        Turn::Read(b"\x40\x02\x00\x05"),
        Turn::Read(b"\x50\x02\x00\x06"),
        Turn::Write(b"\x62\x02\x00\x06"),
        Turn::Read(b"\x70\x02\x00\x06"),
        Turn::ReadEnd,
    ];
    let options = &["-V", "3.1.1"];
    let outcome = converse(MESSAGES, options, "connect student\nexpect pubrel\n");
    assert_eq!(outcome.code, 0, "{}", outcome.output);
    assert!(outcome.output.contains("-> PUBCOMP (7), 4 bytes, sent by itself\n"), "{}", outcome.output);

    let script = "auto off\nconnect student\nexpect publish\nexpect publish\npuback 5\npubrec 6\nexpect pubrel\npubcomp 6\n";
    let outcome = converse(MESSAGES, options, script);
    assert_eq!(outcome.code, 0, "{}", outcome.output);
    assert!(!outcome.output.contains("sent by itself"), "{}", outcome.output);
}

#[test]
fn raw_bytes_go_out_as_they_are_and_a_close_is_said_in_words() {
    let turns = &[Turn::Read(b"\x10\x0c\x00\x04MQTT\x04\x03"), Turn::Read(b"\x00\x3c\x00\x00")];
    let script = "open\nraw 100c 0004 4d515454 04 03\nraw 00:3c:00:00\nexpect close\nping\n";
    let outcome = converse(turns, &["-V", "3.1.1"], script);
    let expected = "  0009  03                       3.1.2.3     Connect Flags\n";
    assert!(outcome.output.contains(expected), "{}", outcome.output);
    assert!(outcome.output.contains("  Not a whole packet yet: at least 4 more bytes are needed.\n"));
    assert!(outcome.output.contains("-> CONNECT (1), 14 bytes, with 10 sent before\n"), "{}", outcome.output);
    assert!(outcome.output.contains("  ^^^^  bit 0 of the connect flags is set [v3.1.1 MQTT-3.1.2-3]\n"));
    assert!(outcome.output.contains("  Malformed at 0009: bit 0 of the connect flags is set.\n"));
    assert!(outcome.output.contains("-- The server closed the connection.\n"), "{}", outcome.output);
    assert!(outcome.output.ends_with("Error: line 5: there is no connection: connect or open makes one.\n"));
    assert_eq!(outcome.code, 1);
}

#[test]
fn an_expectation_that_is_not_met_fails_the_script_there() {
    let turns = &[Turn::Read(CONNECT_3_1_1), Turn::Write(b"\x20\x02\x00\x05"), Turn::ReadEnd];
    let script = "connect student\nexpect connack\nexpect puback 0.01\nping\n";
    let outcome = converse(turns, &["-V", "3.1.1"], script);
    assert_eq!(outcome.code, 1, "{}", outcome.output);
    assert!(outcome.output.contains("Connect Return Code: 5 not authorized\n"), "{}", outcome.output);
    assert!(outcome.output.ends_with("Error: line 3: PUBACK was expected and did not come in 0.01 s.\n"));

    let turns = &[Turn::Read(CONNECT_3_1_1)];
    let outcome = converse(turns, &["-V", "3.1.1"], "connect student\nexpect connack\n");
    assert_eq!(outcome.code, 1, "{}", outcome.output);
    assert!(outcome.output.ends_with("Error: line 2: CONNACK was expected and the connection is closed.\n"));
}

#[test]
fn a_script_that_ends_waits_for_the_answers_that_are_to_come() {
    let turns = &[
        Turn::Read(CONNECT_5),
        Turn::Read(b"\x82\x08\x00\x01\x00\x00\x02a/\x01"),
        Turn::Write(b"\x20\x03\x00\x00\x00\x90\x04\x00\x01\x00\x01"),
        Turn::ReadEnd,
    ];
    let outcome = converse(turns, &[], "connect student\nsubscribe a/ 1\n");
    assert_eq!(outcome.code, 0, "{}", outcome.output);
    assert!(outcome.output.contains("Reason Code: 0x01 Granted QoS 1\n"), "{}", outcome.output);
}

#[test]
fn bytes_that_are_no_packets_are_shown_and_end_the_connection() {
    let turns = &[Turn::Read(CONNECT_5), Turn::Write(b"\x30\xff\xff\xff\xff"), Turn::ReadEnd];
    let outcome = converse(turns, &[], "connect student\nexpect connack\n");
    assert_eq!(outcome.code, 1, "{}", outcome.output);
    let sentence = "nothing behind these bytes can be read: a variable byte integer goes on after four bytes";
    assert!(outcome.output.contains(&format!("Error: {sentence}.\n")), "{}", outcome.output);
}

#[test]
fn explain_needs_no_connection_and_survives_any_bytes() {
    let outcome = run(&[], "explain 30 05 00 03 61 2f 23 c0 00 ff ff ff ff ff\n");
    assert_eq!(outcome.code, 0, "{}", outcome.output);
    assert!(outcome.output.contains("== PUBLISH (3), 7 bytes, as MQTT 5.0\n"), "{}", outcome.output);
    assert!(outcome.output.contains("[v5 MQTT-3.3.2-2]"), "{}", outcome.output);
    assert!(outcome.output.contains("; reason code Topic Name invalid (0x90).\n"), "{}", outcome.output);
    assert!(outcome.output.contains("== PINGREQ (12), 2 bytes, as MQTT 5.0\n"), "{}", outcome.output);
    assert!(outcome.output.contains("Remaining Length: goes on after four bytes\n"), "{}", outcome.output);
}

#[test]
fn a_wrong_command_is_answered_with_how_to_write_it() {
    for (line, sentence) in [
        ("frobnicate", "there is no command \"frobnicate\": help lists them all"),
        ("2", "only servers send CONNACK: raw HEX sends any bytes"),
        ("puback", "puback needs ID: write puback ID [REASON]"),
        ("disconnect reason=7", "reason must be a Reason Code like 0x87: write disconnect [REASON]"),
        ("raw 1", "hex must be pairs of hex digits: write raw HEX..."),
        ("wait a b", "\"b\" is a word too many: write wait [SECONDS]"),
        ("unsubscribe a/#/b", "topic filter: a # must be alone in the last level"),
        ("disconnect colour=red", "disconnect has no option \"colour\""),
        ("connect request=yes", "\"request\" begins more than one property: help connect lists them"),
        ("publish 'a", "a quote is opened and not closed: write 'like this'"),
    ] {
        let outcome = run(&[], &format!("# first\n{line}\n"));
        assert_eq!(outcome.code, 2, "{line}: {}", outcome.output);
        let expected = format!("Error: line 2: {sentence}");
        assert!(outcome.output.starts_with(&expected), "{line}: {}", outcome.output);
        assert_eq!(outcome.output.lines().count(), 1, "{line}: {}", outcome.output);
    }
}

#[test]
fn a_wrong_command_line_and_an_absent_server_have_exit_codes_of_their_own() {
    assert_eq!(run(&["-V", "6"], "").code, 2);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let outcome = run(&["-h", "127.0.0.1", "-p", &port], "connect\n");
    assert_eq!(outcome.code, 1, "{}", outcome.output);
    assert!(outcome.output.starts_with(&format!("Error: line 1: no connection to 127.0.0.1:{port}: ")));
}
