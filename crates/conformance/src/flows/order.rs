//! Cases of the order in which messages and acknowledgements come.

use super::qos1::{forget, resume, stay};
use crate::raw::{Content, Kind, Packet, Publication, Publish, pubrec};
use crate::{Case, Context, Peer, Stop};

/// All of them.
pub(super) const CASES: &[Case] = &[
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-5", "v3.1.1 MQTT-4.6.0-6", "v5 MQTT-4.6.0-5", "v5 MQTT-4.6.0-6"],
        name: "Messages on each topic come in the order they were published in, at every QoS",
        run: order_on_every_topic,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-1", "v3.1.1 MQTT-4.6.0-6", "v5 MQTT-4.6.0-5"],
        name: "Messages sent again and new ones after them come in their order",
        run: order_over_resumption,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-6", "v5 MQTT-4.6.0-5"],
        name: "Messages that waited for an absent subscriber come in their order",
        run: order_after_absence,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-6"],
        name: "PUBACK and PUBREC come in the order of the PUBLISH packets",
        run: order_of_answers,
    },
    Case {
        ids: &["v3.1.1 MQTT-4.6.0-6"],
        name: "PUBREL comes in the order of the PUBREC packets",
        run: order_of_pubrels,
    },
];

const COUNT: u16 = 30;

/// The number that is a message's payload.
fn number(publish: &Publication) -> Option<u16> {
    String::from_utf8_lossy(&publish.payload).parse().ok()
}

fn order_on_every_topic(cx: &Context) -> Result<(), Stop> {
    let topics = ["a", "b/c", "b/d", "e"];
    let filters: [&[&str]; 3] = [&topics, &["#"], &["a", "b/+", "e"]];
    for qos in [0, 1, 2] {
        let mut publisher = cx.peer("p")?;
        let mut subscribers = Vec::new();
        for (role, filters) in ["s", "t", "u"].into_iter().zip(filters) {
            let mut subscriber = cx.peer(role)?;
            for filter in filters {
                subscriber.subscribe(cx.topic(filter), qos)?;
            }
            subscribers.push(subscriber);
        }
        for next in 0..COUNT {
            for topic in topics {
                let id = publisher.next_id();
                publisher.publish(&Publish::new(cx.topic(topic), next.to_string()).qos(qos, id))?;
            }
        }
        for subscriber in &mut subscribers {
            ascending(cx, subscriber, &topics)?;
        }
    }
    Ok(())
}

/// Reads all messages, which must be numbered from 0 on each topic.
fn ascending(cx: &Context, subscriber: &mut Peer, topics: &[&str]) -> Result<(), Stop> {
    let topics: Vec<String> = topics.iter().map(|topic| cx.topic(topic)).collect();
    let mut next = vec![0; topics.len()];
    while next.iter().any(|next| *next < COUNT) {
        let publish = subscriber.find(Kind::Publish)?;
        let Some(publish) = publish.publish().cloned() else {
            return Err(subscriber.fail_with("PUBLISH", &publish));
        };
        let topic = String::from_utf8_lossy(&publish.topic).into_owned();
        let place = topics.iter().position(|wanted| *wanted == topic);
        let Some(next) = place.and_then(|place| next.get_mut(place)) else {
            return Err(subscriber.fail("a topic of the case", topic));
        };
        let came = format!("{:?} on {topic:?}", String::from_utf8_lossy(&publish.payload));
        subscriber.require(number(&publish) == Some(*next), &format!("message {next}"), came)?;
        *next += 1;
        subscriber.acknowledge(&publish)?;
    }
    Ok(())
}

/// The numbers of the messages that come, unacknowledged.
fn numbers(packets: &[Packet]) -> Vec<u16> {
    packets.iter().filter_map(Packet::publish).filter_map(number).collect()
}

fn order_over_resumption(cx: &Context) -> Result<(), Stop> {
    for qos in [1, 2] {
        let topic = cx.topic("a");
        let mut subscriber = stay(cx, &topic, qos)?;
        let mut publisher = cx.peer("p")?;
        for next in 1..=6 {
            publisher.publish(&Publish::new(&topic, next.to_string()).qos(qos, next))?;
        }
        for next in 1..=6_u16 {
            let publish = subscriber.expect_payload(next.to_string())?;
            if next == 1 {
                subscriber.acknowledge(&publish)?;
            }
        }
        subscriber = resume(cx, subscriber)?;
        for next in 7..=8 {
            publisher.publish(&Publish::new(&topic, next.to_string()).qos(qos, next))?;
        }
        let wanted = [2, 3, 4, 5, 6, 7, 8];
        let came = numbers(&cx.drain_messages(&mut publisher, &mut subscriber, wanted.len())?);
        subscriber.require(came == wanted, &format!("messages {wanted:?}"), format!("{came:?}"))?;
        forget(cx, subscriber)?;
        publisher.leave()?;
    }
    Ok(())
}

fn order_after_absence(cx: &Context) -> Result<(), Stop> {
    let topic = cx.topic("a");
    stay(cx, &topic, 2)?.leave()?;
    let mut publisher = cx.peer("p")?;
    for qos in [1, 2] {
        for next in 1..=8 {
            publisher.publish(&Publish::new(&topic, next.to_string()).qos(qos, next))?;
        }
        let mut subscriber = cx.accept(&cx.staying("s"))?;
        let came = cx.drain_messages(&mut publisher, &mut subscriber, 8)?;
        let (wanted, numbers) = ((1..=8).collect::<Vec<u16>>(), numbers(&came));
        subscriber.require(numbers == wanted, &format!("messages {wanted:?}"), format!("{numbers:?}"))?;
        for publish in came.iter().filter_map(Packet::publish) {
            subscriber.acknowledge(publish)?;
        }
        subscriber.leave()?;
    }
    cx.peer("s")?.leave()
}

fn order_of_answers(cx: &Context) -> Result<(), Stop> {
    let ids = [5, 3, 9, 1, 8, 200, 7];
    for (qos, kind) in [(1, Kind::Puback), (2, Kind::Pubrec)] {
        let mut publisher = cx.peer("p")?;
        for id in ids {
            publisher.send(&Publish::new(cx.topic("a"), "x").qos(qos, id))?;
        }
        for id in ids {
            publisher.expect_ack(kind, id)?;
        }
        publisher.leave()?;
    }
    Ok(())
}

fn order_of_pubrels(cx: &Context) -> Result<(), Stop> {
    let (mut subscriber, mut publisher) = (cx.peer("s")?, cx.peer("p")?);
    subscriber.subscribe(cx.topic("a"), 2)?;
    let mut ids = Vec::new();
    for next in 1..=6 {
        publisher.publish(&Publish::new(cx.topic("a"), "x").qos(2, next))?;
        ids.push(subscriber.expect_publish()?.id.unwrap_or(0));
    }
    // A client may send them in no other order than that of the messages [v3.1.1 MQTT-4.6.0-3].
    for id in &ids {
        subscriber.send(&pubrec(*id))?;
    }
    for wanted in &ids {
        let packet = subscriber.expect(Kind::Pubrel)?;
        if !matches!(&packet.content, Content::Ack(ack) if ack.id == *wanted) {
            return Err(subscriber.fail_with(format!("PUBREL under id {wanted}"), &packet));
        }
    }
    Ok(())
}
