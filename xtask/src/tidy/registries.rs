//! No text of ours names the host of a package registry: tools are configured outside the tree.

use super::Problem;
use super::tree::Tree;

/// The hosts, each in two pieces so that this file does not name them.
const HOSTS: [[&str; 2]; 9] = [
    ["crates", ".io"],
    ["pypi", ".org"],
    ["pythonhosted", ".org"],
    ["npmjs", ".org"],
    ["npmjs", ".com"],
    ["rubygems", ".org"],
    ["proxy.golang", ".org"],
    ["hub.docker", ".com"],
    ["deb.debian", ".org"],
];

/// Cargo writes this file itself, one registry line for each package.
const LOCK_FILE: &str = "Cargo.lock";

/// Checks every line of every text file.
pub(crate) fn check(tree: &Tree) -> Vec<Problem> {
    let hosts: Vec<String> = HOSTS.iter().map(|pieces| pieces.concat()).collect();
    let mut problems = Vec::new();
    for file in tree.files().filter(|file| file.path.rsplit('/').next() != Some(LOCK_FILE)) {
        for (number, line) in (1..).zip(file.text.lines()) {
            for host in hosts.iter().filter(|host| line.contains(host.as_str())) {
                let sentence =
                    format!("the registry host {host} is named; leave it to the configuration of the tool.");
                problems.push(Problem::new(&file.path, number, sentence));
            }
        }
    }
    problems
}
