//! The targets, one file each, and their table.

mod broker;
mod client;
mod decode;
mod encode;
mod matching;
mod pair;
mod retained;
mod round_trip;
mod server;
mod stream;
mod subscriptions;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line, and that of its folders.
    pub name: &'static str,
    /// What it checks.
    pub about: &'static str,
    /// What its inputs look like.
    pub kind: Kind,
    /// Runs one input; panics when a promise is broken.
    pub run: fn(&[u8]),
}

/// What the inputs of a target look like, which says how to begin and how to bend them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Control packets.
    Packets,
    /// A topic filter, a line feed, and a topic name.
    Topics,
    /// A list of operations, in whatever form the target reads it.
    Operations,
}

/// Every target, from the bytes up.
pub const TARGETS: [Target; 11] = [
    Target {
        name: "decode",
        about: "any bytes in any version are a packet or refused, and what follows them has no say",
        kind: Kind::Packets,
        run: decode::run,
    },
    Target {
        name: "round_trip",
        about: "what was decoded is written as bytes that decode to the same, and that stay as they are",
        kind: Kind::Packets,
        run: round_trip::run,
    },
    Target {
        name: "encode",
        about: "what a caller puts together is refused unwritten, or written so that it reads the same",
        kind: Kind::Operations,
        run: encode::run,
    },
    Target {
        name: "stream",
        about: "a byte stream cut anyhow gives the same packets and the same verdict at its end",
        kind: Kind::Packets,
        run: stream::run,
    },
    Target {
        name: "matching",
        about: "filters, names and matching against section 4.7 written down naively",
        kind: Kind::Topics,
        run: matching::run,
    },
    Target {
        name: "subscriptions",
        about: "the subscription tree against a list",
        kind: Kind::Operations,
        run: subscriptions::run,
    },
    Target {
        name: "retained",
        about: "the retained tree against a list",
        kind: Kind::Operations,
        run: retained::run,
    },
    Target {
        name: "server",
        about: "a server's connection under a peer that may send anything",
        kind: Kind::Operations,
        run: server::run,
    },
    Target {
        name: "client",
        about: "a client's connection under a peer that may send anything",
        kind: Kind::Operations,
        run: client::run,
    },
    Target {
        name: "pair",
        about: "a client and a server over links that break: at least once, exactly once, in order",
        kind: Kind::Operations,
        run: pair::run,
    },
    Target {
        name: "broker",
        about: "the shards of a broker in memory under several connections that may send anything",
        kind: Kind::Operations,
        run: broker::run,
    },
];

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
