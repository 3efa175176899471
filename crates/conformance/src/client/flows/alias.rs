//! Topic Aliases in both directions (section 3.3.2.3.4 of 5.0).

use crate::client::{Client, Stage, answer, should_end};
use crate::peer::Event;
use crate::raw::property::{id, two};
use crate::raw::{Publish, connack};
use crate::{Case, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case<Stage>] = &[
    Case {
        ids: &["v5 MQTT-3.2.2-17", "v5 MQTT-3.3.2-8", "v5 MQTT-3.3.2-9"],
        name: "A client uses Topic Aliases from 1 to the server's Topic Alias Maximum",
        run: within_maximum,
    },
    Case {
        ids: &["v5 MQTT-3.2.2-18"],
        name: "A client uses no Topic Alias when the server's CONNACK allows none",
        run: none_allowed,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-10"],
        name: "A client takes every Topic Alias up to the Topic Alias Maximum of its CONNECT",
        run: taken,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-7", "v5 MQTT-4.13.2-1"],
        name: "Topic Aliases of the server end with their connection",
        run: ends_with_connection,
    },
    Case {
        ids: &["v5 MQTT-3.3.2-8", "v5 MQTT-4.13.2-1"],
        name: "A client closes when Topic Alias 0 or one above its maximum comes",
        run: wrong_alias_comes,
    },
];

/// All aliases in the PUBLISH packets of a client, and whether one had neither a topic nor a known alias.
fn aliases(client: &mut Client, maximum: u16) -> Result<Vec<u32>, Stop> {
    client.hush();
    let (mut peer, _) = client.serve_with(&connack(0, 0).property(two(id::TOPIC_ALIAS_MAXIMUM, maximum)))?;
    let mut aliases = Vec::new();
    while let Event::Packet(packet) = peer.next_event()? {
        if let Some(publish) = packet.publish() {
            let alias = publish.properties.number(id::TOPIC_ALIAS);
            if publish.topic.is_empty() && alias.is_none_or(|alias| !aliases.contains(&alias)) {
                return Err(peer.fail_with("a topic, or an alias that has one", &packet));
            }
            aliases.extend(alias);
        }
        answer(&mut peer, &packet)?;
    }
    Ok(aliases)
}

fn judge(aliases: &[u32], maximum: u32) -> Result<(), Stop> {
    if aliases.iter().all(|alias| (1..=maximum).contains(alias)) {
        return Ok(());
    }
    Err(Stop::failed("", format!("Topic Aliases from 1 to {maximum}"), format!("{aliases:?}")))
}

fn within_maximum(stage: &Stage) -> Result<(), Stop> {
    let mut client = stage.publisher(&["-t", "a/b", "-m", "x", "--repeat", "3"])?;
    judge(&aliases(&mut client, 2)?, 2)?;
    for alias in ["0", "2", "3"] {
        let flags = ["-t", "a/b", "-m", "x", "-D", "publish", "topic-alias", alias];
        let mut client = stage.publisher(&flags)?;
        match aliases(&mut client, 2) {
            Ok(aliases) => judge(&aliases, 2)?,
            // It may also refuse to start.
            Err(stop) => client.expect_exit().map(drop).map_err(|_| stop)?,
        }
    }
    Ok(())
}

fn none_allowed(stage: &Stage) -> Result<(), Stop> {
    for flags in [&["--repeat", "3"][..], &["-D", "publish", "topic-alias", "1"]] {
        let mut client = stage.publisher(&[&["-t", "a/b", "-m", "x"], flags].concat())?;
        let mut peer = client.serve()?;
        while let Event::Packet(packet) = peer.next_event()? {
            let wrong = packet
                .publish()
                .is_some_and(|publish| publish.topic != b"a/b" || publish.properties.has(id::TOPIC_ALIAS));
            if wrong {
                return Err(peer.fail_with("PUBLISH with its topic and without a Topic Alias", &packet));
            }
            answer(&mut peer, &packet)?;
        }
    }
    Ok(())
}

/// A client that prints topics and takes five aliases.
fn taking(stage: &Stage) -> Result<(Client, Peer), Stop> {
    stage.subscribed(&["-t", "#", "-v", "-D", "connect", "topic-alias-maximum", "5"])
}

fn taken(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = taking(stage)?;
    let alias = |number| two(id::TOPIC_ALIAS, number);
    peer.send(&Publish::new("one", "a").property(alias(1)))?;
    peer.send(&Publish::new("five", "b").property(alias(5)))?;
    peer.send(&Publish::new("", "c").property(alias(1)))?;
    peer.send(&Publish::new("", "d").property(alias(5)))?;
    peer.send(&Publish::new("uno", "e").property(alias(1)))?;
    peer.send(&Publish::new("", "f").property(alias(1)))?;
    for line in ["one a", "five b", "one c", "five d", "uno e", "uno f"] {
        client.expect_line(line)?;
    }
    Ok(())
}

fn ends_with_connection(stage: &Stage) -> Result<(), Stop> {
    let (mut client, mut peer) = taking(stage)?;
    peer.send(&Publish::new("one", "a").property(two(id::TOPIC_ALIAS, 1)))?;
    client.expect_line("one a")?;
    peer.cut();
    let mut peer = client.resume()?;
    peer.send(&Publish::new("", "b").property(two(id::TOPIC_ALIAS, 1)))?;
    should_end(&mut peer, &[0x80, 0x82, 0x94]).map(drop)
}

fn wrong_alias_comes(stage: &Stage) -> Result<(), Stop> {
    for alias in [0, 6] {
        let (_client, mut peer) = taking(stage)?;
        peer.send(&Publish::new("one", "a").property(two(id::TOPIC_ALIAS, alias)))?;
        should_end(&mut peer, &[0x80, 0x81, 0x82, 0x94])?;
    }
    Ok(())
}
