//! The sender against a model that is too simple to be wrong.

use std::collections::VecDeque;

use colibri_codec::{Frame, Packet, QoS, Split, Version};
use colibri_protocol::{Role, Sent};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;
use proptest::strategy::Strategy;
use proptest::test_runner::TestCaseError;

use crate::configured;
use crate::raw::Raw;

#[derive(Clone, Debug)]
enum Op {
    Send(QoS),
    /// Answers one of the exchanges, as far as it has come.
    Answer(Index),
    /// Refuses one of the exchanges.
    Refuse(Index),
    /// The connection is lost; the next one has this Receive Maximum.
    Resume(u16),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let qos = prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    let op = prop_oneof![
        6 => qos.prop_map(Op::Send),
        6 => any::<Index>().prop_map(Op::Answer),
        1 => any::<Index>().prop_map(Op::Refuse),
        1 => (1u16..6).prop_map(Op::Resume),
    ];
    vec(op, 0..80)
}

/// What the sender writes.
#[derive(Debug, PartialEq)]
enum Written {
    Publish { id: u16, qos: QoS, dup: bool, payload: String },
    Pubrel(u16),
}

#[derive(Clone, Debug)]
struct Exchange {
    id: u16,
    qos: QoS,
    payload: String,
    /// When its PUBREC came.
    released: Option<usize>,
    /// Whether it has to be sent again on this connection.
    pending: bool,
}

#[derive(Debug, Default)]
struct Model {
    receive_maximum: usize,
    last_id: u16,
    pubrecs: usize,
    exchanges: Vec<Exchange>,
    waiting: VecDeque<(QoS, String)>,
    written: Vec<Written>,
}

impl Model {
    fn is_full(&self) -> bool {
        self.exchanges.iter().filter(|exchange| !exchange.pending).count() >= self.receive_maximum
    }

    fn send(&mut self, qos: QoS, payload: String) {
        self.waiting.push_back((qos, payload));
        self.pump();
    }

    fn pump(&mut self) {
        while !self.is_full() {
            let dup = if let Some(exchange) = self.exchanges.iter_mut().find(|exchange| exchange.pending) {
                exchange.pending = false;
                Some(exchange.clone())
            } else {
                None
            };
            let exchange = match (&dup, self.waiting.pop_front()) {
                (Some(exchange), waiting) => {
                    waiting.into_iter().for_each(|message| self.waiting.push_front(message));
                    exchange.clone()
                }
                (None, Some((qos, payload))) => {
                    let exchange =
                        Exchange { id: self.next_id(), qos, payload, released: None, pending: false };
                    self.exchanges.push(exchange.clone());
                    exchange
                }
                (None, None) => return,
            };
            let Exchange { id, qos, payload, .. } = exchange;
            self.written.push(Written::Publish { id, qos, dup: dup.is_some(), payload });
        }
    }

    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.exchanges.iter().all(|exchange| exchange.id != self.last_id) {
                return self.last_id;
            }
        }
    }

    /// The packet that answers, and what it does.
    fn answer(&mut self, at: usize) -> String {
        let exchange = &mut self.exchanges[at];
        let id = exchange.id;
        match (exchange.qos, exchange.released) {
            (QoS::ExactlyOnce, None) => {
                exchange.released = Some(self.pubrecs);
                exchange.pending = false;
                self.pubrecs += 1;
                self.written.push(Written::Pubrel(id));
                format!("50 02 {id:04x}")
            }
            (QoS::ExactlyOnce, Some(_)) => self.finish(at, &format!("70 02 {id:04x}")),
            (QoS::AtMostOnce | QoS::AtLeastOnce, _) => self.finish(at, &format!("40 02 {id:04x}")),
        }
    }

    fn refuse(&mut self, at: usize) -> String {
        let exchange = &self.exchanges[at];
        let id = exchange.id;
        match (exchange.qos, exchange.released) {
            (QoS::ExactlyOnce, None) => self.finish(at, &format!("50 03 {id:04x} 80")),
            (QoS::ExactlyOnce, Some(_)) => self.finish(at, &format!("70 03 {id:04x} 92")),
            (QoS::AtMostOnce | QoS::AtLeastOnce, _) => self.finish(at, &format!("40 03 {id:04x} 80")),
        }
    }

    fn finish(&mut self, at: usize, packet: &str) -> String {
        self.exchanges.remove(at);
        self.pump();
        packet.into()
    }

    fn resume(&mut self, receive_maximum: u16) {
        self.receive_maximum = usize::from(receive_maximum);
        let mut released: Vec<_> =
            self.exchanges.iter().filter_map(|exchange| Some((exchange.released?, exchange.id))).collect();
        released.sort_unstable();
        self.written.extend(released.into_iter().map(|(_, id)| Written::Pubrel(id)));
        for exchange in &mut self.exchanges {
            exchange.pending = exchange.released.is_none();
        }
        self.pump();
    }
}

fn written(raw: &mut Raw) -> Vec<Written> {
    let out = std::mem::take(&mut raw.end.out);
    let mut rest = out.as_slice();
    let mut written = Vec::new();
    while let Ok(Split::Frame(frame, used)) = Frame::split(rest, u32::MAX) {
        written.push(read(frame));
        rest = &rest[used..];
    }
    written
}

fn read(frame: Frame<'_>) -> Written {
    match Packet::decode(frame, Version::V5).unwrap() {
        Packet::Publish(publish) => Written::Publish {
            id: publish.delivery.packet_id().unwrap().get(),
            qos: publish.qos(),
            dup: publish.dup,
            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
        },
        Packet::Pubrel(pubrel) => Written::Pubrel(pubrel.packet_id.get()),
        other => panic!("{other:?}"),
    }
}

fn check(role: Role, receive_maximum: u16, before: u16, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut raw = Raw::open(role, Version::V5);
    // Messages that have come and gone move the identifiers on.
    for number in 1..=before {
        raw.send("a", QoS::AtLeastOnce, "");
        raw.feed(&format!("40 02 {number:04x}"));
    }
    raw.discard();
    let mut raw = raw.resume(&format!("03 21 {receive_maximum:04x}"));
    let mut model =
        Model { receive_maximum: usize::from(receive_maximum), last_id: before, ..Model::default() };
    for (number, op) in ops.into_iter().enumerate() {
        match op {
            Op::Send(qos) => {
                let waited = raw.send("a", qos, &number.to_string()) == Sent::Wait;
                model.send(qos, number.to_string());
                prop_assert_eq!(waited, model.written.is_empty());
            }
            Op::Answer(index) if !model.exchanges.is_empty() => {
                raw.feed(&model.answer(index.index(model.exchanges.len())));
            }
            Op::Refuse(index) if !model.exchanges.is_empty() => {
                raw.feed(&model.refuse(index.index(model.exchanges.len())));
            }
            Op::Answer(_) | Op::Refuse(_) => {}
            Op::Resume(receive_maximum) => {
                raw = raw.resume(&format!("03 21 {receive_maximum:04x}"));
                model.resume(receive_maximum);
            }
        }
        prop_assert_eq!(written(&mut raw), std::mem::take(&mut model.written));
        let session = raw.end.connection.session();
        prop_assert_eq!(session.in_flight(), model.exchanges.len());
        prop_assert_eq!(session.waiting(), model.waiting.len());
    }
    let left: Vec<_> = raw.end.connection.into_session().into_messages().map(|kept| kept.payload).collect();
    let under_way = model.exchanges.into_iter().filter(|exchange| exchange.released.is_none());
    let expected =
        under_way.map(|exchange| exchange.payload).chain(model.waiting.into_iter().map(|kept| kept.1));
    prop_assert_eq!(left, expected.map(String::into_bytes).collect::<Vec<_>>());
    Ok(())
}

proptest! {
    #![proptest_config(configured(1_500))]

    #[test]
    fn a_sender_does_what_the_model_does(
        is_client in any::<bool>(),
        receive_maximum in 1u16..6,
        ops in ops(),
    ) {
        let role = if is_client { Role::Client } else { Role::Server };
        check(role, receive_maximum, 0, ops)?;
    }
}

proptest! {
    #![proptest_config(configured(40))]

    #[test]
    fn a_sender_does_what_the_model_does_where_identifiers_begin_anew(
        before in 65_500u16..=65_535,
        receive_maximum in 1u16..6,
        ops in ops(),
    ) {
        check(Role::Server, receive_maximum, before, ops)?;
    }
}
