//! Names that may not stand in certain crates, in tests, in imports or in file names.

use super::Problem;
use super::rust_file::RustFile;

/// A name that belongs to few places.
struct Home {
    name: &'static str,
    /// Paths, or beginnings of paths, where it may stand.
    allowed: &'static [&'static str],
    advice: &'static str,
}

/// Libraries that the rest of the tree must not know about.
const HOMES: [Home; 2] = [
    Home {
        name: "mio",
        allowed: &["crates/broker/src/shard/poller.rs", "crates/bench/src/poller.rs"],
        advice: "go through the poller of the broker (crates/broker/src/shard/poller.rs) or of the load generator (crates/bench/src/poller.rs)",
    },
    Home {
        name: "tokio",
        allowed: &["crates/client/", "crates/cli/", "crates/admin/", "crates/bridge/", "crates/cluster/"],
        advice: "only client, cli, admin, bridge and cluster are asynchronous",
    },
];

/// The crates that are handed time, bytes and randomness.
const PURE: [&str; 3] = ["crates/codec/src/", "crates/topics/src/", "crates/protocol/src/"];

/// What those crates may not name.
const IMPURE: [&str; 10] = [
    "std::time",
    "std::net",
    "std::thread",
    "std::fs",
    "Instant::now",
    "SystemTime",
    "rand",
    "getrandom",
    "Mutex",
    "async",
];

/// File names that say nothing about what is inside.
const VAGUE: [&str; 8] = ["types", "utils", "util", "common", "helpers", "helper", "misc", "manager"];

/// Checks every Rust source.
pub(crate) fn check(files: &[RustFile]) -> Vec<Problem> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &RustFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut found = |at: usize, sentence: String| {
        problems.push(Problem::new(&file.path, file.line(at), sentence));
    };
    for home in HOMES {
        // The foreign clients under tests/ may be built on whatever they like.
        let allowed = !file.path.starts_with("crates/")
            || home.allowed.iter().any(|place| file.path.starts_with(place));
        for at in file.find(home.name).into_iter().filter(|_| !allowed) {
            found(at, format!("`{}` is named here; {}.", home.name, home.advice));
        }
    }
    if PURE.iter().any(|folder| file.path.starts_with(folder)) {
        for name in IMPURE {
            for at in file.find(name) {
                found(
                    at,
                    format!(
                        "`{name}` is named in a crate without clock, I/O or threads; take it as an argument."
                    ),
                );
            }
        }
    }
    for at in file.find("sleep(") {
        if file.in_tests(at) || is_for_tests(&file.path) {
            found(
                at,
                "a test sleeps; drain a virtual clock, or wait for a message that must come.".to_owned(),
            );
        }
    }
    for at in file.glob_imports() {
        if !file.in_tests(at) {
            found(at, "everything is imported with `*`; name what is used.".to_owned());
        }
    }
    let stem = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let vague = VAGUE.iter().find(|name| stem == **name || file.path.contains(&format!("/{name}/")));
    if let Some(name) = vague {
        found(
            0,
            format!("the name `{name}` does not say what belongs here; name the file after what it holds."),
        );
    }
    problems
}

/// Whether the crate exists for tests, so that its programs may not sleep either.
fn is_for_tests(path: &str) -> bool {
    path.starts_with("crates/sim/") || path.starts_with("crates/conformance/")
}
