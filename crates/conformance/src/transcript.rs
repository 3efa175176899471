//! What went over a connection last, in words and in hexadecimal, for failures.

use std::collections::VecDeque;

use colibri_codec::Version;

use crate::raw::{Kind, hex, length, split, words};

/// How many packets are shown of each direction.
const SHOWN_MAX: usize = 6;
/// The largest packet, in bytes, that is told in words: of a larger one the size is of interest.
const WORDS_MAX: usize = 70_000;

/// What went over a connection last.
#[derive(Debug)]
pub(crate) struct Transcript {
    sent: Stream,
    received: Stream,
}

impl Transcript {
    pub(crate) fn new(version: Version) -> Self {
        Self { sent: Stream::new(version), received: Stream::new(version) }
    }

    /// Takes note of what is sent: packets, parts of them, or bytes that are none.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.sent.add(bytes);
    }

    /// Takes note of a packet that came.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.received.add(bytes);
    }

    /// What was sent last, a packet a line.
    pub(crate) fn sent(&self) -> String {
        self.sent.show()
    }

    /// What came last, a packet a line.
    pub(crate) fn received(&self) -> String {
        self.received.show()
    }
}

/// One direction.
#[derive(Debug)]
struct Stream {
    version: Version,
    lines: VecDeque<String>,
    /// The beginning of a packet whose rest is to come.
    part: Vec<u8>,
    /// Whether what came before can be cut into packets no more.
    is_torn: bool,
}

impl Stream {
    fn new(version: Version) -> Self {
        Self { version, lines: VecDeque::new(), part: Vec::new(), is_torn: false }
    }

    fn add(&mut self, bytes: &[u8]) {
        let joined = if self.part.is_empty() { None } else { Some([&self.part, bytes].concat()) };
        let mut rest = joined.as_deref().unwrap_or(bytes);
        while !rest.is_empty() && !self.is_torn {
            match length(rest) {
                Ok(Some(size)) if size <= rest.len() => {
                    let (packet, more) = rest.split_at(size);
                    self.push(line(packet, self.version));
                    rest = more;
                }
                Ok(_) => break,
                Err(_) => self.is_torn = true,
            }
        }
        if self.is_torn && !rest.is_empty() {
            self.push(format!("bytes that begin no packet: {}", hex(rest)));
            rest = &[];
        }
        self.part = rest.to_vec();
    }

    fn push(&mut self, line: String) {
        if self.lines.len() == SHOWN_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    fn show(&self) -> String {
        let part = self.part.first().map(|_| part(&self.part));
        self.lines.iter().cloned().chain(part).collect::<Vec<_>>().join("\n")
    }
}

/// A packet that is not whole.
pub(crate) fn part(bytes: &[u8]) -> String {
    let name = Kind::of(bytes.first().copied().unwrap_or(0)).name();
    format!("part of a packet, {name}: {}", hex(bytes))
}

/// A whole packet.
fn line(packet: &[u8], version: Version) -> String {
    if packet.len() > WORDS_MAX {
        let name = Kind::of(packet.first().copied().unwrap_or(0)).name();
        return format!("{name}: {}", hex(packet));
    }
    match split(packet, version) {
        Ok(Some(whole)) => format!("{}: {}", words(&whole), hex(packet)),
        Ok(None) | Err(_) => hex(packet),
    }
}

#[cfg(test)]
mod tests {
    use super::{SHOWN_MAX, Transcript};
    use colibri_codec::Version;

    fn sent(parts: &[&[u8]]) -> String {
        let mut transcript = Transcript::new(Version::V3_1_1);
        parts.iter().for_each(|part| transcript.send(part));
        transcript.sent()
    }

    #[test]
    fn a_packet_in_parts_is_one_packet() {
        let whole = "SUBSCRIBE (id 1, filter \"a\" with options 0x01): 82 06 00 01 00 01 61 01";
        assert_eq!(sent(&[&[0x82], &[6, 0, 1, 0, 1], b"a", &[1]]), whole);
        assert_eq!(sent(&[&[0xC0, 0, 0x82, 6, 0, 1, 0, 1, b'a', 1]]), format!("PINGREQ: C0 00\n{whole}"));
    }

    #[test]
    fn what_is_not_whole_is_told_to_be_a_part() {
        assert_eq!(
            sent(&[&[0xC0, 0], &[0x82, 6, 0]]),
            "PINGREQ: C0 00\npart of a packet, SUBSCRIBE: 82 06 00"
        );
    }

    #[test]
    fn what_is_no_packet_is_told_to_be_none() {
        let torn = "bytes that begin no packet: 30 80 80 80 80 01";
        assert_eq!(
            sent(&[&[0x30, 0x80, 0x80, 0x80, 0x80, 1], &[0xC0, 0]]),
            format!("{torn}\nbytes that begin no packet: C0 00")
        );
    }

    #[test]
    fn only_the_last_packets_are_shown() {
        assert_eq!(sent(&[&[0xC0, 0][..]; 2 * SHOWN_MAX]).lines().count(), SHOWN_MAX);
    }
}
