//! What a run does, step by step, all of it decided by its seed before it begins.

use std::fmt;

use colibri_storage::faulty::Fault;

use crate::Random;

/// How many clients take part: see `Role`.
pub const CLIENTS: usize = 8;

/// Seeds with this bit are for runs with many wills, some of them retained, and many connections that are lost.
pub const WILLS: u64 = 1 << 40;

/// What a client is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Subscribes at the beginning to these filters, for good; its session outlives everything.
    Anchor(&'static [(&'static str, u8)]),
    /// A member of the shared group, for good.
    Member,
    /// Subscribes and unsubscribes, with a will at times.
    Guest,
}

/// How long a client wants its session to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    ForGood,
    Seconds(u32),
    Connection,
}

pub(crate) const SHARED_FILTER: &str = "$share/g/s/+";
pub(crate) const FILTERS: [&str; 7] = ["t/0", "t/+", "t/1", "#", "r/+", "r/0", "+/1"];

pub(crate) const fn role(client: usize) -> Role {
    match client {
        0 => Role::Anchor(&[("#", 2)]),
        1 => Role::Anchor(&[("t/+", 2), ("w/#", 1), ("r/+", 1), ("t/0", 1)]),
        2 | 3 => Role::Member,
        _ => Role::Guest,
    }
}

/// One thing that happens, and how many turns the broker gets behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub action: Action,
    /// How many turns follow.
    pub turns: usize,
}

/// What can happen. Numbers that stand for clients are below [`CLIENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A client connects unless it is, with or without a clean start.
    Connect(usize, bool),
    /// A client connects while its older connection stands.
    Renew(usize),
    /// The network loses a connection with all that is on it.
    Cut(usize),
    /// A client goes without a word, when the broker has read so many bytes of what it has not yet.
    Vanish(usize, usize),
    /// A client falls silent, and its connection stands.
    Silence(usize),
    /// Somebody else connects under the name of a client, takes its session over and then says nothing.
    Intrude(usize),
    /// A client breaks the protocol in one of some ways.
    Misbehave(usize, usize),
    /// A client says DISCONNECT; with the will to be published, if so.
    Leave(usize, bool),
    /// A client subscribes to one of the filters with a QoS.
    Subscribe(usize, usize, u8),
    /// A client unsubscribes.
    Unsubscribe(usize, usize),
    /// A client publishes.
    Publish(usize, Message),
    /// A client publishes so many messages to one topic with QoS 1 and 2 in turn, as fast as they are
    /// acknowledged, while nobody else reads anything.
    Flood(usize, usize),
    /// A client publishes so many large messages with QoS 0, while nobody else reads anything.
    Pour(usize, usize),
    /// A client reads up to so many bytes.
    Read(usize, usize),
    /// A client sends the oldest so many answers that it has withheld.
    Answer(usize, usize),
    /// Everybody who is connected reads and answers all, and the broker comes to rest.
    Settle,
    /// So many milliseconds pass.
    Pass(u64),
    /// So many milliseconds pass in which the process gets no turn.
    Suspend(u64),
    /// The wall clock is set forward or back by so many milliseconds. The broker looks at it when it starts.
    SetClock(i64),
    /// The process is killed.
    Kill,
    /// The power fails.
    LosePower(u64),
    /// The broker is started, if it is down.
    Start,
    /// The next commit fails.
    FailCommit(Fault),
    /// The next sync fails for good.
    FailSync,
    /// The disk takes so many more bytes.
    Fill(u64),
    /// The disk has room again.
    Free,
    /// Nothing is written for so many turns.
    Stall(usize),
}

/// What a step publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The first level of its topic: `t`, `s` of the shared group, or `r` of what is retained.
    pub family: u8,
    /// The second level, 0 to 2.
    pub number: usize,
    /// With which QoS it is published, 0 to 2.
    pub qos: u8,
    /// Whether it takes away what is retained.
    pub empty: bool,
    /// Whether it is stored in a row of its own.
    pub large: bool,
    /// In how many seconds it expires, if it is published with 5.0.
    pub expiry: Option<u32>,
}

impl Message {
    /// One that waits for ever.
    pub const fn new(family: char, number: usize, qos: u8) -> Self {
        Self { family: family as u8, number, qos, empty: false, large: false, expiry: None }
    }

    /// Whether it is to be retained: all under `r` are.
    pub(crate) const fn is_retained(self) -> bool {
        self.family == b'r'
    }

    pub(crate) fn topic(self) -> String {
        format!("{}/{}", char::from(self.family), self.number)
    }
}

impl Action {
    /// The client that does it, if one does.
    pub const fn client(&self) -> Option<usize> {
        match self {
            Self::Connect(client, _)
            | Self::Renew(client)
            | Self::Cut(client)
            | Self::Vanish(client, _)
            | Self::Silence(client)
            | Self::Intrude(client)
            | Self::Misbehave(client, _)
            | Self::Leave(client, _)
            | Self::Subscribe(client, ..)
            | Self::Unsubscribe(client, _)
            | Self::Publish(client, _)
            | Self::Flood(client, _)
            | Self::Pour(client, _)
            | Self::Read(client, _)
            | Self::Answer(client, _) => Some(*client),
            Self::Settle
            | Self::Pass(_)
            | Self::Suspend(_)
            | Self::SetClock(_)
            | Self::Kill
            | Self::LosePower(_)
            | Self::Start
            | Self::FailCommit(_)
            | Self::FailSync
            | Self::Fill(_)
            | Self::Free
            | Self::Stall(_) => None,
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} turns", self.action, self.turns)
    }
}

/// The steps that a seed decides.
pub(crate) fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut random = Random::new(seed ^ 0xC0FFEE);
    // A third of the runs has a healthy disk, where nothing may be refused.
    let weak_disk = random.below(3) > 0;
    let crashes = random.below(8) > 0;
    let mut steps = Vec::with_capacity(count);
    let mut down = 0;
    while steps.len() < count {
        let many_wills = seed & WILLS != 0 && random.below(4) == 0;
        let mut action = if many_wills { loss(&mut random) } else { action(&mut random, weak_disk, crashes) };
        if down > 0 {
            down -= 1;
            if down == 0 {
                action = Action::Start;
            }
        }
        if matches!(action, Action::Kill | Action::LosePower(_)) {
            down = 1 + random.below(6);
        }
        let turns = if random.below(10) == 0 { random.below(60) } else { random.below(6) };
        steps.push(Step { action, turns });
    }
    // More than a queue keeps in memory, in few runs, as it takes long.
    let mut random = Random::new(seed ^ 0xF100D);
    if random.below(30) == 0 {
        let place = random.below(steps.len() + 1);
        let action = Action::Flood(4 + random.below(CLIENTS - 4), 1_300);
        steps.insert(place, Step { action, turns: random.below(30) });
    }
    if random.below(40) == 0 {
        let place = random.below(steps.len() + 1);
        steps.insert(
            place,
            Step { action: Action::Pour(random.below(CLIENTS), 400), turns: random.below(30) },
        );
    }
    // What takes the place of some of the rest.
    let mut random = Random::new(seed ^ 0x0DD);
    for step in &mut steps {
        if random.below(60) == 0
            && !matches!(step.action, Action::Start | Action::Flood(..) | Action::Pour(..))
        {
            step.action = rare(&mut random);
        }
    }
    steps
}

/// The connection of a client that may have a will comes, or goes.
fn loss(random: &mut Random) -> Action {
    let client = 4 + random.below(CLIENTS - 4);
    match random.below(20) {
        0..8 => Action::Connect(client, random.below(8) == 0),
        8..10 => Action::Renew(client),
        10..13 => Action::Cut(client),
        13..15 => Action::Vanish(client, random.below(40)),
        15 | 16 => Action::Silence(client),
        17 => Action::Leave(client, random.below(2) == 0),
        _ => Action::Pass([1_100, 4_000, 7_000, 20_000][random.below(4)]),
    }
}

fn rare(random: &mut Random) -> Action {
    let client = random.below(CLIENTS);
    match random.below(8) {
        0..3 => Action::Intrude(client),
        3..5 => Action::Misbehave(client, random.below(6)),
        5 => Action::Suspend([1_100, 7_000, 60_000][random.below(3)]),
        _ => {
            let millis = [2_000, 60_000, 10_000_000][random.below(3)];
            Action::SetClock(if random.below(2) == 0 { millis } else { -millis })
        }
    }
}

fn action(random: &mut Random, weak_disk: bool, crashes: bool) -> Action {
    let client = random.below(CLIENTS);
    match random.below(100) {
        0..8 => Action::Connect(client, random.below(12) == 0),
        8 => Action::Renew(client),
        9 => Action::Cut(client),
        10 => Action::Vanish(client, random.below(40)),
        11 => Action::Silence(client),
        12 => Action::Leave(client, random.below(3) == 0),
        13..16 => Action::Subscribe(client, random.below(FILTERS.len()), qos(random)),
        16 | 17 => Action::Unsubscribe(client, random.below(FILTERS.len())),
        18..48 => Action::Publish(client, message(random)),
        48..64 => Action::Read(client, [3, 50, 400, usize::MAX][random.below(4)]),
        64..82 => Action::Answer(client, 1 + random.below(4)),
        82..86 => Action::Settle,
        86 | 87 => Action::Pass([10, 300, 1_100, 4_000, 7_000, 100_000][random.below(6)]),
        88..91 if crashes => Action::Kill,
        91..93 if crashes => Action::LosePower(random.next()),
        93..95 => Action::Stall(random.below(200)),
        95 if weak_disk => {
            let how = if random.below(2) == 0 { Fault::Full } else { Fault::FullAfterWriting };
            Action::FailCommit(how)
        }
        96 if weak_disk && random.below(3) == 0 => Action::FailSync,
        97 if weak_disk && random.below(2) == 0 => Action::Fill(random.below(2_000) as u64),
        98 if weak_disk => Action::Free,
        _ => Action::Answer(client, 20),
    }
}

fn qos(random: &mut Random) -> u8 {
    [0, 1, 2, 1, 2, 2][random.below(6)]
}

fn message(random: &mut Random) -> Message {
    let family = [b't', b't', b's', b'r'][random.below(4)];
    Message {
        family,
        number: random.below(3),
        qos: qos(random),
        empty: family == b'r' && random.below(4) == 0,
        large: random.below(12) == 0,
        expiry: (random.below(8) == 0).then(|| [1, 3, 1000][random.below(3)]),
    }
}
