//! Each kind of failure of the ledger, on trees of a few lines.

use super::{PAGE, Standing, checked, page};
use crate::tidy::tree::Tree;

const TSV_3: &str = "crates/conformance/statements/mqtt-3.1.1.tsv";
const TSV_5: &str = "crates/conformance/statements/mqtt-5.0.tsv";
const WAIVERS: &str = "crates/conformance/statements/waivers.toml";
const HEAD: &str = "id\trole\tarea\trequirement\tobservation\n";

const CODE: &str = "crates/broker/src/lib.rs";
const CITES: &str = "//! Code.\n\n// [v5 MQTT-1.0.0-1]\nfn enforce() {}\n";
const CASE_PATH: &str = "crates/conformance/src/cases/a.rs";
const CASE: &str = "//! Cases.\nCase { ids: &[\"v5 MQTT-1.0.0-1\"], name: \"It holds\",\nrun: x }\n";
const SIM_PATH: &str = "crates/conformance/tests/it/memory.rs";
const SIM: &str = "//! Runs them.\nuse colibri_sim::World;\nfn run() { all_cases(); }\n";
const MAIN_PATH: &str = "crates/conformance/tests/it/main.rs";
const MAIN: &str = "//! Tests.\nmod broker;\nmod memory;\n";
const WIRE_PATH: &str = "crates/conformance/tests/it/broker.rs";
const WIRE: &str =
    "//! Runs them.\n#[test]\nfn t() { Broker::start(x); report.holds(); waivers::inapplicable(); }\n";
const CLIENT_MAIN_PATH: &str = "crates/cli/tests/it/main.rs";
const CLIENT_RUN_PATH: &str = "crates/cli/tests/it/conformance.rs";
const CLIENT_RUN: &str = "//! Runs it.\nfn t() { [\"conformance\", \"--client\"]; \"client-case\"; }\n";
/// What runs the cases, but for those in memory.
const RUNS: [(&str, &str); 4] = [
    (MAIN_PATH, MAIN),
    (WIRE_PATH, WIRE),
    (CLIENT_MAIN_PATH, "//! Tests.\nmod conformance;\n"),
    (CLIENT_RUN_PATH, CLIENT_RUN),
];
const SERVER: &str = "MQTT-1.0.0-1\tserver\tx\tIt does.\tbroker: look\n";
const CLIENT: &str = "MQTT-1.0.0-1\tclient\tx\tIt does.\tclient: look\n";
const UNSEEN: &str = "MQTT-1.0.0-1\tserver\tx\tIt does.\tnot observable: no\n";
const TEST_PATH: &str = "crates/protocol/tests/it/a.rs";

/// A tree with one statement of 5.0 and the page that belongs to it.
fn tree(row: &str, files: &[(&str, &str)]) -> Tree {
    let table = format!("{HEAD}{row}");
    let mut all = vec![(TSV_3, HEAD), (TSV_5, table.as_str())];
    if !files.iter().any(|(path, _)| *path == WAIVERS) {
        all.push((WAIVERS, ""));
    }
    all.extend(RUNS.iter().filter(|(path, _)| !files.iter().any(|(other, _)| other == path)));
    all.extend_from_slice(files);
    let (ledger, _) = super::Ledger::read(&Tree::of(&all)).unwrap();
    let written = page::write(&ledger);
    all.push((PAGE, &written));
    Tree::of(&all)
}

fn problems(row: &str, files: &[(&str, &str)]) -> Vec<String> {
    let (_, problems) = checked(&tree(row, files)).unwrap();
    problems.iter().map(ToString::to_string).collect()
}

/// Exactly one problem, with all of these words.
#[track_caller]
fn expect_one(found: &[String], words: &[&str]) {
    assert!(found.len() == 1 && words.iter().all(|word| found[0].contains(word)), "{found:#?}");
    assert!(found[0].ends_with('.'), "{found:?}");
}

#[test]
fn a_statement_with_code_and_both_layers_is_well() {
    let files = [(CODE, CITES), (CASE_PATH, CASE), (SIM_PATH, SIM)];
    assert_eq!(problems(SERVER, &files), [""; 0]);
    let (ledger, _) = checked(&tree(SERVER, &files)).unwrap();
    assert_eq!(ledger.standing(&ledger.statements[0]), Standing::Tested);
    assert!(page::write(&ledger).contains("| MQTT-1.0.0-1 | It does. | server | [broker/lib](../crates/broker/src/lib.rs) `enforce` | server memory: [conformance/cases/a]"));
}

#[test]
fn an_unknown_id_is_found_wherever_it_stands() {
    let good = [(CODE, CITES), (CASE_PATH, CASE), (SIM_PATH, SIM)];
    for (path, text) in [
        ("crates/broker/src/other.rs", "//! [v5 MQTT-9.9.9-9]\n"),
        ("docs/page.md", "See v5 MQTT-9.9.9-9.\n"),
        ("crates/codec/src/map.rs", "//! Map.\nfn ids_v5() { \"9.9.9-9\" }\n"),
        (
            "crates/codec/tests/vectors/a.toml",
            "[[case]]\nname = \"n\"\nstatements = { v5 = [\"9.9.9-9\"] }\n",
        ),
    ] {
        let mut files = good.to_vec();
        files.push((path, text));
        expect_one(&problems(SERVER, &files), &[path, "v5 MQTT-9.9.9-9"]);
    }
    // The same number of another version is another statement.
    let mut files = good.to_vec();
    files.push(("docs/page.md", "v3.1.1 MQTT-1.0.0-1"));
    expect_one(&problems(SERVER, &files), &["docs/page.md:1", "v3.1.1 MQTT-1.0.0-1"]);
}

#[test]
fn a_statement_without_test_and_waiver_is_told_where_to_get_one() {
    let words = [TSV_5, "server memory, server wire", WAIVERS];
    expect_one(&problems(SERVER, &[]), &words);
    expect_one(&problems(UNSEEN, &[]), &[TSV_5, "neither a test nor a waiver", WAIVERS]);
}

#[test]
fn each_layer_is_asked_for_by_itself() {
    expect_one(&problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE)]), &["in: server memory;"]);
    let test = "//! T.\n#[test]\nfn holds() {\n    // [v5 MQTT-1.0.0-1]\n}\n";
    expect_one(&problems(SERVER, &[(CODE, CITES), (TEST_PATH, test)]), &["in: server wire;"]);
    expect_one(&problems(CLIENT, &[(CODE, CITES), (TEST_PATH, test)]), &["in: client mock;"]);
    let client_case = ("crates/conformance/src/client/a.rs", CASE);
    expect_one(&problems(CLIENT, &[(CODE, CITES), client_case]), &["in: client memory;"]);
    assert_eq!(problems(CLIENT, &[(CODE, CITES), client_case, (TEST_PATH, test)]), [""; 0]);
}

#[test]
fn a_statement_of_both_ends_is_asked_for_at_each_that_can_be_observed() {
    let both = "MQTT-1.0.0-1\tboth\tx\tIt does.\tlook\n";
    let layers = "server memory, server wire, client memory, client mock";
    expect_one(&problems(both, &[]), &[layers]);
    let half = "MQTT-1.0.0-1\tboth\tx\tIt does.\tbroker: look\n";
    expect_one(&problems(half, &[]), &["in: server memory, server wire;"]);
    for mixed in ["broker: look. capture all packets", "broker and client: look"] {
        expect_one(&problems(&both.replace("\tlook", &format!("\t{mixed}")), &[]), &[layers]);
    }
    // A word before the ids says at which end a test looks.
    for (word, left) in [("server", "in: server wire, client"), ("client", "in: server memory, server wire")]
    {
        let test = format!("//! T.\n#[test]\nfn holds() {{\n    // {word}: [v5 MQTT-1.0.0-1]\n}}\n");
        let found = problems(both, &[(CODE, CITES), (TEST_PATH, &test)]);
        expect_one(&found, &[left]);
    }
}

#[test]
fn a_citation_needs_a_test_even_if_the_statement_is_waived() {
    let waived = "[[waiver]]\nids = [\"v5 MQTT-1.0.0-1\"]\nstatus = \"waived\"\nreason = \"Not now.\"\n";
    expect_one(
        &problems(SERVER, &[(CODE, CITES), (WAIVERS, waived)]),
        &["broker/src/lib.rs:3", "cited here"],
    );
    assert_eq!(problems(SERVER, &[(WAIVERS, waived)]), [""; 0]);
    // Where nothing could be seen, code may still do it.
    let unseen = waived.replace("\"waived\"", "\"not observable\"");
    assert_eq!(problems(UNSEEN, &[(CODE, CITES), (WAIVERS, &unseen)]), [""; 0]);
}

#[test]
fn a_tested_statement_needs_a_citation() {
    let found = problems(SERVER, &[(CASE_PATH, CASE), (SIM_PATH, SIM)]);
    expect_one(&found, &["cases/a.rs:2", "`It holds`", "[v5 MQTT-1.0.0-1] at the line"]);
    // One in a test is none.
    let in_test = "//! C.\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn t() {\n        // [v5 MQTT-1.0.0-1]\n    }\n}\n";
    let found = problems(SERVER, &[(CASE_PATH, CASE), (SIM_PATH, SIM), (CODE, in_test)]);
    expect_one(&found, &["no code cites it"]);
}

#[test]
fn a_table_of_errors_cites_for_the_version_in_its_name() {
    let table = "//! C.\nfn ids_v5() -> &'static str {\n    \"1.0.0-1\"\n}\n";
    assert_eq!(problems(SERVER, &[(CODE, table), (CASE_PATH, CASE), (SIM_PATH, SIM)]), [""; 0]);
}

#[test]
fn a_waiver_of_what_has_a_test_is_stale() {
    let waived = "# W.\n[[waiver]]\nids = [\"v5 MQTT-1.0.0-1\"]\nlayers = [\"server memory\"]\nstatus = \"waived\"\nreason = \"Not now.\"\n";
    assert_eq!(problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE), (WAIVERS, waived)]), [""; 0]);
    let found = problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE), (SIM_PATH, SIM), (WAIVERS, waived)]);
    expect_one(&found, &["waivers.toml:2", "server memory", "`It holds` shows it"]);
    let whole = waived.replace("layers = [\"server memory\"]\n", "");
    let found = problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE), (WAIVERS, &whole)]);
    expect_one(&found, &["waivers.toml:2", "server wire", "`It holds` shows it"]);
}

#[test]
fn a_waiver_says_why_and_for_what() {
    let entry = |text: &str| format!("[[waiver]]\nids = [\"v5 MQTT-1.0.0-1\"]\n{text}\n");
    for (text, word) in [
        ("status = \"waived\"", "no `reason`"),
        ("status = \"waived\"\nreason = \" \"", "no `reason`"),
        ("status = \"later\"\nreason = \"r\"", "`later` is no status"),
        ("status = \"waived\"\nreason = \"r\"\nlayers = [\"moon\"]", "`moon` is no layer"),
        ("status = \"by construction\"\nreason = \"r\"", "`by` goes with"),
    ] {
        let text = entry(text);
        let found = problems(SERVER, &[(WAIVERS, &text)]);
        // The statement is not waived then, either.
        assert!(found.len() == 2 && found.iter().any(|problem| problem.contains(word)), "{found:#?}");
    }
    let idle = entry(
        "status = \"waived\"\nreason = \"r\"\nlayers = [\"server memory\", \"server wire\", \"client mock\"]",
    );
    expect_one(&problems(SERVER, &[(WAIVERS, &idle)]), &["nobody asks for", "client mock"]);
    let twice = entry("status = \"waived\"\nreason = \"r\"").repeat(2);
    expect_one(&problems(SERVER, &[(WAIVERS, &twice)]), &["waived twice"]);
}

#[test]
fn what_makes_a_breach_impossible_must_exist() {
    let waiver = |by: &str| {
        format!(
            "[[waiver]]\nids = [\"v5 MQTT-1.0.0-1\"]\nstatus = \"by construction\"\nby = \"{by}\"\nreason = \"r\"\n"
        )
    };
    assert_eq!(problems(SERVER, &[(CODE, CITES), (WAIVERS, &waiver("broker::enforce"))]), [""; 0]);
    for by in ["broker::Gone", "codec::enforce"] {
        let found = problems(SERVER, &[(CODE, CITES), (WAIVERS, &waiver(by))]);
        expect_one(&found, &["waivers.toml:1", by, "defined in"]);
    }
}

#[test]
fn a_case_may_stand_on_one_line() {
    let case = "//! Cases.\nCase { ids: &[\"v5 MQTT-1.0.0-1\"], name: \"It \\\"holds\\\"\", run: x },\nCase { ids: &[\"v5 MQTT-1.0.0-1\"], name: \"It goes on\", run: y },\n";
    let files = [(CODE, CITES), (CASE_PATH, case), (SIM_PATH, SIM)];
    let (ledger, problems) = checked(&tree(SERVER, &files)).unwrap();
    let names: Vec<&str> = ledger.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!((problems.len(), names), (0, vec!["It \\\"holds\\\"", "It goes on"]));
}

#[test]
fn a_case_that_does_not_apply_to_our_broker_shows_nothing() {
    let text = "[[not-applicable]]\nserver-case = \"It holds\"\nreason = \"We do not.\"\n";
    let found = problems(SERVER, &[(CASE_PATH, CASE), (SIM_PATH, SIM), (WAIVERS, text)]);
    expect_one(&found, &["server memory, server wire"]);
    // One of a client is another case, also under the same name.
    let other = text.replace("server-case", "client-case");
    let found = problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE), (SIM_PATH, SIM), (WAIVERS, &other)]);
    expect_one(&found, &["waivers.toml:1", "`It holds`"]);
    let gone = text.replace("It holds", "It flies");
    let found = problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE), (SIM_PATH, SIM), (WAIVERS, &gone)]);
    expect_one(&found, &["waivers.toml:1", "`It flies`"]);
}

#[test]
fn ids_above_no_test_are_found() {
    let stray = "//! T.\n// [v5 MQTT-1.0.0-1]\nfn not_a_test() {}\n";
    let files = [(CODE, CITES), (CASE_PATH, CASE), (SIM_PATH, SIM), (TEST_PATH, stray)];
    expect_one(&problems(SERVER, &files), &["it/a.rs:2", "belong to no test that runs"]);
    let above = "//! T.\n/// Doc.\n// [v5 MQTT-1.0.0-1]\n#[test]\nfn a_test() {}\n";
    assert_eq!(problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE), (TEST_PATH, above)]), [""; 0]);
}

#[test]
fn a_page_that_is_not_the_tree_s_is_found() {
    let table = format!("{HEAD}{SERVER}");
    let files = [
        (TSV_3, HEAD),
        (TSV_5, table.as_str()),
        (WAIVERS, ""),
        (CODE, CITES),
        (CASE_PATH, CASE),
        (SIM_PATH, SIM),
        (MAIN_PATH, MAIN),
        (WIRE_PATH, WIRE),
    ];
    for page in [None, Some("# Conformance\n")] {
        let mut files = files.to_vec();
        files.extend(page.map(|text| (PAGE, text)));
        let (_, found) = checked(&Tree::of(&files)).unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        expect_one(&found, &[PAGE, "cargo xtask ledger --write"]);
    }
}

#[test]
fn cases_that_no_test_runs_show_nothing() {
    let without = |path: &str, text: &str| {
        let mut files: Vec<(&str, &str)> = vec![(CODE, CITES), (CASE_PATH, CASE), (SIM_PATH, SIM)];
        files.retain(|(other, _)| *other != path);
        files.push((path, text));
        problems(SERVER, &files)
    };
    // Gone, left out of the tests, or not a module of them.
    for (path, text, layer) in [
        (WIRE_PATH, "//! Nothing.\n".to_owned(), "in: server wire;"),
        (WIRE_PATH, WIRE.replace("#[test]", "#[test]\n#[ignore]"), "in: server wire;"),
        (MAIN_PATH, MAIN.replace("mod broker;\n", ""), "in: server wire;"),
        (MAIN_PATH, MAIN.replace("mod memory;", "// mod memory;"), "in: server memory;"),
        (SIM_PATH, format!("{SIM}    #[ignore = \"slow\"]\n"), "in: server memory;"),
    ] {
        expect_one(&without(path, &text), &[layer]);
    }
    let client_case = ("crates/conformance/src/client/a.rs", CASE);
    let test = "//! T.\n#[test]\nfn holds() {\n    // [v5 MQTT-1.0.0-1]\n}\n";
    let files = [(CODE, CITES), client_case, (TEST_PATH, test), (CLIENT_RUN_PATH, "//! Nothing.\n")];
    expect_one(&problems(CLIENT, &files), &["in: client mock;"]);
}

#[test]
fn an_ignored_test_shows_nothing() {
    let ignored = "//! T.\n#[test]\n#[ignore]\nfn a_test() {\n    // [v5 MQTT-1.0.0-1]\n}\n";
    let found = problems(SERVER, &[(CODE, CITES), (CASE_PATH, CASE), (TEST_PATH, ignored)]);
    assert!(found.iter().any(|problem| problem.contains("belong to no test that runs")), "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("in: server memory;")), "{found:#?}");
}
