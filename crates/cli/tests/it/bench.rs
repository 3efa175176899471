//! `colibri bench`: every scenario against the broker, and servers that lose, double and reorder.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use colibri_broker::{Broker, Config};
use serde_json::Value;

use crate::liar::{Liar, Manners};
use crate::run::{Ended, run, start, wait};

fn broker() -> (Broker, String) {
    let listeners = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    let broker = Broker::start(Config { listeners, shards: 1, ..Config::default() }).unwrap();
    let port = broker.addresses()[0].port().to_string();
    (broker, port)
}

/// A file name that no other test has.
fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("colibri-{}-{name}", std::process::id()))
}

fn take(path: &PathBuf) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    text
}

/// Runs `bench` against a port; how it ended, and the run in its JSON report.
fn bench(port: &str, name: &str, words: &str) -> (Ended, Value) {
    let json = file(&format!("bench-{name}.json"));
    let mut arguments = vec!["bench"];
    arguments.extend(words.split_whitespace());
    arguments.extend(["-h", "127.0.0.1", "-p", port, "--quiet", "--json", json.to_str().unwrap()]);
    let ended = run(&arguments);
    assert!(json.exists(), "{ended:?}");
    let report: Value = serde_json::from_str(&take(&json)).unwrap();
    (ended, report["runs"][0].clone())
}

#[test]
fn every_scenario_reports_what_was_sent_and_that_nothing_was_lost() {
    let (broker, port) = broker();
    for (scenario, deliveries) in [
        ("pair -c 3", 1),
        ("latency -c 3", 1),
        ("fanout --subs 5 --pubs 2", 5),
        ("fanin --subs 2 --pubs 5", 2),
        ("share --subs 2 --pubs 5", 1),
        ("pub -c 3", 0),
    ] {
        for qos in 0..=2 {
            let words = format!("{scenario} -q {qos} -L 40 --rate 2000 --warm-up 0 --no-spin");
            let (ended, run) = bench(&port, "every", &words);
            assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{words}: {}", ended.stdout);
            let messages = &run["messages"];
            assert_eq!(messages["sent"], 40, "{words}: {messages}");
            assert_eq!(messages["received"], 40 * deliveries, "{words}: {messages}");
            assert_eq!(messages["lost"], 0, "{words}");
            let acknowledged = if qos > 0 { 40 } else { 0 };
            assert_eq!(messages["acknowledged"], acknowledged, "{words}");
            assert_eq!(run["latency_counts_from"], "due");
            if deliveries > 0 {
                assert_eq!(run["latency_us"]["count"], 40 * deliveries, "{words}: {run}");
            }
        }
    }
    broker.stop();
    broker.join().unwrap();
}

#[test]
fn without_a_rate_the_receivers_set_the_pace_on_several_threads_too() {
    let (broker, port) = broker();
    for words in
        ["pair -c 4 -q 0", "fanout --subs 3 -q 1 -V 3.1.1", "share --pubs 3 --subs 3 -q 2 --threads 3"]
    {
        let words = format!("{words} --rate max -L 3000 -F 7 -s 16 --warm-up 0");
        let (ended, run) = bench(&port, "max", &words);
        assert_eq!(ended.code, 0, "{words}: {}", ended.stdout);
        assert!(run["messages"]["sent"].as_u64().unwrap() >= 3000, "{words}: {run}");
        assert_eq!(run["messages"]["received"], run["messages"]["expected"], "{words}");
        assert_eq!(run["latency_counts_from"], "sent");
    }
    broker.stop();
    broker.join().unwrap();
}

#[test]
fn connections_are_counted_and_come_from_the_addresses_that_are_given() {
    let (broker, port) = broker();
    let (ended, run) =
        bench(&port, "conn", "conn -c 20 -R 1000 --duration 0.1 --warm-up 0 --ifaddr 127.0.0.2,127.0.0.3");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(run["connections"]["accepted"], 20);
    assert_eq!(run["connections"]["latency_us"]["count"], 20);
    // The last one is due after 19 ms.
    assert!(run["connections"]["seconds"].as_f64().unwrap() >= 0.019, "{run}");
    broker.stop();
    broker.join().unwrap();
}

#[test]
fn a_subscriber_follows_what_another_program_publishes() {
    let (broker, port) = broker();
    let json = file("bench-sub.json");
    let words = ["bench", "sub", "-c", "2", "-t", "other/#", "-q", "1", "-h", "127.0.0.1", "-p", &port];
    let more = ["--duration", "60", "--warm-up", "0", "--every", "0.1", "--json", json.to_str().unwrap()];
    let mut child = start(&[&words[..], &more[..]].concat());
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut until = |wanted: &str| {
        let mut line = String::new();
        while !line.contains(wanted) {
            line.clear();
            assert!(progress.read_line(&mut line).unwrap() > 0, "no line with {wanted}");
        }
    };
    until("measuring: 2 of 2");
    let (publishing, _) = bench(&port, "other", "pub -t other/%i -c 2 -q 1 -L 30 --rate 1000 --warm-up 0");
    assert_eq!(publishing.code, 0, "{}", publishing.stdout);
    until("received (60)");
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    drop(progress);
    let ended = wait(child);
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("ended early"), "{}", ended.stdout);
    let report: Value = serde_json::from_str(&take(&json)).unwrap();
    assert_eq!(report["runs"][0]["messages"]["received"], 60);
    assert_eq!(report["runs"][0]["interrupted"], true);
    broker.stop();
    broker.join().unwrap();
}

#[test]
fn so_many_messages_are_measured_from_the_first_on() {
    let (broker, port) = broker();
    let (ended, run) = bench(&port, "limit", "pair -c 2 --rate max -L 500");
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(run["measured"]["sent"], 500, "{run}");
    assert_eq!(run["latency_us"]["count"], 500, "{run}");
    broker.stop();
    broker.join().unwrap();
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    for flag in ["--json", "--html"] {
        // Nobody is asked: nobody listens there.
        let ended = run(&["bench", "pair", "-p", "1", flag, "/nonexistent/report"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
        assert!(ended.stderr.contains(&format!("{flag} /nonexistent/report cannot be written")), "{ended:?}");
        let path = file("bench-left");
        let ended = run(&["bench", "pair", "-h", "127.0.0.1", "-p", "1", flag, path.to_str().unwrap()]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(!path.exists());
    }
}

#[test]
fn a_server_that_loses_doubles_and_reorders_is_caught() {
    let port = Liar::start(Manners { lose: Some(3), double: Some(5), swap: Some(7), ..Manners::default() });
    let words = "pair -c 1 -V 3.1.1 -L 20 --rate 1000 --warm-up 0 --drain 0.3";
    let (ended, run) = bench(&port, "liar", words);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let messages = &run["messages"];
    for (what, count) in [
        ("sent", 20),
        ("received", 20),
        ("lost", 1),
        ("duplicated", 1),
        ("out_of_order", 1),
        ("misrouted", 0),
    ] {
        assert_eq!(messages[what], count, "{what} in {messages}");
    }
    let verdict = "1 messages were lost; 1 messages came more than once; 1 messages came out of order";
    assert!(ended.stdout.ends_with(&format!("verdict       {verdict}\n")), "{}", ended.stdout);
    // What came twice counts once.
    assert_eq!(run["latency_us"]["count"], 19);
}

#[test]
fn what_is_lost_holds_up_nobody_for_ever() {
    let port = Liar::start(Manners { lose: Some(3), ..Manners::default() });
    let words = "pair -c 1 -V 3.1.1 -L 200 --rate max -F 4 --warm-up 0 --drain 0.3";
    let (ended, run) = bench(&port, "window", words);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert_eq!((&run["messages"]["sent"], &run["messages"]["lost"]), (&200.into(), &1.into()));
}

#[test]
fn a_server_that_sends_to_the_wrong_client_is_caught() {
    let port = Liar::start(Manners { misroute: true, ..Manners::default() });
    let words = "pair -c 2 -V 3.1.1 -L 10 --rate 1000 --warm-up 0 --drain 0.3";
    let (ended, run) = bench(&port, "misroute", words);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert_eq!((&run["messages"]["misrouted"], &run["messages"]["lost"]), (&10.into(), &10.into()));
}

#[test]
fn a_server_that_does_not_acknowledge_is_caught() {
    let port = Liar::start(Manners::default());
    let words = "pub -c 2 -q 1 -V 3.1.1 -F 5 -L 100 --rate 1000 --warm-up 0 --drain 0.2 --duration 0.5";
    let (ended, run) = bench(&port, "mute", words);
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    // Five of each are under way, and the others wait for them.
    assert_eq!((&run["messages"]["sent"], &run["messages"]["lost"]), (&10.into(), &10.into()));
    assert_eq!(run["messages"]["unsent"], 90);
    // Those that could not be sent show in the latencies all the same.
    assert_eq!(run["latency_us"]["count"], 90, "{run}");
}

#[test]
fn connections_that_are_refused_are_counted_with_their_reason() {
    let port = Liar::start(Manners { refuse_every: Some(3), ..Manners::default() });
    let (ended, run) = bench(&port, "refused", "conn -c 9 -V 3.1.1 --duration 0.1 --warm-up 0");
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    assert_eq!((&run["connections"]["accepted"], &run["connections"]["failed"]), (&6.into(), &3.into()));
    let reasons = run["connections"]["reasons"].as_object().unwrap();
    assert_eq!(reasons.values().collect::<Vec<_>>(), [3]);
    assert!(
        reasons.keys().next().unwrap().starts_with("the server refused it: Not authorized"),
        "{reasons:?}"
    );
}

#[test]
fn nobody_there_is_a_failure_and_not_a_report() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let ended = run(&["bench", "conn", "-c", "2", "-h", "127.0.0.1", "-p", &port, "--quiet"]);
    assert_eq!(ended.code, 1);
    let said =
        format!("colibri bench: no connection to 127.0.0.1:{port} was accepted: connection refused; is a");
    assert!(ended.stderr.starts_with(&said), "{}", ended.stderr);
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let (broker, port) = broker();
    let page = file("bench.html");
    let own = std::process::id().to_string();
    let words = ["bench", "pair", "-c", "2", "--rate", "500", "--duration", "0.6", "--warm-up", "0"];
    let more = ["--every", "0.1", "-h", "127.0.0.1", "-p", &port, "--quiet", "--pid", &own];
    let ended = run(&[&words[..], &more[..], &["--html", page.to_str().unwrap()]].concat());
    broker.stop();
    broker.join().unwrap();
    assert_eq!(ended.code, 0, "{}{}", ended.stdout, ended.stderr);
    let html = take(&page);
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!html.contains(outside), "{outside}");
    }
    for title in ["Messages per second", "Latency by percentage", "Connections", "Memory of the server"] {
        assert!(html.contains(title), "{title}");
    }
    assert_eq!(html.matches("<svg").count(), html.matches("</svg>").count());
    assert!(html.matches("<polyline").count() >= 8, "{html}");
}

#[test]
fn the_suite_fits_itself_to_the_machine_and_says_how() {
    let (broker, port) = broker();
    let json = file("suite.json");
    let bench = format!(
        "ulimit -n 160; exec {} bench suite --only p2p --duration 1 --warm-up 0 -h 127.0.0.1 -p {port} --quiet --json {}",
        env!("CARGO_BIN_EXE_colibri"),
        json.display()
    );
    let output = Command::new("sh").args(["-c", &bench]).output().unwrap();
    broker.stop();
    broker.join().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("p2p-1K-1K-1K-1K\nscaled: "), "{text}");
    assert!(text.contains("connections instead of 2000: this process may open"), "{text}");
    assert!(text.contains("NanoMQ 0.17.0") && text.contains("https://github.com/emqx/mqttbs"), "{text}");
    let report: Value = serde_json::from_str(&take(&json)).unwrap();
    let plan = &report["runs"][0]["plan"];
    assert_eq!(
        (&plan["publishers"], &plan["payload_bytes"], &plan["qos"]),
        (&plan["subscribers"], &16.into(), &1.into())
    );
    assert_eq!(plan["messages_per_second"].as_f64(), plan["publishers"].as_f64());
}

#[test]
fn too_few_files_are_noticed_before_anything_is_opened() {
    let bench =
        format!("ulimit -n 100; exec {} bench conn -c 200 -h 127.0.0.1", env!("CARGO_BIN_EXE_colibri"));
    let output = Command::new("sh").args(["-c", &bench]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("colibri bench: 200 connections need 232 open files"), "{said}");
    assert!(said.contains("`ulimit -n 264`"), "{said}");
}

#[test]
fn what_is_wrong_with_the_command_line_is_said_with_the_flag() {
    for (words, said) in [
        ("pair -q 3", "--qos"),
        ("pair -s 15", "--size 15 cannot be measured; a payload takes 16 to"),
        ("pair -t bench/all -c 2", "put %i into --topic"),
        ("pair -t a/%z", "'%z' is no placeholder; there are %i, %c, %u and %rand_N"),
        ("pair -t a/#", "--topic 'a/#' cannot be used"),
        ("fanout --filter a/#/b", "the filter 'a/#/b' (--filter"),
        ("pub --rate fast", "a rate is max or messages per second"),
        ("pub --rate 5 -I 10", "cannot be used with"),
        ("conn -c 0", "--count"),
        ("conn -P x -V 4", "before 5.0 a password (-P) needs a user name (-u)"),
        ("conn -x 5 -V 4", "--session-expiry (-x) is of 5.0"),
        ("conn --ifaddr ::1", "--ifaddr ::1 cannot reach 127.0.0.1"),
        ("conn --pid 4194305", "--pid 4194305: /proc tells nothing about such a process"),
        ("conn --duration -1", "--duration"),
        ("sub", "--topic"),
        ("suite --only fish", "--only fish: the use cases are conn-tcp-10k-100, p2p-1K-1K-1K-1K"),
    ] {
        let mut arguments = vec!["bench"];
        arguments.extend(words.split_whitespace());
        arguments.extend(["-h", "127.0.0.1", "-p", "1"]);
        let ended = run(&arguments);
        assert_eq!(ended.code, 2, "{words}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("colibri"), "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{words}: {}", ended.stderr);
    }
}

#[test]
fn the_first_interrupt_ends_the_measurement_with_its_report() {
    let (broker, port) = broker();
    let words = ["bench", "pair", "-c", "2", "--rate", "200", "--duration", "600", "--warm-up", "0"];
    let mut child = start(&[&words[..], &["--every", "0.1", "-h", "127.0.0.1", "-p", &port]].concat());
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("p50") {
        line.clear();
        assert!(progress.read_line(&mut line).unwrap() > 0, "no line with a latency");
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    progress.read_to_string(&mut line).unwrap();
    let ended = wait(child);
    broker.stop();
    broker.join().unwrap();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert!(ended.stdout.contains("ended early") && ended.stdout.contains(" 0 lost"), "{}", ended.stdout);
}
