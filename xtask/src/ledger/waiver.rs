//! The statements, or layers of them, that no test shows, each with its reason.

use super::layer::Layer;
use crate::tidy::Problem;
use crate::tidy::rust_file::RustFile;
use crate::tidy::tree::Tree;

/// The file of waivers.
pub(crate) const PATH: &str = "crates/conformance/statements/waivers.toml";

/// Why there is no test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    /// A type or a function makes a breach impossible.
    ByConstruction,
    /// Nothing that can be seen from outside would show a breach.
    NotObservable,
    /// It could be shown, and is not.
    Waived,
}

impl Status {
    const ALL: [Self; 3] = [Self::ByConstruction, Self::NotObservable, Self::Waived];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ByConstruction => "by construction",
            Self::NotObservable => "not observable",
            Self::Waived => "waived",
        }
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Waiver {
    pub(crate) line: usize,
    pub(crate) ids: Vec<String>,
    pub(crate) status: Status,
    /// The layers without a test; empty means all.
    pub(crate) layers: Vec<Layer>,
    /// What makes a breach impossible: a crate and names in it, such as `codec::Qos`.
    pub(crate) by: Option<String>,
    pub(crate) reason: String,
}

impl Waiver {
    /// Whether this entry is about a layer of a statement.
    pub(crate) fn covers(&self, id: &str, layer: Layer) -> bool {
        self.ids.iter().any(|own| own == id) && (self.layers.is_empty() || self.layers.contains(&layer))
    }
}

/// A case that does not apply to our own broker or client.
#[derive(Clone, Debug)]
pub(crate) struct NotApplicable {
    pub(crate) line: usize,
    pub(crate) case: Case,
}

/// A conformance case by its end and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) is_client: bool,
    pub(crate) name: String,
}

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Waivers {
    pub(crate) waivers: Vec<Waiver>,
    pub(crate) not_applicable: Vec<NotApplicable>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads the file; an entry that cannot be used is a problem.
pub(crate) fn read(tree: &Tree) -> Waivers {
    let mut read = Waivers::default();
    let Some(file) = tree.get(PATH) else {
        read.problems.push(Problem::new(PATH, 1, "the file of waivers is missing; an empty one will do."));
        return read;
    };
    let table: toml::Table = match file.text.parse() {
        Ok(table) => table,
        Err(error) => {
            let sentence = format!("the waivers cannot be read: {}.", error.message());
            read.problems.push(Problem::new(PATH, 1, sentence));
            return read;
        }
    };
    let entries = |key: &str| {
        let heading = format!("[[{key}]]");
        let lines = (1..).zip(file.text.lines()).filter(move |(_, text)| text.trim() == heading);
        let values = table.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default();
        lines.map(|(line, _)| line).zip(values).collect::<Vec<(usize, toml::Value)>>()
    };
    for (line, entry) in entries("waiver") {
        match waiver(line, &entry) {
            Ok(waiver) => {
                read.problems.extend(unnamed(tree, &waiver));
                read.waivers.push(waiver);
            }
            Err(sentence) => read.problems.push(Problem::new(PATH, line, sentence)),
        }
    }
    for (line, entry) in entries("not-applicable") {
        let (server, client) = (text(&entry, "server-case"), text(&entry, "client-case"));
        let is_client = client.is_some();
        match (server.xor(client), text(&entry, "reason")) {
            (Some(name), Some(_)) => {
                read.not_applicable.push(NotApplicable { line, case: Case { is_client, name } });
            }
            _ => {
                let sentence = "an entry has a `server-case` or a `client-case`, and a `reason`.";
                read.problems.push(Problem::new(PATH, line, sentence));
            }
        }
    }
    read
}

fn waiver(line: usize, entry: &toml::Value) -> Result<Waiver, String> {
    let ids = texts(entry, "ids").filter(|ids| !ids.is_empty()).ok_or("the entry names no `ids`.")?;
    let reason = text(entry, "reason").ok_or("the waiver has no `reason`; say why there is no test.")?;
    let status = text(entry, "status").unwrap_or_default();
    let status = Status::ALL.into_iter().find(|known| known.name() == status).ok_or_else(|| {
        format!("`{status}` is no status; write `by construction`, `not observable` or `waived`.")
    })?;
    let mut layers = Vec::new();
    for name in texts(entry, "layers").unwrap_or_default() {
        layers.push(Layer::named(&name).ok_or_else(|| format!("`{name}` is no layer."))?);
    }
    let by = text(entry, "by");
    if by.is_some() != (status == Status::ByConstruction) {
        return Err("`by` goes with `by construction` and names the type or function that does it.".into());
    }
    Ok(Waiver { line, ids, status, layers, by, reason })
}

fn text(entry: &toml::Value, key: &str) -> Option<String> {
    entry.get(key)?.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
}

fn texts(entry: &toml::Value, key: &str) -> Option<Vec<String>> {
    let values = entry.get(key)?.as_array()?;
    Some(values.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
}

/// What `by` names and the crate has not got.
fn unnamed(tree: &Tree, waiver: &Waiver) -> Option<Problem> {
    let by = waiver.by.as_deref()?;
    let (name, path) = by.split_once("::")?;
    let folder = format!("crates/{name}/src/");
    let items: Vec<String> = tree
        .rust_under(&folder)
        .flat_map(|file| RustFile::read(file).items())
        .map(|item| item.name)
        .collect();
    let missing = path.split("::").find(|part| !items.iter().any(|item| item == part))?;
    let sentence = format!("`{by}`: nothing called `{missing}` is defined in {folder}; name what does it.");
    Some(Problem::new(PATH, waiver.line, sentence))
}
