//! The table of `-F`.

use colibri_client::{Message, OwnedProperties, PacketId, Property, QoS, TopicName};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use super::{Format, JsonStyle, NotJson};

fn now() -> Zoned {
    let timestamp: Timestamp = "2026-03-04T05:06:07.008009010Z".parse().unwrap();
    timestamp.to_zoned(TimeZone::fixed(jiff::tz::offset(1)))
}

fn message(payload: impl Into<Vec<u8>>) -> Message {
    Message::new(TopicName::new("a/b").unwrap(), payload)
}

fn printed(format: &str, message: &Message) -> String {
    let mut out = Vec::new();
    Format::parse(format).unwrap().print(message, &now(), JsonStyle::Compact, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn fields_without_properties() {
    for (format, expected) in [
        ("%t|%p|%q|%r|%l|%m", "a/b|hello|0|0|5|0"),
        ("%x|%X", "68656c6c6f|68656C6C6F"),
        ("%A%C%D%E%F%P%R%S", ""),
        ("%%|@@|\\\\", "%|@|\\"),
        ("\\0\\a\\e\\n\\r\\t\\v", "\0\x07\x1b\n\r\t\x0b"),
        ("ñ%tñ", "ña/bñ"),
    ] {
        assert_eq!(printed(format, &message("hello")), expected, "{format}");
    }
}

/// As mosquitto_sub 2.0.11 prints them.
#[test]
fn widths_and_precisions() {
    for (format, expected) in [
        ("[%10t][%-10t][%.1t][%10.2t]", "[       a/b][a/b       ][a][        a/]"),
        ("[%10p][%-10p][%010p][%3p]", "[     hello][hello     ][00000hello][hel]"),
        ("[%6x][%06X][%3x]", "[  6865][006865][ 68]"),
        ("[%5l][%05l][%-5l][%-05l]", "[    5][00005][5    ][5    ]"),
        ("[%10C][%5E][%05E][%5R]", "[          ][     ][00000][]"),
    ] {
        assert_eq!(printed(format, &message("hello")), expected, "{format}");
    }
}

#[test]
fn times() {
    for (format, expected) in [
        ("%I", "2026-03-04T06:06:07+0100"),
        ("%U", "1772600767.008009010"),
        ("@Y-@m-@dT@H:@M:@S@z", "2026-03-04T06:06:07+0100"),
        ("@s.@N", "1772600767.008009010"),
        ("@a @A @b @B @e @j @p @y", "Wed Wednesday Mar March  4 063 AM 26"),
        (
            "@c|@x|@X|@r|@D|@F|@T|@R",
            "Wed Mar  4 06:06:07 2026|03/04/26|06:06:07|06:06:07 AM|03/04/26|2026-03-04|06:06:07|06:06",
        ),
        ("@C @g @G @h @I @k @l @u @U @V @w @W", "20 26 2026 Mar 06  6  6 3 09 10 3 09"),
        ("@n@t@%", "\n\t%"),
        ("@J@q", "%J%q"),
    ] {
        assert_eq!(printed(format, &message("")), expected, "{format}");
    }
}

#[test]
fn json() {
    let mut message = message("h\"é\\n");
    message.qos = QoS::AtLeastOnce;
    message.packet_id = PacketId::new(3);
    message.properties = OwnedProperties::from_iter([
        Property::UserProperty((text("a"), text("b"))),
        Property::ContentType(text("text")),
        Property::UserProperty((text("c"), text("d"))),
    ]);
    assert_eq!(
        printed("%j", &message),
        "{\"tst\":\"2026-03-04T06:06:07.008009Z+0100\",\"topic\":\"a/b\",\"qos\":1,\"retain\":0,\
         \"payloadlen\":6,\"mid\":3,\"properties\":{\"user-properties\":{\"a\":\"b\",\"c\":\"d\"},\
         \"content-type\":\"text\"},\"payload\":\"h\\\"é\\\\n\"}"
    );
}

#[test]
fn json_payloads() {
    let head = "{\"tst\":\"2026-03-04T06:06:07.008009Z+0100\",\"topic\":\"a/b\",\"qos\":0,\"retain\":0,";
    for (format, payload, tail) in [
        ("%j", &b""[..], "\"payloadlen\":0,\"payload\":null}"),
        ("%j", b"a\xff", "\"payloadlen\":2,\"payload\":[97,255]}"),
        ("%J", b" {\"t\": [1, 27.50, {}]}", "\"payloadlen\":22,\"payload\":{\"t\":[1,27.50,{}]}}"),
    ] {
        assert_eq!(printed(format, &message(payload)), format!("{head}{tail}"));
    }
    let format = Format::parse("%t %J").unwrap();
    let mut out = Vec::new();
    assert_eq!(format.print(&message("nope"), &now(), JsonStyle::Compact, &mut out), Err(NotJson));
    assert_eq!(out, b"a/b ");
}

#[test]
fn pretty_json_looks_as_cjson_prints_it() {
    let mut out = Vec::new();
    let format = Format::parse("%J").unwrap();
    format.print(&message("{\"a\":[1,{}]}"), &now(), JsonStyle::Pretty, &mut out).unwrap();
    let expected = "{
\t\"tst\":\t\"2026-03-04T06:06:07.008009Z+0100\",
\t\"topic\":\t\"a/b\",
\t\"qos\":\t0,
\t\"retain\":\t0,
\t\"payloadlen\":\t12,
\t\"payload\":\t{
\t\t\"a\":\t[1, {
\t\t\t}]
\t}
}";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn wrong_formats() {
    for (format, said) in [
        ("%z", "-F knows no %z; for a percent sign write %%"),
        ("%", "-F ends in the middle of a % sequence; for a percent sign write %%"),
        ("%5.", "-F ends in the middle of a % sequence; for a percent sign write %%"),
        ("\\q", "-F knows no \\q; for a backslash write \\\\"),
        ("\\", "-F ends with a single \\; for a backslash write \\\\"),
        ("@", "-F ends with a single @; for an at sign write @@"),
    ] {
        assert_eq!(Format::parse(format).unwrap_err().to_string(), said);
    }
}

fn text(text: &str) -> colibri_codec::Utf8String<'_> {
    colibri_codec::Utf8String::new(text).unwrap()
}
