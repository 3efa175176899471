//! Servers that answer nothing, or the same to everything, fail the cases.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use colibri_codec::Version;
use colibri_conformance::{Report, Settings, Verdict, run};

/// A server that sends the same bytes to everyone who sends anything.
fn impostor(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            thread::spawn(move || {
                let mut input = [0; 4096];
                while stream.read(&mut input).is_ok_and(|count| count > 0) && stream.write_all(answer).is_ok()
                {
                }
            });
        }
    });
    address
}

fn judge(answer: &'static [u8], version: Version) -> Result<Report, String> {
    let mut settings = Settings::new(impostor(answer));
    settings.patience = Duration::from_millis(100);
    settings.versions = vec![version];
    run(&settings, &|_| {})
}

/// A server that accepts every client and then sends this again and again, at once or after each pause,
/// whatever the client says.
fn talker(connack: &'static [u8], talk: Vec<u8>, pause: Option<Duration>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let talk = talk.clone();
            thread::spawn(move || {
                let mut input = [0; 4096];
                let asked = stream.read(&mut input).is_ok_and(|count| count > 0);
                if !asked || stream.write_all(connack).is_err() || stream.set_read_timeout(pause).is_err() {
                    return;
                }
                // The end of the connection is told by the writes.
                while stream.write_all(&talk).is_ok() {
                    if pause.is_some() && matches!(stream.read(&mut input), Ok(0)) {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// What a run against such a server finds.
fn judge_talker(
    version: Version,
    talk: Vec<u8>,
    pause: Option<Duration>,
    [patience, case_time]: [Duration; 2],
) -> Report {
    let connack = if version == Version::V5 { &b"\x20\x03\x00\x00\x00"[..] } else { b"\x20\x02\x00\x00" };
    let mut settings = Settings::new(talker(connack, talk, pause));
    settings.patience = patience;
    settings.case_time = Some(case_time);
    settings.versions = vec![version];
    run(&settings, &|_| {}).unwrap()
}

/// Whether a case has failed because this came.
fn told(report: &Report, what: &str) -> bool {
    report.failed().any(|outcome| match &outcome.verdict {
        Verdict::Failed(failure) => format!("{} {}", failure.expected, failure.came).contains(what),
        Verdict::Passed | Verdict::NotApplicable(_) => false,
    })
}

/// The names of the cases with one of these kinds of verdict.
fn named(report: &Report, wanted: fn(&Verdict) -> bool) -> Vec<&'static str> {
    let wanted = report.outcomes().iter().filter(|outcome| wanted(&outcome.verdict));
    wanted.map(|outcome| outcome.case.name).collect()
}

#[test]
fn who_does_not_answer_connect_with_connack_is_told_to_be_no_server() {
    for version in [Version::V3_1_1, Version::V5] {
        for answer in [&b""[..], b"\xFF\xFF\xFF\xFF\xFF\xFF", b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let told = judge(answer, version).map(|report| report.outcomes().len()).unwrap_err();
            assert!(told.contains("does not answer CONNECT with CONNACK"), "{told}");
        }
    }
}

#[test]
fn a_server_that_only_ever_accepts_fails_nearly_every_case() {
    for (answer, version) in
        [(&b"\x20\x02\x00\x00"[..], Version::V3_1_1), (&b"\x20\x03\x00\x00\x00"[..], Version::V5)]
    {
        let report = judge(answer, version).unwrap();
        let passed = named(&report, |verdict| *verdict == Verdict::Passed);
        assert!(passed.len() * 10 < report.outcomes().len(), "{passed:#?}");
    }
}

/// Longer than a test may take.
const EVER: Duration = Duration::from_secs(3_600);

#[test]
fn a_server_that_sends_without_end_fails_nearly_every_case() {
    let report = judge_talker(Version::V3_1_1, b"\xD0\x00".repeat(10_000), None, [EVER, EVER]);
    let passed = named(&report, |verdict| *verdict == Verdict::Passed);
    assert!(passed.len() * 10 < report.outcomes().len(), "{passed:#?}");
    assert!(told(&report, "SUBACK more than 10000 packets while we waited for it"), "{report}");
}

#[test]
fn a_packet_without_end_fails_nearly_every_case() {
    let mut packet = b"\x30\xFF\xFF\xFF\x7F\x00\x01a".to_vec();
    packet.resize(100_000, b'x');
    let report = judge_talker(Version::V3_1_1, packet, None, [EVER, EVER]);
    let passed = named(&report, |verdict| *verdict == Verdict::Passed);
    assert!(passed.len() * 10 < report.outcomes().len(), "{passed:#?}");
    assert!(told(&report, "packets of at most 4194304 bytes"), "{report}");
}

#[test]
fn a_server_that_sends_now_and_then_makes_no_case_wait_for_ever() {
    let publish = [&b"\x30\x05\x00\x01aab"[..], b"\x30\x06\x00\x01a\x00ab"];
    for (version, publish) in [Version::V3_1_1, Version::V5].into_iter().zip(publish) {
        let pause = Some(Duration::from_millis(20));
        let report = judge_talker(version, publish.to_vec(), pause, [Duration::from_millis(200), EVER]);
        let passed = named(&report, |verdict| *verdict == Verdict::Passed);
        assert!(passed.len() * 10 < report.outcomes().len(), "{passed:#?}");
        assert!(told(&report, "other packets and no more in 200ms"), "{report}");
    }
}

#[test]
fn a_case_that_takes_too_long_fails() {
    let [pause, time] = [20, 300].map(Duration::from_millis);
    let report = judge_talker(Version::V5, b"\xD0\x00".to_vec(), Some(pause), [EVER, time]);
    assert!(told(&report, "the end of the case within 300ms"), "{report}");
}
