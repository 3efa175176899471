//! Cases of sessions: what is kept, for whom, and how long.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::peer::Event;
use crate::raw::property::{four, id, two};
use crate::raw::{Kind, Publish, pubcomp, pubrec, pubrel};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-4", "v5 MQTT-3.1.2-5", "v5 MQTT-3.1.2-23"],
        name: "A session that stays is resumed, with its subscriptions",
        run: resumed,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-5", "v5 MQTT-3.1.2-5"],
        name: "QoS 1 and 2 messages wait for a client that is away",
        run: queued,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.1.0-1", "v5 MQTT-3.1.2-23"],
        name: "Messages that wait behind others when the connection breaks come in the next one",
        run: waiting,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-6", "v5 MQTT-3.1.2-4"],
        name: "A clean connection throws the earlier session away",
        run: clean,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-4", "v5 MQTT-3.1.2-6"],
        name: "Without a stored session a new one is made",
        run: new_session,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.4-3", "v5 MQTT-3.1.4-4"],
        name: "A sequence of clean and other connections has the matching Session Present",
        run: sequence,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-6", "v5 MQTT-3.1.2-23"],
        name: "A session without an expiry ends with its connection",
        run: not_kept,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.1.0-1", "v3.1.1 MQTT-2.3.1-4", "v5 MQTT-3.1.2-23"],
        name: "Exchanges left open go on in the next connection",
        run: open_exchanges,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.1.0-2", "v5 MQTT-4.1.0-1"],
        name: "A session lasts as long as its connection",
        run: while_connected,
    },
    Case {
        ids: &["v5 MQTT-4.1.0-2"],
        name: "A session ends when its Session Expiry Interval has run out",
        run: expired,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-23", "v5 MQTT-4.1.0-2"],
        name: "A Session Expiry Interval in DISCONNECT takes the place of the one in CONNECT",
        run: expiry_in_disconnect,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.5.0-1", "v5 MQTT-4.5.0-1"],
        name: "A message goes to every client with a matching subscription, there or away",
        run: everybody,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.3-2", "v5 MQTT-3.1.3-2"],
        name: "Two Client Identifiers have two sessions",
        run: two_sessions,
    },
    Case {
        ids: &["v3.1.1 MQTT-2.3.1-4", "v5 MQTT-2.2.1-4"],
        name: "Messages that are not acknowledged all have identifiers of their own",
        run: distinct_ids,
    },
];

/// Ends what [`Context::staying`] has left at the server.
fn forget(cx: &Context, role: &str) -> Result<(), Stop> {
    cx.peer(role)?.leave()
}

fn require_present(peer: &Peer, present: bool, why: &str) -> Result<(), Stop> {
    let expected = format!("Session Present {} {why}", u8::from(present));
    peer.require(peer.session_present() == present, &expected, peer.session_present().to_string())
}

fn resumed(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    require_present(&subscriber, false, "for a new session")?;
    subscriber.subscribe(&topic, 0)?;
    let mut publisher = cx.peer("p")?;
    for ending in ["cut", "left"] {
        if ending == "cut" {
            subscriber.cut();
        } else {
            subscriber.leave()?;
        }
        subscriber = cx.accept(&cx.staying("s"))?;
        require_present(&subscriber, true, "for a stored session")?;
        publisher.publish(&Publish::new(&topic, ending))?;
        subscriber.expect_payload(ending)?;
    }
    subscriber.leave()?;
    forget(cx, "s")
}

fn queued(cx: &Context) -> Result<(), Stop> {
    let (one, two) = (cx.topic("one"), cx.topic("two"));
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    subscriber.subscribe(&one, 1)?;
    subscriber.subscribe(&two, 2)?;
    subscriber.leave()?;
    let mut publisher = cx.peer("p")?;
    let mut expected = Vec::new();
    for (packet, topic, qos) in [(1, &one, 1), (2, &two, 1), (3, &one, 2), (4, &two, 2)] {
        let payload = format!("{packet}").into_bytes();
        publisher.publish(&Publish::new(topic, &payload).qos(qos, packet))?;
        let granted = if topic == &one { 1 } else { qos };
        expected.push((payload, granted));
    }
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    let mut seen = Vec::new();
    for _ in &expected {
        let packet = subscriber.find(Kind::Publish)?;
        let Some(publish) = packet.publish() else { continue };
        subscriber.acknowledge(publish)?;
        seen.push((publish.payload.clone(), publish.qos));
    }
    seen.sort();
    subscriber.require(seen == expected, "all four messages at QoS 1, 1, 1 and 2", format!("{seen:?}"))?;
    subscriber.leave()?;
    forget(cx, "s")
}

fn waiting(cx: &Context) -> Result<(), Stop> {
    for qos in [1, 2] {
        waiting_at(cx, qos)?;
    }
    Ok(())
}

/// The client has acknowledged nothing, so that all but the first messages wait: by its Receive Maximum, or
/// in 3.1.1 by the number that the server keeps in flight, which is often 20.
fn waiting_at(cx: &Context, qos: u8) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let staying = cx.staying("s");
    let (staying, count) =
        if cx.v5() { (staying.property(two(id::RECEIVE_MAXIMUM, 1)), 3) } else { (staying, 40) };
    let mut peer = cx.accept(&staying)?;
    peer.subscribe(&topic, qos)?;
    let mut publisher = cx.peer("p")?;
    for number in 1..=count {
        publisher.publish(&Publish::new(&topic, number.to_string()).qos(qos, number))?;
    }
    peer.expect_payload("1")?;
    peer.cut();
    let mut peer = cx.accept(&staying)?;
    require_present(&peer, true, "for a stored session")?;
    let wanted: BTreeSet<Vec<u8>> = (1..=count).map(|number| number.to_string().into_bytes()).collect();
    let mut seen = BTreeSet::new();
    while !wanted.is_subset(&seen) {
        let mut wait = peer.wait_for(format!("all of messages 1 to {count}, of which {} came", seen.len()));
        let came = loop {
            match peer.next_in(&mut wait)? {
                Event::Packet(packet) if packet.publish().is_none() => {}
                Event::Packet(packet) => break packet,
                event @ (Event::Closed | Event::Silence) => return Err(peer.fail_wait(&wait, &event)),
            }
        };
        let Some(publish) = came.publish() else { continue };
        peer.acknowledge(publish)?;
        seen.insert(publish.payload.clone());
    }
    peer.leave()?;
    forget(cx, "s")
}

fn clean(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let mut old = cx.accept(&cx.staying("s"))?;
    old.subscribe(&topic, 1)?;
    old.leave()?;
    publisher.publish(&Publish::new(&topic, "waiting").qos(1, 1))?;
    let mut subscriber = cx.peer("s")?;
    require_present(&subscriber, false, "for a clean connection")?;
    publisher.publish(&Publish::new(&topic, "live").qos(1, 2))?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_no_publish(&came, "neither old messages nor old subscriptions")?;
    subscriber.leave()?;
    let mut subscriber = cx.accept(&cx.staying("s"))?;
    require_present(&subscriber, false, "after a clean connection")?;
    publisher.publish(&Publish::new(&topic, "later").qos(1, 3))?;
    let came = cx.drain(&mut publisher, &mut subscriber)?;
    subscriber.require_no_publish(&came, "nothing of the earlier sessions")?;
    subscriber.leave()?;
    forget(cx, "s")
}

fn new_session(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut peer = cx.accept(&cx.staying("fresh"))?;
    require_present(&peer, false, "for a Client Identifier without a session")?;
    peer.subscribe(&topic, 1)?;
    peer.publish(&Publish::new(&topic, "x").qos(1, 1))?;
    let packet = peer.find(Kind::Publish)?;
    if let Some(publish) = packet.publish() {
        peer.acknowledge(publish)?;
    }
    peer.leave()?;
    forget(cx, "fresh")
}

fn sequence(cx: &Context) -> Result<(), Stop> {
    // Whether the connection is clean, whether its session stays, and Session Present. A session that is
    // clean ends with its connection in 3.1.1 and has its own expiry in 5.0.
    let clean_stays = cx.v5();
    let expiry = four(id::SESSION_EXPIRY, 120);
    let steps = [
        (false, false),
        (false, true),
        (false, true),
        (true, false),
        (false, clean_stays),
        (true, false),
        (true, false),
        (false, clean_stays),
    ];
    for (index, (clean, present)) in steps.into_iter().enumerate() {
        let connect = cx.hello("a").property(expiry.clone());
        let peer = cx.accept(&if clean { connect } else { connect.resuming() })?;
        require_present(&peer, present, &format!("in connection {}", index + 1))?;
        peer.leave()?;
    }
    forget(cx, "a")
}

fn not_kept(cx: &Context) -> Result<(), Stop> {
    let zero = cx.hello("a").property(four(id::SESSION_EXPIRY, 0));
    for first in [cx.hello("a"), zero] {
        let mut peer = cx.accept(&first)?;
        peer.subscribe(cx.topic("a"), 1)?;
        peer.leave()?;
        let peer = cx.accept(&cx.staying("a"))?;
        require_present(&peer, false, "after a session that was not to stay")?;
        peer.leave()?;
        forget(cx, "a")?;
    }
    Ok(())
}

fn open_exchanges(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let mut peer = cx.accept(&cx.staying("s"))?;
    if peer.subscribe(&topic, 2)? < 2 {
        return Err(Stop::NotApplicable("SUBACK grants less than QoS 2".to_owned()));
    }
    for (packet, payload, qos) in [(1, "one", 1), (2, "two", 2), (3, "three", 2)] {
        publisher.publish(&Publish::new(&topic, payload).qos(qos, packet))?;
    }
    let one = peer.expect_payload("one")?;
    // PUBRECs go out in the order of the messages [v5 MQTT-4.6.0-3].
    let two = peer.expect_payload("two")?.id.unwrap_or(0);
    let three = peer.expect_payload("three")?;
    peer.send(&pubrec(two))?;
    peer.expect_ack(Kind::Pubrel, two)?;
    // And one of the client's own, of which the server has the message.
    peer.send(&Publish::new(cx.topic("own"), "own").qos(2, 9))?;
    peer.expect_ack(Kind::Pubrec, 9)?;
    peer.cut();
    let mut peer = cx.accept(&cx.staying("s"))?;
    require_present(&peer, true, "for a stored session")?;
    for earlier in [&one, &three] {
        let packet = peer.find(Kind::Publish)?;
        let again = packet.publish().is_some_and(|publish| {
            publish.dup && publish.id == earlier.id && publish.payload == earlier.payload
        });
        if !again {
            let expected = format!("PUBLISH with DUP 1 under id {}", earlier.id.unwrap_or(0));
            return Err(peer.fail_with(expected, &packet));
        }
    }
    peer.expect_ack(Kind::Pubrel, two)?;
    peer.send(&pubcomp(two))?;
    peer.acknowledge(&one)?;
    peer.acknowledge(&three)?;
    peer.send(&pubrel(9))?;
    let ack = peer.expect_ack(Kind::Pubcomp, 9)?;
    peer.require(ack.code == 0, "PUBCOMP 0x00 for an exchange that is known", format!("{:02X}", ack.code))?;
    peer.leave()?;
    forget(cx, "s")
}

fn while_connected(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let connect = if cx.v5() { cx.hello("s").property(four(id::SESSION_EXPIRY, 1)) } else { cx.hello("s") };
    let mut peer = cx.accept(&connect)?;
    if peer.subscribe(&topic, 2)? < 2 {
        return Err(Stop::NotApplicable("SUBACK grants less than QoS 2".to_owned()));
    }
    publisher.publish(&Publish::new(&topic, "begun").qos(2, 1))?;
    let begun = peer.expect_payload("begun")?;
    // Longer than the Session Expiry Interval, with nothing but PINGREQ.
    for _ in 0..3 {
        cx.wait(Duration::from_secs(1));
        peer.fence()?;
    }
    peer.acknowledge(&begun)?;
    publisher.publish(&Publish::new(&topic, "later").qos(1, 2))?;
    let later = peer.expect_payload("later")?;
    peer.acknowledge(&later)
}

fn expired(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let connect = cx.hello("s").resuming().property(four(id::SESSION_EXPIRY, 2));
    let mut peer = cx.accept(&connect)?;
    peer.subscribe(&topic, 1)?;
    peer.cut();
    cx.wait(Duration::from_secs(1));
    let peer = cx.accept(&connect)?;
    require_present(&peer, true, "1 s after the end with an expiry of 2 s")?;
    peer.cut();
    publisher.publish(&Publish::new(&topic, "waiting").qos(1, 1))?;
    cx.wait(Duration::from_secs(4));
    let mut peer = cx.accept(&connect)?;
    require_present(&peer, false, "4 s after the end with an expiry of 2 s")?;
    publisher.publish(&Publish::new(&topic, "live").qos(1, 2))?;
    let came = cx.drain(&mut publisher, &mut peer)?;
    peer.require_no_publish(&came, "nothing of a session that has expired")
}

fn expiry_in_disconnect(cx: &Context) -> Result<(), Stop> {
    let goodbye = |seconds| crate::raw::disconnect().property(four(id::SESSION_EXPIRY, seconds));
    cx.accept(&cx.staying("s"))?.leave_with(&goodbye(0))?;
    let peer = cx.accept(&cx.staying("s"))?;
    require_present(&peer, false, "after DISCONNECT with a Session Expiry Interval of 0")?;
    peer.leave_with(&goodbye(1))?;
    cx.wait(Duration::from_secs(3));
    let peer = cx.accept(&cx.staying("s"))?;
    require_present(&peer, false, "3 s after DISCONNECT with a Session Expiry Interval of 1 s")?;
    peer.leave()?;
    forget(cx, "s")
}

fn everybody(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a/b");
    let mut away = cx.accept(&cx.staying("away"))?;
    away.subscribe(&topic, 1)?;
    away.leave()?;
    let filters = [topic.clone(), cx.topic("a/+"), cx.topic("#")];
    let mut there = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let mut peer = cx.peer(&format!("s{index}"))?;
        peer.subscribe(filter, 1)?;
        there.push(peer);
    }
    let mut publisher = cx.peer("p")?;
    publisher.publish(&Publish::new(&topic, "x").qos(1, 1))?;
    there.push(cx.accept(&cx.staying("away"))?);
    for peer in &mut there {
        let publish = peer.expect_payload("x")?;
        peer.acknowledge(&publish)?;
    }
    drop(there);
    forget(cx, "away")
}

fn two_sessions(cx: &Context) -> Result<(), Stop> {
    let mut publisher = cx.peer("p")?;
    for role in ["a", "b"] {
        let mut peer = cx.accept(&cx.staying(role))?;
        require_present(&peer, false, "for a new session")?;
        peer.subscribe(cx.topic(role), 1)?;
        peer.leave()?;
    }
    for (packet, role) in [(1, "a"), (2, "b")] {
        publisher.publish(&Publish::new(cx.topic(role), role).qos(1, packet))?;
    }
    for role in ["a", "b"] {
        let mut peer = cx.accept(&cx.staying(role))?;
        require_present(&peer, true, "for a stored session")?;
        let publish = peer.expect_payload(role)?;
        peer.acknowledge(&publish)?;
        let came = cx.drain(&mut publisher, &mut peer)?;
        peer.require_no_publish(&came, "only the messages of its own session")?;
        peer.leave()?;
        forget(cx, role)?;
    }
    Ok(())
}

fn distinct_ids(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    let mut publisher = cx.peer("p")?;
    let mut subscriber = cx.peer("s")?;
    subscriber.subscribe(&topic, 2)?;
    let mut ids = Vec::new();
    for packet in 1..=10 {
        publisher.publish(&Publish::new(&topic, "x").qos(1 + u8::from(packet % 2 == 0), packet))?;
        let publish = subscriber.expect_payload("x")?;
        ids.extend(publish.id);
    }
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let distinct = sorted.len() == 10 && !sorted.contains(&0);
    subscriber.require(distinct, "ten different identifiers other than 0", format!("{ids:?}"))
}
