//! A client and a server over links that break after any byte: what is promised for each QoS holds.

use std::collections::{BTreeMap, HashSet};

use arbitrary::{Arbitrary, Unstructured};
use colibri_codec::{Connect, Properties, Property, QoS, ReasonCode, Utf8String, Version};
use colibri_protocol::{Limits, Role, State, Time};

use crate::connection::driver::{Answer, Driver};
use crate::connection::message::Message;
use crate::connection::script::Settings;
use crate::operations;
use crate::trace;

#[derive(Arbitrary, Debug)]
enum Op {
    Send {
        from_client: bool,
        bits: u8,
    },
    Carry {
        from_client: bool,
        bytes: u8,
    },
    Settle,
    AnswerHeld {
        client: bool,
        which: u8,
    },
    Complete {
        client: bool,
        which: u8,
    },
    Advance(u8),
    /// The link breaks with all that is on it; both may have other limits on the next.
    Cut(Settings, Settings),
}

/// Both ends; 0 is the client.
struct Pair {
    version: Version,
    keep_alive: u16,
    ends: [Driver; 2],
    sent: [BTreeMap<u32, QoS>; 2],
    serial: u32,
}

pub(super) fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok((bits, client, server)) = <(u8, Settings, Settings)>::arbitrary(&mut u) else { return };
    let mut pair = Pair::new(bits, client, server);
    operations::for_each(&mut u, |op: Op| {
        pair.act(op);
        pair.check_no_complaint();
    });
    pair.end();
}

fn limits(settings: Settings) -> Limits {
    // Every message has to fit, or it would rightly be dropped.
    Limits { maximum_packet_size: Limits::default().maximum_packet_size, ..settings.limits() }
}

impl Pair {
    fn new(bits: u8, client: Settings, server: Settings) -> Self {
        let now = Time::from_millis(0);
        let version = [Version::V5, Version::V3_1_1, Version::V5, Version::V3_1][usize::from(bits) % 4];
        let keep_alive = [0, 0, 1, 5][usize::from(bits >> 2 & 3)];
        let ends = [Driver::server(limits(client), now), Driver::server(limits(server), now)];
        let mut pair = Self { version, keep_alive, ends, sent: Default::default(), serial: 0 };
        let answers: Vec<Answer> =
            (4..8).map(|shift| if bits >> shift & 1 == 0 { Answer::Take } else { Answer::Hold }).collect();
        for end in &mut pair.ends {
            end.answers = answers.clone().into();
            end.completes = bits & 0x10 == 0;
        }
        pair.connect(client, server);
        pair
    }

    /// Both ends begin a connection with what they have.
    fn connect(&mut self, client: Settings, server: Settings) {
        let now = self.ends[0].now;
        let expiry = [Property::SessionExpiryInterval(u32::MAX)];
        let connect = Connect {
            version: self.version,
            clean_start: false,
            keep_alive: self.keep_alive,
            properties: Properties::new(&expiry),
            client_id: Utf8String::new("c").unwrap(),
            will: None,
            user_name: None,
            password: None,
        };
        let session = self.ends[0].finish();
        self.replace(0, Driver::client(&connect, limits(client), session, now));
        let mut next = Driver::server(limits(server), now);
        // A server whose first CONNECT has not come has nothing in store.
        let first = self.serial == 0 && self.ends[1].connection.state() == State::AwaitingConnect;
        let stored = self.ends[1].finish();
        next.stored = (!first).then_some(stored);
        self.replace(1, next);
    }

    fn replace(&mut self, at: usize, next: Driver) {
        let before = std::mem::replace(&mut self.ends[at], next);
        self.ends[at].take_over(before);
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Send { from_client, bits } => self.send(usize::from(!from_client), bits),
            Op::Carry { from_client, bytes } => {
                self.carry(usize::from(!from_client), usize::from(bytes) % 64);
            }
            Op::Settle => self.settle(),
            Op::AnswerHeld { client, which } => {
                self.ends[usize::from(!client)].answer_held(usize::from(which), ReasonCode::Success);
            }
            Op::Complete { client, which } => self.ends[usize::from(!client)].complete(usize::from(which)),
            Op::Advance(millis) => {
                for end in &mut self.ends {
                    end.advance(u64::from(millis) * 4);
                }
            }
            Op::Cut(client, server) => self.connect(client, server),
        }
    }

    fn send(&mut self, from: usize, bits: u8) {
        let qos =
            [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce][usize::from(bits & 3)];
        let topic = ["a", "b", "a/b", "c"][usize::from(bits >> 2 & 3)];
        self.serial += 1;
        let end = &mut self.ends[from];
        let in_store = matches!(end.connection.state(), State::AwaitingConnect | State::Deciding);
        if in_store && end.stored.is_none() {
            return;
        }
        self.sent[from].insert(self.serial, qos);
        let message = Message::new(self.serial, topic, qos, usize::from(bits >> 4));
        match in_store {
            true => end.enqueue(message),
            false => drop(end.send(message, true)),
        }
    }

    fn carry(&mut self, from: usize, bytes: usize) -> usize {
        let out = &mut self.ends[from].out;
        let rest = out.split_off(bytes.min(out.len()));
        let carried = std::mem::replace(out, rest);
        self.ends[1 - from].take_in(&carried);
        carried.len()
    }

    fn settle(&mut self) {
        while self.carry(0, usize::MAX) + self.carry(1, usize::MAX) > 0 {}
    }

    fn check_no_complaint(&mut self) {
        for end in &mut self.ends {
            let timeout = end.violation == Some(colibri_protocol::Violation::KeepAliveTimeout);
            assert!(timeout || end.violation.is_none(), "{:?}: {:?}", end.connection.role(), end.violation);
            // Whoever gave up is gone, and the other learns it with the next connection.
            trace::note((timeout, end.connection.state() as u8));
        }
    }

    /// The link holds, everything is answered, and both ends have what they were promised.
    fn end(&mut self) {
        let standard = Settings::plain();
        self.connect(standard, standard);
        for _ in 0..2 + self.serial {
            self.settle();
            let mut left = 0;
            for end in &mut self.ends {
                left += end.held.len() + end.released.len();
                while !end.held.is_empty() {
                    end.answer_held(0, ReasonCode::Success);
                }
                while !end.released.is_empty() {
                    end.complete(0);
                }
            }
            if left == 0 && self.ends.iter().all(|end| end.out.is_empty()) {
                break;
            }
        }
        self.check_no_complaint();
        for at in 0..2 {
            assert!(self.ends[at].is_open());
            let session = self.ends[at].connection.session();
            assert_eq!((session.in_flight(), session.waiting(), session.unreleased()), (0, 0, 0));
            self.check_direction(at);
        }
    }

    fn check_direction(&self, from: usize) {
        let received = &self.ends[1 - from].received;
        let role = [Role::Client, Role::Server][from];
        let of =
            |wanted: QoS| received.iter().filter(move |(_, qos)| *qos == wanted).map(|(serial, _)| *serial);
        let sent = |wanted: QoS| {
            self.sent[from].iter().filter(move |(_, qos)| **qos == wanted).map(|(serial, _)| *serial)
        };
        // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2], and in order: [v5 MQTT-4.6.0-1] [v3.1.1 MQTT-4.6.0-1]
        assert!(of(QoS::ExactlyOnce).eq(sent(QoS::ExactlyOnce)), "exactly once from the {role:?}");
        let mut seen = HashSet::new();
        let first_time = of(QoS::AtLeastOnce).filter(|serial| seen.insert(*serial));
        assert!(first_time.eq(sent(QoS::AtLeastOnce)), "at least once from the {role:?}");
        let mut rest = sent(QoS::AtMostOnce);
        assert!(
            of(QoS::AtMostOnce).all(|serial| rest.any(|other| other == serial)),
            "at most once from the {role:?}"
        );
    }
}
