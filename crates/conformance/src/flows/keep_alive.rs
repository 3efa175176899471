//! Cases of Keep Alive.

use std::time::Duration;

use crate::peer::Event;
use crate::raw::property::id;
use crate::raw::{Content, PINGREQ, Publish, Will, words};
use crate::{Case, Context, Peer, Stop};

/// The Keep Alive that the cases ask for, in seconds: with 1, a server with a clock of whole seconds could
/// not be told from one that counts wrong.
const KEEP_ALIVE: u16 = 2;
/// One and a half times that, less what a clock may be off.
const EARLIEST: Duration = Duration::from_millis(2_900);
/// One and a half times that, which a server has to notice, but for its clock.
const DUE: Duration = Duration::from_millis(3_000);
/// A silence that a server with Keep Alive off would have ended if it took it for a short one.
const SILENCE: Duration = Duration::from_secs(6);

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-24", "v5 MQTT-3.1.2-22", "v5 MQTT-3.2.2-22"],
        name: "A silent client is dropped after one and a half times its Keep Alive and its will published",
        run: silent,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-24", "v5 MQTT-3.1.2-22"],
        name: "Messages that the server sends do not keep a silent client's connection",
        run: only_receives,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-24", "v5 MQTT-3.1.2-22"],
        name: "Packets of any kind keep the connection",
        run: speaks,
    },
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-24", "v5 MQTT-3.1.2-22"],
        name: "Keep Alive 0 lets a client be silent",
        run: off,
    },
];

/// A connection with the short Keep Alive, if the server takes it.
fn short(cx: &Context) -> Result<Peer, Stop> {
    let will = Will::new(cx.topic("will"), "gone");
    let peer = cx.accept(&cx.hello("a").keep_alive(KEEP_ALIVE).will(will))?;
    match peer.connack().properties.number(id::SERVER_KEEP_ALIVE) {
        Some(own) => Err(Stop::NotApplicable(format!("CONNACK says Server Keep Alive {own}"))),
        None => Ok(peer),
    }
}

fn silent(cx: &Context) -> Result<(), Stop> {
    let mut watcher = cx.peer("w")?;
    watcher.subscribe(cx.topic("will"), 0)?;
    let mut peer = short(cx)?;
    let start = cx.now();
    peer.expect_close_within(&[0x8D], DUE + cx.slack())?;
    let elapsed = cx.now() - start;
    let expected = format!("the end no sooner than {EARLIEST:?} after the last packet");
    peer.require(elapsed >= EARLIEST, &expected, format!("it after {elapsed:?}"))?;
    watcher.expect_payload("gone")?;
    Ok(())
}

fn only_receives(cx: &Context) -> Result<(), Stop> {
    let mut publisher = cx.peer("p")?;
    let mut peer = short(cx)?;
    peer.subscribe(cx.topic("a"), 0)?;
    let start = cx.now();
    let latest = DUE + cx.slack();
    while cx.now() - start < latest {
        publisher.publish(&Publish::new(cx.topic("a"), "x"))?;
        let mut wait = peer.wait_within("the end of the connection", Duration::from_millis(400));
        loop {
            match peer.next_in(&mut wait)? {
                Event::Packet(_) => {}
                Event::Closed => {
                    let expected = format!("the end no sooner than {EARLIEST:?} after the last packet");
                    return peer.require(cx.now() - start >= EARLIEST, &expected, "it sooner");
                }
                Event::Silence => break,
            }
        }
    }
    Err(peer.fail(format!("the end within {latest:?}"), "an open connection"))
}

fn speaks(cx: &Context) -> Result<(), Stop> {
    let mut peer = short(cx)?;
    let publish = Publish::new(cx.topic("a"), "x");
    for step in 0..5 {
        cx.wait(Duration::from_millis(1_500));
        if step % 2 == 0 { peer.send(&publish)? } else { peer.send(&PINGREQ)? }
    }
    peer.fence().map(|_| ())
}

fn off(cx: &Context) -> Result<(), Stop> {
    let mut peer = cx.open()?;
    peer.send(&cx.hello("a").keep_alive(0))?;
    // In 3.1.1 refusal is all that a server can do that lets nobody be silent for ever.
    if let Event::Packet(packet) = peer.peek()?
        && let Content::Connack(connack) = &packet.content
        && connack.code != 0
        && !cx.v5()
    {
        return Err(Stop::NotApplicable(format!("Keep Alive 0 is refused with {}", words(&packet))));
    }
    peer.expect_connack()?;
    if let Some(own) = peer.connack().properties.number(id::SERVER_KEEP_ALIVE) {
        return Err(Stop::NotApplicable(format!("CONNACK says Server Keep Alive {own}")));
    }
    cx.wait(SILENCE);
    let before = peer.fence()?;
    peer.require_none(&before, "PINGRESP alone")
}
