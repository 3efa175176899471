//! One run: a broker, its clients and its disk go through the steps of a plan, and then everything has to
//! come to a good end.

use std::any::Any;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

use colibri_broker::Config;
use colibri_storage::faulty::{Fault, Faulty};

use crate::client::{Client, PUBLISHED_MAX, RESTS_MAX};
use crate::disk::Disk;
use crate::oracle::Oracle;
use crate::probe;
use crate::watch::{self, Watch};
use crate::workload::{self, Action, CLIENTS, FILTERS, Stay, Step, WILLS};
use crate::{Coverage, Link, Random, Setting, World, config};

/// How often everybody reads and answers at the end until nothing is left; far more than any run needs.
const ROUNDS_MAX: usize = 300;

/// What a run consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where the order of turns and the clients come from.
    pub seed: u64,
    /// How many shards the broker has.
    pub shards: usize,
    /// What kind of broker and clients there are.
    pub setting: Setting,
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
        Self { seed, shards, setting: Setting::new(seed), steps: workload::steps(seed, steps) }
    }

    /// Goes through the plan; with its history, if so. Gives what it has come through.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn run(&self, remembers: bool) -> Result<Coverage, Failure> {
        let mut run = Run::new(self, remembers);
        let outcome = catch_unwind(AssertUnwindSafe(|| run.go(&self.steps)));
        if let Err(panic) = outcome {
            run.oracle.fail(format!("panic: {}", words(&*panic)));
        }
        match run.oracle.failures.first().cloned() {
            None => Ok(run.oracle.coverage),
            Some(sentence) => Err(Failure { sentence, history: std::mem::take(&mut run.oracle.history) }),
        }
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
    watch: Watch,
    /// Those who have connected under the name of a client.
    intruders: Vec<Link>,
    is_down: bool,
    /// Whether the wall clock is another than the broker knows of.
    clock_was_set: bool,
    seed: u64,
}

impl Run {
    fn new(plan: &Plan, remembers: bool) -> Self {
        let mut random = Random::new(plan.seed ^ 0xBEEF);
        let mut config: Config = config(plan.shards);
        let send_maximum = [3, 10, 100][random.below(3)];
        config.send_maximum = NonZeroU16::new(send_maximum).unwrap_or(NonZeroU16::MIN);
        config.limits.receive_maximum =
            NonZeroU16::new(plan.setting.receive_maximum).unwrap_or(NonZeroU16::MIN);
        config.output_budget = [2_000, 100_000][random.below(2)];
        config.seed = plan.seed % 5;
        let setting = plan.setting;
        config.durability = setting.durability;
        if setting.unsynced != 0 {
            config.listeners.push(SocketAddr::from(([127, 0, 0, 1], 1884)));
            config.unsynced_listeners = config.listeners.get(1..).unwrap_or_default().to_vec();
        }
        if let Some((policy, maximum)) = setting.queue {
            (config.queue_full, config.queued_messages_maximum) = (policy, maximum);
        }
        let watch = Watch::new(&config);
        let world = World::with_store(config, plan.seed, Faulty::new());
        world.capacity([300, 5_000, 200_000][random.below(3)]);
        let fragment = [7, 100, usize::MAX, usize::MAX][random.below(4)];
        world.fragment(setting.fragment.unwrap_or(fragment));
        let mut clients: Vec<_> =
            (0..CLIENTS).map(|number| Client::new(number, &mut random, &setting)).collect();
        if plan.seed & WILLS != 0 {
            clients.iter_mut().for_each(Client::like_wills);
        }
        let mut oracle = Oracle::new(send_maximum, setting, remembers);
        watch::note_setting(&mut oracle.coverage, &setting);
        clients.iter().for_each(|client| client.note(&mut oracle.coverage));
        let (disk, intruders) = (Disk::default(), Vec::new());
        Self {
            world,
            clients,
            oracle,
            disk,
            watch,
            intruders,
            is_down: false,
            clock_was_set: false,
            seed: plan.seed,
        }
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
            self.watch.look(&self.world, &mut self.oracle);
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
        self.note(action);
        let Self { world, clients, oracle, disk, .. } = self;
        match action {
            Action::Connect(client, _)
            | Action::Renew(client)
            | Action::Cut(client)
            | Action::Vanish(client, _)
            | Action::Silence(client)
            | Action::Intrude(client)
            | Action::Misbehave(client, _)
            | Action::Leave(client, _) => self.change_connection(client, action),
            Action::Subscribe(client, filter, qos) if client >= 4 => {
                clients[client].subscribe(oracle, FILTERS[filter], qos);
            }
            Action::Unsubscribe(client, filter) => clients[client].unsubscribe(oracle, FILTERS[filter]),
            Action::Publish(client, message) => clients[client].publish(world, oracle, message),
            Action::Flood(client, count) => self.flood(client, count),
            Action::Pour(client, count) => self.pour(client, count),
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
            Action::Suspend(millis) => {
                world.suspend(millis);
                clients.iter_mut().for_each(|client| client.waits_from(world.now()));
            }
            Action::SetClock(millis) => {
                world.set_clock(millis);
                self.clock_was_set = true;
            }
            Action::Kill => self.crash(None),
            Action::LosePower(seed) => self.crash(Some(seed)),
            Action::Start => self.start(),
            Action::FailCommit(how) => disk.fail_commit(world, how),
            Action::FailSync => disk.fail_sync(world),
            Action::Fill(bytes) => disk.fill(world, bytes),
            Action::Free => disk.free(world),
            Action::Stall(turns) => world.stall_store(turns),
            Action::Subscribe(..) => {}
        }
        self.oracle.may_refuse |= self.disk.has_failed;
    }

    /// What a client does that has to do with its connection, if it can.
    fn change_connection(&mut self, client: usize, action: Action) {
        let Self { world, clients, oracle, is_down, .. } = self;
        let is_down = *is_down;
        match action {
            Action::Connect(_, clean) if !is_down && !clients[client].is_connected() => {
                clients[client].connect(world, oracle, clean);
            }
            Action::Renew(_) if !is_down && clients[client].is_accepted() => {
                clients[client].lose(world, oracle);
                clients[client].connect(world, oracle, false);
            }
            Action::Cut(_) => {
                if let Some(link) = &clients[client].link {
                    link.cut();
                }
                clients[client].lose(world, oracle);
            }
            Action::Vanish(_, bytes) => {
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
            Action::Silence(_) if clients[client].is_accepted() => clients[client].lose(world, oracle),
            Action::Leave(_, with_will) if clients[client].is_accepted() => {
                let is_kept = with_will || clients[client].may_be_over();
                clients[client].leave(world, oracle, is_kept);
            }
            Action::Intrude(_) if !is_down && !clients[client].may_be_fooled() => self.intrude(client),
            Action::Misbehave(_, how) if clients[client].is_accepted() => {
                oracle.wills_are_due(client, world.now(), true);
                clients[client].misbehave(oracle, how);
            }
            _ => {}
        }
    }

    /// Notes for the coverage what is about to happen, if it does.
    fn note(&mut self, action: Action) {
        let is_open = |client: usize| self.clients[client].is_accepted();
        let what = match action {
            Action::Renew(client) if is_open(client) => "a client is taken over by itself",
            Action::Cut(client) if is_open(client) => "a connection is cut",
            Action::Vanish(client, _) if is_open(client) => "a client leaves some bytes and goes",
            Action::Silence(client) if is_open(client) => "a client falls silent",
            Action::Leave(client, true) if is_open(client) => "a client leaves with its will",
            Action::Suspend(_) if !self.is_down => "the process is suspended",
            Action::SetClock(0..) => "the wall clock goes forward",
            Action::SetClock(_) => "the wall clock goes back",
            Action::Kill if !self.is_down => "the process is killed",
            Action::LosePower(_) if !self.is_down => "the power fails",
            Action::FailCommit(Fault::Full) => "a commit fails before it is written",
            Action::FailCommit(_) => "a commit fails when it is written",
            Action::FailSync => "a sync fails",
            Action::Fill(_) => "a disk fills up",
            _ => return,
        };
        self.oracle.coverage.note(what);
    }

    /// Notes what clients see without reading: the time, and connections that the broker has closed.
    fn look_around(&mut self) {
        self.oracle.now = self.world.now();
        self.oracle.position = self.world.store().map_or(0, |store| store.position());
        let closed = |client: &Client| client.link.as_ref().is_some_and(Link::is_closed);
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
        self.watch.process_ends(&self.world, &mut self.oracle);
        let before = self.world.store().map_or((0, 0), |store| (store.position(), store.synced_position()));
        match seed {
            Some(seed) => self.world.lose_power(seed),
            None => self.world.kill(),
        }
        self.is_down = true;
        if let Some(store) = self.world.store() {
            self.oracle.check_stored_wills(&store);
        }
        self.look_around();
        let kept = self.world.store().map_or(0, |store| store.position());
        let oracle = &mut self.oracle;
        oracle.note(|| format!("of {} batches, {} synced, {kept} are kept", before.0, before.1));
        oracle.coverage.note_if(kept < before.0, "a power loss loses what was written");
        oracle.coverage.note_if(seed.is_some() && kept > before.1, "a power loss spares what was not synced");
        for (client, began) in oracle.goes_back(seed.map(|_| kept)) {
            self.clients[client].is_forgotten(began);
        }
    }

    /// Somebody connects under the name of a client, who knows nothing of that.
    fn intrude(&mut self, client: usize) {
        let Self { world, oracle, clients, .. } = self;
        oracle.coverage.note_if(clients[client].is_accepted(), "a client is taken over from elsewhere");
        oracle.may_take_over(client);
        clients[client].is_taken_over();
        oracle.wills_are_due(client, world.now(), true);
        let link = world.connect();
        let name = format!("client-{client}");
        let mut bytes = b"\x10\x14\x00\x04MQTT\x04\x00\x00\x00\x00\x08".to_vec();
        bytes.extend(name.into_bytes());
        link.send(&bytes);
        self.intruders.push(link);
    }

    fn start(&mut self) {
        if self.is_down {
            self.intruders.clear();
            if std::mem::take(&mut self.clock_was_set) {
                self.oracle.clock_jumps();
                self.clients.iter_mut().for_each(Client::doubts_expiry);
            }
            self.world.start();
            self.watch.process_begins(&self.world, &mut self.oracle);
            self.oracle.coverage.note("the broker starts where it was killed");
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

    fn pour(&mut self, client: usize, count: usize) {
        self.act(Action::Connect(client, false));
        for _ in 0..count / 4 {
            self.world.run();
            self.watch.look(&self.world, &mut self.oracle);
            self.look_around();
            let Self { world, clients, oracle, .. } = self;
            clients[client].read(world, oracle, usize::MAX);
            for _ in 0..4 {
                let message = workload::Message { large: true, ..workload::Message::new('t', 1, 0) };
                clients[client].publish(world, oracle, message);
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
            if !client.ping(&mut self.oracle) {
                client.give_up(&self.world, &mut self.oracle);
            }
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
            self.watch.at_rest(&self.world, &mut self.oracle);
            // Who is refused a message because the disk fails is not read for a moment, for each.
            let patience = if self.disk.has_failed { RESTS_MAX } else { 0 };
            for client in self.clients.iter().filter(|client| client.is_outlaw_for(patience, now)) {
                self.oracle
                    .fail(format!("client-{} has broken the protocol and is not closed", client.number));
            }
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
                if self.oracle.may_be_silent() && !self.clients[client].open_messages().is_empty() {
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
        self.publish_to_all();
        self.watch.process_ends(&self.world, &mut self.oracle);
        self.oracle.check_delivered();
        self.watch.at_the_end(&self.world, &mut self.oracle);
        self.probe();
    }

    /// One message to each topic shows who is subscribed to what.
    fn publish_to_all(&mut self) {
        for (family, number) in
            ['t', 's', 'r'].into_iter().flat_map(|family| (0..3).map(move |at| (family, at)))
        {
            let Self { world, clients, oracle, .. } = self;
            clients[number].publish(world, oracle, workload::Message::new(family, number, 1));
            self.settle();
        }
        self.pass(10);
    }

    /// A new client asks what is retained.
    fn probe(&mut self) {
        let found = probe::retained(&self.world);
        self.oracle.now = self.world.now();
        for number in 0..3 {
            let topic = format!("r/{number}");
            self.oracle.check_retained(&topic, found.get(&topic).copied());
        }
        for client in 0..CLIENTS {
            let topic = format!("w/{client}");
            self.oracle.check_retained_will(&topic, found.get(&topic).copied());
        }
    }
}
