//! The statements are all there, and the cases cite no others.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use colibri_codec::Version;
use colibri_conformance::{Heading, Role, all_cases, all_client_cases, statements};

#[test]
fn both_tables_are_whole() {
    let count = |version| statements().iter().filter(|statement| statement.version == version).count();
    assert_eq!((count(Version::V3_1_1), count(Version::V5)), (141, 251));
}

/// Of all cases, for servers and for clients.
fn headings() -> impl Iterator<Item = Heading> {
    all_cases().map(|case| case.heading()).chain(all_client_cases().map(|case| case.heading()))
}

#[test]
fn every_observable_statement_about_clients_has_a_client_case() {
    let cited: HashSet<&str> = all_client_cases().flat_map(|case| case.ids).copied().collect();
    let open = statements().iter().filter(|statement| {
        statement.role != Role::Server && statement.is_observable() && !cited.contains(statement.id.as_str())
    });
    assert_eq!(open.map(|statement| statement.id.as_str()).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn cases_cite_statements_that_exist() {
    let known: HashSet<&str> = statements().iter().map(|statement| statement.id.as_str()).collect();
    for case in headings() {
        assert!(!case.ids.is_empty(), "{}", case.name);
        for id in case.ids {
            assert!(known.contains(id), "{id} in {:?}", case.name);
        }
    }
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names = HashSet::new();
    for case in headings() {
        assert!(names.insert(case.name), "{}", case.name);
    }
}

/// The names of all cases that are written below a folder: each follows the statements of its case.
fn written(folder: &Path, names: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, names);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let cases = text.split("ids: &[").skip(1).filter_map(|rest| rest.split_once("name: \""));
        names.extend(cases.filter_map(|(_, rest)| Some(rest.split_once("\",")?.0.replace("\\\"", "\""))));
    }
}

#[test]
fn every_case_that_is_written_is_run() {
    let mut names = Vec::new();
    written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    let run: BTreeSet<String> = headings().map(|case| case.name.to_owned()).collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), run);
}
