//! The numbered statements of both standards, and in which layers each is to be shown.

use super::layer::Layer;
use crate::tidy::tree::Tree;

/// The tables, each with the version that stands in front of its ids.
pub(crate) const TABLES: [(Version, &str); 2] = [
    (Version::V3, "crates/conformance/statements/mqtt-3.1.1.tsv"),
    (Version::V5, "crates/conformance/statements/mqtt-5.0.tsv"),
];

/// A version that numbers its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V3,
    V5,
}

impl Version {
    /// What stands in front of an id.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::V3 => "v3.1.1",
            Self::V5 => "v5",
        }
    }

    /// What the standard calls itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V3 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}

/// Who must keep a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
    Both,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Both => "both",
        }
    }

    pub(crate) fn has_server(self) -> bool {
        self != Self::Client
    }

    pub(crate) fn has_client(self) -> bool {
        self != Self::Server
    }
}

/// One row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// With the version in front: `v5 MQTT-3.1.0-2`.
    pub(crate) id: String,
    pub(crate) version: Version,
    pub(crate) role: Role,
    pub(crate) requirement: String,
    observation: String,
    pub(crate) path: &'static str,
    pub(crate) line: usize,
}

impl Statement {
    /// The layers in which this statement is to be shown, or to be waived: in memory and on a connection,
    /// for each end that must keep it and whose part the table says how to observe.
    pub(crate) fn demands(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        if self.role.has_server() && self.is_observable_at("broker") {
            layers.extend([Layer::ServerMemory, Layer::ServerWire]);
        }
        if self.role.has_client() && self.is_observable_at("client") {
            layers.extend([Layer::ClientMemory, Layer::ClientMock]);
        }
        layers
    }

    /// Whether a sentence of the observation is about this end; one that names neither is about both.
    fn is_observable_at(&self, end: &str) -> bool {
        let about = |sentence: &str| {
            let both = sentence.starts_with("broker and client:");
            let names_one = sentence.starts_with("broker") || sentence.starts_with("client");
            both || !names_one || sentence.starts_with(end)
        };
        !self.observation.starts_with("not observable") && self.observation.split(". ").any(about)
    }

    /// The section of the standard, such as `3.1` or `4.12`.
    pub(crate) fn section(&self) -> String {
        let number = self.id.rsplit("MQTT-").next().unwrap_or_default();
        number.split('.').take(2).collect::<Vec<_>>().join(".")
    }

    /// The id without its version.
    pub(crate) fn number(&self) -> &str {
        self.id.split_once(' ').map_or(self.id.as_str(), |(_, number)| number)
    }
}

/// Reads both tables, 3.1.1 first; the error is a sentence.
pub(crate) fn read(tree: &Tree) -> Result<Vec<Statement>, String> {
    let mut statements = Vec::new();
    for (version, path) in TABLES {
        let file = tree.get(path).ok_or_else(|| format!("{path} is missing."))?;
        for (line, row) in (1..).zip(file.text.lines()).skip(1) {
            statements
                .push(row_of(version, path, line, row).ok_or_else(|| format!("{path}:{line} is no row."))?);
        }
    }
    Ok(statements)
}

fn row_of(version: Version, path: &'static str, line: usize, row: &str) -> Option<Statement> {
    let columns: Vec<&str> = row.split('\t').collect();
    let [id, role, _area, requirement, observation] = columns.as_slice() else { return None };
    let role = match *role {
        "server" => Role::Server,
        "client" => Role::Client,
        "both" => Role::Both,
        _ => return None,
    };
    let id = format!("{} {id}", version.prefix());
    let (requirement, observation) = ((*requirement).to_owned(), (*observation).to_owned());
    Some(Statement { id, version, role, requirement, observation, path, line })
}
