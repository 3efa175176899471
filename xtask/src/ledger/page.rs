//! The page `docs/CONFORMANCE.md`: the totals, and for each statement its code, its tests and its status.

use std::collections::BTreeMap;

use super::layer::{Layer, names};
use super::statement::{Role, Statement, Version};
use super::waiver::{self, Waiver};
use super::{Ledger, Standing};

/// The sections with numbered statements, those of one version with it in front.
const SECTIONS: [(&str, &str); 34] = [
    ("1.5", "Data representation"),
    ("5.0 2.1", "Structure of an MQTT Control Packet"),
    ("3.1.1 2.2", "Fixed header"),
    ("5.0 2.2", "Variable Header"),
    ("2.3", "Variable header"),
    ("3.1", "CONNECT"),
    ("3.2", "CONNACK"),
    ("3.3", "PUBLISH"),
    ("3.4", "PUBACK"),
    ("3.5", "PUBREC"),
    ("3.6", "PUBREL"),
    ("3.7", "PUBCOMP"),
    ("3.8", "SUBSCRIBE"),
    ("3.9", "SUBACK"),
    ("3.10", "UNSUBSCRIBE"),
    ("3.11", "UNSUBACK"),
    ("3.12", "PINGREQ"),
    ("3.14", "DISCONNECT"),
    ("3.15", "AUTH"),
    ("3.1.1 4.1", "Storing state"),
    ("5.0 4.1", "Session State"),
    ("4.2", "Network Connections"),
    ("4.3", "Quality of Service levels and protocol flows"),
    ("4.4", "Message delivery retry"),
    ("4.5", "Message receipt"),
    ("4.6", "Message ordering"),
    ("4.7", "Topic Names and Topic Filters"),
    ("3.1.1 4.8", "Handling errors"),
    ("5.0 4.8", "Subscriptions"),
    ("4.9", "Flow Control"),
    ("4.12", "Enhanced authentication"),
    ("4.13", "Handling errors"),
    ("6.0", "Using WebSocket as a network transport"),
    ("7", "Conformance"),
];

/// A layer with tests in more files than this is shown by their number.
const FILES_MAX: usize = 4;

/// The whole page.
pub(crate) fn write(ledger: &Ledger) -> String {
    let mut page = head(ledger);
    for version in [Version::V3, Version::V5] {
        page.push_str(&format!("\n## MQTT {}\n", version.name()));
        let mut section = String::new();
        for statement in ledger.statements.iter().filter(|statement| statement.version == version) {
            if statement.section() != section {
                section = statement.section();
                page.push_str(&format!("\n### {section} {}\n\n", title(version, &section)));
                page.push_str("| Statement | Requirement | Who | Where | Tests | Status |\n");
                page.push_str("|---|---|---|---|---|---|\n");
            }
            page.push_str(&row(ledger, statement));
        }
    }
    page
}

fn title(version: Version, section: &str) -> &'static str {
    let own = format!("{} {section}", version.name());
    let chapter = section.split('.').next().unwrap_or_default();
    let known = |key: &str| SECTIONS.iter().find(|(number, _)| *number == key).map(|(_, title)| *title);
    known(&own).or_else(|| known(section)).or_else(|| known(chapter)).unwrap_or_default()
}

fn head(ledger: &Ledger) -> String {
    let mut head = String::from(
        "# Conformance\n\n\
         Every numbered statement of MQTT 3.1.1 and 5.0, in our words, with the code that enforces it and the\n\
         tests that show it. `cargo xtask ledger --write` writes this page from the tree, and\n\
         `cargo xtask ledger` fails when it is not what the tree says.\n\n\
         The tests are of five layers. *server memory* is our broker on a virtual clock, *server wire* a\n\
         conformance case against it over a socket; *client memory* is the client's state machine on a virtual\n\
         clock, *client mock* a case in which a scripted server talks to it over a socket; *vectors* are bytes\n\
         through the codec, which both ends share. A statement is to be shown in memory and over a socket, at\n\
         each end that must keep it and where it can be observed. What is not is waived with a reason in\n",
    );
    head.push_str(&format!("[waivers.toml](../{}).\n\n", waiver::PATH));
    head.push_str("| Version | Role | Statements |");
    let counted: Vec<Standing> = Standing::ALL.into_iter().collect();
    for standing in &counted {
        head.push_str(&format!(" {} |", standing.name()));
    }
    head.push_str(&format!("\n|---|---|---|{}\n", "---|".repeat(counted.len())));
    for version in [Version::V3, Version::V5] {
        for role in [Some(Role::Server), Some(Role::Client), Some(Role::Both), None] {
            let chosen: Vec<&Statement> = ledger
                .statements
                .iter()
                .filter(|statement| statement.version == version)
                .filter(|statement| role.is_none_or(|role| statement.role == role))
                .collect();
            let name = role.map_or("all", Role::name);
            head.push_str(&format!("| {} | {name} | {} |", version.name(), chosen.len()));
            for standing in &counted {
                let count = chosen.iter().filter(|statement| ledger.standing(statement) == *standing).count();
                head.push_str(&format!(" {count} |"));
            }
            head.push('\n');
        }
    }
    head
}

fn row(ledger: &Ledger, statement: &Statement) -> String {
    let columns = [
        statement.number().to_owned(),
        statement.requirement.replace('|', "\\|"),
        statement.role.name().to_owned(),
        places(ledger, statement),
        tests(ledger, statement),
        status(ledger, statement),
    ];
    format!("| {} |\n", columns.join(" | "))
}

/// The files and functions that cite it; entries of tables only where nothing else does.
fn places(ledger: &Ledger, statement: &Statement) -> String {
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let all = || ledger.citations.iter().filter(|cited| cited.id == statement.id);
    let only_entries = all().all(|cited| cited.is_entry);
    for cited in all().filter(|cited| only_entries || !cited.is_entry) {
        let items = by_file.entry(&cited.path).or_default();
        if let Some(item) = cited.item.as_deref()
            && !items.contains(&item)
        {
            items.push(item);
        }
    }
    let show = |(path, items): (&&str, &Vec<&str>)| {
        let items: Vec<String> = items.iter().map(|item| format!("`{item}`")).collect();
        format!("{} {}", link(path), items.join(", ")).trim_end().to_owned()
    };
    by_file.iter().map(show).collect::<Vec<_>>().join("<br>")
}

/// For each layer its files, with how many tests each has when it has several.
fn tests(ledger: &Ledger, statement: &Statement) -> String {
    let mut lines = Vec::new();
    for layer in Layer::ALL {
        let mut by_file: BTreeMap<&str, usize> = BTreeMap::new();
        for shown in ledger.shown.iter().filter(|shown| shown.layer == layer && shown.id == statement.id) {
            *by_file.entry(&shown.path).or_default() += 1;
        }
        if by_file.len() > FILES_MAX {
            let count: usize = by_file.values().sum();
            lines.push(format!("{}: {count} in {} files", layer.name(), by_file.len()));
            continue;
        }
        let files: Vec<String> = by_file
            .iter()
            .map(|(path, count)| match count {
                1 => link(path),
                _ => format!("{} ×{count}", link(path)),
            })
            .collect();
        if !files.is_empty() {
            lines.push(format!("{}: {}", layer.name(), files.join(", ")));
        }
    }
    lines.join("<br>")
}

fn status(ledger: &Ledger, statement: &Statement) -> String {
    let standing = ledger.standing(statement);
    let mut parts = Vec::new();
    match standing {
        Standing::Tested => parts.push("tested".to_owned()),
        Standing::Open => {
            let layers = ledger.open_layers(statement);
            parts.push(format!("open: {}", if layers.is_empty() { "all".into() } else { names(&layers) }));
        }
        Standing::ByConstruction | Standing::NotObservable | Standing::Waived => {}
    }
    parts.extend(ledger.waivers_of(statement).map(excuse));
    parts.join("<br>")
}

fn excuse(waiver: &Waiver) -> String {
    let by = waiver.by.as_ref().map_or(String::new(), |by| format!(" (`{by}`)"));
    let layers =
        if waiver.layers.is_empty() { String::new() } else { format!("{}: ", names(&waiver.layers)) };
    format!("{layers}{}{by}: {}", waiver.status.name(), waiver.reason.replace('|', "\\|"))
}

/// A link to a file, named after its crate and the end of its path.
fn link(path: &str) -> String {
    let short = path.strip_prefix("crates/").unwrap_or(path);
    let short = short.replace("/src/", "/").replace("/tests/it/", "/").replace("/tests/vectors/", "/");
    let short = short.trim_end_matches(".rs").trim_end_matches(".toml").trim_end_matches("/mod");
    format!("[{short}](../{path})")
}
