//! One connection: its state machine, what is to be written, and what it is there for.

use std::collections::VecDeque;

use colibri_codec::{
    BinaryData, Connect, PacketId, Properties, Property, QoS, Sequence, Subscribe, Subscription,
    SubscriptionOptions, TopicFilter, TopicName, Utf8String,
};
use colibri_protocol::{Connection, Kept, Limits, Publication, Session, Time};

use crate::plan::{Plan, Scenario};
use crate::receiver::Receiver;

/// Nothing is kept of a message: a connection that is lost is not opened again.
#[derive(Debug)]
pub(crate) enum Nothing {}

impl Kept for Nothing {
    fn publication(&self) -> Publication<'_> {
        match *self {}
    }
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It has not been begun.
    Waiting,
    /// It is on its way to be connected and subscribed.
    Opening,
    /// It is.
    Ready,
    /// It is over.
    Ended,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stage: Stage,
    pub(crate) connection: Connection<Nothing>,
    /// What is to be written, from `written` on.
    pub(crate) out: Vec<u8>,
    pub(crate) written: usize,
    /// The beginning of a packet whose rest has not come.
    pub(crate) rest: Vec<u8>,
    /// When it was due to be opened, and when it was opened; nanoseconds.
    pub(crate) due: u64,
    pub(crate) opened: u64,
    /// Whether it is in the list of those to be written.
    pub(crate) touched: bool,
    /// Whether the server sends nothing more, so that its socket is to be read to the end.
    pub(crate) hung_up: bool,
    pub(crate) publisher: Option<Box<Publisher>>,
    pub(crate) receiver: Receiver,
    /// What it is called in its client identifier.
    pub(crate) kind: &'static str,
    /// Its number among its kind, and among all.
    pub(crate) number: u32,
    pub(crate) place: u32,
}

/// What a connection has to publish.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) stream: u32,
    /// A whole PUBLISH.
    pub(crate) packet: Vec<u8>,
    pub(crate) packet_id_offset: usize,
    pub(crate) payload_offset: usize,
    /// How many messages were due so far, and how many were sent and acknowledged.
    pub(crate) owed: u64,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// When each message under way was due, where the latency is that of the acknowledgement.
    pub(crate) under_way: VecDeque<(PacketId, u64)>,
    /// Whether it is in the list of those that may send.
    pub(crate) listed: bool,
}

impl Link {
    pub(crate) fn subscriber(plan: &Plan, number: u32) -> Self {
        Self::new("sub", number, number, Receiver::new(plan, number))
    }

    pub(crate) fn publisher(plan: &Plan, number: u32) -> Result<Self, String> {
        let receiver = match plan.scenario {
            Scenario::Latency => Receiver::new(plan, number),
            _ => Receiver::Nobody,
        };
        let mut link = Self::new("pub", number, plan.subscribers.saturating_add(number), receiver);
        link.publisher = Some(Box::new(Publisher::new(plan, number)?));
        Ok(link)
    }

    pub(crate) fn idle(plan: &Plan, number: u32) -> Self {
        let place = plan.subscribers.saturating_add(plan.publishers).saturating_add(number);
        Self::new("conn", number, place, Receiver::Nobody)
    }

    fn new(kind: &'static str, number: u32, place: u32, receiver: Receiver) -> Self {
        Self {
            stage: Stage::Waiting,
            // Stands in until the connection is begun.
            connection: Connection::server(Limits::default(), Time::default()),
            out: Vec::new(),
            written: 0,
            rest: Vec::new(),
            due: 0,
            opened: 0,
            touched: false,
            hung_up: false,
            publisher: None,
            receiver,
            kind,
            number,
            place,
        }
    }

    /// Begins a connection: writes CONNECT.
    pub(crate) fn begin(&mut self, plan: &Plan, largest_packet: u32, now: Time) -> Result<(), String> {
        let client_id = plan.client_id_of(self.kind, self.number);
        let user_name = plan.user_name_of(self.number);
        let expiry = [Property::SessionExpiryInterval(plan.session_expiry)];
        let wants_expiry = plan.version.has_properties() && plan.session_expiry > 0;
        let wrong =
            |error: &dyn std::fmt::Display| format!("the client id or user name cannot be used: {error}");
        let connect = Connect {
            version: plan.version,
            clean_start: plan.clean_start,
            keep_alive: plan.keep_alive,
            properties: if wants_expiry { Properties::new(&expiry) } else { Properties::EMPTY },
            client_id: Utf8String::new(&client_id).map_err(|error| wrong(&error))?,
            will: None,
            user_name: match &user_name {
                Some(name) => Some(Utf8String::new(name).map_err(|error| wrong(&error))?),
                None => None,
            },
            password: match &plan.password {
                Some(password) => Some(BinaryData::new(password).map_err(|error| wrong(&error))?),
                None => None,
            },
        };
        let limits = Limits {
            maximum_packet_size: largest_packet.try_into().unwrap_or(std::num::NonZeroU32::MAX),
            ..Limits::default()
        };
        self.out.clear();
        self.written = 0;
        self.connection = Connection::client(&connect, limits, Session::new(), now, &mut self.out)
            .map_err(|error| wrong(&error))?;
        self.stage = Stage::Opening;
        Ok(())
    }

    /// Subscribes to what it is to receive; whether there is anything.
    pub(crate) fn subscribe(&mut self, plan: &Plan, now: Time) -> Result<bool, String> {
        if matches!(self.receiver, Receiver::Nobody) {
            return Ok(false);
        }
        let filters = plan.filters_of(self.number);
        let options = SubscriptionOptions { qos: plan.qos, ..SubscriptionOptions::default() };
        let mut subscriptions = Vec::with_capacity(filters.len());
        for text in &filters {
            let filter = TopicFilter::new(text).map_err(|error| format!("the filter '{text}': {error}"))?;
            subscriptions.push(Subscription { filter, options });
        }
        // The connection puts its own in place of it.
        let Some(packet_id) = PacketId::new(1) else { return Ok(false) };
        let subscribe = Subscribe {
            packet_id,
            properties: Properties::EMPTY,
            subscriptions: Sequence::new(&subscriptions),
        };
        let written = self.connection.subscribe(&subscribe, now, &mut self.out);
        written.map(|id| id.is_some()).map_err(|error| format!("the filters are too long: {error}"))
    }

    /// How many bytes wait to be written.
    pub(crate) const fn backlog(&self) -> usize {
        self.out.len() - self.written
    }
}

impl Publisher {
    fn new(plan: &Plan, stream: u32) -> Result<Self, String> {
        let topic = plan.topic_of(stream);
        let topic = TopicName::new(&topic).map_err(|error| format!("the topic '{topic}': {error}"))?;
        let payload = vec![b'x'; plan.payload];
        let publication = Publication::new(topic, plan.qos, plan.retain, &payload);
        let mut packet = Vec::new();
        let packet_id_offset =
            Connection::<Nothing>::encode(&publication, plan.version, Time::default(), &mut packet)
                .map_err(|error| format!("the message cannot be written: {error}"))?;
        let payload_offset = packet.len() - payload.len();
        Ok(Self {
            stream,
            packet,
            packet_id_offset,
            payload_offset,
            owed: 0,
            sent: 0,
            acknowledged: 0,
            under_way: VecDeque::new(),
            listed: false,
        })
    }

    /// How many more messages may be under way. Without a rate each waits for its deliveries too, so that
    /// the receivers set the pace; `delivered` is how many there were, `deliveries` how many each is to have.
    #[inline]
    pub(crate) fn room(&self, plan: &Plan, delivered: u64, deliveries: u64) -> u64 {
        let window = u64::from(plan.in_flight);
        let unacknowledged = match plan.qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce | QoS::ExactlyOnce => self.sent - self.acknowledged,
        };
        let undelivered = match (plan.rate, deliveries) {
            (Some(_), _) | (None, 0) => 0,
            (None, 1) => self.sent.saturating_sub(delivered),
            (None, deliveries) => self.sent.saturating_sub(delivered / deliveries),
        };
        window.saturating_sub(unacknowledged.max(undelivered))
    }
}
