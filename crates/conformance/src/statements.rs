//! The numbered statements of both standards, in our own words.

use std::sync::LazyLock;

use colibri_codec::Version;

/// The tables, whose columns are id, role, area, requirement and observation.
const TABLES: [(Version, &str); 2] = [
    (Version::V3_1_1, include_str!("../statements/mqtt-3.1.1.tsv")),
    (Version::V5, include_str!("../statements/mqtt-5.0.tsv")),
];

static STATEMENTS: LazyLock<Vec<Statement>> = LazyLock::new(|| {
    TABLES
        .iter()
        .flat_map(|(version, table)| table.lines().skip(1).filter_map(|line| read(*version, line)))
        .collect()
});

/// Who must keep a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Server,
    Client,
    Both,
}

/// A numbered statement.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The version whose standard has it.
    pub version: Version,
    /// With the version in front: `v5 MQTT-3.1.0-2`.
    pub id: String,
    /// Who must keep it.
    pub role: Role,
    /// The packet or the matter that it is about.
    pub area: &'static str,
    /// What it asks for.
    pub requirement: &'static str,
    /// How the wire shows it.
    pub observation: &'static str,
}

impl Statement {
    /// Whether bytes on the wire can show it.
    pub fn is_observable(&self) -> bool {
        !self.observation.starts_with("not observable")
    }
}

/// All statements, 3.1.1 first.
pub fn statements() -> &'static [Statement] {
    &STATEMENTS
}

fn read(version: Version, line: &'static str) -> Option<Statement> {
    let mut columns = line.split('\t');
    let id = format!("{}{}", crate::case::prefix(version), columns.next()?);
    let role = match columns.next()? {
        "server" => Role::Server,
        "client" => Role::Client,
        _ => Role::Both,
    };
    let (area, requirement, observation) = (columns.next()?, columns.next()?, columns.next()?);
    Some(Statement { version, id, role, area, requirement, observation })
}
