//! Where exploring begins: the vectors of the codec, pairs of topics, and lists of random operations.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::targets::{Kind, Target};

/// The part of a vector file that matters here; its form is explained in `crates/codec/tests/it/vectors.rs`.
#[derive(Deserialize)]
struct Vectors {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    hex: String,
    #[serde(default)]
    each: Vec<String>,
}

/// Vectors longer than this are about sizes, and would only be slow to bend.
const VECTOR_BYTES_MAX: usize = 2_048;

/// Filters and names, from the examples of section 4.7.
const TOPICS: [&str; 16] = [
    "sport/tennis/player1/#\nsport/tennis/player1",
    "sport/#\nsport",
    "#\n$SYS/monitor",
    "+\n$SYS",
    "+/+\n/finance",
    "/+\n/finance",
    "+\n/finance",
    "$SYS/#\n$SYS/",
    "$share/consumer//finance/#\n/finance/a",
    "$share/g/+/b\n$a/b",
    "$share/g/$share/h/a\na",
    "$share/g/\n/",
    "$share\n$share",
    "a//b\na//b",
    "#/\n/",
    "a/+/b+\nA/B",
];

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder where the crashes of a target are kept.
pub fn crashes(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes").join(target.name)
}

/// The inputs that exploring a target begins with, crashes of the past among them.
///
/// # Errors
/// A sentence, when a file cannot be read.
pub fn of(target: &Target) -> Result<Vec<Vec<u8>>, String> {
    let mut seeds = match target.kind {
        Kind::Packets => vectors()?,
        Kind::Topics => TOPICS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        Kind::Operations => operations(0..64),
    };
    if target.name == "stream" {
        seeds.iter_mut().for_each(|seed| drop(seed.splice(0..0, [0xFF, 7])));
    }
    seeds.extend(folder(&crashes(target))?.into_iter().map(|(_, bytes)| bytes));
    Ok(seeds)
}

/// Bytes for lists of operations, one input for each number.
pub fn operations(numbers: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    let one = |number| {
        let mut random = fastrand::Rng::with_seed(number);
        let length = random.usize(1..=300);
        (0..length).map(|_| random.u8(..)).collect()
    };
    numbers.map(one).collect()
}

/// The files of a folder by name; none if there is no such folder.
///
/// # Errors
/// A sentence, when a file cannot be read.
pub fn folder(path: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let Ok(entries) = fs::read_dir(path) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", path.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() {
            files.push((name, fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?));
        }
    }
    files.sort();
    Ok(files)
}

/// The inputs of all vectors of the codec.
///
/// # Errors
/// A sentence, when a file cannot be read.
pub fn vectors() -> Result<Vec<Vec<u8>>, String> {
    let mut inputs = Vec::new();
    let files = folder(&root().join("crates/codec/tests/vectors"))?;
    for (name, bytes) in files.into_iter().filter(|(name, _)| name.ends_with(".toml")) {
        let text = String::from_utf8(bytes).map_err(|error| format!("{name}: {error}"))?;
        let vectors: Vectors = toml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        inputs.extend(vectors.case.iter().flat_map(Case::inputs));
    }
    inputs.retain(|input| input.len() <= VECTOR_BYTES_MAX);
    inputs.sort();
    inputs.dedup();
    Ok(inputs)
}

impl Case {
    fn inputs(&self) -> Vec<Vec<u8>> {
        if self.each.is_empty() {
            return vec![bytes(&self.hex)];
        }
        // Of a range its two ends are enough to begin with.
        let filled = self.each.iter().flat_map(|entry| match entry.split_once("..") {
            None => vec![entry.as_str()],
            Some((first, last)) => vec![first, last],
        });
        filled.map(|text| bytes(&self.hex.replace("{}", text))).collect()
    }
}

/// The bytes of text like `10 0C 61*70`.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (digits, times) = match word.split_once('*') {
            Some((digits, times)) => (digits, times.parse().unwrap()),
            None => (word, 1),
        };
        let pairs = digits.as_bytes().chunks(2);
        let pairs = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        bytes.extend(pairs.collect::<Vec<_>>().repeat(times));
    }
    bytes
}
