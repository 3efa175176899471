//! Two ends over links that are cut at any byte: what is promised for each QoS holds.

use std::num::NonZeroU16;

use colibri_codec::{QoS, ReasonCode, Version};
use colibri_protocol::{Limits, Role};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use crate::configured;
use crate::end::{Answers, Seen, by_role};
use crate::message::Message;
use crate::pair::{Pair, Setup};

#[derive(Clone, Debug)]
enum Op {
    Send(Role, QoS),
    Carry(Role, usize),
    /// The driver answers what it holds back.
    Answer(Role),
    Settle,
    /// The link breaks, and the next connection has these Receive Maximums.
    Cut(u16, u16),
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

fn op() -> impl Strategy<Value = Op> {
    let qos =
        prop_oneof![1 => Just(QoS::AtMostOnce), 3 => Just(QoS::AtLeastOnce), 3 => Just(QoS::ExactlyOnce)];
    prop_oneof![
        8 => (role(), qos).prop_map(|(role, qos)| Op::Send(role, qos)),
        12 => (role(), 1usize..40).prop_map(|(role, count)| Op::Carry(role, count)),
        2 => role().prop_map(Op::Answer),
        1 => Just(Op::Settle),
        2 => (1u16..5, 1u16..5).prop_map(|(client, server)| Op::Cut(client, server)),
    ]
}

fn limits(receive_maximum: u16, topic_alias_maximum: u16) -> Limits {
    let receive_maximum = NonZeroU16::new(receive_maximum).unwrap();
    Limits { receive_maximum, topic_alias_maximum, ..Limits::default() }
}

fn answer_held(pair: &mut Pair, role: Role) {
    let now = pair.now;
    let end = pair.end(role);
    for id in std::mem::take(&mut end.held) {
        end.with(|connection, out| connection.acknowledge_held(id, ReasonCode::Success, now, out));
    }
}

/// The numbers that came with this QoS, in order.
fn received(seen: &[Seen], wanted: QoS) -> Vec<u32> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::Publish { delivery, payload, .. } if delivery.qos() == wanted => payload.parse().ok(),
            _ => None,
        })
        .collect()
}

fn check(version: Version, aliases: u16, answers: Answers, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let setup = Setup { client: limits(2, aliases), server: limits(3, aliases), ..Setup::new(version) };
    let mut pair = Pair::connected(setup);
    pair.client.answers = answers;
    pair.server.answers = answers;
    let mut sent: [[Vec<u32>; 3]; 2] = Default::default();
    for (number, op) in (0u32..).zip(ops) {
        match op {
            Op::Send(from, qos) => {
                sent[by_role(from, 0, 1)][usize::from(qos.number())].push(number);
                let topic = ["a", "b", "c"][usize::try_from(number % 3).unwrap()];
                pair.send(from, Message::new(topic, qos, &number.to_string()));
            }
            Op::Carry(from, count) => {
                pair.carry(from, count);
            }
            Op::Answer(role) => answer_held(&mut pair, role),
            Op::Settle => pair.settle(),
            Op::Cut(client, server) => {
                pair.setup.client = limits(client, aliases);
                pair.setup.server = limits(server, aliases);
                pair.cut();
            }
        }
    }
    // In the end the link holds and everything is answered.
    pair.client.answers = Answers::AtOnce;
    pair.server.answers = Answers::AtOnce;
    for _ in 0..1 + sent.iter().flatten().flatten().count() {
        answer_held(&mut pair, Role::Client);
        answer_held(&mut pair, Role::Server);
        pair.settle();
    }
    prop_assert!(pair.is_open());
    for from in [Role::Client, Role::Server] {
        let session = pair.end(from).connection.session();
        prop_assert_eq!((session.in_flight(), session.waiting(), session.unreleased()), (0, 0, 0));
        let [at_most_once, at_least_once, exactly_once] = &sent[by_role(from, 0, 1)];
        let seen = &pair.end(from.other()).seen;
        let violated = seen.iter().any(|seen| matches!(seen, Seen::Violation(_)));
        prop_assert!(!violated, "{:?}", seen);
        prop_assert_eq!(&received(seen, QoS::ExactlyOnce), exactly_once);
        // Repeats aside, the order is that of sending.
        let mut first_time = Vec::new();
        for number in received(seen, QoS::AtLeastOnce) {
            if !first_time.contains(&number) {
                first_time.push(number);
            }
        }
        prop_assert_eq!(&first_time, at_least_once);
        let arrived = received(seen, QoS::AtMostOnce);
        let mut rest = at_most_once.iter();
        prop_assert!(arrived.iter().all(|number| rest.any(|other| other == number)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(configured(1_500))]

    #[test]
    // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2] [v5 MQTT-4.6.0-1] [v3.1.1 MQTT-4.6.0-1]
    fn every_qos_keeps_its_promise_over_broken_links(
        is_v5 in any::<bool>(),
        aliases in 0u16..3,
        holds in any::<bool>(),
        ops in vec(op(), 0..150),
    ) {
        let version = if is_v5 { Version::V5 } else { Version::V3_1_1 };
        let answers = if holds { Answers::Held } else { Answers::AtOnce };
        check(version, aliases, answers, ops)?;
    }
}

#[test]
fn a_link_may_break_after_any_byte_of_an_exchange() {
    // [v5 MQTT-4.3.3-10] [v3.1.1 MQTT-4.3.3-2] [v5 MQTT-4.6.0-1] [v3.1.1 MQTT-4.6.0-1]
    for version in crate::VERSIONS {
        for (first, second) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            for bytes_there in 0..40 {
                for bytes_back in 0..20 {
                    let ops = vec![
                        Op::Send(first, QoS::AtLeastOnce),
                        Op::Send(first, QoS::ExactlyOnce),
                        Op::Send(first, QoS::ExactlyOnce),
                        Op::Carry(first, bytes_there),
                        Op::Carry(second, bytes_back),
                        Op::Carry(first, bytes_there / 4),
                        Op::Cut(2, 2),
                    ];
                    check(version, 1, Answers::AtOnce, ops).unwrap();
                }
            }
        }
    }
}
