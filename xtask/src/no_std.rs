//! `cargo xtask no-std`: codec, topics and protocol build without the standard library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outcome::{Failure, Outcome, Tally};
use crate::tidy::rust_file::RustFile;
use crate::tidy::tree::Tree;
use crate::workspace::{self, Workspace};

/// The crates that must build without the standard library.
const CRATES: [&str; 3] = ["codec", "topics", "protocol"];

/// The target that we propose when no bare-metal target is installed.
const PROPOSED_TARGET: &str = "thumbv7em-none-eabihf";

/// Checks the attribute, then builds each crate by itself for every bare-metal target at hand.
/// By itself, because in a common build one crate's features hide what another forgot to ask for.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    let tree = Tree::read(workspace.root())?;
    for name in CRATES {
        declares_no_std(&tree, name)?;
        build(workspace, name, None)?;
    }
    let targets = bare_metal_targets(&sysroot(workspace)?.join("lib/rustlib"));
    for target in &targets {
        println!("building {} for {target}", CRATES.join(", "));
        for name in CRATES {
            build(workspace, name, Some(target))?;
        }
    }
    if targets.is_empty() {
        println!(
            "SKIP bare metal: no bare-metal target is installed; `rustup target add {PROPOSED_TARGET}` adds one."
        );
        return Ok(Tally::ONE_SKIPPED);
    }
    Ok(Tally::default())
}

fn build(workspace: &Workspace, name: &str, target: Option<&str>) -> Result<(), String> {
    let package = format!("colibri-{name}");
    let mut command = workspace.cargo(&["build", "--lib", "--package", &package]);
    if let Some(target) = target {
        command.args(["--target", target]);
    }
    workspace::run(&mut command)
}

/// With `#![no_std]` and without `extern crate std`, a path into `std` does not compile.
fn declares_no_std(tree: &Tree, name: &str) -> Result<(), Failure> {
    let folder = format!("crates/{name}/src/");
    let lib = format!("{folder}lib.rs");
    let declared = tree.get(&lib).is_some_and(|file| {
        let rust = RustFile::read(file);
        !rust.find("#![no_std]").is_empty() || !rust.find("#![cfg_attr(not(test), no_std)]").is_empty()
    });
    if !declared {
        return Err(Failure::from(format!("{lib} does not say `#![no_std]`.")));
    }
    for file in tree.rust_under(&folder) {
        let rust = RustFile::read(file);
        if let Some(&at) = rust.find("extern crate std").iter().find(|at| !rust.in_tests(**at)) {
            let line = rust.line(at);
            return Err(Failure::from(format!("{}:{line} brings the standard library in.", file.path)));
        }
    }
    Ok(())
}

fn sysroot(workspace: &Workspace) -> Result<PathBuf, String> {
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let text = workspace::read(rustc.args(["--print", "sysroot"]).current_dir(workspace.root()))?;
    Ok(PathBuf::from(text.trim()))
}

/// The installed targets without an operating system, by the `none` in their names.
fn bare_metal_targets(rustlib: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(rustlib)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("lib").is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.split('-').any(|part| part == "none"))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{bare_metal_targets, declares_no_std};
    use crate::tidy::tree::Tree;

    #[test]
    fn a_crate_with_std_is_refused() {
        let lib = "crates/codec/src/lib.rs";
        let refused = |text: &str| declares_no_std(&Tree::of(&[(lib, text)]), "codec").is_err();
        assert!(!refused("//! Doc.\n#![no_std]\n"));
        assert!(!refused("//! Doc.\n#![cfg_attr(not(test), no_std)]\n"));
        assert!(!refused("//! Doc.\n#![no_std]\n#[cfg(test)]\nextern crate std;\n"));
        assert!(refused("//! Doc.\n"));
        assert!(refused("//! Doc. #![no_std]\n"));
        assert!(refused("//! Doc.\n#![no_std]\nextern crate std;\n"));
        assert!(declares_no_std(&Tree::of(&[]), "codec").is_err());
    }

    #[test]
    fn only_targets_without_an_operating_system_count() {
        let rustlib = std::env::temp_dir().join(format!("xtask-rustlib-{}", std::process::id()));
        for folder in
            ["thumbv7em-none-eabihf/lib", "x86_64-unknown-linux-gnu/lib", "riscv32i-unknown-none-elf/etc"]
        {
            fs::create_dir_all(rustlib.join(folder)).unwrap();
        }
        let targets = bare_metal_targets(&rustlib);
        fs::remove_dir_all(&rustlib).unwrap();
        assert_eq!(targets, ["thumbv7em-none-eabihf"]);
        assert!(bare_metal_targets(&rustlib).is_empty());
    }
}
