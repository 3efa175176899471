//! Runs the vectors: named cases in `tests/vectors/*.toml`, hex in, a packet or a named refusal out.

use std::collections::HashSet;
use std::path::PathBuf;

use colibri_codec::{Blame, Frame, Malformed, Packet, SliceSink, Split, Version};
use serde::Deserialize;

use crate::{dump, encode, stated_length};

/// There are a few more; fewer than this means that some were lost.
const CASES_MIN: usize = 2_800;

/// The files, one per packet and one for what happens before a packet's type matters.
const FILES: [&str; 16] = [
    "auth",
    "connack",
    "connect",
    "disconnect",
    "frame",
    "pingreq",
    "pingresp",
    "puback",
    "pubcomp",
    "publish",
    "pubrec",
    "pubrel",
    "suback",
    "subscribe",
    "unsuback",
    "unsubscribe",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

/// One named case, which is about one input, or about several with the same outcome.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// A sentence, unique in its file.
    name: String,
    /// The versions of the connection that the input comes on; for a CONNECT the one it asks for.
    versions: Vec<String>,
    /// The input: hexadecimal bytes with spaces anywhere between them, `61*70` for seventy of one.
    hex: String,
    /// What `{}` in the input stands for, one input each: bytes like those of the input, or a range
    /// of one byte like `05..0F`, both ends included. In the outcome `{}` stands for the same, in
    /// `refused` as a decimal number.
    #[serde(default)]
    each: Vec<String>,
    /// The largest packet that the receiver takes, in bytes; without it there is no limit.
    maximum: Option<u32>,
    /// The decoded packet in the form of `dump.rs`.
    accepted: Option<String>,
    /// The bytes that the accepted packet is written as, where they are not those of the input.
    reencoded: Option<String>,
    /// How many bytes of the input are left behind the accepted packet.
    #[serde(default)]
    left: usize,
    /// How many bytes the input must have before it is worth asking again.
    need: Option<usize>,
    /// The name of the variant of [`Malformed`], with its fields.
    refused: Option<String>,
    /// The reason code of the refusal.
    reason: Option<u8>,
    /// The numbered statements that a refused input breaks.
    #[serde(default)]
    statements: Statements,
}

/// The numbered statements of each standard; those of 3.1.1 stand for 3.1 too.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statements {
    #[serde(default)]
    v3: Vec<String>,
    #[serde(default)]
    v5: Vec<String>,
}

#[test]
fn every_vector_has_its_outcome() {
    let mut failures = Vec::new();
    let mut cases = 0;
    let mut inputs = 0;
    for file in FILES {
        let parsed = read(file);
        let mut names = HashSet::new();
        for case in &parsed.case {
            assert!(names.insert(&case.name), "{file}: two cases are called {:?}", case.name);
            assert!(!case.versions.is_empty(), "{file}: {}: there is no version", case.name);
            for version in case.versions.iter().map(|name| version(name)) {
                for (input, filled) in case.inputs() {
                    inputs += 1;
                    if let Err(reason) = case.check(version, &input, &filled) {
                        failures.push(format!("{file}: {} [{version}, {filled}]: {reason}", case.name));
                    }
                }
            }
        }
        println!("{file}: {} cases", parsed.case.len());
        cases += parsed.case.len();
    }
    println!("{cases} cases, {inputs} inputs");
    let shown = failures.iter().take(60).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{} vectors fail, the first of them:\n{shown}", failures.len());
    assert!(cases >= CASES_MIN, "only {cases} cases are left");
}

#[test]
fn every_file_of_vectors_is_run() {
    let found = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut found = found
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    found.sort();
    assert_eq!(found, FILES);
}

impl Case {
    /// The inputs, each with what was filled in for `{}`.
    fn inputs(&self) -> Vec<(Vec<u8>, String)> {
        if self.each.is_empty() {
            return vec![(bytes(&self.hex), String::new())];
        }
        let filled = self.each.iter().flat_map(|entry| match entry.split_once("..") {
            None => vec![entry.clone()],
            Some((first, last)) => (byte(first)..=byte(last)).map(|number| format!("{number:02X}")).collect(),
        });
        filled.map(|text| (bytes(&self.hex.replace("{}", &text)), text)).collect()
    }

    fn check(&self, version: Version, input: &[u8], filled: &str) -> Result<(), String> {
        let maximum = self.maximum.unwrap_or(u32::MAX);
        let outcome = match Frame::split(input, maximum) {
            Ok(Split::Need(need)) => return same("need", &Some(need), &self.need),
            Ok(Split::Frame(frame, used)) => {
                same("left", &(input.len() - used), &self.left)?;
                Packet::decode(frame, version).map(|packet| (packet, used))
            }
            Err(error) => Err(error),
        };
        same("need", &None, &self.need)?;
        match (outcome, &self.accepted, &self.refused) {
            (Ok((packet, used)), Some(accepted), None) => {
                same("dump", &dump::packet(&packet), &accepted.replace("{}", filled))?;
                let canonical = match &self.reencoded {
                    Some(hex) => bytes(&hex.replace("{}", filled)),
                    None => input[..used].to_vec(),
                };
                check_encoding(&packet, version, &canonical)
            }
            (Err(error), None, Some(refused)) => {
                self.check_refusal(error, version, &refused.replace("{}", &decimal(filled)))
            }
            (Ok((packet, _)), ..) => Err(format!("accepted as {}", dump::packet(&packet))),
            (Err(error), ..) => Err(format!("refused as {error:?}")),
        }
    }

    fn check_refusal(&self, error: Malformed, version: Version, refused: &str) -> Result<(), String> {
        same("refused", &format!("{error:?}"), &refused.to_owned())?;
        same("reason", &Some(error.reason_code().number()), &self.reason)?;
        let statements = if version == Version::V5 { &self.statements.v5 } else { &self.statements.v3 };
        same(
            "statements",
            &error.statements(version).to_vec(),
            &statements.iter().map(String::as_str).collect(),
        )?;
        same("blame", &error.blame(), &Blame::Peer)
    }
}

/// Checks that the packet is written as `canonical`, and reads again as itself.
fn check_encoding(packet: &Packet<'_>, version: Version, canonical: &[u8]) -> Result<(), String> {
    let written = encode(packet, version).map_err(|error| format!("not encoded: {error}"))?;
    same("reencoded", &hex(&written), &hex(canonical))?;
    if let Some(length) = stated_length(packet, version) {
        same("length", &length.map(|length| length as usize), &Ok(written.len()))?;
    }
    let mut buffer = vec![0; written.len()];
    let mut sink = SliceSink::new(&mut buffer);
    packet.encode(version, &mut sink).map_err(|error| error.to_string())?;
    same("slice", &sink.finish(), &Ok(&written[..]))?;
    match Frame::split(&written, u32::MAX) {
        Ok(Split::Frame(frame, used)) => {
            same("used", &used, &written.len())?;
            same("decoded again", &Packet::decode(frame, version), &Ok(*packet))
        }
        other => Err(format!("split again: {other:?}")),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, expected: &T) -> Result<(), String> {
    if is == expected {
        return Ok(());
    }
    let [is, expected] =
        [is, expected].map(|value| format!("{value:?}").chars().take(300).collect::<String>());
    Err(format!("{what} is {is} and not {expected}"))
}

fn read(file: &str) -> File {
    let path = directory().join(file).with_extension("toml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn version(name: &str) -> Version {
    let found = Version::ALL.into_iter().find(|version| version.to_string() == name);
    found.unwrap_or_else(|| panic!("there is no version {name}"))
}

/// The bytes of text like `10 0C 61*70`.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (digits, times) = match word.split_once('*') {
            Some((digits, times)) => (digits, times.parse().unwrap()),
            None => (word, 1),
        };
        let pairs = digits.as_bytes().chunks(2).map(|pair| byte(std::str::from_utf8(pair).unwrap()));
        bytes.extend(pairs.collect::<Vec<_>>().repeat(times));
    }
    bytes
}

fn byte(digits: &str) -> u8 {
    assert_eq!(digits.len(), 2, "{digits}");
    u8::from_str_radix(digits, 16).unwrap()
}

/// One byte in hexadecimal as a decimal number; anything else as it is.
fn decimal(filled: &str) -> String {
    match u8::from_str_radix(filled, 16) {
        Ok(number) if filled.len() == 2 => number.to_string(),
        Ok(_) | Err(_) => filled.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X} ")).collect()
}
