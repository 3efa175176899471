//! The world itself: that it repeats, that its time moves when told to, and that it can die and come back.

use colibri_sim::{Link, World};

/// CONNECT of MQTT 3.1.1 for the client `a`, CleanSession 1, with this Keep Alive in seconds.
fn hello(keep_alive: u8) -> Vec<u8> {
    [b"\x10\x0d\x00\x04MQTT\x04\x02\x00".as_slice(), &[keep_alive, 0, 1, b'a']].concat()
}

const ACCEPTED: &[u8] = b"\x20\x02\x00\x00";

fn joined(world: &World, keep_alive: u8) -> Link {
    let link = world.connect();
    link.send(&hello(keep_alive));
    world.run();
    assert_eq!(link.take(usize::MAX), ACCEPTED);
    link
}

/// What ten clients get, turn by turn, each with the number of turns that the world had by then.
fn answers(seed: u64) -> Vec<(usize, usize)> {
    let world = World::seeded(3, seed);
    let links: Vec<_> = (b'a'..=b'j')
        .map(|name| {
            let link = world.connect();
            let mut bytes = hello(0);
            bytes.pop();
            bytes.push(name);
            link.send(&bytes);
            link
        })
        .collect();
    let (mut turns, mut answers) = (0, Vec::new());
    while world.turn() {
        turns += 1;
        for (client, link) in links.iter().enumerate() {
            if !link.take(usize::MAX).is_empty() {
                answers.push((turns, client));
            }
        }
    }
    assert_eq!(answers.len(), links.len());
    answers
}

#[test]
fn a_seed_repeats_its_order_of_turns_and_another_has_another() {
    assert_eq!(answers(1), answers(1));
    assert!((2..10).any(|seed| answers(seed) != answers(1)));
}

#[test]
fn time_passes_only_when_told_to_and_stops_where_something_is_due() {
    let world = World::new(2);
    let link = joined(&world, 10);
    world.run();
    assert_eq!(world.now(), 0);
    // One and a half times the Keep Alive ends the connection. What else is due comes before.
    while world.pass(20_000) && !link.is_closed() {}
    assert_eq!((world.now(), link.is_closed()), (15_000, true));
    while world.pass(20_000) {}
    assert_eq!(world.now(), 20_000);
    assert!(!world.pass(19_000), "time does not run backwards");
    assert_eq!(world.now(), 20_000);
}

#[test]
fn fragments_and_small_capacities_delay_bytes_and_lose_none() {
    let world = World::new(1);
    world.fragment(1);
    world.capacity(3);
    let link = world.connect();
    link.send(&hello(0));
    world.run();
    let mut got = link.take(usize::MAX);
    assert_eq!(got.len(), 3);
    world.run();
    got.extend(link.take(usize::MAX));
    assert_eq!(got, ACCEPTED);
    assert_eq!(link.unread(), 0);
}

#[test]
fn a_killed_broker_loses_its_connections_and_takes_others_when_it_is_started_again() {
    let world = World::new(2);
    let link = joined(&world, 0);
    world.advance(5);
    assert_eq!(world.connections(), (1, 1));
    world.kill();
    assert!(link.is_closed() && world.is_stopped());
    assert_eq!(world.connections(), (0, 0));
    assert!(!world.turn());
    let refused = world.connect();
    refused.send(&hello(0));
    world.run();
    assert_eq!(refused.unread(), hello(0).len());
    world.start();
    assert!(refused.is_closed() && !world.is_stopped());
    joined(&world, 0);
    assert_eq!(world.now(), 5_000);
}
