//! What has expired is gone from memory and from the store.

use std::num::NonZeroU16;

use colibri_broker::Metrics;
use colibri_codec::Property;
use colibri_codec::Version::V5;
use colibri_sim::{World, config};
use colibri_storage::faulty::Faulty;
use colibri_storage::tools;

use crate::hello::{Hello, Testament};
use crate::packets::Got;
use crate::world::Clients;
use crate::{SHARDS, everywhere};

/// The rows of the store in words, without the counters that are always there.
fn dump(world: &World) -> Vec<String> {
    world.run();
    let mut lines = Vec::new();
    tools::dump(&world.store().unwrap(), &mut lines).unwrap().unwrap();
    let lines = String::from_utf8(lines).unwrap();
    lines.lines().filter(|line| !line.starts_with("meta")).map(str::to_owned).collect()
}

fn has(lines: &[String], table: &str) -> bool {
    lines.iter().any(|line| line.starts_with(table))
}

/// The levels of memory alone.
fn levels(world: &World) -> [u64; 6] {
    let Metrics { sessions, subscriptions, queued_bytes, spilled_bytes, in_flight_messages, .. } =
        world.metrics();
    [sessions, subscriptions, queued_bytes, spilled_bytes, in_flight_messages, world.metrics().retained_bytes]
}

#[test]
fn a_session_that_expires_leaves_nothing_behind() {
    for (shards, version) in everywhere() {
        let mut config = config(shards);
        config.session_expiry_maximum = 30;
        let world = World::with_store(config, 1, Faulty::new());
        let large = "l".repeat(5000);
        for name in ["a", "b"] {
            let will = Testament::new("will", b"of nobody's concern");
            let client = world.join(&Hello::resume(version, name).will(will));
            client.subscribe("t/+", 2);
            client.subscribe("$share/group/s", 1);
            let publisher = world.join(&Hello::new(V5, "publisher"));
            publisher.publish("t/1", "under way", 1);
            publisher.publish("t/2", "under way", 2);
            client.expect_unanswered("t/1", "under way", 1);
            let second = client.expect_unanswered("t/2", "under way", 2);
            client.pubrec(second.id);
            client.expect(&Got::Pubrel(second.id, 0));
            // Taken over and not released.
            let id = client.post("nobody", b"x", 2);
            client.pick(|got| matches!(got, Got::Pubrec(of, _) if *of == id));
            client.cut();
            publisher.publish("t/3", "waits", 1);
            publisher.publish("t/4", &large, 2);
            publisher.publish("s", "waits for the group", 1);
            publisher.leave();
        }
        let full = dump(&world);
        for table in ["sessions", "subscriptions", "queue", "bodies", "received"] {
            assert!(has(&full, table), "{table}: {full:#?}");
        }
        assert_ne!(levels(&world)[..5], [0; 5]);
        world.advance(31);
        assert_eq!(dump(&world), Vec::<String>::new());
        assert_eq!(levels(&world), [0; 6]);
        world.advance(20);
        assert_eq!(world.timers(), 0);
    }
}

#[test]
fn messages_that_expire_leave_nothing_behind_for_clients_that_are_away_and_such_as_are_slow() {
    for (shards, version) in everywhere() {
        let mut config = config(shards);
        config.send_maximum = NonZeroU16::MIN;
        let world = World::with_store(config, 1, Faulty::new());
        let publisher = world.join(&Hello::new(V5, "publisher"));
        let clients = ["away", "gone", "slow", "slower"].map(|name| {
            let client = world.join(&Hello::resume(version, name));
            client.subscribe("t", 2);
            client
        });
        let [away, gone, slow, slower] = &clients;
        away.cut();
        gone.cut();
        publisher.publish("t", "kept", 1);
        let expiry = [Property::MessageExpiryInterval(15)];
        for number in 0..1500u32 {
            let payload = if number % 100 == 0 { vec![b'l'; 3000] } else { b"short".to_vec() };
            publisher.publish_with("t", &payload, 1 + u8::from(number % 2 == 0), false, &expiry);
        }
        let full = dump(&world);
        assert!(full.iter().filter(|line| line.starts_with("queue")).count() >= 4 * 1500);
        assert!(has(&full, "bodies"));
        let before = world.metrics();
        assert!(before.queued_messages >= 2000 && before.spilled_messages >= 3000, "{before:?}");
        world.advance(27);
        let metrics = world.metrics();
        assert_eq!((metrics.queued_messages, metrics.spilled_messages), (0, 2), "{shards} {version:?}");
        let left = dump(&world);
        assert_eq!(left.iter().filter(|line| line.starts_with("queue")).count(), 4, "{left:#?}");
        slow.expect_publish("t", "kept", 1);
        slower.expect_publish("t", "kept", 1);
        for name in ["away", "gone"] {
            let back = world.join(&Hello::resume(version, name));
            back.expect_publish("t", "kept", 1);
            back.expect_nothing();
        }
        let left = dump(&world);
        assert!(!has(&left, "queue") && !has(&left, "bodies"), "{left:#?}");
    }
}

#[test]
fn retained_messages_that_expire_leave_nothing_behind() {
    for shards in SHARDS {
        let world = World::with_store(config(shards), 1, Faulty::new());
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for number in 0..20 {
            let expiry = [Property::MessageExpiryInterval(5 + number % 5)];
            publisher.publish_with(&format!("t/{number}"), b"kept", 1, true, &expiry);
        }
        publisher.retain("stays", "kept", 1);
        assert_eq!(dump(&world).len(), 21);
        world.advance(10);
        assert_eq!(dump(&world).len(), 1);
        assert_eq!(world.metrics().retained_messages, 1);
        publisher.retain("stays", "", 1);
        assert_eq!(dump(&world), Vec::<String>::new());
        assert_eq!(levels(&world)[5], 0);
    }
}

#[test]
fn what_expired_while_there_was_no_broker_leaves_nothing_behind() {
    for shards in SHARDS {
        let world = World::with_store(config(shards), 1, Faulty::new());
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for (name, seconds) in [("ends", 60), ("stays", 86_400)] {
            let client = world.join(&Hello::new(V5, name).clean(false).expiry(seconds));
            client.subscribe("t", 1);
            client.cut();
        }
        for seconds in [30, 90] {
            let expiry = [Property::MessageExpiryInterval(seconds)];
            publisher.publish_with("t", &[b'x'; 3000], 1, false, &expiry);
            publisher.publish_with(&format!("r/{seconds}"), b"kept", 1, true, &expiry);
        }
        assert_eq!(dump(&world).iter().filter(|line| line.starts_with("queue")).count(), 4);
        let store = world.store().unwrap().end_luckily();
        let world = World::later(config(shards), 1, store, 61_000);
        world.advance(11);
        let left = dump(&world);
        let count = |table: &str| left.iter().filter(|line| line.starts_with(table)).count();
        assert_eq!((count("sessions"), count("queue"), count("bodies"), count("retained")), (1, 1, 1, 1));
        assert_eq!(world.metrics().spilled_messages, 1);
        assert_eq!(world.metrics().retained_messages, 1);
        world.advance(30);
        let left = dump(&world);
        assert!(!has(&left, "queue") && !has(&left, "bodies") && !has(&left, "retained"), "{left:#?}");
    }
}
