//! What `statements/waivers.toml` says of our broker.

use std::collections::BTreeSet;

/// What says which cases do not apply, so that they count as no test of their statements.
const WAIVERS: &str = include_str!("../../statements/waivers.toml");

/// The names of the server cases that do not apply to our broker.
pub(crate) fn inapplicable() -> BTreeSet<&'static str> {
    let names = |line: &'static str| line.strip_prefix("server-case = \"")?.strip_suffix('"');
    WAIVERS.lines().filter_map(names).collect()
}
