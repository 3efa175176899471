//! Message receipt (section 4.5): what nobody uses is acknowledged too.

use crate::client::Stage;
use crate::raw::{Kind, Publish, pubrel};
use crate::{Case, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[Case {
    ids: &["v3.1.1 MQTT-4.5.0-2", "v5 MQTT-4.5.0-2"],
    name: "A message that the application throws away is acknowledged",
    run: acknowledged,
}];

fn acknowledged(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = stage.subscribed(&["-t", "#", "-T", "out/#", "-q", "2"])?;
    peer.send(&Publish::new("out/a", "x").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    peer.send(&Publish::new("out/a", "x").qos(2, 8))?;
    peer.expect_ack(Kind::Pubrec, 8)?;
    peer.send(&pubrel(8))?;
    peer.expect_ack(Kind::Pubcomp, 8)?;
    peer.send(&Publish::new("in", "y"))?;
    client.expect_line("y")?;
    // And one that was never subscribed to.
    let (_client, mut peer) = stage.subscribed(&["-t", "a/b", "-q", "2"])?;
    peer.send(&Publish::new("never/asked/for", "x").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    let (_client, mut peer) = stage.lines(&["-q", "1"])?;
    peer.send(&Publish::new("never/asked/for", "x").qos(1, 7))?;
    peer.expect_ack(Kind::Puback, 7)?;
    Ok(())
}
