//! Cases of PINGREQ: when the client sends it.

use std::time::{Duration, Instant};

use crate::client::Stage;
use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Kind, PINGRESP, connack};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v3.1.1 MQTT-3.1.2-23", "v5 MQTT-3.1.2-20"],
        name: "A silent client sends PINGREQ within its Keep Alive",
        run: keep_alive,
    },
    Case {
        ids: &["v5 MQTT-3.1.2-21", "v5 MQTT-3.2.2-21"],
        name: "A Server Keep Alive takes the place of the client's Keep Alive",
        run: server_keep_alive,
    },
];

/// What a busy machine may add to the time.
const SLACK: Duration = Duration::from_millis(1_500);

/// Within this time, and some slack, PINGREQ comes, and then again.
fn pings(peer: &mut Peer, within: Duration) -> Result<(), Stop> {
    for _ in 0..2 {
        let since = Instant::now();
        let event = peer.next_within(within + SLACK)?;
        let expected = format!("PINGREQ within {within:?}");
        match event {
            Event::Packet(packet) if packet.kind() == Kind::Pingreq => peer.send(&PINGRESP)?,
            Event::Packet(packet) => return Err(peer.fail_with(expected, &packet)),
            Event::Closed => return Err(peer.fail(expected, "the end of the connection")),
            Event::Silence => {
                return Err(peer.fail(expected, format!("nothing in {:?}", since.elapsed())));
            }
        }
    }
    Ok(())
}

fn keep_alive(stage: &Stage) -> Result<(), Stop> {
    // mosquitto's clients take no Keep Alive below 5 s.
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b", "-k", "5"])?;
    pings(&mut peer, Duration::from_secs(5))
}

fn server_keep_alive(stage: &Stage) -> Result<(), Stop> {
    let answer = connack(0, 0).property(two(id::SERVER_KEEP_ALIVE, 2));
    let (_client, mut peer) = stage.subscribed_with(&["-t", "a/b", "-k", "60"], &answer)?;
    pings(&mut peer, Duration::from_secs(2))
}
