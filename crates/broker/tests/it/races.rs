//! What happens when things happen at the same time: numbers used again, shards interleaved.

use colibri_codec::Version::V5;
use colibri_sim::{Random, World};

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::peer::wish;
use crate::world::{Clients, configured};
use crate::{SHARDS, VERSIONS};

#[test]
fn bytes_of_a_connection_that_breaks_never_count_for_the_next_of_its_number() {
    for shards in [2, 8] {
        for seed in 0..3000 {
            let world = World::seeded(shards, seed);
            let publisher = world.join(&Hello::new(V5, "publisher"));
            let name = format!("a{}", seed % 5);
            let older = world.join(&Hello::new(V5, &name));
            older.subscribe("big", 0);
            publisher.post("big", &[0; 200_000], 0);
            older.post("small", b"x", 1);
            older.link.fail_writes();
            let others: Vec<_> =
                (0..4).map(|number| world.dial(&Hello::new(V5, &format!("other-{number}")))).collect();
            world.run();
            for other in &others {
                other.expect_accepted();
                other.expect_nothing();
            }
        }
    }
}

#[test]
fn messages_of_one_publisher_keep_their_order_through_shards() {
    // [v5 MQTT-4.6.0-5] [v5 MQTT-4.6.0-6] [v3.1.1 MQTT-4.6.0-5] [v3.1.1 MQTT-4.6.0-6]
    for shards in SHARDS {
        for seed in 0..40 {
            let world = World::seeded(shards, seed);
            let mut random = Random::new(seed);
            let versions = VERSIONS;
            let receivers: Vec<_> = (0..6)
                .map(|name| {
                    let receiver = world.join(&Hello::new(versions[name % 2], &format!("receiver-{name}")));
                    receiver.subscribe(["t/#", "t/+"][name % 2], u8::try_from(name % 3).unwrap());
                    receiver
                })
                .collect();
            let publishers: Vec<_> = (0..3)
                .map(|name| world.join(&Hello::new(versions[name % 2], &format!("publisher-{name}"))))
                .collect();
            for number in 0..100 {
                let name = random.below(3);
                let qos = u8::try_from(random.below(3)).unwrap();
                let topic = format!("t/{}", random.below(3));
                publishers[name].post(&topic, format!("{name} {number:04}").as_bytes(), qos);
                world.turns(random.below(4));
            }
            for receiver in &receivers {
                let mut last = std::collections::HashMap::new();
                let got = receiver.drain();
                assert_eq!(got.len(), 100);
                // With QoS 2 throughout, the QoS that it was published with is that of the delivery.
                for message in got {
                    let publisher = message.payload[..1].to_vec();
                    let key = (publisher, message.topic, message.qos);
                    if receiver.version == V5 && message.qos == 2 || message.qos == 1 {
                        let before = last.insert(key, message.payload.clone());
                        assert!(before.is_none_or(|before| before < message.payload), "seed {seed}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_was_acknowledged_is_seen_by_whoever_subscribed_before() {
    for shards in SHARDS {
        for seed in 0..100 {
            let world = World::seeded(shards, seed);
            let publisher = world.join(&Hello::new(V5, &format!("publisher-{seed}")));
            let busy: Vec<_> = (0..6).map(|name| world.join(&Hello::new(V5, &format!("{name}")))).collect();
            for (number, client) in busy.iter().enumerate() {
                let topic = format!("t/{number}");
                let id = client.ask(&[wish(&topic, 1)]);
                while !client.take_some(usize::MAX) {
                    assert!(world.turn());
                }
                assert_eq!(client.pop(), Some(Got::Suback(id, vec![1])));
                // The client knows that it has subscribed, and so does everybody it tells.
                let id = publisher.post(&topic, b"x", 1);
                while !publisher.take_some(usize::MAX) {
                    assert!(world.turn());
                }
                assert_eq!(publisher.pop(), Some(Got::Puback(id, 0)), "{shards} shards, seed {seed}");
                client.expect_publish(&topic, "x", 1);
            }
        }
    }
}

#[test]
fn a_retained_message_comes_although_the_connection_is_lost_meanwhile() {
    for shards in SHARDS {
        for seed in 0..60 {
            let world = World::seeded(shards, seed);
            let publisher = world.join(&Hello::new(V5, "publisher"));
            for topic in 0..8 {
                publisher.retain(&format!("t/{topic}"), "x", 1);
            }
            let name = format!("a{seed}");
            let client = world.join(&Hello::resume(V5, &name));
            let id = client.ask(&[wish("t/#", 1)]);
            while !client.take_some(usize::MAX) {
                assert!(world.turn());
            }
            assert_eq!(client.pop(), Some(Got::Suback(id, vec![1])));
            client.link.cut();
            let back = world.join(&Hello::resume(V5, &name));
            assert_eq!(back.drain().len(), 8, "{shards} shards, seed {seed}");
        }
    }
}

#[test]
fn a_live_message_does_not_overtake_retained_ones_that_wait_for_a_new_connection() {
    for shards in SHARDS {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        publisher.retain("a", "old", 1);
        publisher.retain("b", "old", 1);
        let client = world.join(&Hello::resume(V5, "a").receive_maximum(1));
        client.ask(&[wish("+", 1)]);
        world.run();
        client.cut();
        let back = world.join(&Hello::resume(V5, "a").receive_maximum(1));
        let first = back.expect_message();
        publisher.retain("a", "new", 0);
        publisher.retain("b", "new", 0);
        back.answer(&first);
        let mut last = std::collections::HashMap::from([(first.topic, first.payload)]);
        for message in back.drain() {
            last.insert(message.topic, message.payload);
        }
        assert_eq!(last["a"], b"new");
        assert_eq!(last["b"], b"new");
    }
}

#[test]
fn clients_come_and_go_in_every_order() {
    for shards in SHARDS {
        for seed in 0..60 {
            let world = World::seeded(shards, seed);
            let mut random = Random::new(seed);
            let mut all = Vec::new();
            for _ in 0..80 {
                let name = format!("{}", random.below(6));
                let version = VERSIONS[random.below(2)];
                let hello = match random.below(3) {
                    0 => Hello::new(version, &name),
                    1 => Hello::resume(version, &name),
                    _ => Hello::resume(version, &name).will(Testament::new("t", b"gone").qos(1)),
                };
                let client = world.dial(&hello);
                client.ask(&[wish("t", 2), wish("$share/g/t", 1), wish("#", 0)]);
                client.post("t", b"x", u8::try_from(random.below(3)).unwrap());
                match random.below(4) {
                    0 => client.link.end(),
                    1 => client.send_bytes(&[0xE0, 0]),
                    2 => client.link.fail_writes(),
                    _ => {}
                }
                world.turns(random.below(10));
                if random.below(3) == 0 {
                    client.link.cut();
                }
                all.push(client);
            }
            world.run();
            for client in &all {
                client.link.cut();
            }
            world.run();
            assert_eq!(world.connections(), (0, 0));
            for name in 0..6 {
                world.join(&Hello::new(V5, &format!("{name}"))).leave();
            }
            let metrics = world.metrics();
            assert_eq!((metrics.sessions, metrics.subscriptions), (0, 0), "{shards} shards, seed {seed}");
            let last = world.join(&Hello::new(V5, "last"));
            let id = last.post("t", b"x", 1);
            last.expect(&Got::Puback(id, 0x10));
        }
    }
}

#[test]
fn what_was_published_after_a_suback_comes_behind_the_retained_messages() {
    for shards in SHARDS {
        for seed in 0..60 {
            let world = World::seeded(shards, seed);
            let publisher = world.join(&Hello::new(V5, "publisher"));
            for topic in 0..8 {
                publisher.retain(&format!("t/{topic}"), "old", 1);
            }
            let client = world.join(&Hello::new(V5, &format!("a{seed}")));
            let id = client.ask(&[wish("t/#", 1), wish("+/3", 0)]);
            // It also sends a message of its own without waiting for the answer.
            client.post("t/own", b"live", 0);
            while !client.take_some(usize::MAX) {
                assert!(world.turn());
            }
            assert_eq!(client.pop(), Some(Got::Suback(id, vec![1, 0])));
            publisher.post("t/live", b"live", 1);
            let got = client.drain();
            let retained = got.iter().take_while(|message| message.retain).count();
            assert_eq!((retained, got.len()), (9, 11), "{shards} shards, seed {seed}: {got:?}");
        }
    }
}

#[test]
fn a_subscribe_for_many_retained_messages_is_answered_although_its_client_is_slow() {
    for shards in SHARDS {
        let world = World::seeded(shards, 1);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for topic in 0..30 {
            publisher.retain(&format!("t/{topic}"), "old", 1);
        }
        let client = world.join(&Hello::new(V5, "a").receive_maximum(1));
        let filters: Vec<String> = (0..30).map(|topic| format!("t/{topic}")).collect();
        let wishes: Vec<_> = filters.iter().map(|filter| wish(filter, 1)).collect();
        let id = client.ask(&wishes);
        client.expect(&Got::Suback(id, vec![1; 30]));
        assert_eq!(client.drain().len(), 30);
    }
}

#[test]
fn a_client_that_leaves_or_is_taken_over_before_its_suback_is_no_trouble() {
    for shards in SHARDS {
        for seed in 0..60 {
            let world = World::seeded(shards, seed);
            let publisher = world.join(&Hello::new(V5, "publisher"));
            publisher.retain("t", "old", 1);
            let name = format!("a{seed}");
            let first = world.join(&Hello::resume(V5, &name));
            first.ask(&[wish("#", 1)]);
            first.send_bytes(&[0xC0, 0]);
            world.turns(usize::try_from(seed % 7).unwrap());
            if seed % 2 == 0 {
                first.link.cut();
            }
            let second = world.join(&Hello::resume(V5, &name));
            second.ask(&[wish("#", 1)]);
            world.run();
            publisher.post("u", b"new", 1);
            let got = second.drain();
            assert!(got.iter().any(|message| message.topic == "u"), "{shards} shards, seed {seed}");
            assert!(got.iter().any(|message| message.topic == "t"), "{shards} shards, seed {seed}");
        }
    }
}

#[test]
fn a_new_subscription_gets_qos_0_although_receive_maximum_is_used_up() {
    for shards in SHARDS {
        for seed in 0..20 {
            let world = World::seeded(shards, seed);
            let publisher = world.join(&Hello::new(V5, "publisher"));
            let client = world.join(&Hello::new(V5, &format!("a{seed}")).receive_maximum(1));
            client.subscribe("t", 1);
            for _ in 0..3 {
                publisher.publish("t", "waits", 1);
            }
            client.expect_unanswered("t", "waits", 1);
            client.subscribe("fence", 0);
            publisher.publish("fence", "x", 0);
            client.expect_publish("fence", "x", 0);
        }
    }
}

#[test]
fn a_qos_2_message_whose_sender_connects_anew_while_another_shard_is_asked_can_be_sent_again() {
    // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2]: what nobody has taken over is no repeat.
    for version in VERSIONS {
        for turns in 0..30 {
            for name in ["one", "two", "three"] {
                let world = configured(2, |config| config.queued_messages_maximum = 1);
                let absent = world.join(&Hello::resume(version, "absent"));
                absent.subscribe("t", 1);
                absent.cut();
                let filler = world.join(&Hello::new(version, "filler"));
                filler.publish("t", "first", 1);
                filler.post("t", b"too many", 1);
                world.run();

                let older = world.join(&Hello::resume(version, name));
                let id = older.post("t", b"x", 2);
                world.turns(turns);
                // The older connection is not read while others are asked, so only this one tells of its end.
                let publisher = world.join(&Hello::resume(version, name));

                let absent = world.join(&Hello::resume(version, "absent"));
                absent.expect_publish("t", "first", 1);
                absent.expect_nothing();
                publisher.send_publish("t", b"x", (2, false, true), id, &[]);
                world.run();
                publisher.pick(|got| [Got::Pubrec(id, 0), Got::Pubrec(id, 0x10)].contains(got));
                publisher.pubrel(id);
                publisher.pick(|got| *got == Got::Pubcomp(id, 0));
                absent.expect_publish("t", "x", 1);
                absent.expect_nothing();
            }
        }
    }
}
