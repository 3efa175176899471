//! The client end of the state machine, `colibri_protocol::Connection`, at work in a simulated client.

use colibri_codec::{
    Connect, Delivery, Disconnect, EncodeError, Frame, OwnedTopicName, PacketId, QoS, ReasonCode, Split,
    Subscribe, Unsubscribe,
};
use colibri_protocol::{Connection, Event, Kept, Limits, Publication, Sent, Session, Time};

/// A message as the machine keeps it until it has arrived.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) serial: u64,
    pub(super) topic: OwnedTopicName,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) expires: Option<Time>,
    pub(super) payload: Vec<u8>,
}

impl Kept for Sending {
    fn publication(&self) -> Publication<'_> {
        let publication = Publication::new(self.topic.name(), self.qos, self.retain, &self.payload);
        Publication { expires: self.expires, ..publication }
    }
}

/// What the machine makes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The client has no machine.
    Nothing,
    /// A message that is to be handed on.
    Message,
    /// A QoS 2 message was let go of.
    Release,
    /// The exchange of the message with this serial is over.
    Delivered(Option<u64>),
    /// Something that is nothing of these, or was dealt with.
    Other,
    /// The broker broke the protocol.
    Violation(String),
}

/// A connection while there is one, its session, and what it has written and nobody has sent.
#[derive(Debug, Default)]
pub(super) struct Machine {
    connection: Option<Connection<Sending>>,
    session: Session<Sending>,
    pub(super) out: Vec<u8>,
}

impl Machine {
    pub(super) fn connect(
        &mut self,
        connect: &Connect<'_>,
        limits: Limits,
        now: u64,
    ) -> Result<(), EncodeError> {
        let session = std::mem::take(&mut self.session);
        let now = Time::from_millis(now);
        self.connection = Some(Connection::client(connect, limits, session, now, &mut self.out)?);
        Ok(())
    }

    /// The connection is lost.
    pub(super) fn lose(&mut self) {
        self.out.clear();
        if let Some(connection) = self.connection.take() {
            self.session = connection.into_session();
        }
    }

    /// The session is over. With a connection, what it has to send with QoS 1 is new again, and its serials
    /// are given; QoS 2 could be twice at its receivers, and this client would rather lose it.
    pub(super) fn end_session(&mut self) -> Vec<u64> {
        let Some(connection) = &mut self.connection else {
            self.session = Session::new();
            return Vec::new();
        };
        connection.session_mut().retain_waiting(|sending| sending.qos == QoS::AtLeastOnce);
        connection.session().messages().map(|(sending, _)| sending.serial).collect()
    }

    /// Takes in one packet. What is to be answered is held back until [`Machine::acknowledge`].
    pub(super) fn handle(&mut self, bytes: &[u8], now: u64) -> Said {
        let Some(connection) = &mut self.connection else { return Said::Other };
        let Ok(Split::Frame(frame, _)) = Frame::split(bytes, u32::MAX) else { return Said::Other };
        let delivery = match connection.handle_frame(frame, Time::from_millis(now), &mut self.out) {
            Ok(Event::Publish(received)) => received.publish.delivery,
            Ok(Event::Release(_)) => return Said::Release,
            Ok(Event::Delivered(delivered)) => {
                return Said::Delivered(delivered.kept.map(|sending| sending.serial));
            }
            Ok(
                Event::Handled
                | Event::Connect(_)
                | Event::Connack(_)
                | Event::Subscribe(_)
                | Event::Unsubscribe(_)
                | Event::Suback(_)
                | Event::Unsuback(_)
                | Event::Disconnect(_)
                | Event::Auth(_),
            ) => return Said::Other,
            Err(violation) => return Said::Violation(violation.to_string()),
        };
        connection.hold(delivery);
        Said::Message
    }

    /// Sends what waits, as far as it may; gives the serials of what has expired instead.
    pub(super) fn pump(&mut self, now: u64) -> Vec<u64> {
        let mut gone = Vec::new();
        if let Some(connection) = &mut self.connection {
            connection.pump(usize::MAX, Time::from_millis(now), &mut self.out, |sending, _| {
                gone.push(sending.serial);
            });
        }
        gone
    }

    pub(super) fn publish(&mut self, sending: Sending, now: u64) -> Sent {
        let Some(connection) = &mut self.connection else { return Sent::NotSupported };
        let kept = sending.clone();
        let now = Time::from_millis(now);
        let sent = connection.send(&sending.publication(), || Some(kept), now, &mut self.out);
        if sent == Sent::Wait {
            connection.session_mut().enqueue(sending);
        }
        sent
    }

    pub(super) fn subscribe(&mut self, subscribe: &Subscribe<'_>, now: u64) -> Option<PacketId> {
        let connection = self.connection.as_mut()?;
        connection.subscribe(subscribe, Time::from_millis(now), &mut self.out).ok().flatten()
    }

    pub(super) fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>, now: u64) -> Option<PacketId> {
        let connection = self.connection.as_mut()?;
        connection.unsubscribe(unsubscribe, Time::from_millis(now), &mut self.out).ok().flatten()
    }

    /// Answers the message under an identifier, and others that are held back for it.
    pub(super) fn acknowledge(&mut self, id: PacketId, now: u64) {
        if let Some(connection) = &mut self.connection {
            let now = Time::from_millis(now);
            connection.acknowledge_held(id, ReasonCode::Success, now, &mut self.out);
        }
    }

    pub(super) fn complete(&mut self, id: PacketId, now: u64) {
        if let Some(connection) = &mut self.connection {
            connection.complete(id, Time::from_millis(now), &mut self.out);
        }
    }

    pub(super) fn disconnect(&mut self, disconnect: &Disconnect<'_>) {
        if let Some(connection) = &mut self.connection {
            connection.disconnect(disconnect, &mut self.out);
        }
    }

    /// Sends PINGREQ if one is due; whether the broker is still taken to be there.
    pub(super) fn tick(&mut self, now: u64) -> bool {
        let Some(connection) = &mut self.connection else { return true };
        connection.handle_timeout(Time::from_millis(now), &mut self.out).is_ok()
    }

    /// The serial of what is under way with an identifier.
    pub(super) fn serial_under(&mut self, delivery: Delivery) -> Option<u64> {
        let id = delivery.packet_id()?;
        let (sending, _) = self.connection.as_mut()?.session_mut().message(id)?;
        Some(sending.serial)
    }
}
