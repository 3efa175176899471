//! A PUBLISH written once for many receivers.

use colibri_codec::{QoS, TopicName, Version};
use colibri_protocol::{Connection, Encoded, Kept, Limits, Publication, Sent, Time};

use crate::message::Message;
use crate::raw::{Raw, id};

const NOW: Time = Time::from_millis(0);

fn encode(publication: &Publication<'_>, version: Version) -> (Vec<u8>, usize) {
    // What stands in the buffer already is not the packet's.
    let mut bytes = vec![0xAA; 3];
    let offset = Connection::<Message>::encode(publication, version, NOW, &mut bytes).unwrap();
    (bytes.split_off(3), offset)
}

#[test]
fn the_bytes_are_those_that_send_writes() {
    let wire = [0x26, 0, 1, b'k', 0, 1, b'v'];
    for version in Version::ALL {
        for qos in QoS::ALL {
            for payload in [0, 1, 100, 127, 200, 16_384] {
                let message = Message {
                    wire: wire.to_vec(),
                    expires: Some(Time::from_millis(5_000)),
                    ..Message::new("some/topic", qos, &"x".repeat(payload))
                };
                let publication = Publication {
                    subscription_identifiers: &[1, 200],
                    retain: true,
                    ..message.publication()
                };
                let (bytes, packet_id_offset) = encode(&publication, version);
                let encoded = Encoded { bytes: &bytes, qos, packet_id_offset };

                let mut plain = Raw::server_of_any(version);
                let mut shared = Raw::server_of_any(version);
                for _ in 0..3 {
                    let one = plain.end.with(|connection, out| {
                        connection.send(&publication, || Some(message.clone()), NOW, out)
                    });
                    let other = shared.end.with(|connection, out| {
                        connection.send_encoded(&encoded, || Some(message.clone()), out, NOW)
                    });
                    assert_eq!(one, other);
                }
                assert_eq!(plain.end.out, shared.end.out);
                let kept = |raw: &Raw| raw.end.connection.session().messages().count();
                assert_eq!(kept(&plain), kept(&shared));
            }
        }
    }
}

#[test]
fn limits_hold_for_written_messages_too() {
    let mut server = Raw::server_to(Version::V5, Limits::default(), "08 21 0001 27 00000014");
    let topic = TopicName::new("a").unwrap();
    let mut send = |qos, payload: &[u8]| {
        let publication = Publication::new(topic, qos, false, payload);
        let (bytes, packet_id_offset) = encode(&publication, Version::V5);
        let encoded = Encoded { bytes: &bytes, qos, packet_id_offset };
        let keep = || Some(Message::new("a", qos, "x"));
        server.end.with(|connection, out| connection.send_encoded(&encoded, keep, out, NOW))
    };
    assert_eq!(send(QoS::AtLeastOnce, b"a payload of many bytes"), Sent::TooLarge);
    assert_eq!(send(QoS::AtLeastOnce, b"x"), Sent::Written(Some(id(1))));
    assert_eq!(send(QoS::AtLeastOnce, b"x"), Sent::Wait);
    assert_eq!(send(QoS::AtMostOnce, b"x"), Sent::Written(None));
    server.expect("32 L 0001 'a' 0001 00 'x'; 30 L 0001 'a' 00 'x'");
}
