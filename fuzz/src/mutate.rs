//! Bends inputs: bits, bytes, blocks, splices, a dictionary of MQTT, and a Remaining Length that fits.

use crate::targets::Kind;

/// The longest input that bending makes, in bytes.
const LENGTH_MAX: usize = 4_096;
/// The same for lists of operations, which take time one by one.
const OPERATIONS_LENGTH_MAX: usize = 600;

/// What means something in control packets.
const WORDS: [&[u8]; 40] = [
    b"\x00\x04MQTT\x04",
    b"\x00\x04MQTT\x05",
    b"\x00\x06MQIsdp\x03",
    b"\x00\x01a",
    b"\x00\x00",
    b"\x00\x01#",
    b"\x00\x03a/+",
    b"\x00\x0a$share/g/a",
    b"\x01\x01",
    b"\x02\x00\x00\x00\x05",
    b"\x03\x00\x01t",
    b"\x08\x00\x01r",
    b"\x09\x00\x02\x00\xff",
    b"\x0b\x7f",
    b"\x0b\xff\xff\xff\x7f",
    b"\x11\xff\xff\xff\xff",
    b"\x12\x00\x01c",
    b"\x13\x00\x0a",
    b"\x15\x00\x01m",
    b"\x16\x00\x01d",
    b"\x17\x00",
    b"\x18\x00\x00\x00\x01",
    b"\x19\x01",
    b"\x1a\x00\x01i",
    b"\x1c\x00\x01s",
    b"\x1f\x00\x01r",
    b"\x21\x00\x01",
    b"\x22\x00\x02",
    b"\x23\x00\x01",
    b"\x24\x01",
    b"\x25\x00",
    b"\x26\x00\x01k\x00\x01v",
    b"\x27\x00\x00\x00\x20",
    b"\x28\x00",
    b"\x29\x00",
    b"\x2a\x00",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\x80\x80\x80\x01",
    b"\xff\xff\xff\x7f",
];

/// What means something in filters and names.
const TOPIC_WORDS: [&[u8]; 12] =
    [b"#", b"+", b"/", b"$", b"$share/", b"$share/g/", b"$SYS/", b"\n", b"a", b"a/b", b"\0", b"\xc3\xa9"];

/// Bytes at the edge of something.
const EDGES: [u8; 14] = [0, 1, 2, 3, 4, 5, 6, 0x7E, 0x7F, 0x80, 0x81, 0xC0, 0xFE, 0xFF];

/// Bends inputs of one kind.
#[derive(Debug)]
pub struct Mutator {
    kind: Kind,
    random: fastrand::Rng,
}

impl Mutator {
    /// One that does the same for the same seed.
    pub fn new(kind: Kind, seed: u64) -> Self {
        Self { kind, random: fastrand::Rng::with_seed(seed) }
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.random.usize(..end)
    }

    /// Puts an input into `out` that comes of `parent`, with pieces of `other`.
    pub fn bend(&mut self, parent: &[u8], other: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(parent);
        for _ in 0..1 + self.random.usize(..4) {
            self.once(other, out);
        }
        out.truncate(if self.kind == Kind::Operations { OPERATIONS_LENGTH_MAX } else { LENGTH_MAX });
        if self.kind == Kind::Packets && self.random.bool() {
            fit_remaining_length(out);
        }
    }

    fn once(&mut self, other: &[u8], out: &mut Vec<u8>) {
        if out.is_empty() {
            out.push(self.random.u8(..));
            return;
        }
        let at = self.random.usize(..out.len());
        match self.random.u8(..12) {
            0 => out[at] ^= 1 << self.random.u8(..8),
            1 => out[at] = self.random.u8(..),
            2 => out[at] = EDGES[self.random.usize(..EDGES.len())],
            3 => out[at] = out[at].wrapping_add(self.random.u8(..16)).wrapping_sub(8),
            4 => out.insert(at, self.random.u8(..)),
            5 => {
                let end = (at + 1 + self.random.usize(..8)).min(out.len());
                out.drain(at..end);
            }
            6 => out.truncate(at),
            7 => {
                let end = (at + 1 + self.random.usize(..24)).min(out.len());
                let block = out[at..end].to_vec();
                let to = self.random.usize(..=out.len());
                out.splice(to..to, block);
            }
            8 | 9 => {
                let word = self.word();
                let end = if self.random.bool() { at } else { (at + word.len()).min(out.len()) };
                out.splice(at..end, word.iter().copied());
            }
            10 if !other.is_empty() => {
                let from = self.random.usize(..other.len());
                let end = (from + 1 + self.random.usize(..64)).min(other.len());
                let last = if self.random.bool() { at } else { (at + end - from).min(out.len()) };
                out.splice(at..last, other[from..end].iter().copied());
            }
            _ => {
                let from = self.random.usize(..=other.len());
                out.truncate(at);
                out.extend_from_slice(&other[from..]);
            }
        }
    }

    fn word(&mut self) -> &'static [u8] {
        match self.kind {
            Kind::Packets | Kind::Operations => WORDS[self.random.usize(..WORDS.len())],
            Kind::Topics => TOPIC_WORDS[self.random.usize(..TOPIC_WORDS.len())],
        }
    }
}

/// Makes the Remaining Length of the first packet that of all bytes behind it.
fn fit_remaining_length(packet: &mut Vec<u8>) {
    let header = packet.iter().skip(1).take(3).take_while(|byte| **byte >= 0x80).count() + 2;
    if packet.len() < header {
        return;
    }
    let mut rest = packet.len() - header;
    let mut length = Vec::new();
    while rest >= 0x80 {
        length.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    length.push(rest.to_le_bytes()[0]);
    packet.splice(1..header, length);
}
