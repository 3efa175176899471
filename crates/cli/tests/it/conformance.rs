//! `colibri conformance`: its exit codes and its reports, and our client in it.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use colibri_broker::{Broker, Config};

use crate::run::run;

fn broker() -> Broker {
    let listeners = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    Broker::start(Config { listeners, shards: 1, ..Config::default() }).unwrap()
}

/// A file name that no other test has.
fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("colibri-{}-{name}", std::process::id()))
}

#[test]
fn a_server_that_keeps_a_statement_gives_exit_code_0_and_three_reports() {
    let broker = broker();
    let address = broker.addresses()[0].to_string();
    let [json, junit, markdown] = ["report.json", "report.xml", "report.md"].map(file);
    let ended = run(&[
        "conformance",
        &address,
        "--filter",
        "3.12.4-1",
        "--json",
        json.to_str().unwrap(),
        "--junit",
        junit.to_str().unwrap(),
        "--markdown",
        markdown.to_str().unwrap(),
    ]);
    broker.stop();
    broker.join().unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("PINGREQ"), "{}", ended.stdout);
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::remove_file(path).unwrap();
        text
    };
    let report: serde_json::Value = serde_json::from_str(&read(&json)).unwrap();
    assert_eq!(report["counts"]["5.0"]["passed"], 1);
    assert_eq!(report["cases"].as_array().unwrap().len(), 2);
    assert_eq!(report["limits"].as_array().unwrap().len(), 0, "they are not asked for by a filter");
    let junit = read(&junit);
    assert!(junit.contains("<testcase classname=\"v5 MQTT-3.12.4-1\""));
    let counts = "tests=\"2\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"";
    assert!(junit.contains(&format!("<testsuites name=\"{address}\" {counts}")), "{junit}");
    assert!(read(&markdown).contains("| MQTT-3.12.4-1 | passed |"));
}

#[test]
fn the_limits_are_looked_for_up_to_the_packet_that_was_asked_for() {
    let broker = broker();
    let address = broker.addresses()[0].to_string();
    let json = file("limits.json");
    let ended = run(&[
        "conformance",
        &address,
        "--version",
        "3.1.1",
        "--filter",
        "PINGREQ",
        "--limits",
        "--largest-packet",
        "20000",
        "--json",
        json.to_str().unwrap(),
    ]);
    broker.stop();
    broker.join().unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("Limits of 127.0.0.1:"), "{}", ended.stdout);
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    std::fs::remove_file(&json).unwrap();
    let found = report["limits"].as_array().unwrap();
    let packet = found.iter().find(|limit| limit["what"].as_str().unwrap().starts_with("Largest PUBLISH"));
    assert_eq!(packet.unwrap()["figure"], "20000");
}

#[test]
fn a_server_that_hangs_up_gives_exit_code_1_and_says_what_was_expected() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // It accepts every client, and goes.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut input = [0; 256];
            let asked = stream.read(&mut input).is_ok_and(|count| count > 0);
            assert!(!asked || stream.write_all(b"\x20\x03\x00\x00\x00").is_ok());
        }
    });
    let ended = run(&["conformance", &address, "--version", "5.0", "--filter", "PINGREQ"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stdout.contains("FAILED  v5 MQTT-3.12.4-1"), "{}", ended.stdout);
    assert!(ended.stdout.contains("came      the end of the connection"), "{}", ended.stdout);
}

#[test]
fn a_server_that_does_not_answer_connect_is_told_to_be_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let ended = run(&["conformance", &address, "--version", "5.0", "--filter", "3.2.2-8"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("does not answer CONNECT with CONNACK"), "{}", ended.stderr);
}

#[test]
fn a_wrong_command_line_gives_exit_code_2() {
    for arguments in [
        &["conformance"][..],
        &["conformance", "nowhere"],
        &["conformance", "127.0.0.1:1", "--version", "4.2"],
        &["conformance", "127.0.0.1:1", "--filter", "no such area"],
        &["conformance", "127.0.0.1:1", "--client"],
        &["conformance", "--client", "127.0.0.1:1"],
        &["conformance", "--client", "--filter", "no such area"],
        &["conformance", "127.0.0.1:1", "--json", "report", "--junit", "./report"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let folder = std::env::temp_dir();
    let nowhere = folder.join("no such folder").join("report.xml");
    // There is no server either, of which is not spoken: nobody has asked it.
    for file in [&folder, &nowhere] {
        let ended = run(&["conformance", "127.0.0.1:1", "--junit", file.to_str().unwrap()]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
        let begins = format!("colibri conformance: cannot write {}: ", file.display());
        assert!(ended.stderr.starts_with(&begins), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1);
    }
    // A file that can be written is not left behind without a report.
    let json = file("unused.json");
    let ended = run(&["conformance", "127.0.0.1:1", "--json", json.to_str().unwrap()]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(!json.exists());
}

/// What says which cases need what `pub` and `sub` do not have, so that they count as no test of their
/// statements.
const WAIVERS: &str = include_str!("../../../conformance/statements/waivers.toml");

#[test]
fn our_client_passes_all_cases_that_it_has_the_means_for() {
    let json = file("client.json");
    // Not `run`, whose watch is for commands that end at once.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_colibri"))
        .args(["conformance", "--json", json.to_str().unwrap(), "--client"])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    std::fs::remove_file(&json).unwrap();
    assert_eq!(report["client"], "colibri {verb}");
    for version in ["3.1.1", "5.0"] {
        assert_eq!(report["counts"][version]["not yet covered"], 0, "{version}");
    }
    let cases = report["cases"].as_array().unwrap().iter();
    let not_passed = cases.filter(|case| case["verdict"] != "passed");
    let not_passed: BTreeSet<&str> = not_passed.map(|case| case["name"].as_str().unwrap()).collect();
    let listed = WAIVERS.lines().filter_map(|line| line.strip_prefix("client-case = \"")?.strip_suffix('"'));
    assert_eq!(not_passed, listed.collect::<BTreeSet<_>>());
}

#[test]
fn a_client_that_does_nothing_gives_exit_code_1() {
    let ended = run(&["conformance", "--client", "env X={verb} sh -c exit", "--filter", "3.14.4-1"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("FAILED  v5 MQTT-3.14.2-1"), "{}", ended.stdout);
    assert!(ended.stdout.contains("sent      $ env X=pub sh -c exit -h 127.0.0.1 -p "), "{}", ended.stdout);
}
