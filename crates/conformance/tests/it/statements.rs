//! The statements are all there, and the cases cite no others.

use std::collections::HashSet;

use colibri_codec::Version;
use colibri_conformance::{all_cases, statements};

#[test]
fn both_tables_are_whole() {
    let count = |version| statements().iter().filter(|statement| statement.version == version).count();
    assert_eq!((count(Version::V3_1_1), count(Version::V5)), (141, 251));
}

#[test]
fn cases_cite_statements_that_exist() {
    let known: HashSet<&str> = statements().iter().map(|statement| statement.id.as_str()).collect();
    for case in all_cases() {
        assert!(!case.ids.is_empty(), "{}", case.name);
        for id in case.ids {
            assert!(known.contains(id), "{id} in {:?}", case.name);
        }
    }
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names = HashSet::new();
    for case in all_cases() {
        assert!(names.insert(case.name), "{}", case.name);
    }
}
