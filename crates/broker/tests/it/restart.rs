//! A broker that begins with what the one before it stored.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use colibri_broker::Report;
use colibri_broker::shard::Shard;
use colibri_codec::PacketId;
use colibri_codec::Version::V5;
use colibri_protocol::Time;
use colibri_sim::{World, config};
use colibri_storage::faulty::Faulty;
use colibri_storage::records::{SessionRecord, received_key};
use colibri_storage::{Batch, Put, Rows, Store, StoreError, Table, Visit};

use crate::hello::{Hello, Testament};
use crate::world::Clients;

#[test]
fn sessions_that_share_a_body_keep_it_when_they_come_to_different_shards() {
    let store = Faulty::new();
    let names: Vec<String> = (0..8).map(|number| format!("client-{number}")).collect();
    let world = World::with_store(config(1), 1, store);
    for name in &names {
        let client = world.join(&Hello::resume(V5, name));
        client.subscribe("t", 1);
        client.cut();
    }
    let publisher = world.join(&Hello::new(V5, "publisher"));
    publisher.publish("t", "x", 1);
    let mut world = world;
    for (shards, served) in [(3, 0..3), (2, 3..6), (8, 6..8)] {
        world.run();
        let store = world.store().unwrap().end_luckily();
        world = World::with_store(config(shards), 1, store);
        for name in &names[served] {
            let client = world.join(&Hello::resume(V5, name));
            client.expect_publish("t", "x", 1);
            client.expect_nothing();
        }
    }
}

#[test]
fn messages_sessions_and_what_is_retained_are_there_after_a_kill() {
    for shards in [1, 2, 8] {
        let world = World::with_store(config(shards), 1, Faulty::new());
        let away = world.join(&Hello::resume(V5, "away"));
        away.subscribe("t/#", 2);
        away.cut();
        let publisher = world.join(&Hello::new(V5, "publisher"));
        for number in 0..50 {
            publisher.publish("t/a", format!("{number}"), 1 + number % 2);
        }
        publisher.retain("r", "kept", 1);
        world.lose_power(shards as u64);
        world.start();
        let away = world.join(&Hello::resume(V5, "away"));
        for number in 0..50 {
            away.expect_publish("t/a", format!("{number}"), 1 + number % 2);
        }
        away.expect_nothing();
        let late = world.join(&Hello::new(V5, "late"));
        late.subscribe("r", 1);
        let got = late.drain();
        assert_eq!(got.len(), 1, "{got:?}");
        assert!(got[0].retain && got[0].payload == b"kept", "{got:?}");
    }
}

#[test]
fn the_time_in_which_the_broker_was_not_there_counts_towards_session_expiry() {
    // [v5 MQTT-4.1.0-2]
    for shards in [1, 2, 8] {
        let world = World::with_store(config(shards), 1, Faulty::new());
        for (name, seconds) in [("short", 5), ("long", 60)] {
            let client = world.join(&Hello::new(V5, name).clean(false).expiry(seconds));
            client.subscribe("t", 1);
            client.cut();
        }
        world.run();
        let store = world.store().unwrap().end_luckily();
        let world = World::later(config(shards), 1, store, 10_000);
        assert!(!world.dial(&Hello::resume(V5, "short")).expect_accepted(), "{shards} shards");
        assert!(world.dial(&Hello::resume(V5, "long")).expect_accepted(), "{shards} shards");
    }
}

#[test]
fn a_session_ends_by_when_its_client_left_and_not_by_when_its_will_was_published() {
    // [v5 MQTT-4.1.0-2]
    for shards in [1, 2, 8] {
        let world = World::with_store(config(shards), 1, Faulty::new());
        let will = Testament::new("t", b"gone").delay(40);
        let client = world.join(&Hello::new(V5, "client").clean(false).expiry(60).will(will));
        client.cut();
        world.advance(45);
        world.run();
        let store = world.store().unwrap().end_luckily();
        let world = World::later(config(shards), 1, store, 61_000);
        assert!(!world.dial(&Hello::resume(V5, "client")).expect_accepted(), "{shards} shards");
    }
}

#[test]
fn the_time_of_a_session_whose_client_a_crash_disconnected_begins_once() {
    // [v5 MQTT-4.1.0-2]
    for shards in [1, 2, 8] {
        let mut world = World::with_store(config(shards), 1, Faulty::new());
        let client = world.join(&Hello::new(V5, "client").clean(false).expiry(60));
        client.subscribe("t", 1);
        for seconds in [10, 50, 69] {
            world.run();
            let store = world.store().unwrap().end_luckily();
            world = World::later(config(shards), 1, store, seconds * 1000);
        }
        world.advance(2);
        assert!(!world.dial(&Hello::resume(V5, "client")).expect_accepted(), "{shards} shards");
    }
}

#[test]
fn a_clock_that_was_set_back_makes_no_session_and_no_will_wait_longer() {
    for shards in [1, 2, 8] {
        let world = World::later(config(shards), 1, Faulty::new(), 1_000_000);
        let will = Testament::new("t", b"gone").delay(40);
        let client = world.join(&Hello::new(V5, "client").clean(false).expiry(60).will(will));
        client.cut();
        world.run();
        let store = world.store().unwrap().end_luckily();
        let world = World::with_store(config(shards), 1, store);
        let heir = world.join(&Hello::new(V5, "heir"));
        heir.subscribe("t", 0);
        world.advance(41);
        heir.expect_publish("t", "gone", 0);
        world.advance(20);
        assert!(!world.dial(&Hello::resume(V5, "client")).expect_accepted(), "{shards} shards");
    }
}

/// A store with two sessions, and what else `change` puts there.
fn imported(change: impl FnOnce(&mut Batch)) -> Faulty {
    let mut batch = Batch::new();
    for number in [1, 2] {
        let record = SessionRecord {
            number,
            expiry_interval: u32::MAX,
            connected: false,
            disconnected_at: 1,
            will: None,
        };
        batch.put_with(Table::Sessions, format!("client-{number}").as_bytes(), Put::Replace, |out| {
            record.encode(out)
        });
    }
    change(&mut batch);
    let mut store = Faulty::new();
    store.commit(&batch, true).unwrap();
    store
}

/// Begins with a store; what the broker reports then, or why it does not begin.
fn begin(store: &Faulty) -> Result<Vec<String>, StoreError> {
    begin_with(1, Box::new(store.clone()))
}

fn begin_with(shards: usize, store: Box<dyn Store>) -> Result<Vec<String>, StoreError> {
    let wakes = (0..shards).map(|_| Box::new(|| {}) as Box<dyn Fn() + Send + Sync>).collect();
    let (mut shards, _stopper) = Shard::all(&Arc::new(config(shards)), wakes, Time::from_millis(0));
    let told = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&told);
    let report = move |report: Report<'_>| lines.lock().unwrap().push(format!("{report:?}"));
    Shard::restore_all(&mut shards, store, 1_000, Box::new(|| {}), Box::new(report))?;
    let told = told.lock().unwrap().clone();
    Ok(told)
}

#[test]
fn rows_that_belong_to_no_session_are_deleted_and_reported_once() {
    let id = PacketId::new(5).unwrap();
    let store = imported(|batch| {
        batch.put(Table::Received, &received_key(2, id), b"");
        batch.put(Table::Received, &received_key(3, id), b"");
        batch.put(Table::Received, &received_key(4, id), b"");
    });
    let told = begin(&store).unwrap();
    assert!(told.len() == 1 && told[0].contains("rows: 2") && told[0].contains("no session 3"), "{told:?}");
    assert_eq!(store.rows(Table::Received), Some(1));
    assert_eq!(begin(&store).unwrap(), Vec::<String>::new());
}

#[test]
fn two_clients_with_one_session_number_are_damage_and_nothing_is_changed() {
    let store = imported(|batch| {
        let record = SessionRecord {
            number: 2,
            expiry_interval: u32::MAX,
            connected: false,
            disconnected_at: 1,
            will: None,
        };
        batch.put_with(Table::Sessions, b"twin", Put::Replace, |out| record.encode(out));
    });
    let error = begin(&store).unwrap_err();
    assert!(error.to_string().contains("key \"twin\": session 2 has another client already"), "{error}");
    assert_eq!((store.rows(Table::Sessions), store.rows(Table::Meta)), (Some(3), Some(0)));
}

/// A store that notes how large the largest batch was.
struct Watched {
    store: Faulty,
    largest: Arc<AtomicUsize>,
}

impl Store for Watched {
    fn commit(&mut self, batch: &Batch, sync: bool) -> Result<(), StoreError> {
        self.largest.fetch_max(batch.size(), Ordering::Relaxed);
        self.store.commit(batch, sync)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.store.sync()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn scan(&self, table: Table, rows: Rows<'_>, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.store.scan(table, rows, visit)
    }

    fn size(&self) -> Option<u64> {
        self.store.size()
    }

    fn rows(&self, table: Table) -> Option<u64> {
        self.store.rows(table)
    }
}

#[test]
fn a_start_with_more_shards_needs_no_memory_for_all_that_they_shared() {
    let names: Vec<String> = (0..8).map(|number| format!("client-{number}")).collect();
    let world = World::with_store(config(1), 1, Faulty::new());
    for name in &names {
        let client = world.join(&Hello::resume(V5, name));
        client.subscribe("t", 1);
        client.cut();
    }
    let publisher = world.join(&Hello::new(V5, "publisher"));
    let payload = |number: u8| "abcdefghijkl".chars().nth(number.into()).unwrap().to_string().repeat(1 << 20);
    for number in 0..12 {
        publisher.publish("t", payload(number), 1);
    }
    world.run();
    let store = world.store().unwrap().end_luckily();
    let largest = Arc::new(AtomicUsize::new(0));
    let watched = Watched { store: store.clone(), largest: Arc::clone(&largest) };
    begin_with(8, Box::new(watched)).unwrap();
    let largest = largest.load(Ordering::Relaxed) >> 20;
    assert!((12..20).contains(&largest), "{largest} MiB in one batch");
    assert!(store.rows(Table::Bodies) > Some(24), "there are copies");
    let world = World::with_store(config(8), 1, store);
    for name in &names {
        let client = world.join(&Hello::resume(V5, name));
        (0..12).for_each(|number| drop(client.expect_publish("t", payload(number), 1)));
        client.expect_nothing();
    }
}
