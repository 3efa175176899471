//! Slow receivers, full queues, large packets, many receivers: everything a peer can grow has its limit.

use std::collections::HashSet;

use colibri_broker::QueueFull;
use colibri_codec::Version::{V3_1_1, V5};
use colibri_sim::{Random, World};

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::peer::Peer;
use crate::world::{Clients, configured};
use crate::{SHARDS, everywhere};

#[test]
fn qos_0_messages_are_dropped_for_a_slow_receiver_alone() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.output_budget = 10_000);
        let quick: Vec<_> =
            (0..4).map(|name| world.join(&Hello::new(version, &format!("quick-{name}")))).collect();
        quick.iter().for_each(|quick| quick.subscribe("t", 0));
        world.capacity(1000);
        let slow = world.join(&Hello::new(version, "slow"));
        slow.subscribe("t", 0);
        slow.reads(false);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for number in 0..500 {
            publisher.publish("t", format!("{number:0100}"), 0);
        }
        for quick in &quick {
            assert_eq!(quick.drain().len(), 500);
        }
        slow.reads(true);
        let got = slow.drain();
        assert!((90..130).contains(&got.len()), "{}", got.len());
        assert_eq!(world.metrics().dropped_slow, 500 - got.len() as u64);
        assert!(got.windows(2).all(|pair| pair[0].payload < pair[1].payload));
        publisher.publish("t", "after", 0);
        slow.expect_publish("t", "after", 0);
    }
}

#[test]
fn qos_1_messages_wait_for_a_slow_receiver_and_come_in_order() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.output_budget = 2000);
        world.capacity(300);
        let slow = world.join(&Hello::new(version, "slow"));
        slow.subscribe("t", 2);
        slow.reads(false);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for number in 0..300u16 {
            publisher.publish("t", format!("{number:0100}"), if number % 2 == 0 { 1 } else { 2 });
        }
        slow.reads(true);
        let got = slow.drain();
        assert_eq!(got.len(), 300);
        assert_eq!(world.metrics().publishes_sent, 300);
        for (number, message) in got.iter().enumerate() {
            assert_eq!(message.payload, format!("{number:0100}").into_bytes());
        }
    }
}

#[test]
fn a_client_that_reads_no_answers_is_not_read_on() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.output_budget = 10_000);
        world.capacity(1000);
        let client = world.join(&Hello::new(version, "a"));
        client.reads(false);
        client.send_bytes(&[0xC0, 0].repeat(1_000_000));
        client.take_in();
        assert!(client.link.unread() > 1_000_000);
        client.reads(true);
        let mut count = 0;
        while let Some(got) = client.next() {
            assert_eq!(got, Got::Pingresp);
            count += 1;
        }
        assert_eq!(count, 1_000_000);
    }
}

#[test]
fn receive_maximum_is_kept_and_other_packets_go_on() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.send_maximum = std::num::NonZeroU16::new(3).unwrap());
        let hello = Hello::resume(version, "a");
        let client = world.join(&if version == V5 { hello.receive_maximum(10) } else { hello });
        client.subscribe("t/#", 2);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for number in 0..20 {
            publisher.publish("t/x", format!("{number}"), 1 + number % 2);
        }
        publisher.publish("t/0", "zero", 0);
        let open: Vec<_> = (0..3).map(|_| client.expect_message()).collect();
        client.expect_publish("t/0", "zero", 0);
        client.ping();
        client.expect(&Got::Pingresp);
        client.subscribe("u", 1);
        client.publish("nobody", "x", 1);
        client.expect_nothing();
        let ids: HashSet<u16> = open.iter().map(|message| message.id).collect();
        assert_eq!(ids.len(), 3);
        client.puback(open[0].id);
        assert_eq!(client.expect_message().payload, b"3");
        client.expect_nothing();
        client.pubrec(open[1].id);
        client.expect(&Got::Pubrel(open[1].id, 0));
        client.expect_nothing();
        client.pubcomp(open[1].id);
        assert_eq!(client.expect_message().payload, b"4");
        client.expect_nothing();
    }
}

fn fill(world: &World, publisher: &Peer) -> (u64, u64) {
    let (mut taken, mut refused) = (0, 0);
    for number in 0..20 {
        let id = publisher.post("t", format!("{number}").as_bytes(), 1);
        match publisher.next() {
            Some(Got::Puback(of, 0)) if of == id => taken += 1,
            Some(Got::Puback(of, 0x97)) if of == id => refused += 1,
            None if publisher.version == V3_1_1 => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    world.run();
    (taken, refused)
}

#[test]
fn a_full_queue_refuses_drops_or_disconnects_as_configured() {
    for (shards, version) in everywhere() {
        for policy in [QueueFull::Refuse, QueueFull::DropNewest, QueueFull::DropOldest] {
            let world = configured(shards, |config| {
                config.queued_messages_maximum = 10;
                config.queue_full = policy;
            });
            let absent = world.join(&Hello::resume(version, "absent"));
            absent.subscribe("t", 1);
            absent.cut();
            let publisher = world.join(&Hello::new(version, "publisher"));
            let (taken, refused) = fill(&world, &publisher);
            let metrics = world.metrics();
            assert_eq!(taken + refused, 20);
            assert_eq!(metrics.refused_queue_full, refused);
            assert_eq!(metrics.dropped_queue_full, 10 - refused);
            assert_eq!(refused, if policy == QueueFull::Refuse { 10 } else { 0 });
            let back = world.join(&Hello::resume(version, "absent"));
            let first = if policy == QueueFull::DropOldest { 10 } else { 0 };
            for number in first..first + 10 {
                back.expect_publish("t", format!("{number}"), 1);
            }
            back.expect_nothing();
            publisher.publish("t", "room again", 1);
            back.expect_publish("t", "room again", 1);
        }
    }
}

#[test]
fn a_receiver_with_a_full_queue_is_disconnected_where_that_is_the_policy() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| {
            config.queued_messages_maximum = 10;
            config.send_maximum = std::num::NonZeroU16::MIN;
            config.queue_full = QueueFull::Disconnect;
        });
        let client = world.join(&Hello::resume(version, "a"));
        client.subscribe("t", 1);
        let publisher = world.join(&Hello::new(version, "publisher"));
        (0..12).for_each(|number| publisher.publish("t", format!("{number}"), 1));
        client.expect_unanswered("t", "0", 1);
        client.expect_disconnect(0x97);
        let back = world.join(&Hello::resume(version, "a"));
        for number in 0..11 {
            back.expect_publish("t", format!("{number}"), 1);
        }
        back.expect_nothing();
    }
}

/// Whoever does not take what it subscribed to, of its own session or as a member of a group.
#[test]
fn a_receiver_whose_session_ends_with_its_connection_holds_nobody_up() {
    for (shards, version) in everywhere() {
        for filter in ["t", "$share/group/t"] {
            let world = configured(shards, |config| {
                config.queued_messages_maximum = 10;
                config.send_maximum = std::num::NonZeroU16::MIN;
            });
            let slow = world.join(&Hello::new(version, "slow"));
            slow.subscribe(filter, 1);
            let quick = world.join(&Hello::new(version, "quick"));
            quick.subscribe("t", 1);
            let publisher = world.join(&Hello::new(version, "publisher"));
            for number in 0..30 {
                // It is acknowledged each time.
                publisher.publish("t", format!("{number}"), 1);
                quick.expect_publish("t", format!("{number}"), 1);
            }
            slow.expect_unanswered("t", "0", 1);
            slow.expect_disconnect(0x97);
            let metrics = world.metrics();
            assert_eq!((metrics.refused_queue_full, metrics.dropped_queue_full), (0, 1));
            assert_eq!(metrics.sessions, 2);
        }
    }
}

#[test]
fn a_session_that_is_kept_loses_nothing_whether_its_client_is_there_or_not() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| {
            config.queued_messages_maximum = 10;
            config.send_maximum = std::num::NonZeroU16::MIN;
        });
        let slow = world.join(&Hello::resume(version, "slow"));
        slow.subscribe("t", 1);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let (taken, refused) = fill(&world, &publisher);
        assert_eq!((taken, refused), (11, 9));
        slow.cut();
        let back = world.join(&Hello::resume(version, "slow"));
        for number in 0..11 {
            back.expect_publish("t", format!("{number}"), 1);
        }
        back.expect_nothing();
        assert_eq!(world.metrics().dropped_queue_full, 0);
    }
}

#[test]
fn a_chain_of_wills_to_full_queues_brings_nobody_down() {
    for shards in SHARDS {
        let world = configured(shards, |config| {
            config.queued_messages_maximum = 1;
            config.send_maximum = std::num::NonZeroU16::MIN;
            config.queue_full = QueueFull::Disconnect;
        });
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let count = 4000;
        let all: Vec<_> = (0..count)
            .map(|name| {
                let will = Testament::new("t", b"gone").qos(1);
                let client = world.join(&Hello::resume(V5, &format!("{name}")).will(will));
                client.subscribe("t", 1);
                client.reads(false);
                client
            })
            .collect();
        (0..3).for_each(|_| publisher.publish("t", "x", 1));
        assert!(all.iter().all(Peer::is_closed));
        assert_eq!(world.connections(), (1, 1));
    }
}

#[test]
fn packets_larger_than_the_read_buffer_arrive_whole() {
    for (shards, version) in everywhere() {
        for (size, fragment) in
            [(1 << 20, usize::MAX), (1 << 20, 3000), (5 << 20, 100_000), (200_000, 131_072)]
        {
            let world = configured(shards, |config| config.output_budget = 16 << 20);
            world.capacity(300_000);
            let receiver = world.join(&Hello::new(version, "receiver"));
            receiver.subscribe("t", 1);
            world.fragment(fragment);
            let publisher = world.join(&Hello::new(version, "publisher"));
            let payload: Vec<u8> = (0..size).map(|index| u8::try_from(index % 251).unwrap()).collect();
            publisher.post("t", &payload, 0);
            publisher.post("t", &payload, 1);
            publisher.post("t", b"small", 0);
            publisher.ping();
            publisher.pick(|got| matches!(got, Got::Puback(..)));
            publisher.pick(|got| *got == Got::Pingresp);
            let got = receiver.drain();
            let sizes: HashSet<_> = got.iter().map(|message| (message.qos, message.payload.len())).collect();
            assert_eq!(sizes, HashSet::from([(0, size), (1, size), (0, 5)]));
            assert!(got.iter().all(|message| message.payload.len() == 5 || message.payload == payload));
        }
    }
}

#[test]
fn five_hundred_receivers_get_the_message_each_in_its_form() {
    for shards in SHARDS {
        let world = World::new(shards);
        let mut random = Random::new(3);
        let all: Vec<_> = (0..500u32)
            .map(|number| {
                let version = [V3_1_1, V5][random.below(2)];
                let qos = u8::try_from(random.below(3)).unwrap();
                let (aliases, small, named) =
                    (random.below(3) == 0, random.below(5) == 0, random.below(3) == 0);
                let mut hello = Hello::new(version, &format!("client-{number}"));
                if version == V5 && aliases {
                    hello = hello.aliases(2);
                }
                let small = version == V5 && small;
                if small {
                    hello = hello.packet_size(100);
                }
                let client = world.join(&hello);
                let wish = crate::peer::wish("t/+", qos);
                let named = version == V5 && named;
                client.subscribe_to(if named { wish.identifier(number + 1) } else { wish });
                (client, qos, small, named.then_some(number + 1), version == V5 && aliases)
            })
            .collect();
        for publishing in [V3_1_1, V5] {
            let publisher = world.join(&Hello::new(publishing, "publisher"));
            for (qos, size) in [(0, 10), (1, 10), (2, 10), (0, 200), (1, 200), (2, 200)] {
                for topic in ["t/a", "t/b", "t/c", "t/a"] {
                    let payload = vec![b'x'; size];
                    publisher.publish(topic, &payload, qos);
                    for (client, granted, small, identifier, aliases) in &all {
                        if *small && size == 200 {
                            continue;
                        }
                        let message = client.expect_publish(topic, &payload, qos.min(*granted));
                        assert_eq!(message.identifiers, identifier.as_slice());
                        assert!(*aliases || message.alias.is_none());
                        assert!(message.alias.is_none_or(|alias| alias == 1 || alias == 2));
                        assert!(!*small || message.length <= 100);
                    }
                }
            }
        }
        all.iter().for_each(|(client, ..)| client.expect_nothing());
    }
}

#[test]
fn a_message_too_large_for_its_receiver_counts_as_delivered() {
    for shards in SHARDS {
        let world = World::new(shards);
        let client = world.join(&Hello::resume(V5, "a").packet_size(64).receive_maximum(1));
        client.subscribe("t", 2);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for qos in 0..3 {
            publisher.publish("t", [0; 100], qos);
            publisher.publish("t", "small", qos);
            client.expect_publish("t", "small", qos);
        }
        client.cut();
        publisher.publish("t", [0; 100], 1);
        publisher.publish("t", "small", 1);
        let back = world.join(&Hello::resume(V5, "a").packet_size(64).receive_maximum(1));
        back.expect_publish("t", "small", 1);
        back.expect_nothing();
        assert_eq!(world.metrics().dropped_too_large, 4);
    }
}

#[test]
fn nothing_is_left_when_everybody_has_left() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let all: Vec<_> = (0..50)
            .map(|name| {
                let client = world.join(&Hello::new(version, &format!("{name}")).keep_alive(10));
                for filter in ["a", "b/#", "$share/g/c", "+/d"] {
                    client.subscribe(filter, 2);
                }
                client
            })
            .collect();
        for topic in ["a", "b/x", "c", "x/d"] {
            all[7].publish(topic, "x", 2);
        }
        for (number, client) in all.iter().enumerate() {
            if number % 2 == 0 { client.leave() } else { client.cut() }
        }
        let metrics = world.metrics();
        assert_eq!((metrics.connections, metrics.sessions, metrics.subscriptions), (0, 0, 0));
        assert_eq!(world.connections(), (0, 0));
        world.advance(100);
        assert_eq!(world.timers(), 0);
        // Nobody is interested any more, at any shard.
        let last = world.join(&Hello::new(V5, "last"));
        let id = last.post("a", b"x", 1);
        last.expect(&Got::Puback(id, 0x10));
    }
}

#[test]
fn whoever_asks_for_more_retained_messages_than_may_wait_is_told_so() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.replayed_messages_maximum = 10);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for number in 0..20 {
            publisher.retain(&format!("t/{number}"), "kept", 1);
        }
        let modest = world.join(&Hello::new(version, "modest"));
        modest.subscribe("t/+", 2);
        assert!(modest.is_closed(), "twenty messages are more than ten");
        let content = world.join(&Hello::new(version, "content"));
        content.subscribe("t/7", 1);
        content.expect_publish("t/7", "kept", 1);
        assert!(world.metrics().dropped_queue_full > 0);
    }
}
