//! One run: a broker, its clients and its disk go through the steps of a plan, and then everything has to
//! come to a good end.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

use colibri_broker::Config;
use colibri_storage::faulty::Faulty;

use crate::client::{Client, PUBLISHED_MAX};
use crate::disk::Disk;
use crate::oracle::Oracle;
use crate::packet::{Got, first, serial};
use crate::workload::{self, Action, CLIENTS, FILTERS, Stay, Step, WILLS};
use crate::{Random, World, config};

/// How often everybody reads and answers at the end until nothing is left; far more than any run needs.
const ROUNDS_MAX: usize = 300;

/// What a run consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the order of turns and the clients come from.
    pub seed: u64,
    /// How many shards the broker has.
    pub shards: usize,
    /// What happens.
    pub steps: Vec<Step>,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was found, as a sentence.
    pub sentence: String,
    /// What clients sent and got until then, if it was asked for.
    pub history: Vec<String>,
}

impl Plan {
    /// The plan of a seed, with so many steps.
    pub fn new(seed: u64, shards: Option<usize>, steps: usize) -> Self {
        let shards = shards.unwrap_or_else(|| 1 + usize::try_from(seed % 3).unwrap_or(0));
        Self { seed, shards, steps: workload::steps(seed, steps) }
    }

    /// Goes through the plan; with its history, if so.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn run(&self, remembers: bool) -> Result<(), Failure> {
        let mut run = Run::new(self, remembers);
        let outcome = catch_unwind(AssertUnwindSafe(|| run.go(&self.steps)));
        if let Err(panic) = outcome {
            run.oracle.fail(format!("panic: {}", words(&*panic)));
        }
        match run.oracle.failures.first().cloned() {
            None => Ok(()),
            Some(sentence) => Err(Failure { sentence, history: std::mem::take(&mut run.oracle.history) }),
        }
    }

    /// A shorter plan that fails too, found by leaving out clients, faults, and parts of what happens.
    #[must_use]
    pub fn shrink(&self) -> Self {
        let mut best = self.clone();
        let try_without = |best: &mut Self, keep: &dyn Fn(usize, &Step) -> bool| {
            let steps = best.steps.iter().enumerate().filter(|(index, step)| keep(*index, step));
            let shorter = Self { steps: steps.map(|(_, step)| *step).collect(), ..best.clone() };
            let fails = shorter.steps.len() < best.steps.len() && shorter.run(false).is_err();
            if fails {
                *best = shorter;
            }
            fails
        };
        for client in 0..CLIENTS {
            try_without(&mut best, &|_, step| step.action.client() != Some(client));
        }
        try_without(&mut best, &|_, step| step.action.client().is_some() || step.action == Action::Settle);
        let mut size = best.steps.len() / 2;
        while size > 0 {
            let mut from = 0;
            let mut shrunk = false;
            while from < best.steps.len() {
                if try_without(&mut best, &|index, _| !(from..from + size).contains(&index)) {
                    shrunk = true;
                } else {
                    from += size;
                }
            }
            if !shrunk || size > 1 {
                size /= 2;
            }
        }
        best
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words").to_owned()
}

struct Run {
    world: World,
    clients: Vec<Client>,
    oracle: Oracle,
    disk: Disk,
    is_down: bool,
    seed: u64,
}

impl Run {
    fn new(plan: &Plan, remembers: bool) -> Self {
        let mut random = Random::new(plan.seed ^ 0xBEEF);
        let mut config: Config = config(plan.shards);
        let send_maximum = [3, 10, 100][random.below(3)];
        config.send_maximum = NonZeroU16::new(send_maximum).unwrap_or(NonZeroU16::MIN);
        config.limits.receive_maximum =
            u16::try_from(PUBLISHED_MAX).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN);
        config.output_budget = [2_000, 100_000][random.below(2)];
        config.seed = plan.seed % 5;
        let world = World::with_store(config, plan.seed, Faulty::new());
        world.capacity([300, 5_000, 200_000][random.below(3)]);
        world.fragment([7, 100, usize::MAX, usize::MAX][random.below(4)]);
        let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client::new(number, &mut random)).collect();
        if plan.seed & WILLS != 0 {
            clients.iter_mut().for_each(Client::like_wills);
        }
        let oracle = Oracle::new(send_maximum, remembers);
        Self { world, clients, oracle, disk: Disk::default(), is_down: false, seed: plan.seed }
    }

    fn go(&mut self, steps: &[Step]) {
        for client in 0..4 {
            self.act(Action::Connect(client, false));
        }
        self.act(Action::Settle);
        for step in steps {
            self.act(step.action);
            for _ in 0..step.turns {
                self.world.turn();
            }
            if !self.oracle.failures.is_empty() {
                return;
            }
        }
        self.end();
        if self.oracle.failures.is_empty() {
            // What was at rest survives a crash as it was.
            self.act(Action::LosePower(self.seed));
            self.end();
        }
    }

    fn act(&mut self, action: Action) {
        self.look_around();
        self.oracle.note(|| format!("-- {action:?}"));
        let Self { world, clients, oracle, disk, .. } = self;
        match action {
            Action::Connect(client, clean) if !self.is_down && !clients[client].is_connected() => {
                clients[client].connect(world, oracle, clean);
            }
            Action::Renew(client) if !self.is_down && clients[client].is_accepted() => {
                clients[client].lose(world, oracle);
                clients[client].connect(world, oracle, false);
            }
            Action::Cut(client) => {
                if let Some(link) = &clients[client].link {
                    link.cut();
                }
                clients[client].lose(world, oracle);
            }
            Action::Vanish(client, bytes) => {
                if let Some(link) = &clients[client].link {
                    let mut rest = link.take_back();
                    rest.truncate(bytes);
                    link.send(&rest);
                    link.end();
                    if !clients[client].is_accepted() {
                        link.cut();
                    }
                }
                clients[client].lose(world, oracle);
            }
            Action::Silence(client) if clients[client].is_accepted() => clients[client].lose(world, oracle),
            Action::Leave(client, with_will) if clients[client].is_accepted() => {
                let closed = clients[client].link.as_ref().is_none_or(crate::Link::is_closed);
                clients[client].leave(world, oracle, with_will || closed);
            }
            Action::Subscribe(client, filter, qos) if client >= 4 => {
                clients[client].subscribe(oracle, FILTERS[filter], qos);
            }
            Action::Unsubscribe(client, filter) => clients[client].unsubscribe(oracle, FILTERS[filter]),
            Action::Publish(client, message) => clients[client].publish(world, oracle, message),
            Action::Flood(client, count) => self.flood(client, count),
            Action::Read(client, most) => {
                clients[client].read(world, oracle, most);
            }
            Action::Answer(client, count) => {
                for _ in 0..count {
                    clients[client].answer(oracle);
                }
            }
            Action::Settle => self.settle(),
            Action::Pass(millis) => self.pass(millis),
            Action::Kill => self.crash(None),
            Action::LosePower(seed) => self.crash(Some(seed)),
            Action::Start => self.start(),
            Action::FailCommit(how) => disk.fail_commit(world, how),
            Action::FailSync => disk.fail_sync(world),
            Action::Fill(bytes) => disk.fill(world, bytes),
            Action::Free => disk.free(world),
            Action::Stall(turns) => world.stall_store(turns),
            Action::Connect(..)
            | Action::Renew(_)
            | Action::Silence(_)
            | Action::Leave(..)
            | Action::Subscribe(..) => {}
        }
        self.oracle.may_refuse |= self.disk.has_failed;
    }

    /// Notes what clients see without reading: the time, and connections that the broker has closed.
    fn look_around(&mut self) {
        self.oracle.now = self.world.now();
        let closed = |client: &Client| client.link.as_ref().is_some_and(crate::Link::is_closed);
        for client in self.clients.iter().filter(|client| closed(client)) {
            // When that was is not known, so the will may come whatever its delay.
            self.oracle.wills_are_due(client.number, 0, true);
        }
        for client in &mut self.clients {
            if closed(client) {
                client.read(&self.world, &mut self.oracle, usize::MAX);
                client.lose(&self.world, &mut self.oracle);
            }
        }
    }

    fn crash(&mut self, seed: Option<u64>) {
        self.oracle.crashes(self.world.now());
        match seed {
            Some(seed) => self.world.lose_power(seed),
            None => self.world.kill(),
        }
        self.is_down = true;
        if let Some(store) = self.world.store() {
            self.oracle.check_stored_wills(&store);
        }
        self.look_around();
    }

    fn start(&mut self) {
        if self.is_down {
            self.world.start();
            self.disk.is_opened(&self.world);
            self.oracle.starts(self.world.now());
            self.is_down = false;
        }
    }

    fn flood(&mut self, client: usize, count: usize) {
        self.act(Action::Connect(client, false));
        let first = self.oracle.serial();
        for _ in 0..count / 4 {
            self.world.run();
            self.look_around();
            let Self { world, clients, oracle, .. } = self;
            clients[client].read(world, oracle, usize::MAX);
            while clients[client].answer(oracle) {}
            for _ in 0..PUBLISHED_MAX {
                let qos = 1 + u8::try_from(oracle.serial() % 2).unwrap_or(0);
                clients[client].publish(world, oracle, workload::Message::new('t', 1, qos));
            }
            if oracle.serial() - first >= count as u64 {
                return;
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        self.settle();
        self.world.advance_millis(millis);
        self.look_around();
    }

    /// Everybody who is connected reads and answers all that comes, until nothing moves.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            self.world.run();
            self.look_around();
            for client in &mut self.clients {
                busy |= client.read(&self.world, &mut self.oracle, usize::MAX);
                while client.answer(&mut self.oracle) {
                    busy = true;
                }
            }
            if !busy {
                break;
            }
        }
        let mut open = BTreeSet::new();
        let now = self.world.now();
        // What waits for a slow disk before it leaves was begun before it expired.
        let drained = !self.world.is_stalled() && !self.disk.has_failed;
        for client in &mut self.clients {
            client.is_seen(now);
            client.ping(&mut self.oracle);
            open.extend(client.open_messages());
            if drained {
                self.oracle.is_drained(client.number);
            }
            if drained && !self.is_down && client.is_accepted() {
                self.oracle.is_settled(client.number);
            }
        }
        if !self.is_down && !self.world.is_stalled() {
            self.oracle.is_at_rest(&open, !self.disk.has_failed);
        }
        self.world.run();
    }

    /// The faults stop, everybody comes back, and all that is owed is delivered.
    fn end(&mut self) {
        self.disk.free(&self.world);
        self.world.stall_store(0);
        if self.disk.is_broken && !self.is_down {
            self.act(Action::Kill);
        }
        self.act(Action::Start);
        for round in 0..ROUNDS_MAX {
            for client in 0..CLIENTS {
                self.act(Action::Connect(client, self.clients[client].stay == Stay::Connection));
            }
            // The store is tried again after a second.
            self.pass(1_100);
            let connected = self.clients.iter().all(|client| client.is_accepted());
            if connected && self.clients.iter().all(Client::is_done) && round > 2 {
                break;
            }
            // What a 3.1.1 client was not answered it sends again on a new connection.
            for client in 0..CLIENTS {
                if self.oracle.may_refuse && !self.clients[client].open_messages().is_empty() {
                    self.act(Action::Cut(client));
                }
            }
            if !self.oracle.failures.is_empty() {
                return;
            }
        }
        for client in &self.clients {
            if !client.is_done() || !client.is_accepted() {
                self.oracle.fail(format!("client-{} does not come to an end: {client:?}", client.number));
            }
        }
        self.oracle.check_delivered();
        self.probe();
    }

    /// A new client asks what is retained.
    fn probe(&mut self) {
        let link = self.world.connect();
        link.send(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05probe");
        link.send(b"\x82\x08\x00\x01\x00\x03r/+\x00");
        link.send(b"\x82\x08\x00\x02\x00\x03w/+\x00");
        let mut bytes = Vec::new();
        loop {
            self.world.run();
            let taken = link.take(usize::MAX);
            if taken.is_empty() {
                break;
            }
            bytes.extend(taken);
        }
        let mut found = BTreeMap::new();
        let mut rest = bytes.as_slice();
        while let Ok(Some((got, length))) = first(rest, colibri_codec::Version::V3_1_1) {
            rest = rest.get(length..).unwrap_or_default();
            if let Got::Publish(message) = got {
                found.insert(message.topic, serial(&message.payload));
            }
        }
        link.send(&[0xE0, 0]);
        link.end();
        self.world.run();
        self.oracle.now = self.world.now();
        for number in 0..3 {
            let topic = format!("r/{number}");
            let serial = found.get(&topic).copied();
            self.oracle.check_retained(&topic, serial);
        }
        for client in 0..CLIENTS {
            let topic = format!("w/{client}");
            let serial = found.get(&topic).copied();
            self.oracle.check_retained_will(&topic, serial);
        }
    }
}
