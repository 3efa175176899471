//! Shared subscriptions (section 4.8.2).

use colibri_broker::QueueFull;
use colibri_codec::ReasonCode;
use colibri_codec::Version::V5;
use colibri_sim::World;

use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::{Peer, wish};
use crate::world::Clients;
use crate::{SHARDS, everywhere};

fn members(world: &World, version: colibri_codec::Version, count: usize) -> Vec<Peer> {
    let join = |number| {
        let member = world.join(&Hello::resume(version, &format!("member-{number}")));
        member.subscribe("$share/g/t/#", 2);
        member
    };
    (0..count).map(join).collect()
}

#[test]
fn each_message_goes_to_one_member_in_turn() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let members = members(&world, version, 4);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let beside = world.join(&Hello::new(version, "beside"));
        beside.subscribe("t/#", 0);
        for number in 0..40 {
            publisher.publish("t/x", format!("{number}"), number % 3);
        }
        let mut all: Vec<Vec<u8>> = Vec::new();
        for member in &members {
            let got = member.drain();
            assert_eq!(got.len(), 10);
            all.extend(got.into_iter().map(|message| message.payload));
        }
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
        assert_eq!(beside.drain().len(), 40);
    }
}

#[test]
fn groups_of_other_names_and_filters_get_their_own_copies() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(version, "publisher"));
        let filters = ["$share/g/t", "$share/h/t", "$share/g/+", "t"];
        let all: Vec<_> = filters
            .iter()
            .map(|filter| {
                let member = world.join(&Hello::new(version, filter));
                member.subscribe(filter, 1);
                member
            })
            .collect();
        publisher.publish("t", "x", 1);
        for member in &all {
            member.expect_publish("t", "x", 1);
            member.expect_nothing();
        }
    }
}

#[test]
fn each_member_gets_its_own_qos_and_identifier() {
    // [v5 MQTT-4.8.2-3]
    for shards in SHARDS {
        let world = World::new(shards);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let all: Vec<_> = (0..3)
            .map(|qos| {
                let member = world.join(&Hello::new(V5, &format!("member-{qos}")));
                member.subscribe_to(wish("$share/g/t", qos).identifier(u32::from(qos) + 1));
                member
            })
            .collect();
        for _ in 0..6 {
            publisher.publish("t", "x", 2);
        }
        for (qos, member) in (0..).zip(&all) {
            for _ in 0..2 {
                assert_eq!(member.expect_publish("t", "x", qos).identifiers, [u32::from(qos) + 1]);
            }
            member.expect_nothing();
        }
    }
}

#[test]
fn members_that_are_away_come_last() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let members = members(&world, version, 4);
        let publisher = world.join(&Hello::new(version, "publisher"));
        members[..3].iter().for_each(Peer::cut);
        for _ in 0..8 {
            publisher.publish("t/x", "x", 1);
        }
        assert_eq!(members[3].drain().len(), 8);
        members[3].cut();
        for _ in 0..8 {
            publisher.publish("t/x", "y", 1);
        }
        // All are away: somebody gets them on coming back.
        let mut count = 0;
        for number in 0..4 {
            let back = world.dial(&Hello::resume(version, &format!("member-{number}")));
            assert!(back.expect_accepted());
            count += back.drain().len();
        }
        assert_eq!(count, 8);
    }
}

#[test]
fn what_a_member_left_unfinished_goes_to_another_when_its_session_ends() {
    // [v5 MQTT-4.8.2-5]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let leaving = world.join(&Hello::new(version, "leaving"));
        leaving.subscribe("$share/g/t/#", 2);
        let publisher = world.join(&Hello::new(version, "publisher"));
        for number in 0..4 {
            publisher.publish("t/1", format!("{number}"), 1);
        }
        publisher.publish("t/2", "two", 2);
        let first = leaving.expect_unanswered("t/1", "0", 1);
        leaving.puback(first.id);
        world.run();
        let staying = world.join(&Hello::new(version, "staying"));
        staying.subscribe("$share/g/t/#", 2);
        leaving.cut();
        for number in 1..4 {
            let message = staying.expect_publish("t/1", format!("{number}"), 1);
            assert!(!message.dup);
        }
        staying.expect_nothing();
    }
}

#[test]
fn a_qos_2_delivery_is_finished_with_the_member_it_was_begun_with() {
    // [v5 MQTT-4.8.2-4]
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let all = members(&world, version, 2);
        let publisher = world.join(&Hello::new(version, "publisher"));
        publisher.publish("t/x", "x", 2);
        let (number, begun) = match all[0].next() {
            Some(Got::Publish(message)) => (0, message),
            _ => (1, all[1].expect_message()),
        };
        all[number].cut();
        all[1 - number].expect_nothing();
        let back = world.join(&Hello::resume(version, &format!("member-{number}")));
        let again = back.expect_publish("t/x", "x", 2);
        assert!(again.dup && again.id == begun.id);
        all[1 - number].expect_nothing();
    }
}

#[test]
fn a_message_that_a_member_refuses_goes_to_nobody_else() {
    // [v5 MQTT-4.8.2-6]
    for shards in SHARDS {
        let world = World::new(shards);
        let all = members(&world, V5, 2);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        publisher.publish("t/x", "x", 1);
        publisher.publish("t/x", "y", 1);
        for member in &all {
            let message = member.expect_message();
            member.puback_with(message.id, ReasonCode::NotAuthorized);
            member.leave_with(ReasonCode::Success, &[colibri_codec::Property::SessionExpiryInterval(0)]);
        }
        assert_eq!(world.metrics().sessions, 1);
    }
}

#[test]
fn an_expired_message_is_not_given_to_another_member() {
    for shards in SHARDS {
        let world = World::new(shards);
        let leaving = world.join(&Hello::new(V5, "leaving").expiry(100).receive_maximum(1));
        leaving.subscribe("$share/g/t", 1);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for payload in ["sent", "waiting"] {
            let expiry = [colibri_codec::Property::MessageExpiryInterval(10)];
            publisher.publish_with("t", payload.as_bytes(), 1, false, &expiry);
        }
        leaving.cut();
        let staying = world.join(&Hello::new(V5, "staying"));
        staying.subscribe("$share/g/t", 1);
        world.advance(100);
        staying.expect_nothing();
        assert_eq!(world.metrics().sessions, 2);
    }
}

#[test]
fn a_group_goes_on_when_members_leave_and_ends_with_the_last() {
    for (shards, version) in everywhere() {
        let world = World::new(shards);
        let all = members(&world, version, 3);
        let publisher = world.join(&Hello::new(version, "publisher"));
        all[0].unsubscribe("$share/g/t/#");
        all[1].leave();
        world.join(&Hello::new(version, "member-1")).leave();
        for _ in 0..5 {
            publisher.publish("t/x", "x", 1);
        }
        assert_eq!(all[2].drain().len(), 5);
        all[0].expect_nothing();
        all[2].unsubscribe("$share/g/t/#");
        let id = publisher.post("t/x", b"x", 1);
        publisher.expect(&Got::Puback(id, if version == V5 { 0x10 } else { 0 }));
        assert_eq!(world.metrics().subscriptions, 0);
    }
}

#[test]
fn no_message_is_lost_while_members_come_and_go() {
    for (shards, version) in everywhere() {
        for seed in 0..20 {
            let world = World::seeded(shards, seed);
            let mut random = colibri_sim::Random::new(seed);
            let anchor = world.join(&Hello::new(version, "anchor"));
            anchor.subscribe("$share/g/t", 1);
            let publisher = world.join(&Hello::new(version, "publisher"));
            let mut got = std::collections::HashSet::new();
            let mut guest: Option<Peer> = None;
            for number in 0..60 {
                publisher.post("t", format!("{number}").as_bytes(), 1);
                world.turns(random.below(6));
                match guest.take() {
                    Some(leaving) if random.below(3) == 0 => {
                        leaving.take_some(usize::MAX);
                        while let Some(packet) = leaving.pop() {
                            if let Got::Publish(message) = packet {
                                leaving.puback(message.id);
                                got.insert(message.payload);
                            }
                        }
                        leaving.link.end();
                    }
                    Some(staying) => guest = Some(staying),
                    None => {
                        let new = world.dial(&Hello::new(version, &format!("guest-{number}")));
                        new.ask(&[wish("$share/g/t", 1)]);
                        guest = Some(new);
                    }
                }
            }
            world.run();
            got.extend(anchor.drain().into_iter().map(|message| message.payload));
            let rest = guest.map(|guest| guest.drain()).unwrap_or_default();
            got.extend(rest.into_iter().map(|message| message.payload));
            got.extend(anchor.drain().into_iter().map(|message| message.payload));
            assert_eq!(got.len(), 60, "{shards} shards, seed {seed}");
        }
    }
}

#[test]
fn a_member_whose_queue_is_full_is_passed_over() {
    let world = crate::world::configured(1, |config| {
        config.queued_messages_maximum = 2;
        config.queue_full = QueueFull::Refuse;
        config.send_maximum = std::num::NonZeroU16::MIN;
    });
    let stuck = world.join(&Hello::new(V5, "stuck"));
    stuck.subscribe("$share/g/t", 1);
    let working = world.join(&Hello::new(V5, "working"));
    working.subscribe("$share/g/t", 1);
    let publisher = world.join(&Hello::new(V5, "publisher"));
    let mut count = 0;
    for _ in 0..20 {
        publisher.publish("t", "x", 1);
        count += working.drain().len();
    }
    assert_eq!(count, 17);
    assert_eq!(world.metrics().dropped_queue_full, 0);
}
