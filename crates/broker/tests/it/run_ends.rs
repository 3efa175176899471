//! What ends a run of alike packets, or happens between two of its receivers' answers: full queues, output
//! budgets, subscriptions, the end of the publisher or of a receiver.

use std::num::NonZeroU16;

use colibri_broker::QueueFull;
use colibri_codec::Version::{self, V5};
use colibri_codec::{Publish, TopicName};
use colibri_sim::{World, config};
use colibri_storage::faulty::Faulty;

use crate::VERSIONS;
use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::{Peer, packet_id, wish};
use crate::world::{Clients, configured};

const SHARDS: [usize; 2] = [1, 2];

fn everywhere() -> impl Iterator<Item = (usize, Version)> {
    SHARDS.into_iter().flat_map(|shards| VERSIONS.map(|version| (shards, version)))
}

/// PUBLISH packets to `t` with these numbers as payloads and, with QoS 1 and 2, as identifiers.
fn run(version: Version, qos: u8, numbers: std::ops::Range<u16>) -> Vec<u8> {
    run_of(version, qos, numbers, text)
}

/// The same with other texts as payloads.
fn run_of(version: Version, qos: u8, numbers: std::ops::Range<u16>, text: fn(u16) -> String) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        let delivery = match qos {
            0 => colibri_codec::Delivery::AtMostOnce,
            1 => colibri_codec::Delivery::AtLeastOnce(packet_id(number)),
            _ => colibri_codec::Delivery::ExactlyOnce(packet_id(number)),
        };
        let topic = Some(TopicName::new("t").unwrap());
        let payload = text(number);
        let publish = Publish { topic, delivery, payload: payload.as_bytes(), ..Publish::EMPTY };
        publish.encode(version, &mut bytes).unwrap();
    }
    bytes
}

fn text(number: u16) -> String {
    format!("{number:0100}")
}

/// A publisher whose next message to `t` finds its route known; it takes part in no count.
fn publisher(world: &World, version: Version) -> Peer {
    let publisher = world.join(&Hello::new(version, "publisher"));
    publisher.send_bytes(&run(version, 0, 1..2));
    world.run();
    publisher
}

/// The numbers of messages that were taken over, and of those that were refused.
fn answered(publisher: &Peer) -> (Vec<u16>, Vec<u16>) {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    while let Some(got) = publisher.next() {
        match got {
            Got::Puback(id, 0) | Got::Pubrec(id, 0) => taken.push(id),
            Got::Puback(id, 0x97) | Got::Pubrec(id, 0x97) => refused.push(id),
            other => panic!("{other:?}"),
        }
    }
    (taken, refused)
}

fn numbers(receiver: &Peer) -> Vec<u16> {
    receiver
        .drain()
        .iter()
        .map(|message| String::from_utf8_lossy(&message.payload).parse().unwrap())
        .collect()
}

fn list(range: std::ops::Range<u16>) -> Vec<u16> {
    range.collect()
}

#[test]
fn a_member_that_also_subscribes_gets_each_message_of_a_run_twice_before_the_next() {
    for (shards, version) in everywhere() {
        for qos in [0, 1] {
            let world = World::new(shards);
            let both = world.join(&Hello::new(version, "both"));
            both.subscribe("$share/g/t", qos);
            both.subscribe("t", qos);
            let publisher = publisher(&world, version);
            assert_eq!(numbers(&both), [1, 1]);
            publisher.send_bytes(&run(version, qos, 2..5));
            assert_eq!(numbers(&both), [2, 2, 3, 3, 4, 4], "{shards} {version} {qos}");
        }
    }
}

#[test]
fn what_is_acknowledged_of_a_run_arrives_in_both_roles_of_a_member_that_also_subscribes() {
    for version in VERSIONS {
        let world = configured(1, |config| {
            config.queued_messages_maximum = 5;
            config.queue_full = QueueFull::Refuse;
            config.send_maximum = NonZeroU16::new(20).unwrap();
        });
        let both = world.join(&Hello::new(version, "both"));
        both.subscribe("$share/g/t", 1);
        both.subscribe("t", 1);
        both.reads(false);
        let publisher = publisher(&world, version);
        publisher.send_bytes(&run(version, 1, 2..40));
        let (taken, refused) = answered(&publisher);
        let unanswered = 38 - taken.len();
        assert!(taken.len() >= 10 && unanswered > 0, "{taken:?}");
        assert!(refused.len() == unanswered || version != V5 && refused.is_empty(), "{refused:?}");
        both.reads(true);
        let twice: Vec<_> = [1].iter().chain(&taken).flat_map(|number| [*number, *number]).collect();
        assert_eq!(numbers(&both), twice);
    }
}

/// A receiver whose queue a run fills, and what it subscribes to.
#[derive(Clone, Copy, Debug)]
enum Filled {
    /// A session without a connection.
    Away,
    /// A member of a shared group without a connection.
    AwayMember,
    /// A member that is there and answers nothing.
    SlowMember,
    /// A subscriber that is there and answers nothing.
    Slow,
}

impl Filled {
    const ALL: [Self; 4] = [Self::Away, Self::AwayMember, Self::SlowMember, Self::Slow];

    fn enter(self, world: &World, version: Version, qos: u8) -> Option<Peer> {
        let (lasting, ends) = (Hello::resume(version, "filled"), Hello::new(version, "filled"));
        let (hello, filter, is_there) = match self {
            Self::Away => (lasting, "t", false),
            Self::AwayMember => (lasting, "$share/g/t", false),
            Self::SlowMember => (lasting, "$share/g/t", true),
            Self::Slow => (ends, "t", true),
        };
        let peer = world.join(&hello);
        peer.subscribe(filter, qos);
        if is_there {
            peer.reads(false);
            return Some(peer);
        }
        peer.cut();
        None
    }

    /// All that it gets, in order.
    fn collect(peer: Option<Peer>, world: &World, version: Version) -> Vec<u16> {
        let peer = peer.unwrap_or_else(|| world.join(&Hello::resume(version, "filled")));
        peer.reads(true);
        numbers(&peer)
    }
}

#[test]
fn what_is_acknowledged_of_a_run_that_fills_a_queue_arrives_and_the_rest_is_refused() {
    for (shards, version) in everywhere() {
        for (filled, qos) in Filled::ALL.into_iter().flat_map(|filled| [(filled, 1), (filled, 2)]) {
            let name = format!("{shards} shards, {version}, {filled:?}, QoS {qos}");
            let world = configured(shards, |config| {
                config.queued_messages_maximum = 10;
                config.queue_full = QueueFull::Refuse;
                config.send_maximum = NonZeroU16::new(3).unwrap();
            });
            let peer = filled.enter(&world, version, qos);
            let publisher = publisher(&world, version);
            let (mut taken, mut refused) = (Vec::new(), Vec::new());
            for numbers in [2..17, 17..40] {
                publisher.send_bytes(&run(version, qos, numbers));
                let (of_these, not) = answered(&publisher);
                taken.extend(of_these);
                refused.extend(not);
            }
            // Another shard's queue is known to be full when it has said so.
            let room = if peer.is_some() { 3 + 10 } else { 10 };
            let is_exact = shards == 1 && taken.len() == room;
            assert!(is_exact || shards > 1 && (room..room + 10).contains(&taken.len()), "{name}: {taken:?}");
            assert_eq!(taken, list(2..2 + u16::try_from(taken.len()).unwrap()), "{name}");
            if version == V5 {
                assert_eq!(refused, list(*taken.last().unwrap() + 1..40), "{name}");
            } else {
                assert!(refused.is_empty(), "{name}: {refused:?}");
            }
            assert_eq!(world.metrics().refused_queue_full, 38 - taken.len() as u64, "{name}");
            let first = if peer.is_some() { vec![1] } else { vec![] };
            assert_eq!(Filled::collect(peer, &world, version), [first, taken].concat(), "{name}");
        }
    }
}

#[test]
fn a_run_to_a_full_queue_drops_the_newest_or_the_oldest_where_that_is_the_policy() {
    for (shards, version) in everywhere() {
        for (filled, qos) in Filled::ALL.into_iter().flat_map(|filled| [(filled, 1), (filled, 2)]) {
            for policy in [QueueFull::DropNewest, QueueFull::DropOldest] {
                let name = format!("{shards} shards, {version}, {filled:?}, QoS {qos}, {policy:?}");
                let world = configured(shards, |config| {
                    config.queued_messages_maximum = 10;
                    config.send_maximum = NonZeroU16::new(3).unwrap();
                    config.queue_full = policy;
                });
                let peer = filled.enter(&world, version, qos);
                let publisher = publisher(&world, version);
                publisher.send_bytes(&run(version, qos, 2..42));
                assert_eq!(answered(&publisher), (list(2..42), vec![]), "{name}");
                // Three of those that were there at once are under way.
                let under_way = if peer.is_some() { list(1..5) } else { vec![] };
                let behind = under_way.last().map_or(2, |last| last + 1);
                let kept = match policy {
                    QueueFull::DropOldest => list(32..42),
                    _ => list(behind..behind + 10),
                };
                let got = Filled::collect(peer, &world, version);
                assert_eq!(got, [under_way, kept].concat(), "{name}");
                assert_eq!(
                    world.metrics().dropped_queue_full,
                    41 - got.len() as u64 - u64::from(got[0] != 1)
                );
            }
        }
    }
}

#[test]
fn a_member_whose_queue_a_run_fills_is_disconnected_where_that_is_the_policy() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| {
            config.queued_messages_maximum = 10;
            config.send_maximum = NonZeroU16::new(3).unwrap();
            config.queue_full = QueueFull::Disconnect;
        });
        let slow = Filled::SlowMember.enter(&world, version, 1).unwrap();
        let publisher = publisher(&world, version);
        publisher.send_bytes(&run(version, 1, 2..15));
        assert_eq!(answered(&publisher), (list(2..15), vec![]));
        assert!(!slow.is_closed());
        publisher.send_bytes(&run(version, 1, 15..20));
        assert_eq!(answered(&publisher), (list(15..20), vec![]));
        assert!(slow.is_closed());
    }
}

#[test]
fn of_a_run_longer_than_the_output_budget_a_slow_receiver_gets_the_beginning() {
    for (shards, version) in everywhere() {
        let world = configured(shards, |config| config.output_budget = 2000);
        let quick = world.join(&Hello::new(version, "quick"));
        quick.subscribe("t", 0);
        world.capacity(300);
        let slow = world.join(&Hello::new(version, "slow"));
        slow.subscribe("t", 0);
        slow.reads(false);
        let publisher = publisher(&world, version);
        publisher.send_bytes(&run(version, 0, 2..12));
        world.run();
        publisher.send_bytes(&run(version, 0, 12..100));
        world.run();
        slow.reads(true);
        let got = numbers(&slow);
        let count = u16::try_from(got.len()).unwrap();
        assert_eq!(got, list(1..1 + count));
        assert!((2300 / 103..=2400 / 103).contains(&usize::from(count)), "{count}");
        let dropped = world.metrics().dropped_slow;
        let quick = numbers(&quick);
        assert_eq!(quick[..usize::from(count)], got);
        assert_eq!(dropped, 2 * 99 - (got.len() + quick.len()) as u64);
        publisher.send_bytes(&run(version, 0, 100..103));
        assert_eq!(numbers(&slow), list(100..103));
    }
}

#[test]
fn of_a_run_longer_than_the_output_budget_nothing_is_lost_with_qos_1_and_2() {
    for (shards, version) in everywhere() {
        for qos in [1, 2] {
            let world = configured(shards, |config| config.output_budget = 2000);
            let quick = world.join(&Hello::new(version, "quick"));
            quick.subscribe("t", qos);
            world.capacity(300);
            let slow = world.join(&Hello::new(version, "slow"));
            slow.subscribe("t", qos);
            slow.reads(false);
            let publisher = publisher(&world, version);
            publisher.send_bytes(&run(version, qos, 2..12));
            world.run();
            publisher.send_bytes(&run(version, qos, 12..200));
            assert_eq!(answered(&publisher), (list(2..200), vec![]));
            slow.reads(true);
            assert_eq!(numbers(&slow), list(1..200));
            assert_eq!(numbers(&quick), list(1..200));
        }
    }
}

#[test]
fn a_subscription_between_two_packets_of_a_write_counts_from_there_to_its_end() {
    for (shards, version) in everywhere() {
        for qos in 0..3 {
            for other in [false, true] {
                let world = World::new(shards);
                let other = other.then(|| world.join(&Hello::new(version, "other")));
                other.iter().for_each(|other| other.subscribe("t", qos));
                let publisher = publisher(&world, version);
                // Identifiers of requests that are not those of messages.
                (0..100).for_each(|_| assert!(publisher.next_id() > 0));
                publisher.send_bytes(&run(version, qos, 2..6));
                let subscribe = publisher.ask(&[wish("t", qos)]);
                publisher.send_bytes(&run(version, qos, 6..10));
                let unsubscribe = publisher.ask_off(&["t"]);
                publisher.send_bytes(&run(version, qos, 10..14));
                publisher.take_in();
                publisher.pick(|got| matches!(got, Got::Suback(id, _) if *id == subscribe));
                publisher.pick(|got| matches!(got, Got::Unsuback(id, _) if *id == unsubscribe));
                let (mut own, mut answers) = (Vec::new(), Vec::new());
                while let Some(got) = publisher.next() {
                    match got {
                        Got::Publish(message) => own.push(String::from_utf8(message.payload).unwrap()),
                        Got::Puback(id, code) | Got::Pubrec(id, code) => answers.push((id, code)),
                        other => panic!("{other:?}"),
                    }
                }
                assert_eq!(own, (6..10).map(text).collect::<Vec<_>>(), "{shards} {version} {qos}");
                let code = |number| {
                    let alone = other.is_none() && !(6..10).contains(&number);
                    if alone && version == V5 { 0x10 } else { 0 }
                };
                let all = if qos == 0 { 0..0 } else { 2..14 };
                assert_eq!(answers, all.map(|number| (number, code(number))).collect::<Vec<_>>());
                other.iter().for_each(|other| assert_eq!(numbers(other), list(1..14)));
            }
        }
    }
}

#[test]
fn what_stands_behind_a_disconnect_between_runs_is_not_heard() {
    for (shards, version) in everywhere() {
        for qos in 0..3 {
            let world = World::new(shards);
            let receiver = world.join(&Hello::new(version, "receiver"));
            receiver.subscribe("t", qos);
            let publisher = publisher(&world, version);
            let (before, behind) = (run(version, qos, 2..6), run(version, qos, 6..10));
            publisher.send_bytes(&[before, vec![0xE0, 0], behind].concat());
            assert_eq!(numbers(&receiver), list(1..6));
            assert!(publisher.is_closed());
        }
    }
}

#[test]
fn a_protocol_error_right_behind_a_run_takes_nothing_of_it_back() {
    for (shards, version) in everywhere() {
        for qos in 0..3 {
            // QoS 3, a Packet Identifier of 0, a Remaining Length of five bytes, a second CONNECT.
            let errors: [&[u8]; 4] = [
                &[0x36, 5, 0, 1, b't', 0, 1],
                &[0x32, 6, 0, 1, b't', 0, 0, 0],
                &[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1],
                &Hello::new(version, "publisher").encode(),
            ];
            for error in errors {
                let world = World::new(shards);
                let receiver = world.join(&Hello::new(version, "receiver"));
                receiver.subscribe("t", qos);
                let publisher = publisher(&world, version);
                let behind = run(version, qos, 6..10);
                publisher.send_bytes(&[&run(version, qos, 2..6), error, &behind].concat());
                assert_eq!(numbers(&receiver), list(1..6));
                for number in 2..6 {
                    match qos {
                        0 => {}
                        1 => publisher.expect(&Got::Puback(number, 0)),
                        _ => publisher.expect(&Got::Pubrec(number, 0)),
                    }
                }
                if version == V5 {
                    assert!(matches!(publisher.next(), Some(Got::Disconnect(0x81 | 0x82))));
                }
                publisher.expect_closed();
            }
        }
    }
}

#[test]
fn a_receive_maximum_that_a_run_exceeds_is_a_protocol_error_where_it_does() {
    for shards in SHARDS {
        let world = configured(shards, |config| {
            config.limits.receive_maximum = NonZeroU16::new(5).unwrap();
        });
        let receiver = world.join(&Hello::new(V5, "receiver"));
        receiver.subscribe("t", 2);
        let publisher = publisher(&world, V5);
        publisher.send_bytes(&run(V5, 2, 2..20));
        assert_eq!(numbers(&receiver), list(1..7));
        (2..7).for_each(|number| publisher.expect(&Got::Pubrec(number, 0)));
        publisher.expect_disconnect(0x93);
    }
}

#[test]
fn a_session_that_is_taken_over_between_runs_gets_the_later_ones_on_its_new_connection() {
    for (shards, version) in everywhere() {
        for qos in 1..3 {
            for lasting in [false, true] {
                let hello = |name| match lasting {
                    true => Hello::resume(version, name),
                    false => Hello::new(version, name).clean(version == V5),
                };
                let world = World::new(shards);
                let old = world.join(&hello("receiver"));
                old.subscribe("t", qos);
                let publisher = publisher(&world, version);
                publisher.send_bytes(&run(version, qos, 2..6));
                assert_eq!(numbers(&old), list(1..6));
                publisher.send_bytes(&run(version, qos, 6..10));
                let new = world.dial(&hello("receiver"));
                world.run();
                publisher.send_bytes(&run(version, qos, 10..14));
                let is_kept = lasting || version != V5;
                assert_eq!(new.expect_accepted(), is_kept);
                let got = numbers(&new);
                if is_kept {
                    // What the old connection may not have got comes again.
                    assert_eq!(got[got.len() - 4..], list(10..14));
                    assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "{got:?}");
                } else {
                    assert!(got.is_empty(), "{got:?}");
                }
                let answers: Vec<_> = std::iter::from_fn(|| publisher.next()).collect();
                let code = |number| if is_kept || number < 10 { 0 } else { 0x10 };
                let wanted = (2..14).map(|number| match qos {
                    1 => Got::Puback(number, code(number)),
                    _ => Got::Pubrec(number, code(number)),
                });
                assert_eq!(answers, wanted.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_receiver_whose_session_ended_between_runs_is_no_receiver_any_more() {
    for (shards, version) in everywhere() {
        for qos in 0..3 {
            let world = World::new(shards);
            let (left, stays) =
                (world.join(&Hello::new(version, "left")), world.join(&Hello::new(version, "stays")));
            left.subscribe("t", qos);
            stays.subscribe("t", qos);
            let publisher = publisher(&world, version);
            publisher.send_bytes(&run(version, qos, 2..6));
            assert_eq!(numbers(&left), list(1..6));
            left.leave();
            publisher.send_bytes(&run(version, qos, 6..10));
            assert_eq!(numbers(&stays), list(1..10));
            stays.cut();
            publisher.send_bytes(&run(version, qos, 10..14));
            publisher.take_in();
            let codes: Vec<_> = std::iter::from_fn(|| publisher.next()).collect();
            let code = |number| if version == V5 && number >= 10 { 0x10 } else { 0 };
            let wanted = (2..14).map(|number| match qos {
                1 => Got::Puback(number, code(number)),
                _ => Got::Pubrec(number, code(number)),
            });
            assert_eq!(codes, if qos == 0 { vec![] } else { wanted.collect() });
        }
    }
}

#[test]
fn what_is_acknowledged_of_a_run_longer_than_the_output_budget_arrives_and_the_rest_is_refused() {
    for version in VERSIONS {
        for qos in [1, 2] {
            let world = configured(1, |config| {
                config.output_budget = 2000;
                config.queued_messages_maximum = 5;
                config.queue_full = QueueFull::Refuse;
            });
            world.capacity(300);
            let slow = world.join(&Hello::new(version, "slow"));
            slow.subscribe("t", qos);
            slow.reads(false);
            let publisher = publisher(&world, version);
            publisher.send_bytes(&run(version, qos, 2..80));
            let (taken, _) = answered(&publisher);
            assert!((20..35).contains(&taken.len()), "{taken:?}");
            slow.reads(true);
            assert_eq!(numbers(&slow), [vec![1], taken].concat());
        }
    }
}

#[test]
fn what_is_acknowledged_of_a_run_that_becomes_longer_for_its_receiver_arrives() {
    for qos in [1, 2] {
        let world = configured(1, |config| {
            config.output_budget = 2000;
            config.queued_messages_maximum = 2;
            config.queue_full = QueueFull::Refuse;
        });
        world.capacity(300);
        let slow = world.join(&Hello::new(V5, "slow"));
        slow.subscribe("t", qos);
        slow.reads(false);
        world.capacity(1 << 20);
        let publisher = publisher(&world, Version::V3_1_1);
        // For each message 5.0 needs one byte more than 3.1.1.
        publisher.send_bytes(&run_of(Version::V3_1_1, qos, 2..400, |number| number.to_string()));
        let (taken, _) = answered(&publisher);
        assert!((150..250).contains(&taken.len()), "{taken:?}");
        slow.reads(true);
        assert_eq!(numbers(&slow), [vec![1], taken].concat());
    }
}

#[test]
fn what_is_acknowledged_at_another_shard_before_it_knows_of_a_full_queue_arrives() {
    for (version, qos) in VERSIONS.into_iter().flat_map(|version| [(version, 1), (version, 2)]) {
        for filter in ["t", "$share/g/t"] {
            let world = configured(2, |config| {
                config.output_budget = 2000;
                config.queued_messages_maximum = 5;
                config.queue_full = QueueFull::Refuse;
            });
            world.capacity(300);
            let slow = world.join(&Hello::new(version, "slow"));
            slow.subscribe(filter, qos);
            slow.reads(false);
            world.capacity(1 << 20);
            // Some of them are at the shard of the receiver, and others are not.
            let publishers: Vec<Peer> = (0..6)
                .map(|number| world.join(&Hello::new(version, &format!("publisher-{number}"))))
                .collect();
            for publisher in &publishers {
                publisher.send_bytes(&run(version, qos, 1..200));
            }
            let taken: usize = publishers.iter().map(|publisher| answered(publisher).0.len()).sum();
            assert!(taken > 10, "{version} {taken}");
            slow.reads(true);
            assert_eq!(numbers(&slow).len(), taken, "{version} QoS {qos} {filter}");
        }
    }
}

#[test]
fn a_run_with_qos_0_goes_to_the_members_that_have_room_once_others_have_none() {
    for version in VERSIONS {
        let world = configured(1, |config| {
            config.queued_messages_maximum = 5;
            config.send_maximum = NonZeroU16::MIN;
            config.queue_full = QueueFull::DropNewest;
        });
        let publisher = world.join(&Hello::new(version, "publisher"));
        publisher.retain("r/1", "1", 1);
        publisher.retain("r/2", "2", 1);
        let stuck = world.join(&Hello::new(version, "stuck"));
        stuck.subscribe("$share/g/t", 0);
        // It acknowledges nothing, so that the second retained message waits, and all others behind it.
        stuck.subscribe("r/#", 1);
        let free = world.join(&Hello::new(version, "free"));
        free.subscribe("$share/g/t", 0);
        publisher.send_bytes(&run(version, 0, 1..42));
        let free = numbers(&free);
        assert_eq!(world.metrics().dropped_queue_full, 0, "{version} {free:?}");
        assert_eq!(numbers(&stuck).len() + free.len(), 2 + 41);
        assert_eq!(free.len(), 41 - 5);
    }
}

#[test]
fn the_messages_of_a_run_that_a_lasting_session_did_not_acknowledge_come_again() {
    for (shards, version) in everywhere() {
        for (qos, stored) in [(1, false), (2, false), (1, true), (2, true)] {
            let world = World::with_store(config(shards), 1, Faulty::new());
            let receiver = world.join(&Hello::resume(version, "receiver"));
            receiver.subscribe("t", qos);
            let publisher = publisher(&world, version);
            receiver.expect_publish("t", text(1), 0);
            publisher.send_bytes(&run(version, qos, 2..8));
            (2..8).for_each(|number| drop(receiver.expect_unanswered("t", text(number), qos)));
            if stored {
                world.lose_power(3);
                world.start();
            } else {
                receiver.cut();
            }
            let receiver = world.join(&Hello::resume(version, "receiver"));
            for number in 2..8 {
                assert!(receiver.expect_publish("t", text(number), qos).dup);
            }
            receiver.expect_nothing();
        }
    }
}

#[test]
fn a_run_with_qos_2_of_a_stored_session_is_known_behind_a_restart() {
    for (shards, version) in everywhere() {
        let world = World::with_store(config(shards), 1, Faulty::new());
        let hello = Hello::resume(version, "publisher");
        let receiver = world.join(&Hello::new(version, "receiver"));
        receiver.subscribe("t", 2);
        let publisher = world.join(&hello);
        publisher.send_bytes(&[run(version, 0, 1..2), run(version, 2, 2..8)].concat());
        assert_eq!(answered(&publisher).0, list(2..8));
        assert_eq!(numbers(&receiver), list(1..8));
        world.lose_power(5);
        world.start();
        let receiver = world.join(&Hello::new(version, "receiver"));
        receiver.subscribe("t", 2);
        let publisher = world.join(&hello);
        publisher.send_bytes(&run(version, 2, 2..8));
        assert_eq!(answered(&publisher).0, list(2..8));
        receiver.expect_nothing();
    }
}

#[test]
fn a_run_that_a_member_is_to_get_later_is_acknowledged_when_it_is_stored() {
    for (shards, version) in everywhere() {
        let world = World::with_store(config(shards), 1, Faulty::new());
        let peer = Filled::AwayMember.enter(&world, version, 1);
        let publisher = publisher(&world, version);
        world.stall_store(1000);
        publisher.send_bytes(&run(version, 1, 2..8));
        world.turns(100);
        publisher.take_some(usize::MAX);
        assert!(world.is_stalled());
        assert_eq!(publisher.pop(), None);
        world.stall_store(0);
        assert_eq!(answered(&publisher).0, list(2..8));
        world.lose_power(7);
        world.start();
        assert_eq!(Filled::collect(peer, &world, version), list(2..8));
    }
}
