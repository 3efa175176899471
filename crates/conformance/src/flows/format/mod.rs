//! Cases of what all packets have in common: strings, headers, topic names and filters, sizes.

mod headers;
mod sizes;
mod strings;
mod topics;

use crate::Case;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-1.5.3-1", "v5 MQTT-1.5.4-1", "v3.1.1 MQTT-3.3.2-1", "v5 MQTT-3.3.2-1"],
        name: "A string that is not UTF-8 ends the connection",
        run: strings::not_utf8,
    },
    Case {
        ids: &["v3.1.1 MQTT-1.5.3-2", "v5 MQTT-1.5.4-2", "v3.1.1 MQTT-4.7.3-2", "v5 MQTT-4.7.3-2"],
        name: "U+0000 in a string ends the connection",
        run: strings::with_null,
    },
    Case {
        ids: &["v3.1.1 MQTT-1.5.3-3", "v5 MQTT-1.5.4-3"],
        name: "EF BB BF in a string is kept",
        run: strings::byte_order_mark,
    },
    Case {
        ids: &["v5 MQTT-1.5.7-1"],
        name: "A User Property that is not UTF-8 ends the connection",
        run: strings::pairs,
    },
    Case {
        ids: &["v3.1.1 MQTT-2.2.2-1", "v5 MQTT-2.1.3-1"],
        name: "The packets of the server have the flags of their types",
        run: headers::flags,
    },
    Case {
        ids: &["v3.1.1 MQTT-2.3.1-5", "v5 MQTT-2.2.1-2", "v5 MQTT-2.2.2-1"],
        name: "A QoS 0 message has no Packet Identifier",
        run: headers::no_id,
    },
    Case {
        ids: &["v5 MQTT-1.5.5-1"],
        name: "Lengths are written in as few bytes as they need",
        run: headers::shortest_length,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-24"],
        name: "Of smaller and larger messages only those that fit the Maximum Packet Size come",
        run: sizes::within_maximum,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-25"],
        name: "A message too large for the client counts as delivered",
        run: sizes::counts_as_delivered,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.3-3", "v5 MQTT-4.7.3-3"],
        name: "Topic names and filters of 65535 bytes are handled",
        run: sizes::longest_topic,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-2", "v5 MQTT-3.3.2-2", "v3.1.1 MQTT-4.7.1-1", "v5 MQTT-4.7.0-1"],
        name: "A topic name with a wildcard is refused and reaches nobody",
        run: topics::wildcard_in_name,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.1-2", "v5 MQTT-4.7.1-1"],
        name: "# is taken only as a whole last level",
        run: topics::hash_places,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.1-3", "v5 MQTT-4.7.1-2"],
        name: "+ is taken only as a whole level",
        run: topics::plus_places,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.2-1", "v5 MQTT-4.7.2-1"],
        name: "Filters that begin with a wildcard do not match topics that begin with $",
        run: topics::dollar,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.3-1", "v5 MQTT-4.7.3-1"],
        name: "An empty topic name or filter is refused",
        run: topics::empty,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.3.2-3", "v5 MQTT-3.3.2-3"],
        name: "Messages go to exactly the filters that match",
        run: topics::table,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.7.3-4", "v5 MQTT-4.7.3-4"],
        name: "Topics are compared character for character and not normalized",
        run: topics::not_normalized,
    },
];
