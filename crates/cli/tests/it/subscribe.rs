//! `colibri sub`: the exact packets for its flags, what it prints, its exit codes and messages.

use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::mock::{End, Expect, Mock, Send, Step};
use crate::run::{Ended, failure, run, silence, start, wait};

const CONNECT: &str = "10 0f 0004'MQTT' 05 02 003c 00 0002'me'";
const CONNACK: &str = "20 03 00 00 00";
const SUBSCRIBE: &str = "82 07 0001 00 0001't' 00";
const SUBACK: &str = "90 04 0001 00 00";
const DISCONNECT: &str = "e0 00";

/// Runs `sub -i me` with flags against a server that plays a script behind CONNECT and CONNACK.
fn subscribe(flags: &[&str], script: Vec<Step>) -> Ended {
    let mut whole = vec![Expect(CONNECT), Send(CONNACK)];
    whole.extend(script);
    let mock = Mock::start(whole);
    let ended = run(&[&["sub", "-h", "127.0.0.1", "-p", &mock.port, "-i", "me"], flags].concat());
    mock.finish();
    ended
}

fn printed(text: &str) -> Ended {
    Ended { stdout: text.to_owned(), ..silence() }
}

#[test]
fn subscribe_says_what_the_flags_say() {
    for (flags, subscribe_packet, suback) in [
        (&["-t", "t"][..], SUBSCRIBE, SUBACK),
        (&["-t", "t", "-t", "u/#", "-q", "2"], "82 0d 0001 00 0001't' 02 0003'u/#' 02", "90 05 0001 00 0202"),
        (&["-t", "t", "--retain-as-published"], "82 07 0001 00 0001't' 08", SUBACK),
        (&["-t", "t", "--no-local"], "82 07 0001 00 0001't' 04", SUBACK),
        (&["-t", "$share/g/t"], "82 10 0001 00 000a'$share/g/t' 00", SUBACK),
        (
            &["-t", "t", "-D", "subscribe", "user-property", "a", "b"],
            "82 0e 0001 07 26 0001'a' 0001'b' 0001't' 00",
            SUBACK,
        ),
        (
            &["-t", "t", "-D", "subscribe", "subscription-identifier", "5"],
            "82 09 0001 02 0b 05 0001't' 00",
            SUBACK,
        ),
    ] {
        let script = vec![Expect(subscribe_packet), Send(suback), Expect(DISCONNECT), End];
        assert_eq!(subscribe(&[flags, &["-E"]].concat(), script), silence(), "{flags:?}");
    }
}

#[test]
fn unsubscribe_follows_subscribe() {
    let script = vec![
        Expect(SUBSCRIBE),
        Send(SUBACK),
        Expect("a2 06 0002 00 0001'u'"),
        Send("b0 04 0002 00 11"),
        Expect("a2 06 0003 00 0001'v'"),
        Send("b0 04 0003 00 00"),
        Expect(DISCONNECT),
        End,
    ];
    assert_eq!(subscribe(&["-t", "t", "-U", "u", "-U", "v", "-E"], script), silence());
}

#[test]
fn messages_are_printed_and_counted() {
    for (flags, expected) in [
        (&[][..], "uno\ndos\n"),
        (&["-v"], "t uno\nu (null)\nt dos\n"),
        (&["-N"], "unodos"),
        (&["-T", "u"], "uno\ndos\n"),
        (&["-F", "%t|%q|%r|%p|%x|%l|%m"], "t|0|0|uno|756e6f|3|0\nu|0|1|||0|0\nt|1|0|dos|646f73|3|7\n"),
        (&["-R", "-v"], "t uno\nt dos\n"),
    ] {
        let count = if flags.contains(&"-T") || flags.contains(&"-R") { "2" } else { "3" };
        let script = vec![
            Expect(SUBSCRIBE),
            Send(SUBACK),
            Send("30 07 0001't' 00 'uno'"),
            Send("31 04 0001'u' 00"),
            Send("32 09 0001't' 0007 00 'dos'"),
            Expect("40 02 0007"),
            Expect(DISCONNECT),
            End,
        ];
        assert_eq!(
            subscribe(&[&["-t", "t", "-C", count], flags].concat(), script),
            printed(expected),
            "{flags:?}"
        );
    }
}

#[test]
fn a_payload_comes_out_byte_for_byte() {
    let mock = Mock::start(vec![
        Expect(CONNECT),
        Send(CONNACK),
        Expect(SUBSCRIBE),
        Send(SUBACK),
        Send("30 08 0001't' 00 00ff0ac3"),
        Expect(DISCONNECT),
        End,
    ]);
    let flags = ["sub", "-h", "127.0.0.1", "-p", &mock.port, "-i", "me", "-t", "t", "-C", "1", "-N"];
    let output = start(&flags).wait_with_output().unwrap();
    mock.finish();
    assert_eq!(output.stdout, b"\x00\xff\n\xc3");
}

#[test]
fn properties_are_printed() {
    let script = vec![
        Expect(SUBSCRIBE),
        Send(SUBACK),
        Send(
            "30 29 0001't' 24 0101 02 00000009 03 0001'c' 08 0001'r' 09 0002'id' 0b 05 26 0001'a' 0001'b' 26 0001'a' 0001'c' 'x'",
        ),
        Expect(DISCONNECT),
        End,
    ];
    let flags = ["-t", "t", "-C", "1", "-F", "%F|%E|%C|%R|%D|%S|%P|%A|"];
    assert_eq!(subscribe(&flags, script), printed("1|9|c|r|id|5|a:b a:c||\n"));
}

#[test]
fn retained_only_ends_with_the_first_fresh_message() {
    let script = vec![
        Expect(SUBSCRIBE),
        Send(SUBACK),
        Send("31 05 0001't' 00 'a'"),
        Send("30 05 0001't' 00 'b'"),
        Expect(DISCONNECT),
        End,
    ];
    assert_eq!(subscribe(&["-t", "t", "--retained-only"], script), printed("a\n"));
}

#[test]
fn remove_retained_clears_what_is_not_filtered_out() {
    let script = vec![
        Expect(SUBSCRIBE),
        Send(SUBACK),
        Send("31 05 0001'u' 00 'a'"),
        Send("31 05 0001't' 00 'b'"),
        Expect("33 06 0001't' 0002 00"),
        Send("40 02 0002"),
        Send("30 05 0001't' 00 'c'"),
        Expect(DISCONNECT),
        End,
    ];
    let flags = ["-t", "t", "-T", "u", "--remove-retained", "--retained-only"];
    assert_eq!(subscribe(&flags, script), printed("b\n"));
}

#[test]
fn the_time_of_w_ends_with_27_and_leaves_the_will() {
    let script = vec![Expect(SUBSCRIBE), Send(SUBACK), Expect("e0 01 04"), End];
    let ended = subscribe(&["-t", "t", "-W", "1"], script);
    assert_eq!(ended, failure(27, "the time given with -W is over"));
}

#[test]
fn a_signal_ends_with_a_disconnect() {
    for signal in ["-INT", "-TERM"] {
        let mock = Mock::start(vec![
            Expect(CONNECT),
            Send(CONNACK),
            Expect(SUBSCRIBE),
            Send(SUBACK),
            Send("30 08 0001't' 00 'hola'"),
            Expect("e0 01 04"),
            End,
        ]);
        let mut child = start(&["sub", "-h", "127.0.0.1", "-p", &mock.port, "-i", "me", "-t", "t"]);
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "hola\n");
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(wait(child), silence());
        mock.finish();
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mock = Mock::start(vec![
        Expect(CONNECT),
        Send(CONNACK),
        Expect(SUBSCRIBE),
        Send(SUBACK),
        Send("30 08 0001't' 00 'hola'"),
        Expect(DISCONNECT),
        End,
    ]);
    let mut child = start(&["sub", "-h", "127.0.0.1", "-p", &mock.port, "-i", "me", "-t", "t"]);
    drop(child.stdout.take());
    assert_eq!(wait(child), silence());
    mock.finish();
}

#[test]
fn refused_subscriptions_are_said() {
    let script = vec![Expect(SUBSCRIBE), Send("90 04 0001 00 87"), Expect(DISCONNECT), End];
    let ended = subscribe(&["-t", "t"], script);
    assert_eq!(ended, failure(135, "the server refused all subscriptions: Not authorized"));
    let script = vec![
        Expect("82 0b 0001 00 0001't' 00 0001'u' 00"),
        Send("90 05 0001 00 00 87"),
        Expect(DISCONNECT),
        End,
    ];
    let ended = subscribe(&["-t", "t", "-t", "u", "-E"], script);
    let warning = "Warning: the server refused the subscription to 'u': Not authorized.\n";
    assert_eq!(ended, Ended { stderr: warning.to_owned(), ..silence() });
}

#[test]
fn a_payload_that_is_no_json_is_said_and_passed_over() {
    let script =
        vec![Expect(SUBSCRIBE), Send(SUBACK), Send("30 08 0001't' 00 'nope'"), Expect(DISCONNECT), End];
    let ended = subscribe(&["-t", "t", "-F", "%J", "-C", "1"], script);
    let stderr = "Error: the payload on topic t is not valid JSON.\n".to_owned();
    assert_eq!(ended, Ended { code: 0, stdout: "\n".to_owned(), stderr });
}

#[test]
fn debug_shows_each_packet() {
    let script = vec![Expect(SUBSCRIBE), Send(SUBACK), Expect(DISCONNECT), End];
    let expected = "\
Client me sending CONNECT
Client me received CONNACK (0)
Client me sending SUBSCRIBE (Mid: 1, Topic: t, QoS: 0, Options: 0x00)
Client me received SUBACK
Subscribed (mid: 1): 0
Client me sending DISCONNECT
";
    assert_eq!(subscribe(&["-t", "t", "-E", "-d"], script), printed(expected));
}

#[test]
fn a_wrong_command_line_is_one_sentence_and_1() {
    for (flags, text) in [
        (&[][..], "there is no topic to subscribe to; name one with -t"),
        (
            &["-t", "t/#b"],
            "cannot subscribe to 't/#b': a # must be alone in the last level of a topic filter",
        ),
        (&["-t", "t", "-q", "3"], "-q wants a number from 0 to 2, not '3'"),
        (&["-t", "t", "-F", "%"], "-F ends in the middle of a % sequence; for a percent sign write %%"),
        (&["-t", "t", "-C", "none"], "-C wants a number from 1 to 4294967295, not 'none'"),
    ] {
        assert_eq!(run(&[&["sub"], flags].concat()), failure(1, text));
    }
}
