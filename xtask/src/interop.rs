//! `cargo xtask interop`: the `colibri` binary against other clients, by tests/interop/run.py.

use crate::outcome::{Failure, Outcome, Tally};
use crate::script;
use crate::workspace::Workspace;

/// The script's path from the root of the workspace.
const SCRIPT: &str = "tests/interop/run.py";
/// How many shards the broker gets, run by run: everything works the same with one, two and more than
/// there are processors.
const SHARDS: [&str; 3] = ["1", "2", "8"];

/// Builds the binary and hands it to the script; `only` names one client or suite of the script's.
pub(crate) fn run(workspace: &Workspace, only: Option<&str>) -> Outcome {
    if !workspace.root().join(SCRIPT).is_file() {
        return Err(Failure::from(format!("The script {SCRIPT} does not exist.")));
    }
    if let Some(reason) = script::python_is_missing() {
        println!("SKIP interop: {reason}");
        return Ok(Tally::ONE_SKIPPED);
    }
    let colibri = script::build(workspace)?;
    let mut total = Tally::default();
    for shards in SHARDS {
        println!("-- interop with {shards} shard(s)");
        let mut arguments = vec!["--shards", shards];
        arguments.extend(only.iter().flat_map(|name| ["--only", name]));
        total += script::run(workspace, SCRIPT, &colibri, &arguments)?;
    }
    Ok(total)
}
