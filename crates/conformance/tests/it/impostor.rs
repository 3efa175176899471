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
