//! Cases of a message that the server has taken over.

use crate::raw::Publish;
use crate::{Case, Context, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[Case {
    ids: &["v3.1.1 MQTT-4.5.0-1", "v5 MQTT-4.5.0-1"],
    name: "A message reaches every matching subscriber, connected or away",
    run: everyone_gets_it,
}];

fn everyone_gets_it(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a/b");
    let filters = [topic.clone(), cx.topic("a/+"), cx.topic("#")];
    let mut present = Vec::new();
    for (index, filter) in filters.iter().enumerate() {
        let mut away = cx.accept(&cx.staying(&format!("away{index}")))?;
        away.subscribe(filter, 1)?;
        away.leave()?;
        let mut here = cx.peer(&format!("here{index}"))?;
        here.subscribe(filter, 1)?;
        present.push(here);
    }
    let mut publisher = cx.peer("p")?;
    publisher.publish(&Publish::new(&topic, "x").qos(1, 1))?;
    for mut here in present {
        let publish = here.expect_payload("x")?;
        here.acknowledge(&publish)?;
    }
    for index in 0..filters.len() {
        let role = format!("away{index}");
        let mut back = cx.accept(&cx.staying(&role))?;
        let publish = back.expect_payload("x")?;
        back.acknowledge(&publish)?;
        back.leave()?;
        cx.peer(&role)?.leave()?;
    }
    Ok(())
}
