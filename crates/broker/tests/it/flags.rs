//! The RETAIN flag on its way: through shards, queues, the store, groups and connections that break, in random
//! traffic from one seed.

use colibri_codec::RetainHandling::DoNotSend;
use colibri_codec::Version::{V3_1_1, V5};
use colibri_sim::{Random, World, config};
use colibri_storage::faulty::Faulty;

use crate::hello::Hello;
use crate::packets::Got;
use crate::peer::{Peer, Wish, wish};
use crate::world::Clients;

const SHARDS: [usize; 3] = [1, 2, 3];
const FILTERS: [&str; 5] = ["t/#", "t/1", "+/2", "$share/g/t/+", "$share/h/t/1"];
/// Beyond the budget of a connection, so that what comes behind has to wait.
const LARGE: usize = 300_000;

/// A subscriber, all of whose subscriptions treat RETAIN alike.
struct Subscriber {
    hello: Hello,
    as_published: bool,
    peer: Option<Peer>,
    seen: usize,
}

impl Subscriber {
    fn new(number: usize, seed: u64, random: &mut Random) -> Self {
        let version = if random.below(4) == 0 { V3_1_1 } else { V5 };
        let name = format!("subscriber-{number}-{seed}");
        let mut hello = match random.below(3) {
            0 => Hello::new(version, &name),
            _ => Hello::resume(version, &name),
        };
        if version == V5 && random.below(3) == 0 {
            hello = hello.aliases(2);
        }
        if version == V5 && random.below(3) == 0 {
            hello = hello.receive_maximum(2);
        }
        Self { hello, as_published: version == V5 && random.below(2) == 0, peer: None, seen: 0 }
    }

    /// Who does not ask for RETAIN as published gets no retained messages, which would have it set.
    fn wish(&self, random: &mut Random) -> Wish<'static> {
        let filters = if self.hello.version == V5 { &FILTERS[..] } else { &FILTERS[..3] };
        let wish = wish(filters[random.below(filters.len())], u8::try_from(random.below(3)).unwrap());
        let wish = if self.hello.version == V5 && random.below(4) == 0 { wish.identifier(7) } else { wish };
        if self.as_published { wish.as_published() } else { wish.handling(DoNotSend) }
    }

    /// Looks at what has come, and acknowledges it or, sometimes, does not.
    fn take(&mut self, context: &str, answers: bool) {
        let Some(peer) = &self.peer else { return };
        while peer.take_some(usize::MAX) {}
        while let Some(got) = peer.pop() {
            match got {
                Got::Publish(message) => {
                    let published = message.payload.first() == Some(&b'R');
                    let wanted = self.as_published && published;
                    assert_eq!(message.retain, wanted, "{context}: {}", self.hello.client_id);
                    self.seen += 1;
                    match message.qos {
                        1 if answers => peer.puback(message.id),
                        2 if answers => peer.pubrec(message.id),
                        _ => {}
                    }
                }
                Got::Pubrel(id, _) => peer.pubcomp(id),
                _ => {}
            }
        }
    }

    fn cut(&mut self) {
        if let Some(peer) = self.peer.take() {
            peer.link.cut();
        }
    }
}

/// A message whose payload begins with R if it was published with RETAIN 1.
fn post(publisher: &Peer, random: &mut Random) {
    let retain = random.below(2) == 0;
    let qos = u8::try_from(random.below(3)).unwrap();
    let id = if qos == 0 { 0 } else { publisher.next_id() };
    let size = if random.below(12) == 0 { LARGE } else { 1 };
    let payload = vec![if retain { b'R' } else { b'-' }; size];
    publisher.send_publish(&format!("t/{}", random.below(4)), &payload, (qos, retain, false), id, &[]);
}

/// Takes in what a publisher is told.
fn finish(publisher: &Peer) {
    while publisher.take_some(usize::MAX) {}
    while let Some(got) = publisher.pop() {
        if let Got::Pubrec(id, _) = got {
            publisher.pubrel(id);
        }
    }
}

/// One run; how many messages came.
fn run(world: &World, shards: usize, seed: u64) -> usize {
    let context = format!("{shards} shards, seed {seed}");
    let mut random = Random::new(seed);
    if random.below(3) == 0 {
        world.fragment(1 + random.below(50));
    }
    let versions = [V3_1_1, V5, V5];
    let publishers = versions.map(|version| {
        let name = format!("publisher-{}-{seed}", random.next());
        world.join(&Hello::new(version, &name))
    });
    let mut subscribers: Vec<Subscriber> =
        (0..5).map(|number| Subscriber::new(number, seed, &mut random)).collect();
    // What may be retained comes after the first subscriptions, so that 3.1.1 gets nothing for them.
    for subscriber in &mut subscribers {
        let peer = world.join(&subscriber.hello);
        peer.ask(&[subscriber.wish(&mut random)]);
        subscriber.peer = Some(peer);
    }
    world.run();
    for _ in 0..80 {
        let one = random.below(subscribers.len());
        let subscriber = &mut subscribers[one];
        match random.below(12) {
            0 => subscriber.cut(),
            1 | 2 if subscriber.peer.is_none() => subscriber.peer = Some(world.dial(&subscriber.hello)),
            1 if subscriber.hello.version == V5 => {
                let wish = subscriber.wish(&mut random);
                if let Some(peer) = &subscriber.peer {
                    peer.ask(&[wish]);
                }
            }
            2 | 3 => subscriber.take(&context, random.below(3) > 0),
            4 => finish(&publishers[random.below(3)]),
            _ => post(&publishers[random.below(3)], &mut random),
        }
        world.turns(random.below(6));
    }
    for subscriber in &mut subscribers {
        if subscriber.peer.is_none() {
            subscriber.peer = Some(world.dial(&subscriber.hello));
        }
    }
    for _ in 0..12 {
        publishers.iter().for_each(finish);
        subscribers.iter_mut().for_each(|subscriber| subscriber.take(&context, true));
        world.run();
    }
    subscribers.iter().map(|subscriber| subscriber.seen).sum()
}

#[test]
fn retain_is_as_published_for_those_who_ask_for_it_and_0_for_the_others() {
    // [v5 MQTT-3.3.1-12] [v5 MQTT-3.3.1-13] [v3.1.1 MQTT-3.3.1-9]
    for shards in SHARDS {
        let mut seen = 0;
        for seed in 0..40 {
            let world = if seed % 2 == 0 {
                World::seeded(shards, seed)
            } else {
                World::with_store(config(shards), seed, Faulty::new())
            };
            seen += run(&world, shards, seed);
        }
        assert!(seen > 2_000, "{shards} shards: only {seen} messages came");
    }
}
