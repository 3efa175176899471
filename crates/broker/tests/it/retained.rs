//! Retained messages (section 3.3.1.3).

use colibri_codec::Property;
use colibri_codec::RetainHandling::{DoNotSend, SendIfNew};
use colibri_codec::Version::V5;
use colibri_sim::World;

use crate::hello::Hello;
use crate::peer::{Peer, wish};
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

#[test]
fn the_last_retained_message_comes_to_a_new_subscription() {
    // [v5 MQTT-3.3.1-5] [v5 MQTT-3.3.1-8] [v5 MQTT-3.8.4-8] [v3.1.1 MQTT-3.3.1-5] [v3.1.1 MQTT-3.3.1-7]
    // [v3.1.1 MQTT-3.3.1-8] [v3.1.1 MQTT-3.3.1-12]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for qos in 0..3 {
            let topic = format!("t/{qos}");
            publisher.retain(&topic, "1", 2);
            publisher.retain(&topic, "2", qos);
            publisher.publish(&topic, "not retained", 1);
            for granted in 0..3 {
                let client = world.join(&Hello::new(version, &format!("client-{qos}-{granted}")));
                client.subscribe(&topic, granted);
                let message = client.expect_publish(&topic, "2", qos.min(granted));
                assert!(message.retain && !message.dup);
                client.expect_nothing();
            }
        }
        assert_eq!(world.metrics().retained_messages, 3);
    }
}

#[test]
fn an_empty_retained_message_is_delivered_and_clears() {
    // [v5 MQTT-3.3.1-6] [v5 MQTT-3.3.1-7] [v3.1.1 MQTT-3.3.1-10] [v3.1.1 MQTT-3.3.1-11]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let live = world.join(&Hello::new(version, "live"));
        for topic in ["a", "b", "c", "d", "e"] {
            publisher.retain(topic, "1", 1);
            live.subscribe(topic, 1);
            live.expect_publish(topic, "1", 1);
            publisher.retain(topic, "", 1);
            assert!(!live.expect_publish(topic, "", 1).retain);
            publisher.retain(topic, "", 1);
            live.expect_publish(topic, "", 1);
            live.subscribe(topic, 1);
            live.expect_nothing();
        }
        assert_eq!((world.metrics().retained_messages, world.metrics().retained_bytes), (0, 0));
    }
}

#[test]
fn live_messages_have_retain_0_unless_asked_for_as_published() {
    // [v5 MQTT-3.3.1-12] [v5 MQTT-3.3.1-13] [v3.1.1 MQTT-3.3.1-8] [v3.1.1 MQTT-3.3.1-9]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let plain = world.join(&Hello::new(version, "plain"));
        plain.subscribe("t", 0);
        let kept = world.join(&Hello::new(V5, "kept"));
        kept.subscribe_to(wish("t", 0).as_published());
        publisher.retain("t", "1", 0);
        publisher.publish("t", "2", 0);
        assert!(!plain.expect_publish("t", "1", 0).retain);
        assert!(!plain.expect_publish("t", "2", 0).retain);
        assert!(kept.expect_publish("t", "1", 0).retain);
        assert!(!kept.expect_publish("t", "2", 0).retain);
        // Replays have it in any case.
        plain.subscribe("+", 0);
        assert!(plain.expect_publish("t", "1", 0).retain);
    }
}

#[test]
fn retain_handling_decides_when_retained_messages_come() {
    // [v5 MQTT-3.3.1-9] [v5 MQTT-3.3.1-10] [v5 MQTT-3.3.1-11]
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.join(&Hello::new(V5, "a"));
        for topic in ["a/1", "a/2", "a/3"] {
            client.retain(topic, topic, 1);
        }
        client.subscribe_to(wish("a/1", 1));
        client.expect_publish("a/1", "a/1", 1);
        client.subscribe_to(wish("a/1", 1));
        client.expect_publish("a/1", "a/1", 1);
        client.subscribe_to(wish("a/2", 1).handling(SendIfNew));
        client.expect_publish("a/2", "a/2", 1);
        client.subscribe_to(wish("a/2", 1).handling(SendIfNew));
        client.expect_nothing();
        client.subscribe_to(wish("a/3", 1).handling(DoNotSend));
        client.expect_nothing();
        client.unsubscribe("a/2");
        client.subscribe_to(wish("a/2", 1).handling(SendIfNew));
        client.expect_publish("a/2", "a/2", 1);
        client.subscribe_to(wish("$share/g/a/1", 1));
        client.expect_nothing();
    }
}

#[test]
fn a_thousand_retained_messages_come_through_wildcards() {
    // [v5 MQTT-4.7.2-1] [v3.1.1 MQTT-3.3.1-6] [v3.1.1 MQTT-4.7.2-1]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for number in 0..1000 {
            publisher.send_publish(&format!("d/{number}/s"), b"x", (0, true, false), 0, &[]);
        }
        publisher.send_publish("$hidden/s", b"x", (0, true, false), 0, &[]);
        world.run();
        let client = world.join(&Hello::new(version, "client"));
        for (filter, count) in [("d/+/s", 1000), ("#", 1000), ("d/7/#", 1), ("+/+/+", 1000), ("d", 0)] {
            client.subscribe(filter, 1);
            let mut topics: Vec<_> = client.drain().into_iter().map(|message| message.topic).collect();
            topics.sort();
            topics.dedup();
            assert_eq!(topics.len(), count, "{filter}");
        }
        assert_eq!(world.metrics().retained_messages, 1001);
    }
}

#[test]
fn retained_messages_expire_and_say_how_long_they_have_left() {
    // [v5 MQTT-3.3.2-6]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        publisher.publish_with("t", b"old", 1, true, &[Property::MessageExpiryInterval(1000)]);
        publisher.publish_with("t", b"x", 1, true, &[Property::MessageExpiryInterval(10)]);
        world.advance(4);
        let client = world.join(&Hello::new(version, "a"));
        client.subscribe("t", 1);
        let message = client.expect_publish("t", "x", 1);
        assert_eq!(message.expiry, (version == V5).then_some(6));
        world.advance(6);
        assert_eq!(world.metrics().retained_messages, 0);
        client.subscribe("t", 1);
        client.expect_nothing();
        world.advance(2000);
        assert_eq!(world.timers(), 0);
    }
}

#[test]
fn renewing_an_expiring_retained_message_leaves_no_timers_behind() {
    for shards in SHARDS {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for _ in 0..20_000 {
            publisher.send_publish(
                "t",
                b"x",
                (0, true, false),
                0,
                &[Property::MessageExpiryInterval(86_400)],
            );
            world.advance_millis(1);
        }
        assert!(world.timers() < 3000, "{} timers", world.timers());
        world.advance(86_400);
        assert_eq!(world.metrics().retained_messages, 0);
    }
}

#[test]
fn retained_messages_beyond_the_limit_are_refused() {
    let world = configured(1, |config| config.retained_bytes_maximum = 5000);
    let publisher = world.join(&Hello::new(V5, "publisher"));
    publisher.retain("a", [1; 6000], 1);
    let id = publisher.next_id();
    publisher.send_publish("b", b"x", (1, true, false), id, &[]);
    publisher.expect(&crate::packets::Got::Puback(id, 0x97));
    publisher.retain("a", "", 1);
    publisher.retain("b", "x", 1);
    assert_eq!(world.metrics().retained_messages, 1);
}

#[test]
fn a_subscriber_never_sees_an_older_state_after_a_newer_one_and_ends_with_the_last() {
    for shards in SHARDS {
        for seed in 0..150 {
            let world = World::seeded(shards, seed);
            let publishers: Vec<_> =
                (0..3).map(|name| world.join(&Hello::new(V5, &format!("publisher-{name}")))).collect();
            let subscribers: Vec<_> =
                (0..6).map(|name| world.join(&Hello::new(V5, &format!("subscriber-{name}")))).collect();
            for (name, publisher) in publishers.iter().enumerate() {
                for topic in 0..4 {
                    publisher.retain(&format!("t/{name}/{topic}"), "000", 1);
                }
            }
            let mut random = colibri_sim::Random::new(seed);
            let mut waiting: Vec<_> = subscribers.iter().collect();
            for state in 1..40 {
                let publisher = random.below(publishers.len());
                for topic in 0..4 {
                    let topic = format!("t/{publisher}/{topic}");
                    let payload = format!("{state:03}");
                    publishers[publisher].send_publish(&topic, payload.as_bytes(), (0, true, false), 0, &[]);
                    world.turns(random.below(4));
                }
                if random.below(4) == 0
                    && let Some(subscriber) = waiting.pop()
                {
                    subscriber.ask(&[wish("t/#", 1)]);
                }
                world.turns(random.below(8));
            }
            for subscriber in &waiting {
                subscriber.ask(&[wish("t/#", 1)]);
            }
            world.run();
            let late = world.join(&Hello::new(V5, "late"));
            late.subscribe("t/#", 1);
            let last: std::collections::HashMap<_, _> =
                late.drain().into_iter().map(|message| (message.topic, message.payload)).collect();
            for subscriber in &subscribers {
                let mut seen = std::collections::HashMap::new();
                for message in subscriber.drain() {
                    let before = seen.insert(message.topic.clone(), message.payload.clone());
                    let older = before.filter(|before| *before > message.payload);
                    assert_eq!(older, None, "{message:?}, {shards} shards, seed {seed}");
                }
                assert_eq!(seen, last, "{shards} shards, seed {seed}");
            }
        }
    }
}

#[test]
fn a_subscription_made_while_the_state_changes_learns_the_new_state() {
    for shards in SHARDS {
        for seed in 0..600 {
            let world = World::seeded(shards, seed);
            let publisher = world.join(&Hello::new(V5, &format!("publisher-{}", seed % 7)));
            let subscriber = world.join(&Hello::new(V5, &format!("subscriber-{}", seed % 11)));
            let topic = format!("state/{}", seed % 13);
            publisher.retain(&topic, "old", 1);
            // Others keep the shards at work within the same turns.
            let busy: Vec<_> = (0..10).map(|name| world.join(&Hello::new(V5, &format!("{name}")))).collect();
            busy.iter().for_each(Peer::ping);
            subscriber.ask(&[wish("state/#", 1)]);
            publisher.send_publish(&topic, b"new", (0, true, false), 0, &[]);
            let seen: Vec<_> = subscriber.drain().into_iter().map(|message| message.payload).collect();
            assert_eq!(seen.last().unwrap(), b"new", "{shards} shards, seed {seed}");
        }
    }
}
