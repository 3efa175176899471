//! Cases of wills.

use std::time::Duration;

use crate::peer::Event;
use crate::raw::property::{byte, four, id, pair, text};
use crate::raw::{Publication, Publish, Will, disconnect};
use crate::{Case, Context, Peer, Stop};

/// How long a will that must not come is waited for: it may take another way than a message, so that a
/// fence alone would not show that there is none.
const LATE: Duration = Duration::from_millis(500);

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-8", "v5 MQTT-3.1.2-7", "v5 MQTT-3.1.2-8"],
        name: "A will is published when the connection breaks",
        run: cut,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-8", "v5 MQTT-3.1.2-8"],
        name: "A will is published when the server ends the connection for an error",
        run: after_error,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-8", "v5 MQTT-3.1.2-8"],
        name: "No will is published after DISCONNECT",
        run: left,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-8"],
        name: "DISCONNECT with Will Message publishes the will",
        run: left_with_will,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-10", "v5 MQTT-3.1.2-10"],
        name: "A will is published once and not again for a later connection",
        run: once,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-12"],
        name: "A connection without a will publishes nothing when it breaks",
        run: no_will,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-9", "v5 MQTT-3.1.2-9"],
        name: "A will is published at its own QoS",
        run: at_qos,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-16", "v5 MQTT-3.1.2-14"],
        name: "A will with Will Retain 0 is not retained",
        run: not_retained,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-17", "v5 MQTT-3.1.2-15"],
        name: "A will with Will Retain 1 is retained",
        run: retained,
    },
    Case { ids: &["v5 MQTT-3.1.2-8"], name: "A will waits for its Will Delay Interval", run: delayed },
    Case {
        ids: &["v5 MQTT-3.1.2-8"],
        name: "A will comes at the end of its session if that is before the end of its delay",
        run: session_ends_first,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-8", "v5 MQTT-3.1.3-9"],
        name: "No will is published if the session goes on within its delay",
        run: resumed_in_time,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-8"],
        name: "A will that waits is published at once when a clean connection ends its session",
        run: clean_ends_session,
    },
    Case {
        ids: &["v5 MQTT-3.1.3-10"],
        name: "The properties of a will are published with it, User Properties in their order",
        run: properties,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-6"],
        name: "The Message Expiry Interval of a will is published with it",
        run: expiry,
    },
];

/// Somebody who watches for the will `gone` on the topic `will`.
fn watcher(cx: &Context) -> Result<Peer, Stop> {
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(cx.topic("will"), 2)?;
    Ok(watcher)
}

fn will(cx: &Context) -> Will {
    Will::new(cx.topic("will"), "gone")
}

/// The will comes.
fn take(cx: &Context, watcher: &mut Peer) -> Result<Publication, Stop> {
    let publish = watcher.expect_payload("gone")?;
    watcher.require(publish.topic == cx.topic("will").as_bytes(), "the Will Topic", "another topic")?;
    watcher.acknowledge(&publish)?;
    Ok(publish)
}

/// The will does not come.
fn absent(cx: &Context, watcher: &mut Peer, expected: &str) -> Result<(), Stop> {
    cx.wait(LATE);
    let mut publisher = cx.peer("p")?;
    let came = cx.drain(&mut publisher, watcher)?;
    watcher.require_no_publish(&came, expected)
}

fn cut(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    cx.accept(&cx.hello("a").will(will(cx)))?.cut();
    take(cx, &mut watcher)?;
    absent(cx, &mut watcher, "the will once")?;
    // Whatever the session is.
    cx.accept(&cx.staying("a").will(will(cx)))?.cut();
    take(cx, &mut watcher)?;
    cx.peer("a")?.leave()
}

fn after_error(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    let mut peer = cx.accept(&cx.hello("a").will(will(cx)))?;
    peer.send(&[0x00, 0x00])?;
    peer.expect_close(&[0x81, 0x82])?;
    take(cx, &mut watcher)?;
    Ok(())
}

fn left(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    cx.accept(&cx.hello("a").will(will(cx)))?.leave()?;
    absent(cx, &mut watcher, "no will after DISCONNECT")
}

fn left_with_will(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    cx.accept(&cx.hello("a").will(will(cx)))?.leave_with(&disconnect().code(0x04))?;
    take(cx, &mut watcher)?;
    Ok(())
}

fn once(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    cx.accept(&cx.staying("a").will(will(cx)))?.cut();
    take(cx, &mut watcher)?;
    cx.accept(&cx.staying("a"))?.cut();
    absent(cx, &mut watcher, "no second will, for a connection that had none")?;
    // The same after a DISCONNECT.
    cx.accept(&cx.staying("a").will(will(cx)))?.leave()?;
    cx.accept(&cx.staying("a"))?.cut();
    absent(cx, &mut watcher, "no will that a DISCONNECT has removed")?;
    cx.peer("a")?.leave()
}

fn no_will(cx: &Context) -> Result<(), Stop> {
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(cx.topic("#"), 0)?;
    cx.peer("a")?.cut();
    absent(cx, &mut watcher, "nothing at the end of a connection without a will")
}

fn at_qos(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    for qos in 0..3 {
        cx.accept(&cx.hello("a").will(will(cx).qos(qos)))?.cut();
        let publish = take(cx, &mut watcher)?;
        let came = format!("QoS {}", publish.qos);
        watcher.require(publish.qos == qos, &format!("the will at QoS {qos}"), came)?;
    }
    Ok(())
}

fn not_retained(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    cx.accept(&cx.hello("a").will(will(cx)))?.cut();
    let publish = take(cx, &mut watcher)?;
    watcher.require(!publish.retain, "the will with RETAIN 0", "RETAIN 1")?;
    let mut later = cx.peer("l")?;
    later.subscribe(cx.topic("will"), 0)?;
    absent(cx, &mut later, "no retained message")
}

fn retained(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    let connect = cx.hello("a").will(will(cx).retained());
    let mut peer = cx.open()?;
    peer.send(&connect)?;
    if let Event::Packet(packet) = peer.peek()?
        && cx.v5()
        && packet.bytes.get(3) == Some(&0x9A)
    {
        return Err(Stop::NotApplicable("CONNACK 0x9A: retained messages are not supported".to_owned()));
    }
    peer.expect_connack()?;
    peer.cut();
    let publish = take(cx, &mut watcher)?;
    watcher.require(!publish.retain, "RETAIN 0 for a subscription already in place", "RETAIN 1")?;
    let mut later = cx.peer("l")?;
    later.subscribe(cx.topic("will"), 0)?;
    let publish = take(cx, &mut later)?;
    later.require(publish.retain, "the will with RETAIN 1", "RETAIN 0")?;
    later.publish(&Publish::new(cx.topic("will"), "").qos(1, 1).retained())
}

/// Nothing comes before the first of two times, the will comes by the other; both count from `start`.
fn take_between(
    cx: &Context,
    watcher: &mut Peer,
    start: Duration,
    (from, until): (Duration, Duration),
) -> Result<(), Stop> {
    let expected = format!("the will between {from:?} and {until:?} after the end of the connection");
    match watcher.next_within(until.saturating_sub(cx.now() - start))? {
        Event::Packet(packet) => {
            let elapsed = cx.now() - start;
            let right = packet.publish().is_some_and(|publish| publish.payload == b"gone");
            if !right {
                return Err(watcher.fail_with(expected, &packet));
            }
            watcher.require(elapsed >= from, &expected, format!("it after {elapsed:?}"))?;
            packet.publish().map_or(Ok(()), |publish| watcher.acknowledge(publish))
        }
        Event::Closed => Err(watcher.fail(expected, "the end of the connection")),
        Event::Silence => Err(watcher.fail(expected, format!("nothing in {until:?}"))),
    }
}

/// A will with this delay, of a session with this expiry, whose connection breaks.
fn broken(cx: &Context, delay: u32, expiry: u32) -> Result<Duration, Stop> {
    let will = will(cx).property(four(id::WILL_DELAY, delay));
    let connect = cx.hello("a").property(four(id::SESSION_EXPIRY, expiry)).will(will);
    cx.accept(&connect)?.cut();
    Ok(cx.now())
}

fn delayed(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    let start = broken(cx, 0, 60)?;
    take_between(cx, &mut watcher, start, (Duration::ZERO, cx.patience()))?;
    let start = broken(cx, 2, 60)?;
    let from = Duration::from_millis(1_900);
    take_between(cx, &mut watcher, start, (from, Duration::from_secs(2) + cx.patience()))?;
    cx.peer("a")?.leave()
}

fn session_ends_first(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    let start = broken(cx, 9, 1)?;
    let from = Duration::from_millis(900);
    take_between(cx, &mut watcher, start, (from, Duration::from_secs(6)))?;
    // A session that ends with its connection leaves no time for a delay.
    let start = broken(cx, 9, 0)?;
    take_between(cx, &mut watcher, start, (Duration::ZERO, cx.patience()))
}

fn resumed_in_time(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    broken(cx, 2, 60)?;
    cx.wait(Duration::from_millis(500));
    let peer = cx.accept(&cx.staying("a"))?;
    cx.wait(Duration::from_secs(3));
    absent(cx, &mut watcher, "no will of a session that goes on")?;
    peer.leave()?;
    cx.peer("a")?.leave()
}

fn clean_ends_session(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    broken(cx, 30, 60)?;
    cx.wait(LATE);
    let peer = cx.peer("a")?;
    take(cx, &mut watcher)?;
    peer.leave()
}

/// Section 3.1.3.2.4: it counts from when the will is published, less the time in the server.
fn expiry(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    cx.accept(&cx.hello("a").will(will(cx).property(four(id::MESSAGE_EXPIRY, 60))))?.cut();
    let left = take(cx, &mut watcher)?.properties.number(id::MESSAGE_EXPIRY);
    let right = left.is_some_and(|left| (50..=60).contains(&left));
    watcher.require(right, "the will with Message Expiry Interval 60, or little less", format!("{left:?}"))
}

fn properties(cx: &Context) -> Result<(), Stop> {
    let mut watcher = watcher(cx)?;
    let will = will(cx)
        .property(pair("b", "1"))
        .property(byte(id::PAYLOAD_FORMAT, 1))
        .property(pair("a", "2"))
        .property(text(id::CONTENT_TYPE, "text/plain"))
        .property(text(id::RESPONSE_TOPIC, "answer/here"))
        .property(text(id::CORRELATION_DATA, b"\x00\xFF"))
        .property(pair("b", "3"));
    cx.accept(&cx.hello("a").will(will))?.cut();
    let properties = take(cx, &mut watcher)?.properties;
    let pairs: [(&[u8], &[u8]); 3] = [(b"b", b"1"), (b"a", b"2"), (b"b", b"3")];
    let same = properties.pairs() == pairs
        && properties.number(id::PAYLOAD_FORMAT) == Some(1)
        && properties.bytes(id::CONTENT_TYPE) == Some(b"text/plain")
        && properties.bytes(id::RESPONSE_TOPIC) == Some(b"answer/here")
        && properties.bytes(id::CORRELATION_DATA) == Some(b"\x00\xFF");
    watcher.require(same, "the properties as they were set, b=1 a=2 b=3", format!("{properties:?}"))
}
