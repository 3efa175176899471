//! A client in the world, in the words of the protocol: it connects, sends, and expects.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

use colibri_codec::{
    Delivery, Disconnect, PacketId, Properties, Property, Puback, Pubcomp, Publish, Pubrec, Pubrel, QoS,
    ReasonCode, RetainHandling, Sequence, Subscribe, Subscription, SubscriptionOptions, TopicFilter,
    TopicName, Unsubscribe, Version,
};
use colibri_sim::{Link, World};

use crate::packets::{Got, Message, first, hex};

/// One connection and the client at its end. It reads all that comes unless it is told not to.
pub(crate) struct Peer {
    pub(crate) world: World,
    pub(crate) link: Link,
    pub(crate) version: Version,
    state: RefCell<State>,
}

struct State {
    reads: bool,
    bytes: Vec<u8>,
    got: VecDeque<(Got, Vec<String>)>,
    aliases: HashMap<u16, String>,
    next_id: u16,
}

/// The options of a subscription, in the making.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) filter: &'a str,
    pub(crate) options: SubscriptionOptions,
    pub(crate) identifier: Option<u32>,
}

pub(crate) fn wish(filter: &str, qos: u8) -> Wish<'_> {
    let qos = QoS::from_number(qos).unwrap();
    Wish { filter, options: SubscriptionOptions { qos, ..Default::default() }, identifier: None }
}

impl Wish<'_> {
    pub(crate) fn no_local(mut self) -> Self {
        self.options.no_local = true;
        self
    }

    pub(crate) fn as_published(mut self) -> Self {
        self.options.retain_as_published = true;
        self
    }

    pub(crate) fn handling(mut self, handling: RetainHandling) -> Self {
        self.options.retain_handling = handling;
        self
    }

    pub(crate) fn identifier(mut self, identifier: u32) -> Self {
        self.identifier = Some(identifier);
        self
    }
}

impl Peer {
    pub(crate) fn new(world: World, link: Link, version: Version) -> Self {
        let state = State {
            reads: true,
            bytes: Vec::new(),
            got: VecDeque::new(),
            aliases: HashMap::new(),
            next_id: 0,
        };
        Self { world, link, version, state: RefCell::new(state) }
    }

    // What the client does.

    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        self.link.send(bytes);
    }

    pub(crate) fn send_hex(&self, text: &str) {
        self.send_bytes(&hex(text));
    }

    fn encoded(&self, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), colibri_codec::EncodeError>) {
        let mut bytes = Vec::new();
        encode(&mut bytes).unwrap();
        self.send_bytes(&bytes);
    }

    /// An identifier that this client has not used for a while.
    pub(crate) fn next_id(&self) -> u16 {
        let mut state = self.state.borrow_mut();
        state.next_id = state.next_id % 65_535 + 1;
        state.next_id
    }

    /// Sends a SUBSCRIBE; gives its identifier.
    pub(crate) fn ask(&self, wishes: &[Wish<'_>]) -> u16 {
        let id = self.next_id();
        let list: Vec<_> = wishes
            .iter()
            .map(|wish| Subscription {
                filter: TopicFilter::new(wish.filter).unwrap(),
                options: wish.options,
            })
            .collect();
        let identifier =
            wishes.first().and_then(|wish| wish.identifier).map(Property::SubscriptionIdentifier);
        let subscribe = Subscribe {
            packet_id: packet_id(id),
            properties: Properties::new(identifier.as_slice()),
            subscriptions: Sequence::new(&list),
        };
        self.encoded(|out| subscribe.encode(self.version, out));
        id
    }

    /// Subscribes and sees it granted.
    pub(crate) fn subscribe_to(&self, wish: Wish<'_>) {
        let id = self.ask(&[wish]);
        self.expect(&Got::Suback(id, vec![wish.options.qos.number()]));
    }

    pub(crate) fn subscribe(&self, filter: &str, qos: u8) {
        self.subscribe_to(wish(filter, qos));
    }

    /// Sends an UNSUBSCRIBE; gives its identifier.
    pub(crate) fn ask_off(&self, filters: &[&str]) -> u16 {
        let id = self.next_id();
        let list: Vec<_> = filters.iter().map(|filter| TopicFilter::new(filter).unwrap()).collect();
        let filters = Sequence::new(&list);
        let unsubscribe = Unsubscribe { packet_id: packet_id(id), properties: Properties::EMPTY, filters };
        self.encoded(|out| unsubscribe.encode(self.version, out));
        id
    }

    pub(crate) fn unsubscribe(&self, filter: &str) {
        let id = self.ask_off(&[filter]);
        let codes = if self.version.has_properties() { vec![0] } else { vec![] };
        self.expect(&Got::Unsuback(id, codes));
    }

    /// Sends a PUBLISH with all that it may have; gives its identifier, 0 with QoS 0.
    pub(crate) fn send_publish(
        &self,
        topic: &str,
        payload: &[u8],
        (qos, retain, dup): (u8, bool, bool),
        id: u16,
        properties: &[Property<'_>],
    ) {
        let delivery = match qos {
            0 => Delivery::AtMostOnce,
            1 => Delivery::AtLeastOnce(packet_id(id)),
            _ => Delivery::ExactlyOnce(packet_id(id)),
        };
        let topic = (!topic.is_empty()).then(|| TopicName::new(topic).unwrap());
        let properties = Properties::new(properties);
        let publish = Publish { dup, delivery, retain, topic, properties, payload };
        self.encoded(|out| publish.encode(self.version, out));
    }

    /// Publishes and sends nothing else; gives the identifier.
    pub(crate) fn post(&self, topic: &str, payload: &[u8], qos: u8) -> u16 {
        let id = if qos == 0 { 0 } else { self.next_id() };
        self.send_publish(topic, payload, (qos, false, false), id, &[]);
        id
    }

    /// Publishes and goes through the whole exchange; whatever comes in between is kept.
    pub(crate) fn publish(&self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) {
        let id = self.post(topic, payload.as_ref(), qos);
        self.finish(qos, id);
    }

    pub(crate) fn retain(&self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) {
        self.publish_with(topic, payload.as_ref(), qos, true, &[]);
    }

    pub(crate) fn publish_with(
        &self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
        also: &[Property<'_>],
    ) {
        let id = if qos == 0 { 0 } else { self.next_id() };
        self.send_publish(topic, payload, (qos, retain, false), id, also);
        self.finish(qos, id);
    }

    /// Goes through the acknowledgements of a message that was sent.
    fn finish(&self, qos: u8, id: u16) {
        self.world.run();
        match qos {
            0 => {}
            1 => self.pick(|got| matches!(got, Got::Puback(of, code) if *of == id && *code < 0x80)),
            _ => {
                self.pick(|got| matches!(got, Got::Pubrec(of, code) if *of == id && *code < 0x80));
                self.pubrel(id);
                self.pick(|got| *got == Got::Pubcomp(id, 0));
            }
        }
    }

    pub(crate) fn puback(&self, id: u16) {
        self.puback_with(id, ReasonCode::Success);
    }

    pub(crate) fn puback_with(&self, id: u16, reason: ReasonCode) {
        self.encoded(|out| Puback::new(packet_id(id), reason).encode(self.version, out));
    }

    pub(crate) fn pubrec(&self, id: u16) {
        self.encoded(|out| Pubrec::new(packet_id(id), ReasonCode::Success).encode(self.version, out));
    }

    pub(crate) fn pubrel(&self, id: u16) {
        self.encoded(|out| Pubrel::new(packet_id(id), ReasonCode::Success).encode(self.version, out));
    }

    pub(crate) fn pubcomp(&self, id: u16) {
        self.encoded(|out| Pubcomp::new(packet_id(id), ReasonCode::Success).encode(self.version, out));
    }

    pub(crate) fn ping(&self) {
        self.send_bytes(&[0xC0, 0]);
    }

    /// Sends DISCONNECT and closes.
    pub(crate) fn leave(&self) {
        self.send_bytes(&[0xE0, 0]);
        self.link.end();
        self.world.run();
    }

    pub(crate) fn leave_with(&self, reason: ReasonCode, properties: &[Property<'_>]) {
        let disconnect = Disconnect { reason, properties: Properties::new(properties) };
        self.encoded(|out| disconnect.encode(self.version, out));
        self.world.run();
    }

    /// The network loses the connection when all that was sent has arrived.
    pub(crate) fn cut(&self) {
        self.world.run();
        self.link.cut();
        self.world.run();
    }

    /// From here on the client reads nothing, or reads again.
    pub(crate) fn reads(&self, reads: bool) {
        self.state.borrow_mut().reads = reads;
    }

    // What the client expects.

    /// Lets the world run and takes in what has come, until nothing more comes.
    pub(crate) fn take_in(&self) {
        self.world.run();
        while self.take_some(usize::MAX) {
            self.world.run();
        }
    }

    /// Takes in up to a number of bytes of what has come, without letting the world run.
    pub(crate) fn take_some(&self, most: usize) -> bool {
        let mut state = self.state.borrow_mut();
        if !state.reads {
            return false;
        }
        let taken = self.link.take(most);
        state.bytes.extend_from_slice(&taken);
        let mut used = 0;
        while let Some((got, properties, length)) = first(&state.bytes[used..], self.version) {
            let got = state.resolve(got);
            state.got.push_back((got, properties));
            used += length;
        }
        state.bytes.drain(..used);
        !taken.is_empty()
    }

    /// What comes next, if anything.
    pub(crate) fn next(&self) -> Option<Got> {
        self.next_with_properties().map(|(got, _)| got)
    }

    pub(crate) fn next_with_properties(&self) -> Option<(Got, Vec<String>)> {
        if self.state.borrow().got.is_empty() {
            self.take_in();
        }
        self.state.borrow_mut().got.pop_front()
    }

    /// What comes next, if it has come, without letting the world run.
    pub(crate) fn pop(&self) -> Option<Got> {
        self.state.borrow_mut().got.pop_front().map(|(got, _)| got)
    }

    pub(crate) fn expect(&self, wanted: &Got) {
        let got = self.next();
        assert_eq!(got.as_ref(), Some(wanted));
    }

    /// The first packet that is like this, out of the order.
    pub(crate) fn pick(&self, wanted: impl Fn(&Got) -> bool) {
        self.take_in();
        let mut state = self.state.borrow_mut();
        let Some(place) = state.got.iter().position(|(got, _)| wanted(got)) else {
            panic!("it has not come: {:?}", state.got);
        };
        state.got.remove(place);
    }

    /// CONNACK that accepts; gives Session Present.
    pub(crate) fn expect_accepted(&self) -> bool {
        match self.next() {
            Some(Got::Connack { present, code: 0 }) => present,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) fn expect_message(&self) -> Message {
        match self.next() {
            Some(Got::Publish(message)) => message,
            other => panic!("no PUBLISH but {other:?}"),
        }
    }

    /// A message with this topic and payload; it is acknowledged.
    pub(crate) fn expect_publish(&self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) -> Message {
        let message = self.expect_unanswered(topic, payload, qos);
        self.answer(&message);
        message
    }

    pub(crate) fn expect_unanswered(&self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) -> Message {
        let message = self.expect_message();
        let wanted = (topic, String::from_utf8_lossy(payload.as_ref()), qos);
        let got = (message.topic.as_str(), String::from_utf8_lossy(&message.payload), message.qos);
        assert_eq!(got, wanted);
        message
    }

    /// Goes through the acknowledgements of a message that came.
    pub(crate) fn answer(&self, message: &Message) {
        match message.qos {
            0 => {}
            1 => self.puback(message.id),
            _ => {
                self.pubrec(message.id);
                self.pick(|got| *got == Got::Pubrel(message.id, 0));
                self.pubcomp(message.id);
            }
        }
    }

    /// Nothing has come and nothing comes.
    pub(crate) fn expect_nothing(&self) {
        self.take_in();
        let state = self.state.borrow();
        assert!(state.got.is_empty() && state.bytes.is_empty(), "{:?}", state.got);
        assert!(!self.link.is_closed(), "the broker has closed");
    }

    /// The broker closes and says nothing.
    pub(crate) fn expect_closed(&self) {
        self.take_in();
        assert_eq!(self.state.borrow().got.front(), None);
        assert!(self.link.is_closed(), "the broker has not closed");
    }

    /// The broker closes; 5.0 clients learn why.
    pub(crate) fn expect_disconnect(&self, code: u8) {
        if self.version.has_properties() {
            self.expect(&Got::Disconnect(code));
        }
        self.expect_closed();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    /// All messages that have come, answered as they come.
    pub(crate) fn drain(&self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(got) = self.next() {
            if let Got::Publish(message) = got {
                self.answer(&message);
                messages.push(message);
            }
        }
        messages
    }
}

impl State {
    /// Puts the topic in that an alias stands for.
    fn resolve(&mut self, got: Got) -> Got {
        let Got::Publish(mut message) = got else { return got };
        if let Some(alias) = message.alias {
            if message.topic.is_empty() {
                message.topic = self.aliases.get(&alias).cloned().expect("the alias was set");
            } else {
                self.aliases.insert(alias, message.topic.clone());
            }
        }
        Got::Publish(message)
    }
}

pub(crate) fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).expect("an identifier is not 0")
}
