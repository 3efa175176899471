//! The fields of a format, with mosquitto's idea of widths.

use colibri_client::Message;
use jiff::Zoned;
use jiff::fmt::strtime;

use super::{Field, Layout};

/// Prints one field; [`Field::Json`] is printed elsewhere.
pub(super) fn field(field: Field, layout: Layout, message: &Message, now: &Zoned, out: &mut Vec<u8>) {
    let properties = message.properties.view();
    match field {
        Field::TopicAlias => {
            number(properties.topic_alias().map(|alias| u32::from(alias.get())), layout, out)
        }
        Field::MessageExpiry => number(properties.message_expiry_interval(), layout, out),
        Field::PayloadFormat => number(properties.payload_format_indicator().map(u32::from), layout, out),
        Field::SubscriptionIdentifier => number(properties.subscription_identifier(), layout, out),
        Field::PacketId => number(Some(message.packet_id.map_or(0, |id| u32::from(id.get()))), layout, out),
        Field::PayloadLength => {
            number(Some(u32::try_from(message.payload.len()).unwrap_or(u32::MAX)), layout, out);
        }
        Field::ContentType => match properties.content_type() {
            Some(content_type) => text(content_type.as_str().as_bytes(), layout, out),
            None => blanks(layout.width, b' ', out),
        },
        Field::ResponseTopic => {
            if let Some(topic) = properties.response_topic() {
                text(topic.as_str().as_bytes(), layout, out);
            }
        }
        Field::CorrelationData => {
            if let Some(data) = properties.correlation_data() {
                out.extend_from_slice(data.as_bytes());
            }
        }
        Field::UserProperties => {
            let pairs: Vec<String> =
                properties.user_properties().map(|(name, value)| format!("{name}:{value}")).collect();
            out.extend_from_slice(pairs.join(" ").as_bytes());
        }
        Field::Topic => text(message.topic().as_str().as_bytes(), layout, out),
        Field::IsoTime => text(now.strftime("%Y-%m-%dT%H:%M:%S%z").to_string().as_bytes(), layout, out),
        Field::UnixTime => {
            let stamp = format!("{}.{:09}", now.timestamp().as_second(), now.subsec_nanosecond());
            out.extend_from_slice(stamp.as_bytes());
        }
        Field::QoS => out.push(b'0' + message.qos.number()),
        Field::Retain => out.push(b'0' + u8::from(message.retain)),
        Field::Payload => payload(&message.payload, 1, layout, <[u8]>::to_vec, out),
        Field::HexLower => payload(&message.payload, 2, layout, |bytes| hex(bytes, b"0123456789abcdef"), out),
        Field::HexUpper => payload(&message.payload, 2, layout, |bytes| hex(bytes, b"0123456789ABCDEF"), out),
        Field::Json { .. } => {}
    }
}

/// What strftime makes of `%` and a letter in the C locale; what it does not know it leaves as it is.
pub(super) fn time(letter: char, now: &Zoned) -> String {
    let directive = match letter {
        'c' => "%a %b %e %H:%M:%S %Y".to_owned(),
        'x' => "%m/%d/%y".to_owned(),
        'X' => "%H:%M:%S".to_owned(),
        'r' => "%I:%M:%S %p".to_owned(),
        // In strftime these two are no formats of their own.
        'f' | 'Q' | 'i' | 'o' | 'v' | 'J' | 'K' | 'L' | 'q' => return format!("%{letter}"),
        other => format!("%{other}"),
    };
    strtime::format(&directive, now).unwrap_or_else(|_| format!("%{letter}"))
}

fn number(value: Option<u32>, layout: Layout, out: &mut Vec<u8>) {
    let Layout { left, zeros, width, .. } = layout;
    let Some(value) = value else { return blanks(width, if zeros { b'0' } else { b' ' }, out) };
    let printed = match (left, zeros) {
        (true, _) => format!("{value:<width$}"),
        (false, true) => format!("{value:0width$}"),
        (false, false) => format!("{value:width$}"),
    };
    out.extend_from_slice(printed.as_bytes());
}

/// Width and precision count bytes, as in C.
fn text(value: &[u8], layout: Layout, out: &mut Vec<u8>) {
    let shown = layout.precision.and_then(|precision| value.get(..precision)).unwrap_or(value);
    let padding = layout.width.saturating_sub(shown.len());
    if !layout.left {
        blanks(padding, b' ', out);
    }
    out.extend_from_slice(shown);
    if layout.left {
        blanks(padding, b' ', out);
    }
}

/// A payload is cut to the width; in hexadecimal to half of it, as each byte is printed in `digits`.
fn payload(
    bytes: &[u8],
    digits: usize,
    layout: Layout,
    print: impl FnOnce(&[u8]) -> Vec<u8>,
    out: &mut Vec<u8>,
) {
    let Layout { left, zeros, width, .. } = layout;
    let length = if width == 0 { bytes.len() } else { bytes.len().min(width) / digits };
    let shown = bytes.get(..length).unwrap_or(bytes);
    let padding = width.saturating_sub(length * digits);
    if !left {
        blanks(padding, if zeros { b'0' } else { b' ' }, out);
    }
    out.extend(print(shown));
    if left {
        blanks(padding, b' ', out);
    }
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let digit = |nibble: u8| digits.get(usize::from(nibble)).copied().unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0F)]).collect()
}

fn blanks(count: usize, blank: u8, out: &mut Vec<u8>) {
    out.resize(out.len() + count, blank);
}
