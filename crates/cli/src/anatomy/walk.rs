//! A cursor that turns bytes into fields and never loses one.

use colibri_codec::{Malformed, Version};

use super::{Bits, Field};

/// How many characters of a text, or bytes of data, a value shows; the rest is in the hex dump.
const SHOWN_MAX: usize = 120;

/// Walks over the bytes of a packet and notes its fields and what is wrong with them.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the part that is being read ends: the packet or a property section.
    end: usize,
    /// What it means that a field goes on past that end.
    past_end: Malformed,
    version: Version,
    /// More bytes are still to come, so that a missing one breaks no rule yet.
    incomplete: bool,
    depth: usize,
    fields: Vec<Field>,
    problems: Vec<(usize, Malformed)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(bytes: &'a [u8], version: Version, incomplete: bool) -> Self {
        Self {
            bytes,
            at: 0,
            end: bytes.len(),
            past_end: Malformed::Truncated,
            version,
            incomplete,
            depth: 0,
            fields: Vec::new(),
            problems: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> (Vec<Field>, Vec<(usize, Malformed)>) {
        (self.fields, self.problems)
    }

    pub(super) const fn version(&self) -> Version {
        self.version
    }

    pub(super) const fn fields(&self) -> &[Field] {
        self.fields.as_slice()
    }

    /// How many bytes are left in the part that is being read.
    pub(super) const fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// The bytes left in the part that is being read.
    fn rest_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    /// The section for this version; 3.1 has one for each packet and no finer ones.
    pub(super) fn section(&self, v5: &'static str, v3_1_1: &'static str) -> &'static str {
        match self.version {
            Version::V5 => v5,
            Version::V3_1_1 => v3_1_1,
            Version::V3_1 => {
                let second_dot = v3_1_1.match_indices('.').nth(1).map_or(v3_1_1.len(), |(place, _)| place);
                v3_1_1.get(..second_dot).unwrap_or(v3_1_1)
            }
        }
    }

    /// Notes that the field noted last breaks a rule.
    pub(super) fn blame_last(&mut self, problem: Malformed) {
        let offset = self.fields.last().map_or(0, |field| field.range.start);
        self.problems.push((offset, problem));
    }

    /// The same for a field that says that more follows, which is no fault while more may come.
    pub(super) fn blame_last_unless_incomplete(&mut self, problem: Malformed) {
        if !self.incomplete {
            self.blame_last(problem);
        }
    }

    /// Notes that something is missing where the packet ends.
    pub(super) fn blame_end(&mut self, problem: Malformed) {
        if !self.incomplete {
            self.problems.push((self.end, problem));
        }
    }

    /// Notes that the field at this offset breaks a rule.
    pub(super) fn blame(&mut self, offset: usize, problem: Malformed) {
        self.problems.push((offset, problem));
    }

    /// Where the field noted last begins.
    pub(super) fn last_offset(&self) -> usize {
        self.fields.last().map_or(0, |field| field.range.start)
    }

    /// Gives the field noted last its bits.
    pub(super) fn bits(&mut self, bits: Vec<Bits>) {
        if let Some(field) = self.fields.last_mut() {
            field.bits = bits;
        }
    }

    fn note(&mut self, count: usize, name: impl Into<String>, value: String, section: &'static str) {
        let range = self.at..self.at.saturating_add(count).min(self.end);
        if !range.is_empty() {
            self.at = range.end;
            let (depth, bits) = (self.depth, Vec::new());
            self.fields.push(Field { range, depth, name: name.into(), value, section, bits });
        }
    }

    /// The next bytes, or `None` after noting what there is of them.
    fn peek(&mut self, count: usize, name: &str, section: &'static str) -> Option<&'a [u8]> {
        if let Some(bytes) = self.rest_bytes().get(..count) {
            return Some(bytes);
        }
        let left = self.left();
        if !self.incomplete {
            self.problems.push((self.at, self.past_end));
        }
        self.note(left, name, format!("cut off, {left} of {count} bytes"), section);
        None
    }

    /// Notes a field of fixed length with a value made of its bytes.
    pub(super) fn fixed<const N: usize>(
        &mut self,
        name: &str,
        section: &'static str,
        words: impl FnOnce([u8; N]) -> String,
    ) -> Option<[u8; N]> {
        let bytes = *self.peek(N, name, section)?.first_chunk::<N>()?;
        self.note(N, name, words(bytes), section);
        Some(bytes)
    }

    /// Notes a one-byte field.
    pub(super) fn byte(
        &mut self,
        name: &str,
        section: &'static str,
        words: impl FnOnce(u8) -> String,
    ) -> Option<u8> {
        self.fixed(name, section, |[byte]: [u8; 1]| words(byte)).map(|[byte]| byte)
    }

    /// Notes a Variable Byte Integer; one that goes on past four bytes has no value.
    pub(super) fn variable(
        &mut self,
        name: &str,
        section: &'static str,
        words: impl FnOnce(u32) -> String,
    ) -> Option<u32> {
        let (mut value, mut count) = (0u32, 0usize);
        for shift in [0u32, 7, 14, 21] {
            count += 1;
            let byte = *self.peek(count, name, section)?.last()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                self.note(count, name, words(value), section);
                if byte == 0 && count > 1 {
                    self.blame_last(Malformed::VariableByteIntegerOverlong);
                }
                return Some(value);
            }
        }
        self.note(count, name, "goes on after four bytes".to_owned(), section);
        self.blame_last(Malformed::VariableByteIntegerTooLong);
        None
    }

    /// Notes a length of two bytes and the field of that length, of which an empty one has no row.
    pub(super) fn prefixed(
        &mut self,
        name: &str,
        section: &'static str,
        words: impl FnOnce(&[u8]) -> String,
    ) -> Option<&'a [u8]> {
        let length_name = format!("{name} length");
        let length = self.fixed(&length_name, section, |bytes| u16::from_be_bytes(bytes).to_string())?;
        let length = usize::from(u16::from_be_bytes(length));
        let bytes = self.peek(length, name, section)?;
        self.note(length, name, words(bytes), section);
        Some(bytes)
    }

    /// Notes binary data.
    pub(super) fn binary(&mut self, name: &str, section: &'static str) -> Option<&'a [u8]> {
        self.prefixed(name, section, data)
    }

    /// Notes a string; the inner `None` is one that is not UTF-8.
    pub(super) fn string(&mut self, name: &str, section: &'static str) -> Option<Option<&'a str>> {
        let bytes = self.prefixed(name, section, data)?;
        let text = std::str::from_utf8(bytes).ok();
        if text.is_none() {
            self.blame_last(Malformed::StringNotUtf8);
        }
        Some(text)
    }

    /// Notes a string that may not hold U+0000.
    pub(super) fn text(&mut self, name: &str, section: &'static str) -> Option<()> {
        if self.string(name, section)?.is_some_and(|text| text.contains('\0')) {
            self.blame_last(Malformed::StringHasNul);
        }
        Some(())
    }

    /// Notes everything that is left as one field.
    pub(super) fn rest(&mut self, name: &str, section: &'static str) {
        let value = data(self.rest_bytes());
        self.note(self.left(), name, value, section);
    }

    /// Reads a part of the packet that has a length of its own, one level deeper.
    pub(super) fn part(&mut self, length: usize, past_end: Malformed, read: impl FnOnce(&mut Self)) {
        let outer = (self.end, self.past_end, self.depth);
        self.end = self.at.saturating_add(length).min(self.end);
        self.past_end = past_end;
        self.depth += 1;
        read(self);
        (self.end, self.past_end, self.depth) = outer;
    }

    /// Reads with another meaning of a field that goes on past the end.
    pub(super) fn with_past_end<T>(
        &mut self,
        past_end: Malformed,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let outer = std::mem::replace(&mut self.past_end, past_end);
        let result = read(self);
        self.past_end = outer;
        result
    }

    /// Reads one level deeper.
    pub(super) fn nest<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}

/// Bytes as text where they are printable text, else as hex; safe for a terminal.
pub(super) fn data(bytes: &[u8]) -> String {
    let printable = |text: &&str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    let (shown, total) = match std::str::from_utf8(bytes).ok().filter(printable) {
        Some(text) => {
            let shown = text.chars().take(SHOWN_MAX).collect::<String>();
            (format!("{shown:?}"), text.chars().count())
        }
        None => {
            let shown = bytes.iter().take(SHOWN_MAX).map(|byte| format!("{byte:02x}")).collect::<String>();
            (format!("0x{shown}, not text"), bytes.len())
        }
    };
    match total > SHOWN_MAX {
        true => format!("{shown} and so on, {} bytes", bytes.len()),
        false => shown,
    }
}
