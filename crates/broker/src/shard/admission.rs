//! A client connects: who it is, and which session it gets (section 3.1.4).

use std::num::NonZeroU16;
use std::sync::Arc;

use colibri_codec::{
    BinaryData, Connect, Property, ReasonCode, TopicName, Utf8String, Version, Will as ConnectWill,
};
use colibri_protocol::{Acceptance, Progress, Publication, Session, State, passed_on};

use super::Shard;
use super::journal::Ticket;
use crate::config::Config;
use crate::message::{Delivery, Inbound};
use crate::sessions::Will;
use crate::subscriber::Subscriber;

/// Which session a client gets.
struct Attachment {
    session: u32,
    messages: Session<Delivery>,
    present: bool,
}

impl Shard {
    /// A client sends CONNECT, which is `bytes`.
    pub(crate) fn on_connect(&mut self, number: u32, connect: &Connect<'_>, bytes: &[u8]) {
        let config = Arc::clone(&self.config);
        if let Some(reference) = config.server_reference.as_ref().filter(|reference| reference.redirects) {
            let property = reference.property();
            return self.refuse_because(number, reference.reason(), property.as_slice());
        }
        if let Err(reason) = check(connect, &config).and_then(|()| self.check_will(connect)) {
            return self.refuse(number, reason);
        }
        match &config.authenticator {
            Some(authenticator) => self.authenticate_connect(number, connect, bytes, authenticator.as_ref()),
            // [v5 MQTT-4.12.0-1]
            None if connect.properties.authentication_method().is_some() => {
                self.refuse(number, ReasonCode::BadAuthenticationMethod);
            }
            None => self.admit(number, connect, None),
        }
    }

    /// Lets a client in; `data` ends its authentication.
    pub(crate) fn admit(&mut self, number: u32, connect: &Connect<'_>, data: Option<&[u8]>) {
        let assigned = connect.client_id.is_empty().then(|| self.assign_client_id());
        let client_id = assigned.as_deref().unwrap_or_else(|| connect.client_id.as_str());
        let changes = self.journal.changes();
        if !self.journal.is_healthy() && requested_expiry(connect) > 0 {
            // What is told to it could not be kept to.
            self.metrics.refused_storage += 1;
            return self.refuse(number, ReasonCode::QuotaExceeded);
        }
        let Some(attachment) = self.attach(client_id, connect.clean_start) else {
            return self.refuse(number, ReasonCode::QuotaExceeded);
        };
        let requested = requested_expiry(connect);
        let expiry = requested.min(self.config.session_expiry_maximum);
        let stay = self.sessions.next_stay();
        if let Some(session) = self.sessions.get_mut(attachment.session) {
            session.connection = Some(number);
            session.expiry_interval = expiry;
            session.stay = stay;
            session.expiry_watched = false;
        }
        let will = connect.will.as_ref().map(|will| Box::new(self.make_will(will, attachment.session)));
        if let Some(session) = self.sessions.get_mut(attachment.session) {
            // [v5 MQTT-3.1.2-7] [v3.1.1 MQTT-3.1.2-8]
            session.will = will;
        }
        self.begin_stored_session(attachment.session);
        // There is nothing that this server does not support, so it says so of nothing. [v5 MQTT-3.2.2-9]
        let mut properties = Vec::new();
        // Section 3.2.2.3.2: the server says so if it does not keep to what was asked.
        if expiry != requested {
            properties.push(Property::SessionExpiryInterval(expiry));
        }
        // [v5 MQTT-4.12.0-5] [v5 MQTT-4.12.0-6]
        if connect.properties.authentication_method().is_some() {
            let data = data.and_then(|data| BinaryData::new(data).ok());
            properties.extend(data.map(Property::AuthenticationData));
        }
        let response_information = self.response_information(connect, client_id);
        let response_topic = response_information.as_deref().and_then(|text| Utf8String::new(text).ok());
        properties.extend(response_topic.map(Property::ResponseInformation));
        // [v5 MQTT-3.1.3-6] [v5 MQTT-3.2.2-16]
        let assigned_client_id = assigned.as_deref().and_then(|id| Utf8String::new(id).ok());
        let acceptance = Acceptance {
            session_present: attachment.present,
            assigned_client_id,
            server_keep_alive: server_keep_alive(connect, self.config.keep_alive_maximum),
            send_maximum: Some(self.config.send_maximum.get()),
            properties: &properties,
        };
        let durable = self.sessions.get(attachment.session).is_some_and(|session| session.storage != 0);
        let touches_store = durable || self.journal.changes() != changes;
        let after =
            if touches_store { self.journal.pending() } else { self.journal.session_of_ended(client_id) };
        self.open(number, &acceptance, attachment, after);
    }

    /// Answers CONNECT when the store has all up to `after`, and begins to serve the client.
    fn open(
        &mut self,
        number: u32,
        acceptance: &Acceptance<'_>,
        attachment: Attachment,
        after: Option<Ticket>,
    ) {
        let Attachment { session, messages, .. } = attachment;
        let durable = self.sessions.get(session).is_some_and(|session| session.storage != 0);
        let Some(client) = self.connections.get_mut(number) else { return };
        client.session = Some(session);
        client.flags.durable = durable;
        let now = self.now;
        self.write_after(number, after, |protocol, out| protocol.accept(acceptance, messages, now, out));
        let Some(client) = self.connections.get_mut(number) else { return };
        client.flags.sealed = client.gate.is_some();
        // Retained messages that waited for the connection before still come before later ones.
        let mut messages = client.protocol.session().messages();
        let replaying = messages.any(|(delivery, at)| at == Progress::Waiting && delivery.retain);
        drop(messages);
        client.flags.replaying = replaying;
        if client.protocol.state() == State::Closed {
            // The client takes no packet as large as its CONNACK, and would wait for one for ever.
            return self.close_connection(number);
        }
        let catching_up = self.is_backed_up(session);
        if let Some(client) = self.connections.get_mut(number) {
            client.flags.catching_up = catching_up;
        }
        self.metrics.connections_total += 1;
        self.set_away(session, false);
        self.watch_expiry(session);
        // The timer for CONNECT is still to come and looks after longer silences.
        let due = self.connections.get(number).and_then(|client| client.protocol.poll_timeout(self.now));
        if due.is_some_and(|due| due < self.now + self.config.connect_timeout) {
            self.watch_keep_alive(number);
        }
    }

    /// A will goes where its client may publish, and is what it is said to be.
    fn check_will(&self, connect: &Connect<'_>) -> Result<(), ReasonCode> {
        let Some(will) = &connect.will else { return Ok(()) };
        let is_text = will.properties.payload_format_indicator() == Some(true);
        if self.config.check_payload_format
            && is_text
            && std::str::from_utf8(will.payload.as_bytes()).is_err()
        {
            return Err(ReasonCode::PayloadFormatInvalid);
        }
        self.may_publish(will.topic)
    }

    /// Where a client can await answers, if it asks (section 3.2.2.3.15).
    // [v5 MQTT-3.1.2-28]
    fn response_information(&self, connect: &Connect<'_>, client_id: &str) -> Option<String> {
        let prefix = self.config.response_topic_prefix.as_ref()?;
        let asked = connect.properties.request_response_information() == Some(true);
        let text = asked.then(|| format!("{prefix}/{client_id}"))?;
        TopicName::new(&text).is_ok().then_some(text)
    }

    pub(crate) fn refuse(&mut self, number: u32, reason: ReasonCode) {
        self.refuse_because(number, reason, &[]);
    }

    /// The same with the reason in words, which may be empty.
    pub(crate) fn refuse_with(&mut self, number: u32, reason: ReasonCode, words: &str) {
        let words = Utf8String::new(words).ok().filter(|words| !words.is_empty());
        self.refuse_because(number, reason, words.map(Property::ReasonString).as_slice());
    }

    fn refuse_because(&mut self, number: u32, reason: ReasonCode, properties: &[Property<'_>]) {
        if let Some(client) = self.connections.get_mut(number) {
            if client.output.capacity() == 0 {
                client.output = self.spare.lend();
            }
            client.protocol.refuse(reason, properties, &mut client.output);
            client.flags.lingers = true;
        }
        self.close_connection(number);
    }

    /// Finds or makes the session of a client, and ends the older connection if there is one.
    // [v5 MQTT-3.1.2-4] [v5 MQTT-3.1.2-5] [v5 MQTT-3.1.2-6] [v5 MQTT-3.1.4-4] [v5 MQTT-3.2.2-2]
    // [v5 MQTT-3.2.2-3] [v3.1.1 MQTT-3.1.2-4] [v3.1.1 MQTT-3.1.2-6] [v3.1.1 MQTT-3.1.4-3]
    // [v3.1.1 MQTT-3.2.2-1] [v3.1.1 MQTT-3.2.2-2] [v3.1.1 MQTT-3.2.2-3]
    fn attach(&mut self, client_id: &str, clean_start: bool) -> Option<Attachment> {
        if let Some(session) = self.sessions.find(client_id) {
            self.take_over(session, clean_start);
        }
        // A session that does not outlive its connection ended with it just now.
        if let Some(session) = self.sessions.find(client_id) {
            if !clean_start {
                let stored = self.sessions.get_mut(session)?.stored.take();
                let messages = stored.map(|stored| *stored).unwrap_or_default();
                return Some(Attachment { session, messages, present: true });
            }
            self.end_session(session);
        }
        let session = self.sessions.create(client_id)?;
        Some(Attachment { session, messages: Session::new(), present: false })
    }

    /// Ends the older connection of a session that is connected again.
    // [v5 MQTT-3.1.4-3] [v3.1.1 MQTT-3.1.4-2]
    fn take_over(&mut self, session: u32, clean_start: bool) {
        let Some(entry) = self.sessions.get_mut(session) else { return };
        let older = entry.connection;
        // The will waits for nothing if the session goes on within its delay. [v5 MQTT-3.1.3-9]
        let goes_on = !clean_start && entry.expiry_interval > 0;
        if goes_on && entry.will.as_ref().is_some_and(|will| will.delay > 0) {
            entry.will = None;
        }
        if let Some(older) = older {
            self.disconnect(
                older,
                ReasonCode::SessionTakenOver,
                "another connection has taken the session over",
            );
        }
    }

    /// A client identifier that no session has and whose home is here.
    // [v5 MQTT-3.1.3-7] [v3.1.1 MQTT-3.1.3-6]
    fn assign_client_id(&mut self) -> String {
        loop {
            let client_id = format!("colibri-{:016x}", self.random.next());
            if self.home(&client_id) == self.number && self.sessions.find(&client_id).is_none() {
                return client_id;
            }
        }
    }

    fn make_will(&self, will: &ConnectWill<'_>, session: u32) -> Will {
        let mut wire = Vec::new();
        let message_expiry = will.properties.message_expiry_interval();
        // The order of the User Properties is kept. [v5 MQTT-3.1.3-10]
        let (properties, _) = passed_on(&will.properties, self.now, &mut wire);
        let publication = Publication {
            topic: will.topic,
            qos: will.qos,
            // [v5 MQTT-3.1.2-14] [v5 MQTT-3.1.2-15] [v3.1.1 MQTT-3.1.2-16] [v3.1.1 MQTT-3.1.2-17]
            retain: will.retain,
            expires: None,
            subscription_identifiers: &[],
            properties,
            payload: will.payload.as_bytes(),
        };
        let mut inbound = Inbound::new(&publication, Subscriber::session(self.number, session));
        let delay = will.properties.will_delay_interval().unwrap_or(0);
        Will { message: inbound.keep().clone(), message_expiry, delay }
    }
}

/// Whether a CONNECT can be accepted at all.
fn check(connect: &Connect<'_>, config: &Config) -> Result<(), ReasonCode> {
    // [v3.1.1 MQTT-3.1.3-8]; 3.1 has no empty identifiers at all (its section 3.1).
    let may_be_empty = match connect.version {
        Version::V5 => true,
        Version::V3_1_1 => connect.clean_start,
        Version::V3_1 => false,
    };
    // [v3.1.1 MQTT-3.1.3-9]; every other identifier is accepted. [v5 MQTT-3.1.3-5] [v3.1.1 MQTT-3.1.3-5]
    if connect.client_id.is_empty() && !may_be_empty {
        return Err(ReasonCode::ClientIdentifierNotValid);
    }
    // Before 5.0 a client cannot be told another Keep Alive; mosquitto refuses it in the same way.
    let is_told = connect.version.has_properties();
    if !is_told && server_keep_alive(connect, config.keep_alive_maximum).is_some() {
        return Err(ReasonCode::ClientIdentifierNotValid);
    }
    Ok(())
}

/// The Keep Alive in seconds that a client gets in place of its own, if that is too long.
// [v5 MQTT-3.2.2-22]
fn server_keep_alive(connect: &Connect<'_>, maximum: Option<NonZeroU16>) -> Option<u16> {
    let maximum = maximum?.get();
    (connect.keep_alive == 0 || connect.keep_alive > maximum).then_some(maximum)
}

/// How long the client wants its session to outlive the connection, in seconds.
fn requested_expiry(connect: &Connect<'_>) -> u32 {
    match connect.version {
        Version::V5 => connect.properties.session_expiry_interval().unwrap_or(0),
        Version::V3_1 | Version::V3_1_1 if connect.clean_start => 0,
        Version::V3_1 | Version::V3_1_1 => u32::MAX,
    }
}
