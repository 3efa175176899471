//! Clients with one fault are caught by the case that is about it, which a client without a fault passes.

use std::time::Duration;

use colibri_codec::Version;
use colibri_conformance::client::Program;
use colibri_conformance::{Report, Settings, Verdict, run};

use crate::scripted_client::program;

fn judge(program: Program, version: Version, filter: &str) -> Report {
    let mut settings = Settings::for_client(program);
    settings.versions = vec![version];
    settings.filter = Some(filter.to_owned());
    // A silent client is told soon; the others have to start on a busy machine.
    settings.patience = Duration::from_secs(3);
    run(&settings, &|_| {}).unwrap()
}

/// How the case with this name ends for a client with this fault.
fn verdict(fault: &str, version: Version, id: &str, name: &str) -> Verdict {
    let report = judge(program(fault), version, id);
    let outcome = report.outcomes().iter().find(|outcome| outcome.case.name == name);
    outcome.unwrap_or_else(|| panic!("no case {name:?}")).verdict.clone()
}

/// The fault is caught in both versions by this case.
fn caught(fault: &str, id: [&str; 2], name: &str) {
    for (version, id) in [(Version::V3_1_1, id[0]), (Version::V5, id[1])] {
        if id.is_empty() {
            continue;
        }
        assert_eq!(verdict("none", version, id, name), Verdict::Passed, "without a fault in {version}");
        let verdict = verdict(fault, version, id, name);
        assert!(matches!(verdict, Verdict::Failed(_)), "{fault} in {version}: {verdict:?}");
    }
}

#[test]
fn a_client_that_uses_packet_identifier_0_is_caught() {
    let name = "Messages under way have distinct identifiers other than 0";
    caught("uses Packet Identifier 0", ["2.3.1-1", "2.2.1-3"], name);
}

#[test]
fn a_client_that_reuses_a_packet_identifier_is_caught() {
    let name = "Messages under way have distinct identifiers other than 0";
    caught("uses one Packet Identifier", ["2.3.1-2", "4.3.2-1"], name);
}

#[test]
fn a_client_that_forgets_dup_is_caught() {
    let name = "A QoS 1 message is sent again with DUP 1 under its identifier until PUBACK comes";
    caught("forgets DUP", ["3.3.1-1", "4.3.2-3"], name);
}

#[test]
fn a_client_that_publishes_again_after_pubrec_is_caught() {
    let name = "A QoS 2 PUBLISH is sent again until PUBREC comes, and then its PUBREL until PUBCOMP does";
    caught("publishes again after PUBREC", ["4.3.3-1", "4.3.3-6"], name);
}

#[test]
fn a_client_that_answers_pubrel_with_nothing_is_caught() {
    let name = "PUBREL follows a PUBREC below 0x80 and no other";
    caught("ignores codes", ["", "4.3.3-4"], name);
    for (version, id) in [(Version::V3_1_1, "4.3.3-2"), (Version::V5, "4.3.3-11")] {
        let name = "PUBREL is answered with PUBCOMP under its identifier";
        let Verdict::Failed(failure) = verdict("is deaf to PUBREL", version, id, name) else {
            panic!("not caught in {version}");
        };
        assert_eq!(failure.expected, "PUBCOMP");
    }
}

#[test]
fn a_client_that_goes_on_after_a_refusal_is_caught() {
    let name = "A client that was refused sends nothing more and closes";
    caught("publishes after a refusal", ["", "4.13.2-1"], name);
}

#[test]
fn a_client_that_speaks_after_disconnect_is_caught() {
    for fault in ["speaks after DISCONNECT", "stays after DISCONNECT"] {
        let Verdict::Failed(failure) = verdict(
            fault,
            Version::V3_1_1,
            "3.14.4-1",
            "After its DISCONNECT a client sends nothing and closes",
        ) else {
            panic!("{fault} is not caught");
        };
        assert!(failure.expected.contains("after DISCONNECT"), "{failure:?}");
    }
}

#[test]
fn a_client_that_closes_nothing_is_caught_in_3_1_1_and_told_of_in_5_0() {
    let name = "A client closes when a PUBLISH with QoS 3 comes";
    let old = verdict("closes nothing", Version::V3_1_1, "3.3.1-4", name);
    assert!(matches!(old, Verdict::Failed(_)), "{old:?}");
    let new = verdict("closes nothing", Version::V5, "3.3.1-4", name);
    assert!(matches!(new, Verdict::NotApplicable(_)), "{new:?}");
}

#[test]
fn a_client_that_does_nothing_fails_every_case() {
    let mut settings = Settings::for_client(Program::new("env X={verb} sh -c exit").unwrap());
    settings.patience = Duration::from_millis(500);
    let report = run(&settings, &|_| {}).unwrap();
    let passed = report.outcomes().iter().filter(|outcome| outcome.verdict == Verdict::Passed);
    assert_eq!(passed.map(|outcome| outcome.case.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_client_that_prints_without_end_fails_every_case() {
    let mut settings = Settings::for_client(Program::new("env X={verb} sh -c yes").unwrap());
    settings.patience = Duration::from_millis(200);
    settings.filter = Some("PUBLISH".to_owned());
    let report = run(&settings, &|_| {}).unwrap();
    let passed = report.outcomes().iter().filter(|outcome| outcome.verdict == Verdict::Passed);
    assert_eq!(passed.map(|outcome| outcome.case.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn what_a_client_has_started_ends_with_it() {
    let directory = std::env::temp_dir().join(format!("colibri-impostor-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (script, pids) = (directory.join("client"), directory.join("pids"));
    std::fs::write(&script, format!("sleep 1000 & echo $! >>{}; wait", pids.display())).unwrap();
    let command = format!("env X={{verb}} sh {}", script.display());
    let mut settings = Settings::for_client(Program::new(&command).unwrap());
    settings.patience = Duration::from_secs(1);
    settings.filter = Some("MQTT-4.13.2-1".to_owned());
    run(&settings, &|_| {}).unwrap();
    // Those that were killed before they had started anything have written nothing.
    let pids = std::fs::read_to_string(&pids).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    // Whoever has inherited it may not have waited for it yet.
    let alive = pids.lines().filter(|pid| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
    });
    assert_eq!(alive.collect::<Vec<_>>(), [""; 0], "{pids}");
}

#[test]
fn a_client_that_cannot_be_started_is_no_verdict() {
    let settings = Settings::for_client(Program::new("/nowhere/to/be/{verb}").unwrap());
    let error = run(&settings, &|_| {}).unwrap_err();
    assert!(error.starts_with("cannot start /nowhere/to/be/pub"), "{error}");
    assert!(Program::new("127.0.0.1:1883").is_err());
}
