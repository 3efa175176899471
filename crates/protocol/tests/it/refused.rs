//! Packets that neither end takes, whatever they are about.

use colibri_codec::Version;
use colibri_protocol::{Role, State};

use crate::both_ends;
use crate::end::Seen;
use crate::raw::Raw;

/// Each of these packets ends the connection of a fresh end and brings nothing to its application.
#[track_caller]
fn ends_the_connection(role: Role, version: Version, packets: &[&str]) {
    for packet in packets {
        let mut end = Raw::open(role, version);
        end.feed(packet);
        assert!(matches!(end.seen()[..], [Seen::Violation(_)]), "{role:?} {version} {packet}");
        assert_eq!(end.state(), State::Closed);
    }
}

#[test]
fn strings_that_are_not_utf_8_end_the_connection() {
    // [v5 MQTT-1.5.4-1] [v3.1.1 MQTT-1.5.3-1] [v5 MQTT-3.3.2-1] [v3.1.1 MQTT-3.3.2-1]
    for (role, version) in both_ends() {
        let topics = ["30 L 0001 ff P", "30 L 0002 c080 P", "30 L 0003 eda080 P", "30 L 0003 edbfbf P"];
        ends_the_connection(role, version, &topics);
    }
}

#[test]
fn strings_with_nul_end_the_connection() {
    // [v5 MQTT-1.5.4-2] [v3.1.1 MQTT-1.5.3-2]
    for (role, version) in both_ends() {
        ends_the_connection(role, version, &["30 L 0003 610062 P", "32 L 0001 00 0001 P"]);
    }
}

#[test]
fn string_properties_keep_the_rules_of_strings() {
    // [v5 MQTT-1.5.7-1] [v5 MQTT-3.3.2-13] [v5 MQTT-3.3.2-14] [v5 MQTT-3.3.2-19]
    for role in [Role::Client, Role::Server] {
        let table = [
            "30 L 0001 'a' 07 26 0001 ff 0001 'v'",
            "30 L 0001 'a' 07 26 0001 'k' 0001 00",
            "30 L 0001 'a' 04 08 0001 ff",
            "30 L 0001 'a' 06 08 0003 'r/#'",
            "30 L 0001 'a' 04 08 0001 '+'",
            "30 L 0001 'a' 04 03 0001 ff",
        ];
        ends_the_connection(role, Version::V5, &table);
    }
}

#[test]
fn wrong_fixed_header_flags_end_the_connection() {
    // [v5 MQTT-2.1.3-1] [v3.1.1 MQTT-2.2.2-2] [v5 MQTT-3.6.1-1] [v3.1.1 MQTT-3.6.1-1]
    // server: [v5 MQTT-3.8.1-1] [v5 MQTT-3.10.1-1] [v3.1.1 MQTT-3.8.1-1] [v3.1.1 MQTT-3.10.1-1]
    for (role, version) in both_ends() {
        ends_the_connection(role, version, &["41 02 0001", "52 02 0001", "60 02 0001", "78 02 0001"]);
        let own: &[&str] = match role {
            Role::Client => &["d1 00", "91 L 0001 P 00", "b2 L 0001 P ?00"],
            Role::Server => &["c1 00", "80 L 0001 P 0001 'a' 00", "a0 L 0001 P 0001 'a'", "e1 00"],
        };
        ends_the_connection(role, version, own);
    }
}

#[test]
fn a_message_of_qos_3_ends_the_connection() {
    // [v5 MQTT-3.3.1-4] [v3.1.1 MQTT-3.3.1-4]
    for (role, version) in both_ends() {
        ends_the_connection(role, version, &["36 L 0001 'a' 0001 P", "3e L 0001 'a' 0001 P"]);
    }
}

#[test]
fn identifier_0_ends_the_connection() {
    // [v3.1.1 MQTT-2.3.1-1]
    for (role, version) in both_ends() {
        ends_the_connection(role, version, &["32 L 0001 'a' 0000 P", "34 L 0001 'a' 0000 P"]);
        if role == Role::Server {
            ends_the_connection(role, version, &["82 L 0000 P 0001 'a' 00", "a2 L 0000 P 0001 'a'"]);
        }
    }
}

#[test]
fn a_topic_with_a_wildcard_ends_the_connection() {
    // [v5 MQTT-3.3.2-2] [v5 MQTT-4.7.0-1] [v3.1.1 MQTT-3.3.2-2] [v3.1.1 MQTT-4.7.1-1]
    for (role, version) in both_ends() {
        ends_the_connection(role, version, &["30 L 0003 'a/+' P", "30 L 0003 'a/#' P", "30 L 0001 '#' P"]);
    }
}

#[test]
fn auth_with_flags_ends_the_connection() {
    // [v5 MQTT-3.15.1-1]
    for role in [Role::Client, Role::Server] {
        ends_the_connection(role, Version::V5, &["f1 L 18 04 15 0001 'm'"]);
    }
}
