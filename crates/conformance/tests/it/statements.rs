//! The statements are all there, and the cases cite no others.

use std::collections::HashSet;

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
