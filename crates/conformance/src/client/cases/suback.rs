//! Cases of SUBACK: its identifier sets that of the SUBSCRIBE free.

use crate::client::Stage;
use crate::raw::{Kind, Publish, suback};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[Case {
    ids: &["v3.1.1 MQTT-4.5.0-2", "v5 MQTT-4.5.0-2"],
    name: "A client takes messages that come before the SUBACK",
    run: messages_before,
}];

fn messages_before(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.subscriber(&["-t", "a/b", "-q", "1"])?;
    let mut peer = client.serve()?;
    let packet = peer.expect(Kind::Subscribe)?;
    let Some(request) = packet.request() else { return Err(peer.fail_with("SUBSCRIBE", &packet)) };
    peer.send(&Publish::new("a/b", "early").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    client.expect_line("early")?;
    peer.send(&suback(request.id, &[1]))?;
    peer.send(&Publish::new("a/b", "later").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    client.expect_line("later")
}
