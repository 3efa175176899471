//! What the broker tells of itself: limits, how often they bit, and the store.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::time::Duration;

use colibri_broker::{Broker, Metrics, QueueFull, StoreState};
use colibri_codec::Version::V5;
use colibri_sim::{World, config};
use colibri_storage::Store;
use colibri_storage::faulty::Faulty;

use crate::SHARDS;
use crate::hello::Hello;
use crate::packets::Got;
use crate::world::{Clients, configured};

/// What the `$SYS` topics say after the next interval.
fn told(world: &World) -> HashMap<String, String> {
    world.advance(10);
    let watcher = world.join(&Hello::new(V5, "watcher"));
    watcher.subscribe("$SYS/#", 0);
    let messages = watcher.drain();
    watcher.leave();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    messages.into_iter().map(|message| (message.topic, text(&message.payload))).collect()
}

fn check(told: &HashMap<String, String>, wanted: &[(&str, u64)]) {
    for (topic, value) in wanted {
        assert_eq!(told.get(&format!("$SYS/broker/{topic}")), Some(&value.to_string()), "{topic}");
    }
}

#[test]
fn sys_topics_have_each_limit_its_level_and_how_often_it_bit() {
    for shards in SHARDS {
        let mut config = config(shards);
        config.sys_interval = Duration::from_secs(10);
        config.send_maximum = NonZeroU16::MIN;
        config.queued_messages_total_maximum = 2;
        config.stored_messages_total_maximum = 3;
        config.stored_bytes_total_maximum = usize::MAX;
        config.retained_bytes_maximum = 100_000;
        let world = World::with_store(config, 1, Faulty::new());
        let away = world.join(&Hello::resume(V5, "away"));
        away.subscribe("away", 1);
        away.cut();
        let slow = world.join(&Hello::new(V5, "slow"));
        slow.subscribe("slow", 1);
        let publisher = world.join(&Hello::new(V5, "publisher"));
        publisher.retain("kept", "x", 1);
        let (mut of_away, mut of_slow) = (0, 0);
        for _ in 0..5 {
            for (topic, taken) in [("away", &mut of_away), ("slow", &mut of_slow)] {
                let id = publisher.post(topic, b"x", 1);
                match publisher.next() {
                    Some(Got::Puback(of, 0)) if of == id => *taken += 1,
                    Some(Got::Puback(of, 0x97)) if of == id => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        assert_eq!((of_away, of_slow), (3, 3));
        let metrics = world.metrics();
        let told = told(&world);
        check(
            &told,
            &[
                ("messages/inflight", 1),
                ("queued/messages", 2),
                ("queued/messages/maximum", 2),
                ("queued/bytes", metrics.queued_bytes),
                ("queued/bytes/maximum", 1 << 30),
                ("queued/refused", 2),
                ("queued/dropped", 0),
                ("stored/messages", 3),
                ("stored/messages/maximum", 3),
                ("stored/bytes", metrics.spilled_bytes),
                ("stored/refused", 2),
                ("stored/dropped", 0),
                ("session queues/refused", 0),
                ("retained messages/bytes/maximum", 100_000 * shards as u64),
                ("retained messages/refused", 0),
                ("publish/messages/refused", 4),
                ("publish/messages/dropped", 0),
            ],
        );
        assert_eq!(told["$SYS/broker/stored/bytes/maximum"], "unlimited");
        // Those that wait, what is retained, and what the $SYS topics retain themselves.
        let count: u64 = told["$SYS/broker/store/messages/count"].parse().unwrap();
        let retained: u64 = told["$SYS/broker/retained messages/count"].parse().unwrap();
        assert!(count >= 6 && count == 5 + retained, "{count} {retained}");
    }
}

#[test]
fn dropped_messages_are_counted_where_the_limit_is() {
    for (place, index) in [("queued", 0), ("stored", 1)] {
        let mut config = config(2);
        config.sys_interval = Duration::from_secs(10);
        config.queue_full = QueueFull::DropNewest;
        config.queued_messages_total_maximum = 1;
        config.stored_messages_total_maximum = 1;
        let world = World::with_store(config, 1, Faulty::new());
        let hello = if index == 0 { Hello::new(V5, "a").receive_maximum(1) } else { Hello::resume(V5, "a") };
        let client = world.join(&hello);
        client.subscribe("t", 1);
        if index == 1 {
            client.cut();
        }
        let publisher = world.join(&Hello::new(V5, "publisher"));
        (0..5).for_each(|_| publisher.publish("t", "x", 1));
        let dropped = if index == 0 { 3 } else { 4 };
        let told = told(&world);
        check(&told, &[(&format!("{place}/dropped"), dropped), ("publish/messages/dropped", dropped)]);
    }
}

#[test]
fn sys_topics_tell_of_the_store_while_it_is_well_full_and_well_again() {
    for shards in SHARDS {
        let mut config = config(shards);
        config.sys_interval = Duration::from_secs(10);
        let store = Faulty::new();
        let world = World::with_store(config, 1, store.clone());
        let away = world.join(&Hello::resume(V5, "away"));
        away.subscribe("t", 1);
        away.cut();
        let publisher = world.join(&Hello::new(V5, "publisher"));
        (0..4).for_each(|_| publisher.publish("t", "x", 1));
        publisher.retain("kept", "x", 1);
        let well = told(&world);
        assert_eq!(well["$SYS/broker/store/state"], "ok");
        let seen = store.visible();
        let rows = |table| seen.rows(table).unwrap();
        let all = colibri_storage::Table::ALL.into_iter().map(rows).sum();
        check(
            &well,
            &[
                ("store/rows", all),
                ("store/queue/rows", 4),
                ("store/messages/written", 4),
                ("store/bytes", seen.size().unwrap()),
                ("store/failures", 0),
                ("store/refused", 0),
                ("store/waiting/bytes", 0),
                ("store/unreadable", 0),
            ],
        );
        let number = |topic: &str| well[&format!("$SYS/broker/store/{topic}")].parse::<u64>().unwrap();
        assert!(number("batches") >= 5 && number("syncs") == number("batches"), "{well:?}");
        store.set_capacity(store.size());
        publisher.post("t", b"not acknowledged yet", 1);
        publisher.expect_nothing();
        let second = world.join(&Hello::new(V5, "second"));
        let id = second.post("t", b"refused", 1);
        second.expect(&Got::Puback(id, 0x97));
        let full = told(&world);
        assert_eq!(full["$SYS/broker/store/state"], "full");
        check(&full, &[("store/failures", 1), ("store/refused", 1), ("publish/messages/refused", 1)]);
        assert_ne!(full["$SYS/broker/store/waiting/bytes"], "0");
        store.set_capacity(None);
        let healed = told(&world);
        assert_eq!(healed["$SYS/broker/store/state"], "ok");
        check(&healed, &[("store/failures", 1), ("store/waiting/bytes", 0), ("store/queue/rows", 5)]);
    }
}

#[test]
fn without_a_store_there_is_nothing_to_tell_of_it() {
    if std::env::var_os("COLIBRI_TEST_STORE").is_some() {
        return;
    }
    let world = configured(2, |config| config.sys_interval = Duration::from_secs(10));
    let told = told(&world);
    assert_eq!(told["$SYS/broker/store/state"], "none");
    assert!(!told.contains_key("$SYS/broker/store/rows"));
}

#[test]
fn a_running_broker_says_what_its_shards_have_counted() {
    for shards in SHARDS {
        let mut config = config(shards);
        config.listeners = vec![std::net::SocketAddr::from(([127, 0, 0, 1], 0))];
        config.queued_messages_total_maximum = 77;
        let broker = Broker::start(config).unwrap();
        let metrics = broker.metrics().unwrap();
        let expected = Metrics {
            queued_messages_maximum: 77,
            queued_bytes_maximum: 1 << 30,
            spilled_messages_maximum: 10_000_000,
            spilled_bytes_maximum: 16 << 30,
            retained_bytes_maximum: (1 << 30) * shards as u64,
            ..Metrics::default()
        };
        assert_eq!(metrics, expected);
        assert_eq!(StoreState::from_metric(metrics.store_state), StoreState::None);
        broker.stop();
        broker.join().unwrap();
    }
}
