//! Sending messages: PUBLISH for the first time and again, within what the peer accepts.

use alloc::vec::Vec;

use colibri_codec::{Delivery, PacketId, Properties, Property, Publish, Pubrel, QoS, ReasonCode, Version};

use crate::alias::AliasUse;
use crate::outgoing::Stage;
use crate::{Connection, Kept, Publication, Role, State, Time};

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the output; with QoS 1 and 2 under this identifier.
    Written(Option<PacketId>),
    /// The peer's Receive Maximum is used up, others wait, or the connection is not open: put it into the
    /// session's queue.
    Wait,
    /// It is larger than the peer accepts, and counts as delivered. [v5 MQTT-3.1.2-25]
    TooLarge,
    /// It is no longer worth sending. [v5 MQTT-3.3.2-5]
    Expired,
    /// Client: the server takes no such QoS, or no retained messages. [v5 MQTT-3.2.2-11] [v5 MQTT-3.2.2-14]
    NotSupported,
}

/// What [`Connection::pump_watched`] did with a message.
#[derive(Debug)]
pub enum Pumped<'m, M> {
    /// It was sent for the first time with QoS 1 or 2, under this identifier.
    Begun(&'m M, PacketId),
    /// It is not sent, or not again, and is handed back with the reason.
    Dropped(M, Sent),
}

/// A PUBLISH written once for all receivers that get the same bytes but for the Packet Identifier.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    /// The whole packet.
    pub bytes: &'a [u8],
    /// Where the two bytes of the Packet Identifier stand, for QoS 1 and 2.
    pub packet_id_offset: usize,
    /// Its QoS.
    pub qos: QoS,
}

impl<M: Kept> Connection<M> {
    /// Sends a message now, if the peer may have it now.
    ///
    /// `keep` is asked, for QoS 1 and 2 alone, for what is needed to send the message again on a later
    /// connection: `None` where the session does not outlive this one.
    pub fn send(
        &mut self,
        publication: &Publication<'_>,
        keep: impl FnOnce() -> Option<M>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Sent {
        if self.state != State::Open || self.has_backlog_for(publication.qos) {
            return Sent::Wait;
        }
        self.send_next(publication, keep, now, out)
    }

    /// Sends a message that is already written. Only where [`Connection::takes_encoded`] says so.
    #[inline]
    pub fn send_encoded(
        &mut self,
        encoded: &Encoded<'_>,
        keep: impl FnOnce() -> Option<M>,
        out: &mut Vec<u8>,
        now: Time,
    ) -> Sent {
        // [v5 MQTT-3.14.4-1] [v3.1.1 MQTT-3.14.4-2]
        if self.state != State::Open {
            return Sent::Wait;
        }
        if encoded.bytes.len() > self.peer.maximum_packet_size as usize {
            return Sent::TooLarge;
        }
        if self.has_backlog_for(encoded.qos) {
            return Sent::Wait;
        }
        if encoded.qos == QoS::AtMostOnce {
            out.extend_from_slice(encoded.bytes);
            self.keep_alive.sent(now);
            return Sent::Written(None);
        }
        if self.send_quota.is_used_up() {
            return Sent::Wait;
        }
        let Some(id) = self.session.outgoing.begin(Self::stage_for(encoded.qos), keep()) else {
            return Sent::Wait;
        };
        let start = out.len() + encoded.packet_id_offset;
        out.extend_from_slice(encoded.bytes);
        if let Some(place) = out.get_mut(start..start + 2) {
            place.copy_from_slice(&id.get().to_be_bytes());
        }
        self.send_quota.take();
        self.keep_alive.sent(now);
        Sent::Written(Some(id))
    }

    /// Says whether the driver may take back what is written from now on, with [`Connection::take_back`]:
    /// messages that expire get no topic alias then.
    pub const fn set_takes_back(&mut self, takes_back: bool) {
        self.takes_back = takes_back;
    }

    /// Ends the exchange of a message that was written and has not left, and hands back what was kept: it
    /// counts as never sent, so that it may still expire. [v5 MQTT-3.3.2-5]
    pub fn take_back(&mut self, id: PacketId) -> Option<M> {
        self.finish_exchange(id)
    }

    /// Whether messages may be written once for this and other receivers: it has no topic aliases.
    pub const fn takes_encoded(&self) -> bool {
        self.outgoing_aliases.is_none()
    }

    /// Writes a message as [`Connection::send_encoded`] wants it; says where the Packet Identifier stands.
    ///
    /// # Errors
    /// [`colibri_codec::EncodeError`] when the packet would be too large for any receiver.
    pub fn encode(
        publication: &Publication<'_>,
        version: Version,
        now: Time,
        bytes: &mut Vec<u8>,
    ) -> Result<usize, colibri_codec::EncodeError> {
        let mut list = PropertyList::default();
        list.fill(publication, AliasUse::None, version, now);
        let publish = draft(publication, AliasUse::None, &list);
        let start = bytes.len();
        publish.encode(version, bytes)?;
        Ok(publish.packet_id_offset(bytes.len() - start, version))
    }

    /// Sends what waits, as far as the peer's Receive Maximum and `room` bytes of output go; says whether
    /// more is waiting that only needs room.
    ///
    /// `dropped` is told of each message that is not sent, or not again, and why.
    pub fn pump(
        &mut self,
        room: usize,
        now: Time,
        out: &mut Vec<u8>,
        mut dropped: impl FnMut(M, Sent),
    ) -> bool {
        self.pump_watched(room, now, out, |pumped| match pumped {
            Pumped::Begun(..) => {}
            Pumped::Dropped(message, why) => dropped(message, why),
        })
    }

    /// As [`Connection::pump`], for drivers that write down what is under way: `watch` is also told which
    /// message got which Packet Identifier.
    pub fn pump_watched(
        &mut self,
        room: usize,
        now: Time,
        out: &mut Vec<u8>,
        mut watch: impl FnMut(Pumped<'_, M>),
    ) -> bool {
        if self.state != State::Open {
            return false;
        }
        let start = out.len();
        loop {
            if !self.resend_next(now, out, &mut watch) {
                let Some(first) = self.session.outgoing.waiting.front() else { return false };
                let blocked = first.publication().qos > QoS::AtMostOnce && self.send_quota.is_used_up();
                if blocked || self.session.outgoing.has_resends() {
                    return false;
                }
                let Some(message) = self.session.outgoing.waiting.pop_front() else { return false };
                if !self.send_waiting(message, now, out, &mut watch) {
                    return false;
                }
            }
            if out.len() - start >= room {
                return self.has_backlog();
            }
        }
    }

    /// Whether messages wait, so that a new one has to wait behind them.
    #[inline]
    pub fn has_backlog(&self) -> bool {
        !self.session.outgoing.waiting.is_empty() || self.session.outgoing.has_resends()
    }

    /// Whether a message with QoS 1 or 2 that came now would have to wait, for others or for quota.
    pub fn has_to_wait(&self) -> bool {
        self.state != State::Open || self.has_backlog() || self.send_quota.is_used_up()
    }

    /// Whether a message of this QoS has to wait behind others. Those of QoS 0 do not wait for quota, but
    /// keep their order.
    // [v5 MQTT-4.6.0-5] [v5 MQTT-4.6.0-6] [v3.1.1 MQTT-4.6.0-5] [v3.1.1 MQTT-4.6.0-6]
    #[inline]
    pub(crate) fn has_backlog_for(&self, qos: QoS) -> bool {
        match qos {
            QoS::AtMostOnce => self.session.outgoing.waiting.has_at_most_once(),
            QoS::AtLeastOnce | QoS::ExactlyOnce => self.has_backlog(),
        }
    }

    /// Sends the message that waited longest; `false` if it has to go on waiting.
    fn send_waiting(
        &mut self,
        message: M,
        now: Time,
        out: &mut Vec<u8>,
        watch: &mut impl FnMut(Pumped<'_, M>),
    ) -> bool {
        let publication = message.publication();
        // The identifier is needed before the packet can be written, and the message afterwards.
        let sent = self.send_next(&publication, || None, now, out);
        match sent {
            Sent::Written(Some(id)) => {
                watch(Pumped::Begun(&message, id));
                self.session.outgoing.keep(id, message);
            }
            Sent::Written(None) => {}
            Sent::Wait => self.session.outgoing.waiting.push_front(message),
            Sent::TooLarge | Sent::Expired | Sent::NotSupported => watch(Pumped::Dropped(message, sent)),
        }
        sent != Sent::Wait
    }

    fn send_next(
        &mut self,
        publication: &Publication<'_>,
        keep: impl FnOnce() -> Option<M>,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Sent {
        if publication.is_expired(now) {
            return Sent::Expired;
        }
        if self.role == Role::Client && !self.server_takes(publication) {
            return Sent::NotSupported;
        }
        // What a driver may take back must not be what gives an alias its meaning.
        let is_plain = self.takes_back && publication.expires.is_some();
        let aliases = self.outgoing_aliases.as_ref().filter(|_| !is_plain);
        let mut alias = aliases.map_or(AliasUse::None, |aliases| aliases.look_up(publication.topic));
        let mut list = PropertyList::default();
        list.fill(publication, alias, self.version, now);
        if alias != AliasUse::None && !self.fits(&draft(publication, alias, &list)) {
            // The alias may be what is too much.
            alias = AliasUse::None;
            list = PropertyList::default();
            list.fill(publication, alias, self.version, now);
        }
        let mut publish = draft(publication, alias, &list);
        // [v5 MQTT-3.1.2-24] [v5 MQTT-3.2.2-15]
        if !self.fits(&publish) {
            return Sent::TooLarge;
        }
        if publication.qos > QoS::AtMostOnce {
            // [v5 MQTT-3.3.4-7] [v5 MQTT-3.3.4-9] [v5 MQTT-4.9.0-2]; it holds nothing else back:
            // [v5 MQTT-3.3.4-8] [v5 MQTT-3.3.4-10] [v5 MQTT-4.9.0-3]
            if self.send_quota.is_used_up() {
                return Sent::Wait;
            }
            let stage = Self::stage_for(publication.qos);
            let Some(id) = self.session.outgoing.begin(stage, keep()) else { return Sent::Wait };
            self.send_quota.take();
            publish.delivery = delivery(publication.qos, id);
        }
        let written = publish.encode(self.version, out);
        debug_assert!(written.is_ok(), "{written:?}");
        if let (AliasUse::Set(alias), Some(aliases)) = (alias, &mut self.outgoing_aliases) {
            aliases.set(publication.topic, alias);
        }
        self.keep_alive.sent(now);
        Sent::Written(publish.delivery.packet_id())
    }

    /// Whether the peer takes a packet of this size.
    fn fits(&self, publish: &Publish<'_>) -> bool {
        publish.length(self.version).is_ok_and(|length| length <= self.peer.maximum_packet_size)
    }

    fn server_takes(&self, publication: &Publication<'_>) -> bool {
        let qos_taken = match self.peer.maximum_qos {
            None => true,
            Some(true) => publication.qos <= QoS::AtLeastOnce,
            Some(false) => publication.qos == QoS::AtMostOnce,
        };
        qos_taken && (self.peer.retain_available || !publication.retain)
    }

    /// Begins to send again what was under way when the connection before this one ended.
    // [v5 MQTT-4.4.0-1] [v3.1.1 MQTT-4.4.0-1]
    pub(crate) fn resend(&mut self, now: Time, out: &mut Vec<u8>) {
        for id in self.session.outgoing.resume() {
            let written = Pubrel::new(id, ReasonCode::Success).encode(self.version, out);
            debug_assert!(written.is_ok(), "{written:?}");
            // The receiver still works on these messages, so they count towards its Receive Maximum.
            self.send_quota.occupy();
            self.keep_alive.sent(now);
        }
    }

    /// Ends an exchange: gives its quota back, if it took any on this connection, and what was kept.
    pub(crate) fn finish_exchange(&mut self, id: PacketId) -> Option<M> {
        let exchange = self.session.outgoing.finish(id)?;
        if !exchange.mark.resend {
            self.send_quota.give_back();
        }
        exchange.kept
    }

    /// Sends the oldest PUBLISH again that has to be; `false` if there is none or the quota is used up.
    fn resend_next(&mut self, now: Time, out: &mut Vec<u8>, watch: &mut impl FnMut(Pumped<'_, M>)) -> bool {
        if self.send_quota.is_used_up() {
            return false;
        }
        let Some((mark, kept)) = self.session.outgoing.next_resend() else { return false };
        let id = mark.id;
        let qos = if mark.stage == Stage::AwaitingPubrec { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        // Where nothing was kept nothing can be sent, and nobody is told.
        let sent = kept.map_or(Sent::TooLarge, |kept| {
            self.write_again(&kept.publication(), delivery(qos, id), now, out)
        });
        if let Sent::Written(_) = sent {
            self.session.outgoing.resent(id);
            self.send_quota.take();
            self.keep_alive.sent(now);
        } else if let Some(kept) = self.session.outgoing.finish(id).and_then(|exchange| exchange.kept) {
            watch(Pumped::Dropped(kept, sent));
        }
        true
    }

    /// Writes a PUBLISH again. Once sent, a message does not expire any more. [v5 MQTT-4.3.3-7]
    fn write_again(
        &self,
        publication: &Publication<'_>,
        delivery: Delivery,
        now: Time,
        out: &mut Vec<u8>,
    ) -> Sent {
        // [v5 MQTT-3.2.2-11] [v5 MQTT-3.2.2-14]
        if self.role == Role::Client && !self.server_takes(publication) {
            return Sent::NotSupported;
        }
        let mut list = PropertyList::default();
        list.fill(publication, AliasUse::None, self.version, now);
        // [v5 MQTT-3.3.1-1] [v3.1.1 MQTT-3.3.1-1]
        let publish = packet(publication, delivery, true, list.properties(publication));
        // The new connection may take no packet of that size. [v5 MQTT-3.1.2-25]
        if !self.fits(&publish) || publish.encode(self.version, out).is_err() {
            return Sent::TooLarge;
        }
        Sent::Written(delivery.packet_id())
    }
}

/// Stands where the Packet Identifier of a receiver is written later.
const PLACEHOLDER: PacketId = match PacketId::new(u16::MAX) {
    Some(id) => id,
    None => unreachable!(),
};

const fn delivery(qos: QoS, id: PacketId) -> Delivery {
    match qos {
        QoS::AtMostOnce => Delivery::AtMostOnce,
        QoS::AtLeastOnce => Delivery::AtLeastOnce(id),
        QoS::ExactlyOnce => Delivery::ExactlyOnce(id),
    }
}

fn packet<'a>(
    publication: &Publication<'a>,
    delivery: Delivery,
    dup: bool,
    properties: Properties<'a>,
) -> Publish<'a> {
    Publish {
        dup,
        delivery,
        retain: publication.retain,
        topic: Some(publication.topic),
        properties,
        payload: publication.payload,
    }
}

/// What is to be sent for the first time, under a placeholder that has the length of an identifier.
fn draft<'a>(publication: &Publication<'a>, alias: AliasUse, list: &'a PropertyList<'_>) -> Publish<'a> {
    let delivery = delivery(publication.qos, PLACEHOLDER);
    // DUP is 0. [v5 MQTT-3.3.1-3] [v5 MQTT-4.3.2-2] [v5 MQTT-4.3.3-2] [v3.1.1 MQTT-3.3.1-3]
    let mut publish = packet(publication, delivery, false, list.properties(publication));
    if let AliasUse::Instead(_) = alias {
        publish.topic = None;
    }
    publish
}

/// The properties that this end adds to a message: seldom any, seldom more than four.
#[derive(Default)]
struct PropertyList<'p> {
    all: Vec<Property<'p>>,
}

impl<'p> PropertyList<'p> {
    fn fill(&mut self, publication: &Publication<'p>, alias: AliasUse, version: Version, now: Time) {
        if !version.has_properties() {
            return;
        }
        // [v5 MQTT-3.3.2-6]
        self.all.extend(publication.expires.map(|at| Property::MessageExpiryInterval(at.seconds_from(now))));
        // [v5 MQTT-3.3.4-3] [v5 MQTT-3.3.4-4] [v5 MQTT-3.3.4-5]
        self.all.extend(
            publication.subscription_identifiers.iter().map(|id| Property::SubscriptionIdentifier(*id)),
        );
        match alias {
            AliasUse::Set(alias) | AliasUse::Instead(alias) => self.all.push(Property::TopicAlias(alias)),
            AliasUse::None => {}
        }
        // A message's properties are bytes, a list, or a list in front of bytes. The list makes way for this
        // one and so moves into it.
        self.all.extend_from_slice(publication.properties.list());
    }

    fn properties<'a>(&'a self, publication: &Publication<'a>) -> Properties<'a> {
        publication.properties.with_list(&self.all)
    }
}
