//! What comes goes to whoever waits for it, and what is asked for goes into packets.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use colibri_codec::{
    Auth, BinaryData, Disconnect, Frame, PacketId, PacketType, Properties, ReasonCode, Sequence, Split,
    Suback, Subscribe, TopicFilter, Unsubscribe,
};
use colibri_protocol::{Connection, Delivered, Event, Sent};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::authentication::{Exchange, Rejected, data_property};
use crate::driver::{Answer, Command};
use crate::error::{PublishError, RequestError};
use crate::handshake::answer_challenge;
use crate::link::{Clock, Link};
use crate::options::Direction;
use crate::publish::InFlight;
use crate::status::Ending;
use crate::{AuthenticateError, Authenticator, Delivery, Message, OwnedProperties, SubscribeRequest};

/// Whether what comes finds room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// All that came was dealt with.
    Open,
    /// A message waits for the application to take one.
    Full,
}

/// A request that the server has not answered.
#[derive(Debug)]
enum Pending {
    Subscribe(SubscribeRequest, Option<Answer>),
    Unsubscribe(Answer),
}

/// An authentication on the open connection.
struct Again {
    exchange: Box<dyn Exchange>,
    reply: oneshot::Sender<Result<(), AuthenticateError>>,
}

/// Who waits for what.
pub(crate) struct Dispatch {
    clock: Clock,
    messages: mpsc::Sender<Message>,
    requests: HashMap<PacketId, Pending>,
    authenticator: Option<Arc<dyn Authenticator>>,
    again: Option<Again>,
    /// What the server has granted, for a server that has forgotten it.
    granted: Vec<SubscribeRequest>,
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("requests", &self.requests).finish_non_exhaustive()
    }
}

/// `subscribe` and `unsubscribe` of the connection put their own identifier in its place.
const ANY_ID: PacketId = match PacketId::new(1) {
    Some(id) => id,
    None => unreachable!(),
};

impl Dispatch {
    pub(crate) fn new(
        clock: Clock,
        messages: mpsc::Sender<Message>,
        authenticator: Option<Arc<dyn Authenticator>>,
    ) -> Self {
        let (requests, granted) = (HashMap::new(), Vec::new());
        Self { clock, messages, requests, authenticator, again: None, granted }
    }

    /// Deals with the whole packets at the front of the input, as long as there is room for what they bring.
    pub(crate) fn take_frames(&mut self, link: &mut Link, output_max: usize) -> Result<Flow, Ending> {
        let maximum = link.connection.limits().maximum_packet_size.get();
        let mut used = 0;
        let flow = loop {
            if link.unwritten() >= output_max {
                break Flow::Open;
            }
            let rest = link.input.get(used..).unwrap_or_default();
            match Frame::split(rest, maximum) {
                Ok(Split::Need(_)) => break Flow::Open,
                Ok(Split::Frame(_, length)) => {
                    if self.take_frame(link, used..used + length)? == Flow::Full {
                        break Flow::Full;
                    }
                    used += length;
                }
                Err(malformed) => {
                    link.connection.fail(malformed.into(), &mut link.output);
                    return Err(Ending::Violation(malformed.into()));
                }
            }
        };
        link.input.drain(..used);
        Ok(flow)
    }

    fn take_frame(&mut self, link: &mut Link, place: std::ops::Range<usize>) -> Result<Flow, Ending> {
        let Link { connection, input, output, observer, .. } = link;
        let bytes = input.get(place).unwrap_or_default();
        let Ok(Split::Frame(frame, _)) = Frame::split(bytes, u32::MAX) else { return Ok(Flow::Open) };
        let is_message = frame.packet_type(connection.version()) == Ok(PacketType::Publish);
        // Nobody else puts messages in, so the room that is seen here is there later.
        if is_message && self.messages.capacity() == 0 && !self.messages.is_closed() {
            return Ok(Flow::Full);
        }
        if let Some(observer) = observer {
            observer.see(Direction::Received, frame);
        }
        let now = self.clock.now();
        let event = match connection.handle_frame(frame, now, output) {
            Ok(event) => event,
            Err(violation) => {
                connection.fail(violation, output);
                return Err(Ending::Violation(violation));
            }
        };
        match event {
            Event::Publish(received) => {
                match self.messages.try_send(Message::from(&received)) {
                    // Without a reader it is thrown away.
                    Ok(()) | Err(TrySendError::Closed(_) | TrySendError::Full(_)) => {}
                }
                // [v5 MQTT-4.5.0-2] [v3.1.1 MQTT-4.5.0-2]
                connection.acknowledge(received.publish.delivery, ReasonCode::Success, now, output);
            }
            Event::Release(packet_id) => connection.complete(packet_id, now, output),
            Event::Delivered(delivered) => deliver(delivered),
            Event::Suback(suback) => self.on_suback(&suback),
            Event::Unsuback(unsuback) => {
                if let Some(Pending::Unsubscribe(reply)) = self.requests.remove(&unsuback.packet_id) {
                    let reasons = unsuback.reasons.iter().map(colibri_codec::UnsubackReason::get).collect();
                    drop(reply.send(Ok(reasons)));
                }
            }
            Event::Disconnect(disconnect) => {
                let properties = disconnect.properties.into();
                return Err(Ending::ByServer { reason: disconnect.reason, properties });
            }
            Event::Handled
            | Event::Connect(_)
            | Event::Connack(_)
            | Event::Subscribe(_)
            | Event::Unsubscribe(_) => {}
            Event::Auth(auth) => {
                if let Err(rejected) = self.on_auth(&auth, connection, output) {
                    let refused = Disconnect::new(ReasonCode::NotAuthorized);
                    connection.disconnect(&refused, output);
                    return Err(Ending::Authentication(rejected));
                }
            }
        }
        Ok(Flow::Open)
    }

    /// Begins to authenticate anew on the open connection.
    // [v5 MQTT-4.12.0-7] [v5 MQTT-4.12.1-1]
    fn authenticate_again(&mut self, reply: oneshot::Sender<Result<(), AuthenticateError>>, link: &mut Link) {
        let Some(authenticator) = &self.authenticator else {
            return drop(reply.send(Err(AuthenticateError::NoMethod)));
        };
        let mut exchange = authenticator.begin();
        let first = exchange.first();
        // What is too long to be sent is as good as none: the server asks for it.
        let data = data_property(first.as_deref()).unwrap_or_default();
        let step = ReasonCode::ReAuthenticate;
        let now = self.clock.now();
        if link.connection.authenticate(step, data.as_slice(), now, &mut link.output) {
            self.again = Some(Again { exchange, reply });
        } else {
            drop(reply.send(Err(AuthenticateError::UnderWay)));
        }
    }

    fn on_auth(
        &mut self,
        auth: &Auth<'_>,
        connection: &mut Connection<InFlight>,
        output: &mut Vec<u8>,
    ) -> Result<(), Rejected> {
        // An AUTH that is not due does not get here.
        let Some(again) = &mut self.again else { return Ok(()) };
        if auth.reason == ReasonCode::Success {
            again.exchange.finish(auth.properties.authentication_data().map(BinaryData::as_bytes))?;
            if let Some(again) = self.again.take() {
                drop(again.reply.send(Ok(())));
            }
            return Ok(());
        }
        answer_challenge(connection, again.exchange.as_mut(), auth, self.clock.now(), output)
    }

    /// Waits until the application has taken a message, or does not want any more.
    pub(crate) async fn message_room(&self) {
        // A closed channel has room for everything: what comes is thrown away.
        drop(self.messages.reserve().await);
    }

    /// Sends what waits, as far as the server and the output have room.
    pub(crate) fn pump(&self, link: &mut Link, output_max: usize) {
        if !link.connection.has_backlog() {
            return;
        }
        let room = output_max.saturating_sub(link.unwritten());
        let maximum = link.connection.peer().maximum_packet_size;
        link.connection.pump(room, self.clock.now(), &mut link.output, |message, sent| {
            message.end(Err(not_sent(sent, maximum)));
        });
    }

    /// Puts what a handle asked for into a packet.
    pub(crate) fn command(&mut self, command: Command, link: &mut Link) {
        match command {
            Command::Publish { message, reply } => {
                self.publish(InFlight::new(message, reply, self.clock.now()), link);
            }
            Command::Authenticate { reply } => self.authenticate_again(reply, link),
            Command::Subscribe { request, reply } => self.subscribe(request, Some(reply), link),
            Command::Unsubscribe { filters, properties, reply } => {
                let filters: Vec<TopicFilter<'_>> = filters.iter().map(|filter| filter.filter()).collect();
                self.unsubscribe(&filters, &properties, reply, link);
            }
        }
    }

    fn publish(&self, message: InFlight, link: &mut Link) {
        let shared = message.shared();
        let mut kept = Some(message);
        let now = self.clock.now();
        let sent = link.connection.send(&shared.publication(), || kept.take(), now, &mut link.output);
        let Some(message) = kept else { return };
        match sent {
            Sent::Wait => link.connection.session_mut().enqueue(message),
            Sent::Written(packet_id) => {
                let properties = OwnedProperties::new();
                message.end(Ok(Delivery { packet_id, reason: ReasonCode::Success, properties }));
            }
            Sent::TooLarge | Sent::Expired | Sent::NotSupported => {
                message.end(Err(not_sent(sent, link.connection.peer().maximum_packet_size)));
            }
        }
    }

    fn subscribe(&mut self, request: SubscribeRequest, reply: Option<Answer>, link: &mut Link) {
        let subscriptions = request.subscriptions();
        let subscribe = Subscribe {
            packet_id: ANY_ID,
            properties: request.properties.checked(Subscribe::PROPERTIES).unwrap_or(Properties::EMPTY),
            subscriptions: Sequence::new(&subscriptions),
        };
        let begun = link.connection.subscribe(&subscribe, self.clock.now(), &mut link.output);
        match (begun, reply) {
            (Ok(Some(packet_id)), reply) => {
                self.requests.insert(packet_id, Pending::Subscribe(request, reply));
            }
            (Ok(None), Some(reply)) => drop(reply.send(Err(RequestError::NoPacketIdentifier))),
            (Err(error), Some(reply)) => drop(reply.send(Err(RequestError::Invalid(error)))),
            // Asked again by ourselves: it was granted once, in the same words.
            (Ok(None) | Err(_), None) => {}
        }
    }

    fn unsubscribe(
        &mut self,
        filters: &[TopicFilter<'_>],
        properties: &OwnedProperties,
        reply: Answer,
        link: &mut Link,
    ) {
        let unsubscribe = Unsubscribe {
            packet_id: ANY_ID,
            properties: properties.checked(Unsubscribe::PROPERTIES).unwrap_or(Properties::EMPTY),
            filters: Sequence::new(filters),
        };
        match link.connection.unsubscribe(&unsubscribe, self.clock.now(), &mut link.output) {
            Ok(Some(packet_id)) => {
                self.requests.insert(packet_id, Pending::Unsubscribe(reply));
                self.forget(filters);
            }
            Ok(None) => drop(reply.send(Err(RequestError::NoPacketIdentifier))),
            Err(error) => drop(reply.send(Err(RequestError::Invalid(error)))),
        }
    }

    fn on_suback(&mut self, suback: &Suback<'_>) {
        let Some(Pending::Subscribe(mut request, reply)) = self.requests.remove(&suback.packet_id) else {
            return;
        };
        let reasons: Vec<ReasonCode> = suback.reasons.iter().collect();
        let filters: Vec<TopicFilter<'_>> =
            request.filters.iter().map(|(filter, _)| filter.filter()).collect();
        self.forget(&filters);
        let mut answers = reasons.iter();
        request.filters.retain(|_| answers.next().is_some_and(|reason| !reason.is_failure()));
        if !request.filters.is_empty() {
            self.granted.push(request);
        }
        if let Some(reply) = reply {
            drop(reply.send(Ok(reasons)));
        }
    }

    /// These filters are not to be subscribed again.
    fn forget(&mut self, filters: &[TopicFilter<'_>]) {
        for request in &mut self.granted {
            request.filters.retain(|(filter, _)| !filters.contains(&filter.filter()));
        }
        self.granted.retain(|request| !request.filters.is_empty());
    }

    /// The server has forgotten what it granted.
    pub(crate) fn subscribe_again(&mut self, link: &mut Link) {
        for request in std::mem::take(&mut self.granted) {
            self.subscribe(request, None, link);
        }
    }

    /// The connection is lost: requests are not answered any more. Our own are asked again.
    pub(crate) fn fail_requests(&mut self) {
        if let Some(again) = self.again.take() {
            drop(again.reply.send(Err(AuthenticateError::Lost)));
        }
        for (_, pending) in self.requests.drain() {
            match pending {
                Pending::Subscribe(request, None) => self.granted.push(request),
                Pending::Subscribe(_, Some(reply)) | Pending::Unsubscribe(reply) => {
                    drop(reply.send(Err(RequestError::Lost)));
                }
            }
        }
    }
}

fn deliver(delivered: Delivered<'_, InFlight>) {
    let Delivered { packet_id, reason, properties, kept } = delivered;
    let Some(message) = kept else { return };
    let properties = properties.into();
    message.end(if reason.is_failure() {
        Err(PublishError::Refused { packet_id, reason, properties })
    } else {
        Ok(Delivery { packet_id: Some(packet_id), reason, properties })
    });
}

const fn not_sent(sent: Sent, maximum: u32) -> PublishError {
    match sent {
        Sent::TooLarge => PublishError::TooLarge { maximum },
        Sent::NotSupported => PublishError::NotSupported,
        Sent::Expired | Sent::Wait | Sent::Written(_) => PublishError::Expired,
    }
}
