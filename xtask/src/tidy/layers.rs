//! Which crate may use which: arrows point down the table of ARCHITECTURE.md, never up.

use serde_json::Value;

use super::Problem;
use super::tree::Tree;

/// The layers from the bottom, by folder under `crates/`; `fuzz` is beside that.
const LAYERS: [&[&str]; 6] = [
    &["codec", "topics"],
    &["protocol"],
    &["transport", "storage", "auth", "cluster"],
    &["broker", "client"],
    &["admin", "bridge", "conformance", "sim", "bench", "fuzz"],
    &["cli"],
];

/// From this layer on a crate is part of what `sim` runs, and its tests may look up to it.
const SIMULATED: usize = 2;

/// Arrows within a layer that are wanted.
const SIDEWAYS: [(&str, &str); 1] = [("topics", "codec")];

/// Libraries that only some crates may depend on, in tests too.
const LIBRARIES: [(&str, &[&str]); 2] =
    [("mio", &["broker", "bench"]), ("tokio", &["client", "cli", "admin", "bridge", "cluster"])];

/// Every package of ours is called so, followed by its folder.
const PREFIX: &str = "colibri-";

/// One package of the workspace under `crates/`, or `fuzz`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Without the prefix.
    pub(crate) name: String,
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a package's dependencies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// With the prefix, if it is ours.
    pub(crate) name: String,
    pub(crate) use_: Use,
    /// The line of the manifest that names it.
    pub(crate) line: usize,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The crate itself, or its build script.
    Program,
    /// The tests of the crate.
    Tests,
}

/// Reads what `cargo metadata` printed; the error is a sentence.
pub(crate) fn packages(metadata: &Value, tree: &Tree) -> Result<Vec<Package>, String> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default().replace('\\', "/");
    let listed = metadata["packages"].as_array().ok_or("`cargo metadata` listed no packages.")?;
    let mut packages = Vec::new();
    for package in listed {
        let manifest = package["manifest_path"].as_str().unwrap_or_default().replace('\\', "/");
        let manifest = manifest.trim_start_matches(&root).trim_start_matches('/').to_owned();
        if !manifest.starts_with("crates/") && !manifest.starts_with("fuzz/") {
            continue;
        }
        let text = tree.get(&manifest).map_or("", |file| &file.text);
        let listed = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
        let dependencies = listed.iter().map(|dependency| read_dependency(dependency, text)).collect();
        let name = package["name"].as_str().unwrap_or_default();
        let name = name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
        packages.push(Package { name, manifest, dependencies });
    }
    Ok(packages)
}

fn read_dependency(dependency: &Value, manifest: &str) -> Dependency {
    let name = dependency["name"].as_str().unwrap_or_default().to_owned();
    let use_ = if dependency["kind"] == "dev" { Use::Tests } else { Use::Program };
    // Of a crate that is named twice, the tests' line comes last by our custom.
    let mut naming = (1..).zip(manifest.lines()).filter(|(_, line)| {
        line.trim_start().strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
    });
    let found = match use_ {
        Use::Program => naming.next(),
        Use::Tests => naming.last(),
    };
    Dependency { name, use_, line: found.map_or(1, |(line, _)| line) }
}

/// Checks every arrow of every package.
pub(crate) fn check(packages: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for package in packages {
        if layer(&package.name).is_none() {
            problems.push(Problem::new(&package.manifest, 1, unknown(&package.name)));
        }
        for dependency in &package.dependencies {
            let fault = match dependency.name.strip_prefix(PREFIX) {
                Some(ours) => arrow(&package.name, ours, dependency.use_),
                None => library(&package.name, &dependency.name),
            };
            if let Some(sentence) = fault {
                problems.push(Problem::new(&package.manifest, dependency.line, sentence));
            }
        }
    }
    problems
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&name))
}

fn unknown(name: &str) -> String {
    format!("{PREFIX}{name} has no layer; give it one in xtask/src/tidy/layers.rs and in ARCHITECTURE.md.")
}

/// What is wrong with one crate of ours using another, if anything.
fn arrow(from: &str, to: &str, use_: Use) -> Option<String> {
    // A user without a layer was reported once, for its manifest.
    let from_layer = layer(from)?;
    let Some(to_layer) = layer(to) else { return Some(unknown(to)) };
    if to == "sim" && from != "sim" && use_ == Use::Program {
        return Some(format!(
            "{PREFIX}{from} uses {PREFIX}sim, which is for tests; make it a dev-dependency."
        ));
    }
    if to == "fuzz" && from != "fuzz" {
        return Some(format!("{PREFIX}{from} uses {PREFIX}fuzz, which is for nobody to use."));
    }
    if from == "conformance" && to != "codec" && use_ == Use::Program {
        return Some(format!(
            "{PREFIX}conformance uses {PREFIX}{to}; it judges servers by their bytes and builds on {PREFIX}codec alone."
        ));
    }
    // Cargo builds the crate first, then the simulation on top of it, then the crate's tests on both.
    if to == "sim" && use_ == Use::Tests && from_layer >= SIMULATED {
        return None;
    }
    let sideways_allowed = use_ == Use::Tests || from == "sim" || SIDEWAYS.contains(&(from, to));
    if to_layer < from_layer || (to_layer == from_layer && sideways_allowed) {
        return None;
    }
    let direction = if to_layer == from_layer { "beside" } else { "above" };
    Some(format!(
        "{PREFIX}{from} (layer {from_layer}) uses {PREFIX}{to} (layer {to_layer}), which is {direction} it; \
         move the code down, or hand it in as an argument or a trait."
    ))
}

/// What is wrong with a crate of ours using this library, if anything.
fn library(from: &str, name: &str) -> Option<String> {
    let (_, allowed) = LIBRARIES.iter().find(|(library, _)| *library == name)?;
    (!allowed.contains(&from)).then(|| {
        format!(
            "{PREFIX}{from} depends on {name}, which is for {} only; go through that crate.",
            allowed.join(", ")
        )
    })
}
