//! An anatomy as text: the bytes, then a row per field.

use std::fmt::Write as _;

use colibri_codec::{Malformed, PacketType, Version};

use super::{Anatomy, Field, Verdict};

/// How many bytes stand in a line of the hex dump.
const DUMP_WIDTH: usize = 16;

/// How many bytes of a packet the hex dump shows: what fits a few screens.
const DUMP_MAX: usize = 2048;

/// How many bytes of a field its row shows; the hex dump above has them all.
const FIELD_BYTES_MAX: usize = 8;

/// What a piece of text is, for those who colour it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shade {
    /// The heading of a packet that was sent.
    Sent,
    /// The heading of a packet that came in.
    Received,
    /// Offsets, bytes and sections.
    Faint,
    /// A broken rule, or something that did not work.
    Wrong,
}

/// Colours text, or leaves it as it is.
pub(crate) trait Paint {
    /// The text in its colour.
    fn paint(&self, shade: Shade, text: &str) -> String;
}

/// Leaves everything as it is.
#[derive(Debug)]
pub(crate) struct Plain;

impl Paint for Plain {
    fn paint(&self, _: Shade, text: &str) -> String {
        text.to_owned()
    }
}

/// The hex dump and the fields, without a heading; each line ends with a line feed.
pub(crate) fn render(bytes: &[u8], anatomy: &Anatomy, paint: &dyn Paint) -> String {
    let mut out = hex_dump(bytes, paint);
    if anatomy.fields.is_empty() {
        return out;
    }
    let head = format!("  {:<6}{:<25}{:<12}{}\n", "at", "bytes", "section", "field");
    out.push_str(&paint.paint(Shade::Faint, &head));
    for field in &anatomy.fields {
        row(&mut out, bytes, field, paint);
        for (offset, problem) in &anatomy.problems {
            if *offset == field.range.start {
                mark(&mut out, *problem, anatomy.version, paint);
            }
        }
    }
    for (offset, problem) in &anatomy.problems {
        if *offset >= anatomy.length {
            mark(&mut out, *problem, anatomy.version, paint);
        }
    }
    verdict(&mut out, anatomy, paint);
    for remark in &anatomy.remarks {
        let text = format!("  Odd: {remark}.\n");
        out.push_str(&paint.paint(Shade::Wrong, &text));
    }
    out
}

/// The bytes in lines of sixteen, with offsets and what of them is ASCII.
fn hex_dump(bytes: &[u8], paint: &dyn Paint) -> String {
    let mut out = String::new();
    let shown = bytes.get(..DUMP_MAX).unwrap_or(bytes);
    for (index, line) in shown.chunks(DUMP_WIDTH).enumerate() {
        let offset = paint.paint(Shade::Faint, &format!("{:04x}", index * DUMP_WIDTH));
        let ascii = line.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        });
        let text = ascii.collect::<String>();
        push(&mut out, format_args!("  {offset}  {:<49}{text}\n", hex(line)));
    }
    if bytes.len() > shown.len() {
        push(&mut out, format_args!("  and {} more bytes\n", bytes.len() - shown.len()));
    }
    out
}

fn row(out: &mut String, bytes: &[u8], field: &Field, paint: &dyn Paint) {
    let own = bytes.get(field.range.clone()).unwrap_or_default();
    let mut shown = hex(own.get(..FIELD_BYTES_MAX).unwrap_or(own));
    if own.len() > FIELD_BYTES_MAX {
        // Takes the place of the last byte, so that the column stays as wide.
        shown.truncate(3 * (FIELD_BYTES_MAX - 1));
        shown.push_str("..");
    }
    let place = format!("{:04x}  {shown:<25}{:<12}", field.range.start, field.section);
    let indent = "  ".repeat(field.depth);
    let colon = if field.value.is_empty() { "" } else { ": " };
    let place = paint.paint(Shade::Faint, &place);
    push(out, format_args!("  {place}{indent}{}{colon}{}\n", field.name, field.value));
    for bits in &field.bits {
        let pattern = paint.paint(Shade::Faint, &format!("{:<37}", bits.pattern));
        push(out, format_args!("        {pattern}{indent}  {}\n", bits.meaning));
    }
}

/// The line under a field that breaks a rule.
fn mark(out: &mut String, problem: Malformed, version: Version, paint: &dyn Paint) {
    let text = format!("  ^^^^  {problem}{}\n", statements(problem, version));
    out.push_str(&paint.paint(Shade::Wrong, &text));
}

fn verdict(out: &mut String, anatomy: &Anatomy, paint: &dyn Paint) {
    let text = match anatomy.verdict {
        Verdict::WellFormed => return,
        Verdict::Incomplete(missing) => {
            let bytes = if missing == 1 { "byte is" } else { "bytes are" };
            format!("  Not a whole packet yet: at least {missing} more {bytes} needed.\n")
        }
        Verdict::Malformed(problem, place) => {
            let place = match place {
                Some(offset) if offset >= anatomy.length => " at its end".to_owned(),
                Some(offset) => format!(" at {offset:04x}"),
                None => String::new(),
            };
            // Where it has a place, the line there names the statements.
            let rule = match place.is_empty() {
                true => statements(problem, anatomy.version),
                false => String::new(),
            };
            let reason = match anatomy.version {
                Version::V5 => format!("; reason code {}", problem.reason_code()),
                Version::V3_1 | Version::V3_1_1 => String::new(),
            };
            format!("  Malformed{place}: {problem}{rule}{reason}.\n")
        }
    };
    out.push_str(&paint.paint(Shade::Wrong, &text));
}

/// The numbered statements that are broken, as ` [v5 MQTT-3.3.2-2]`.
fn statements(problem: Malformed, version: Version) -> String {
    // The numbers used for 3.1 are those of 3.1.1: 3.1 has none of its own.
    let prefix = if version == Version::V5 { "v5" } else { "v3.1.1" };
    problem.statements(version).iter().map(|id| format!(" [{prefix} MQTT-{id}]")).collect()
}

/// Bytes as pairs of digits with spaces between them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Appends to a string, which cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    if out.write_fmt(text).is_err() {
        debug_assert!(false, "a string takes everything");
    }
}

impl Anatomy {
    /// The name of the packet with its number, and its length: `PUBLISH (3), 12 bytes`.
    pub(crate) fn title(&self) -> String {
        let name = match self.packet_type {
            Some(packet_type) => format!("{} ({})", PacketType::name(packet_type), packet_type.number()),
            None => "no packet".to_owned(),
        };
        match self.length {
            1 => format!("{name}, 1 byte"),
            length => format!("{name}, {length} bytes"),
        }
    }
}
