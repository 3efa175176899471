//! Cases of the client's Maximum Packet Size.

use crate::peer::Event;
use crate::raw::property::{four, id, two};
use crate::raw::{Kind, PINGREQ, Publish, Subscribe};
use crate::{Case, Context, Peer, Stop};

/// The Maximum Packet Size of the subscriber: room for a message with a few bytes of payload.
const SIZE_MAX: usize = 100;

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v5 MQTT-3.1.2-24"],
        name: "No packet is larger than the client's Maximum Packet Size",
        run: none_is_larger,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-24"],
        name: "No SUBACK is larger than the client's Maximum Packet Size; the server may end the connection",
        run: no_suback_is_larger,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-25"],
        name: "A message that is too large for the client counts as delivered",
        run: too_large_is_delivered,
    },
];

/// A subscriber that takes little, one message at a time.
fn small_subscriber(cx: &Context, topic: &str) -> Result<Peer, Stop> {
    let size = u32::try_from(SIZE_MAX).unwrap_or(u32::MAX);
    let small = cx.staying("s").property(four(id::MAXIMUM_PACKET_SIZE, size));
    let mut subscriber = cx.accept(&small.property(two(id::RECEIVE_MAXIMUM, 1)))?;
    subscriber.subscribe(topic, 2)?;
    Ok(subscriber)
}

fn none_is_larger(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = small_subscriber(cx, &topic)?;
    let mut publisher = cx.peer("p")?;
    for qos in [0, 1, 2] {
        let id = publisher.next_id();
        publisher.publish(&Publish::new(&topic, vec![b'x'; 200]).qos(qos, id))?;
    }
    for packet in cx.drain(&mut publisher, &mut subscriber)? {
        if packet.bytes.len() > SIZE_MAX {
            return Err(subscriber.fail_with("packets of at most 100 bytes", &packet));
        }
    }
    subscriber.leave()?;
    cx.peer("s")?.leave()
}

fn no_suback_is_larger(cx: &Context) -> Result<(), Stop> {
    let size = u32::try_from(SIZE_MAX).unwrap_or(u32::MAX);
    let mut subscriber = cx.accept(&cx.hello("s").property(four(id::MAXIMUM_PACKET_SIZE, size)))?;
    let id = subscriber.next_id();
    // Each filter is a byte of the SUBACK.
    let subscribe =
        (0..SIZE_MAX).fold(Subscribe::new(id), |all, number| all.filter(cx.topic(&format!("{number}")), 0));
    subscriber.send(&subscribe)?;
    subscriber.send(&PINGREQ)?;
    let mut wait = subscriber.wait_for("PINGRESP or the end of the connection");
    loop {
        match subscriber.next_in(&mut wait)? {
            Event::Packet(packet) if packet.bytes.len() > SIZE_MAX => {
                return Err(subscriber.fail_with("packets of at most 100 bytes", &packet));
            }
            Event::Packet(packet) if packet.kind() != Kind::Pingresp => {}
            Event::Packet(_) | Event::Closed | Event::Silence => return Ok(()),
        }
    }
}

fn too_large_is_delivered(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = small_subscriber(cx, &topic)?;
    let mut publisher = cx.peer("p")?;
    for qos in [1, 2] {
        let payload = format!("small {qos}");
        let (large, small) = (publisher.next_id(), publisher.next_id());
        publisher.publish(&Publish::new(&topic, vec![b'x'; 200]).qos(qos, large))?;
        publisher.publish(&Publish::new(&topic, &payload).qos(qos, small))?;
        let publish = subscriber.expect_payload(&payload)?;
        subscriber.acknowledge(&publish)?;
    }
    // Nor does the large message come when the client returns and takes more.
    subscriber.leave()?;
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    match came.iter().find(|packet| packet.kind() == Kind::Publish) {
        Some(packet) => {
            Err(subscriber.fail_with("nothing, for the large message counts as delivered", packet))
        }
        None => cx.peer("s")?.leave(),
    }
}
