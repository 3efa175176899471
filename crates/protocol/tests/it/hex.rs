//! Packets written down for both versions at once.

use std::fmt::Write as _;

use colibri_codec::Version;

/// The bytes of packets in the notation of these tests, for one version.
///
/// Packets are separated by `;`, their parts by spaces. A part is hexadecimal digits, `'text'`, `L` for
/// the Remaining Length (one byte), `P` for an empty property section (5.0 only), or `?` and digits for
/// what only 5.0 has.
pub(crate) fn bytes(version: Version, text: &str) -> Vec<u8> {
    text.split(';').flat_map(|packet| packet_bytes(version, packet)).collect()
}

fn packet_bytes(version: Version, packet: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut length_at = None;
    for part in packet.split_whitespace() {
        match part {
            "L" => {
                length_at = Some(bytes.len());
                bytes.push(0);
            }
            "P" if version.has_properties() => bytes.push(0),
            "P" => {}
            _ if part.starts_with('\'') => bytes.extend_from_slice(part.trim_matches('\'').as_bytes()),
            _ => match part.strip_prefix('?') {
                Some(digits) if version.has_properties() => bytes.extend(from_digits(digits)),
                Some(_) => {}
                None => bytes.extend(from_digits(part)),
            },
        }
    }
    if let Some(at) = length_at {
        let length = u8::try_from(bytes.len() - at - 1).unwrap();
        assert!(length < 0x80, "L is one byte: {packet}");
        bytes[at] = length;
    }
    bytes
}

fn from_digits(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "half a byte in {digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// Bytes for people to compare.
pub(crate) fn dump(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x} ").unwrap();
        text
    })
}
