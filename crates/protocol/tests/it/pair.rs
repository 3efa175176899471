//! A client and a server on a virtual clock, with links that can be cut after any byte.

use colibri_codec::{Property, Version};
use colibri_protocol::{Limits, Role, Sent, Session, State, Time};

use crate::end::{Answers, End, connect};
use crate::message::Message;

/// How the two ends are set up.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) version: Version,
    pub(crate) keep_alive: u16,
    pub(crate) client: Limits,
    pub(crate) server: Limits,
}

impl Setup {
    pub(crate) fn new(version: Version) -> Self {
        Self { version, keep_alive: 0, client: Limits::default(), server: Limits::default() }
    }
}

/// Both ends, the bytes between them and what outlives their connection.
pub(crate) struct Pair {
    pub(crate) setup: Setup,
    pub(crate) client: End,
    pub(crate) server: End,
    pub(crate) now: Time,
}

impl Pair {
    /// Both ends before the first byte has moved.
    pub(crate) fn new(setup: Setup) -> Self {
        let now = Time::from_millis(0);
        Self {
            setup,
            client: client(&setup, Session::new(), now),
            server: End::server(setup.server, now),
            now,
        }
    }

    /// Both ends connected.
    pub(crate) fn connected(setup: Setup) -> Self {
        let mut pair = Self::new(setup);
        pair.settle();
        assert!(pair.is_open());
        pair
    }

    pub(crate) fn is_open(&self) -> bool {
        self.client.state() == State::Open && self.server.state() == State::Open
    }

    pub(crate) fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// An end sends a message; before the connection is open it waits in the session.
    pub(crate) fn send(&mut self, from: Role, message: Message) -> Sent {
        let now = self.now;
        let server_stored = self.server.stored.as_mut();
        match (from, server_stored) {
            (Role::Server, Some(session)) => {
                session.enqueue(message);
                Sent::Wait
            }
            (Role::Client | Role::Server, _) => self.end(from).send(message, now),
        }
    }

    /// Carries up to `count` bytes of what this end has written to the other.
    pub(crate) fn carry(&mut self, from: Role, count: usize) -> usize {
        let out = &mut self.end(from).out;
        let rest = out.split_off(count.min(out.len()));
        let carried = std::mem::replace(out, rest);
        let now = self.now;
        self.end(from.other()).take_in(&carried, now);
        carried.len()
    }

    /// Carries all bytes both ways until nothing is written any more.
    pub(crate) fn settle(&mut self) {
        while self.carry(Role::Client, usize::MAX) + self.carry(Role::Server, usize::MAX) > 0 {}
    }

    /// The connection is lost with everything on the way; both ends keep their sessions and the client
    /// writes CONNECT again.
    pub(crate) fn cut(&mut self) {
        let Setup { server: server_limits, .. } = self.setup;
        let mut server = End::server(server_limits, self.now);
        // A server whose CONNECT never came had its session in store all the time.
        let old = std::mem::replace(&mut self.server, End::server(server_limits, self.now));
        server.stored = match old.state() {
            State::AwaitingConnect | State::Deciding => old.stored,
            State::AwaitingConnack | State::Open | State::Closed => Some(old.connection.into_session()),
        };
        server.take_over(old.seen, old.watch, old.answers);
        self.server = server;

        let old = std::mem::replace(&mut self.client, End::server(server_limits, self.now));
        let mut client = client(&self.setup, old.connection.into_session(), self.now);
        client.take_over(old.seen, old.watch, old.answers);
        self.client = client;
    }

    /// Time passes; both ends look at their clocks and nothing moves between them.
    pub(crate) fn advance(&mut self, milliseconds: u64) {
        self.now = Time::from_millis(self.now.as_millis() + milliseconds);
        self.client.tick(self.now);
        self.server.tick(self.now);
    }
}

impl End {
    /// What the driver of the connection before knows.
    fn take_over(&mut self, seen: Vec<crate::end::Seen>, watch: crate::end::Watch, answers: Answers) {
        self.seen = seen;
        self.watch = watch;
        self.watch.cut();
        self.answers = answers;
    }
}

fn client(setup: &Setup, session: Session<Message>, now: Time) -> End {
    let expiry = [Property::SessionExpiryInterval(u32::MAX)];
    let connect = connect(setup.version, false, setup.keep_alive, &expiry);
    End::client(&connect, setup.client, session, now)
}
