//! `colibri pub`: the exact packets for its flags, its exit codes and messages.

use crate::mock::{End, Expect, Mock, Send, Step};
use crate::run::{Ended, failure, run, run_with, silence};

const CONNECT: &str = "10 0f 0004'MQTT' 05 02 003c 00 0002'me'";
const CONNACK: &str = "20 03 00 00 00";
const DISCONNECT: &str = "e0 00";

/// Runs `pub -i me -t t` with flags against a server that plays a script behind CONNECT and CONNACK.
fn publish(flags: &[&str], input: &[u8], script: Vec<Step>) -> Ended {
    let mut whole = vec![Expect(CONNECT), Send(CONNACK)];
    whole.extend(script);
    scripted(flags, input, whole)
}

fn scripted(flags: &[&str], input: &[u8], script: Vec<Step>) -> Ended {
    let mock = Mock::start(script);
    let common = ["pub", "-h", "127.0.0.1", "-p", &mock.port, "-i", "me", "-t", "t"];
    let ended = run_with(&[&common, flags].concat(), input);
    mock.finish();
    ended
}

#[test]
fn each_source_of_a_message_gives_its_publish() {
    let file = std::env::temp_dir().join(format!("colibri-pub-{}", std::process::id()));
    std::fs::write(&file, b"\x00\xff\n").unwrap();
    for (flags, input, packet) in [
        (&["-m", "hola"][..], &b""[..], "30 08 0001't' 00 'hola'"),
        (&["--message=-n"], b"", "30 06 0001't' 00 '-n'"),
        (&["-n"], b"", "30 04 0001't' 00"),
        (&["-s"], b"two\nlines\n", "30 0e 0001't' 00 'two' 0a 'lines' 0a"),
        (&["-f", file.to_str().unwrap()], b"", "30 07 0001't' 00 00 ff 0a"),
        (&["-r", "-m", "x"], b"", "31 05 0001't' 00 'x'"),
        (&["-m", "x", "-t", "other"], b"", "30 09 0005'other' 00 'x'"),
        (
            &["-m", "x", "-D", "publish", "user-property", "a", "b", "-D", "PUBLISH", "content-type", "c"],
            b"",
            "30 10 0001't' 0b 26 0001'a' 0001'b' 03 0001'c' 'x'",
        ),
        (
            &["-m", "x", "-D", "publish", "message-expiry-interval", "9"],
            b"",
            "30 0a 0001't' 05 02 00000009 'x'",
        ),
        (&["-l"], b"", ""),
    ] {
        let ended = publish(flags, input, vec![Expect(packet), Expect(DISCONNECT), End]);
        assert_eq!(ended, silence(), "{flags:?}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn lines_are_messages_and_the_last_needs_no_end() {
    let script = vec![
        Expect("32 07 0001't' 0001 00 'a'"),
        Expect("32 06 0001't' 0002 00"),
        Expect("32 08 0001't' 0003 00 'bc'"),
        Send("40 02 0001 40 02 0002 40 02 0003"),
        Expect(DISCONNECT),
        End,
    ];
    assert_eq!(publish(&["-q", "1", "-l"], b"a\n\nbc", script), silence());
}

#[test]
fn qos_2_is_carried_to_its_end() {
    let script = vec![
        Expect("34 07 0001't' 0001 00 'x'"),
        Send("50 02 0001"),
        Expect("62 02 0001"),
        Send("70 02 0001"),
        Expect(DISCONNECT),
        End,
    ];
    assert_eq!(publish(&["-q", "2", "-m", "x"], b"", script), silence());
}

#[test]
fn repeat_waits_for_each_acknowledgement() {
    let script = vec![
        Expect("32 07 0001't' 0001 00 'x'"),
        Send("40 02 0001"),
        Expect("32 07 0001't' 0002 00 'x'"),
        Send("40 02 0002"),
        Expect(DISCONNECT),
        End,
    ];
    assert_eq!(publish(&["-q", "1", "-m", "x", "--repeat", "2"], b"", script), silence());
}

#[test]
fn max_inflight_bounds_what_is_under_way() {
    let script = vec![
        Expect("32 07 0001't' 0001 00 'a'"),
        Send("40 02 0001"),
        Expect("32 07 0001't' 0002 00 'b'"),
        Send("40 02 0002"),
        Expect(DISCONNECT),
        End,
    ];
    assert_eq!(publish(&["-q", "1", "-M", "1", "-l"], b"a\nb\n", script), silence());
}

#[test]
fn connect_says_what_the_flags_say() {
    for (flags, connect, connack) in [
        (&["-V", "311"][..], "10 0e 0004'MQTT' 04 02 003c 0002'me'", "20 02 0000"),
        (&["-V", "mqttv31"], "10 10 0006'MQIsdp' 03 02 003c 0002'me'", "20 02 0000"),
        (&["-k", "5", "-c", "-x", "7"], "10 14 0004'MQTT' 05 00 0005 05 11 00000007 0002'me'", CONNACK),
        (&["-c"], "10 14 0004'MQTT' 05 00 003c 05 11 ffffffff 0002'me'", CONNACK),
        (&["-u", "ana", "-P", "sal"], "10 19 0004'MQTT' 05 c2 003c 00 0002'me' 0003'ana' 0003'sal'", CONNACK),
        (&["-V", "4", "-u", "ana"], "10 13 0004'MQTT' 04 82 003c 0002'me' 0003'ana'", "20 02 0000"),
        (
            &["--will-topic", "w", "--will-payload", "adios", "--will-qos", "1", "--will-retain"],
            "10 1a 0004'MQTT' 05 2e 003c 00 0002'me' 00 0001'w' 0005'adios'",
            CONNACK,
        ),
        (
            &["--will-topic", "w", "-D", "will", "will-delay-interval", "2"],
            "10 1a 0004'MQTT' 05 06 003c 00 0002'me' 05 18 00000002 0001'w' 0000",
            CONNACK,
        ),
        (
            &["-D", "connect", "user-property", "a", "b", "-D", "connect", "receive-maximum", "3"],
            "10 19 0004'MQTT' 05 02 003c 0a 21 0003 26 0001'a' 0001'b' 0002'me'",
            CONNACK,
        ),
    ] {
        let publish = if connack == CONNACK { "30 05 0001't' 00 'x'" } else { "30 04 0001't' 'x'" };
        let script = vec![Expect(connect), Send(connack), Expect(publish), Expect(DISCONNECT), End];
        assert_eq!(scripted(&[&["-m", "x"], flags].concat(), b"", script), silence(), "{flags:?}");
    }
}

#[test]
fn disconnect_has_its_properties() {
    let script = vec![Expect("30 05 0001't' 00 'x'"), Expect("e0 09 00 07 26 0001'a' 0001'b'"), End];
    let flags = ["-m", "x", "-D", "disconnect", "user-property", "a", "b"];
    assert_eq!(publish(&flags, b"", script), silence());
}

#[test]
fn a_url_names_everything() {
    let connect = "10 19 0004'MQTT' 05 c2 003c 00 0002'me' 0003'ana' 0003'sal'";
    let mock = Mock::start(vec![
        Expect(connect),
        Send(CONNACK),
        Expect("30 07 0003'a/b' 00 'x'"),
        Expect(DISCONNECT),
        End,
    ]);
    let url = format!("mqtt://ana:sal@127.0.0.1:{}/a/b", mock.port);
    assert_eq!(run(&["pub", "-L", &url, "-i", "me", "-m", "x"]), silence());
    mock.finish();
}

#[test]
fn a_client_id_of_our_own_is_colibri_and_sixteen_characters() {
    let mock = Mock::start(vec![Expect("10 25 0004'MQTT' 05 02 003c 00 0018'colibri-'")]);
    let ended = run(&["pub", "-h", "127.0.0.1", "-p", &mock.port, "-t", "t", "-m", "x"]);
    mock.finish();
    assert_eq!(ended.code, 7);
}

#[test]
fn a_refused_connection_ends_with_the_code_of_the_connack() {
    let refused = "the server refused the connection: ";
    for (flags, connack, code, text) in [
        (&["-V", "5"][..], "20 03 00 87 00", 135, "Not authorized"),
        (&["-V", "5"], "20 0a 00 86 07 1f 0004'nope'", 134, "Bad User Name or Password, \"nope\""),
        (&["-V", "311"], "20 02 00 05", 5, "Not authorized"),
        (&["-V", "311"], "20 02 00 04", 4, "Bad User Name or Password"),
        // A server that knows nothing of 5.0.
        (&["-V", "5"], "20 02 00 05", 5, "Not authorized"),
    ] {
        let connect = if flags[1] == "5" { CONNECT } else { "10 0e 0004'MQTT' 04 02 003c 0002'me'" };
        let ended = scripted(&[flags, &["-m", "x"]].concat(), b"", vec![Expect(connect), Send(connack)]);
        assert_eq!(ended, failure(code, &format!("{refused}{text}")), "{connack}");
    }
}

#[test]
fn a_server_of_an_older_version_is_named_plainly() {
    for (answer, code, text) in [
        ("20 02 00 01", 132, "the server does not speak MQTT 5.0; try again with -V 3.1.1"),
        ("20 03 00 84 00", 132, "the server does not speak MQTT 5.0; try again with -V 3.1.1"),
        ("20 02 00 00", 132, "the server answers MQTT 5.0 in the form of 3.1.1; try again with -V 3.1.1"),
        (
            "",
            7,
            "the server closed the connection right after CONNECT; perhaps it does not speak MQTT 5.0; \
             try again with -V 3.1.1",
        ),
    ] {
        let ended = scripted(&["-m", "x"], b"", vec![Expect(CONNECT), Send(answer)]);
        assert_eq!(ended, failure(code, text), "{answer}");
    }
}

#[test]
fn a_refused_message_ends_with_its_reason() {
    let script = vec![Expect("32 07 0001't' 0001 00 'x'"), Send("40 03 0001 87"), Expect(DISCONNECT), End];
    let ended = publish(&["-q", "1", "-m", "x"], b"", script);
    assert_eq!(ended, failure(135, "the server refused the message: Not authorized"));
}

#[test]
fn a_lost_connection_ends_with_7() {
    let script = vec![Expect("32 07 0001't' 0001 00 'x'")];
    let ended = publish(&["-q", "1", "-m", "x"], b"", script);
    assert_eq!(ended, failure(7, "the server closed the connection"));
    let script = vec![Expect("32 07 0001't' 0001 00 'x'"), Send("e0 01 8b")];
    let ended = publish(&["-q", "1", "-m", "x"], b"", script);
    assert_eq!(ended, failure(7, "the server ended the connection: Server shutting down (0x8B)"));
}

#[test]
fn what_the_server_does_not_take_is_said() {
    for (connack, flags, text) in [
        (
            "20 05 00 00 02 24 00",
            &["-q", "1", "-m", "x"][..],
            "the server takes no such QoS, or no retained messages; try a lower -q, or without -r",
        ),
        (
            "20 08 00 00 05 27 0000000a",
            &["-m", "longer"],
            "the message is larger than the 10 bytes that the server takes",
        ),
    ] {
        let script = vec![Expect(CONNECT), Send(connack), Expect(DISCONNECT), End];
        assert_eq!(scripted(flags, b"", script), failure(1, text));
    }
}

#[test]
fn debug_shows_each_packet() {
    let script = vec![Expect("32 07 0001't' 0001 00 'x'"), Send("40 03 0001 10"), Expect(DISCONNECT), End];
    let ended = publish(&["-d", "-q", "1", "-m", "x"], b"", script);
    let expected = "\
Client me sending CONNECT
Client me received CONNACK (0)
Client me sending PUBLISH (d0, q1, r0, m1, 't', ... (1 bytes))
Client me received PUBACK (Mid: 1, RC:16)
Client me sending DISCONNECT
";
    assert_eq!(ended, Ended { stdout: expected.to_owned(), ..silence() });
}

#[test]
fn a_wrong_command_line_is_one_sentence_and_1() {
    for (flags, text) in [
        (&["-t", "t"][..], "there is no message; give one with -m, -f, -s, -l or -n"),
        (&["-m", "x"], "there is no topic to publish to; name one with -t"),
        (&["-t", "t", "-m", "x", "-q", "3"], "-q wants a number from 0 to 2, not '3'"),
        (&["-t", "t", "-m", "x", "--frob"], "there is no option --frob, see --help"),
        (&["-t", "t", "-m", "x", "-p"], "-p wants a value behind it"),
        (
            &["-t", "t/#", "-m", "x"],
            "cannot publish to the topic 't/#': a topic name must not contain the wildcards + and #",
        ),
        (
            &["-t", "t", "-f", "/no/such/file"],
            "cannot read the file /no/such/file given with -f: No such file or directory (os error 2)",
        ),
        (&["-t", "t", "-s"], "the standard input is empty; for an empty message use -n"),
        (
            &["-t", "t", "-m", "x", "--cafile", "ca.pem"],
            "--cafile asks for TLS, which this version does not have yet; connect without it",
        ),
        // What is wrong with the flags is said in spite of --quiet.
        (&["--quiet", "-t", "t", "-m", "x", "-V", "6"], "-V wants 5, 3.1.1 or 3.1, not '6'"),
    ] {
        assert_eq!(run(&[&["pub"], flags].concat()), failure(1, text));
    }
}

#[test]
fn nobody_there_is_one_sentence_and_1() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let flags = ["pub", "-h", "127.0.0.1", "-p", &port, "-t", "t", "-m", "x"];
    let ended = run(&flags);
    let text = format!(
        "cannot connect to 127.0.0.1:{port}: Connection refused (os error 111); \
                        is a server running there, and are -h and -p right"
    );
    assert_eq!(ended, failure(1, &text));
    assert_eq!(run(&[&flags[..], &["--quiet"]].concat()), Ended { code: 1, ..silence() });
}

#[test]
fn help_and_version_are_no_failure() {
    let help = run(&["pub", "--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("--will-topic") && help.stdout.contains("--repeat-delay"));
    let version = run(&["pub", "--version"]);
    assert_eq!((version.code, version.stdout.starts_with("colibri pub ")), (0, true));
}
