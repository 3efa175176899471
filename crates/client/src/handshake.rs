//! From an open socket to an accepted connection.

use std::io;

use colibri_codec::{
    Auth, BinaryData, Connack, ConnectReturnCode, Frame, PacketType, ReasonCode, Split, Version,
};
use colibri_protocol::{Connection, Event, Session, Time};
use tokio::time::{Instant, timeout_at};

use crate::authentication::{Exchange, Rejected, data_property};
use crate::error::{ConnectError, Evidence};
use crate::link::{Clock, Link};
use crate::options::{Direction, Options};
use crate::publish::InFlight;
use crate::socket::{Moved, Socket};
use crate::status::ServerInfo;

/// How a session begins or goes on.
pub(crate) struct Start<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) clean_start: bool,
    pub(crate) session: Session<InFlight>,
    pub(crate) deadline: Instant,
}

/// A connection that was not accepted, and the session that was to go on in it.
pub(crate) struct Failed {
    pub(crate) error: ConnectError,
    pub(crate) session: Session<InFlight>,
}

/// Opens a socket to the server.
pub(crate) async fn dial(options: &Options, deadline: Instant) -> Result<Socket, ConnectError> {
    match timeout_at(deadline, options.endpoint.dial()).await {
        Ok(dialled) => dialled,
        Err(_) => Err(ConnectError::TimedOut(options.connect_timeout)),
    }
}

/// Sends CONNECT and waits for the answer.
pub(crate) async fn open(
    socket: Socket,
    options: &Options,
    start: Start<'_>,
    clock: Clock,
) -> Result<(Link, ServerInfo), Failed> {
    let Start { client_id, clean_start, session, deadline } = start;
    let mut output = Vec::new();
    let mut exchange = begin(options);
    let first = exchange.as_deref_mut().and_then(Exchange::first);
    let data = match data_property(first.as_deref()) {
        Ok(data) => data,
        Err(rejected) => return Err(Failed { error: ConnectError::Authentication(rejected), session }),
    };
    let connected = options.with_connect(client_id, clean_start, data, |connect| {
        Connection::client(connect, options.limits, session, clock.now(), &mut output)
    });
    let connection = match connected.map_err(ConnectError::from).and_then(|made| Ok(made?)) {
        Ok(connection) => connection,
        Err(error) => return Err(Failed { error, session: Session::new() }),
    };
    let mut link = Link::new(socket, connection, output, options.observer.clone());
    match answer(&mut link, options, exchange, clock, deadline).await {
        Ok(mut info) => {
            if info.client_id.is_empty() {
                client_id.clone_into(&mut info.client_id);
            }
            Ok((link, info))
        }
        Err(error) => Err(Failed { error, session: link.connection.into_session() }),
    }
}

/// Begins an exchange, if there is an Authentication Method.
fn begin(options: &Options) -> Option<Box<dyn Exchange>> {
    let authenticator = options.authenticator.as_ref().filter(|_| options.version.has_properties())?;
    Some(authenticator.begin())
}

async fn answer(
    link: &mut Link,
    options: &Options,
    mut exchange: Option<Box<dyn Exchange>>,
    clock: Clock,
    deadline: Instant,
) -> Result<ServerInfo, ConnectError> {
    loop {
        let maximum = options.limits.maximum_packet_size.get();
        match Frame::split(&link.input, maximum) {
            Ok(Split::Frame(frame, used)) => {
                if let Some(observer) = &link.observer {
                    observer.see(Direction::Received, frame);
                }
                refused_in_old_form(frame, options.version)?;
                let event = link.connection.handle_frame(frame, clock.now(), &mut link.output);
                let info = match event.map_err(ConnectError::Violation)? {
                    Event::Connack(connack) => {
                        let info = accepted(&connack, options.version)?;
                        if let Some(exchange) = &mut exchange {
                            let proof = connack.properties.authentication_data().map(BinaryData::as_bytes);
                            exchange.finish(proof).map_err(ConnectError::Authentication)?;
                        }
                        info
                    }
                    // [v5 MQTT-4.12.0-3]
                    Event::Auth(auth) => {
                        let exchange = exchange.as_deref_mut().ok_or(ConnectError::ExtendedAuthentication)?;
                        answer_challenge(
                            &mut link.connection,
                            exchange,
                            &auth,
                            clock.now(),
                            &mut link.output,
                        )
                        .map_err(ConnectError::Authentication)?;
                        link.input.drain(..used);
                        continue;
                    }
                    Event::Handled
                    | Event::Connect(_)
                    | Event::Publish(_)
                    | Event::Release(_)
                    | Event::Delivered(_)
                    | Event::Subscribe(_)
                    | Event::Unsubscribe(_)
                    | Event::Suback(_)
                    | Event::Unsuback(_)
                    | Event::Disconnect(_) => continue,
                };
                link.input.drain(..used);
                return Ok(info);
            }
            Ok(Split::Need(_)) => {}
            Err(malformed) => return Err(ConnectError::Violation(malformed.into())),
        }
        match timeout_at(deadline, link.turn(true)).await {
            Err(_) => return Err(ConnectError::TimedOut(options.connect_timeout)),
            Ok(Ok(Moved::In(0))) => return Err(closed(options.version)),
            Ok(Ok(Moved::In(_) | Moved::Out(_))) => {}
            // A server that closes with our CONNECT unread resets the connection.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(closed(options.version));
            }
            Ok(Err(error)) => return Err(ConnectError::Io(error)),
        }
    }
}

/// Answers a challenge of the server.
// [v5 MQTT-4.12.0-3]
pub(crate) fn answer_challenge(
    connection: &mut Connection<InFlight>,
    exchange: &mut dyn Exchange,
    auth: &Auth<'_>,
    now: Time,
    output: &mut Vec<u8>,
) -> Result<(), Rejected> {
    let challenge = auth.properties.authentication_data().map(BinaryData::as_bytes);
    let answer = exchange.answer(challenge)?;
    let data = data_property(answer.as_deref())?;
    if connection.authenticate(ReasonCode::ContinueAuthentication, data.as_slice(), now, output) {
        Ok(())
    } else {
        Err(Rejected("the server takes no answer of that size".to_owned()))
    }
}

fn accepted(connack: &Connack<'_>, version: Version) -> Result<ServerInfo, ConnectError> {
    if connack.reason == ReasonCode::Success {
        let assigned = connack.properties.assigned_client_identifier();
        return Ok(ServerInfo {
            session_present: connack.session_present,
            client_id: assigned.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            properties: connack.properties.into(),
        });
    }
    if connack.reason == ReasonCode::UnsupportedProtocolVersion {
        return Err(ConnectError::UnsupportedVersion { version, evidence: Evidence::Answer });
    }
    let code = if version.has_properties() {
        connack.reason.number()
    } else {
        ConnectReturnCode::from_reason(connack.reason)
            .map_or_else(|| connack.reason.number(), |code| code as u8)
    };
    Err(ConnectError::Refused { reason: connack.reason, code, properties: connack.properties.into() })
}

/// A server from before 5.0 answers a CONNECT of 5.0 with a CONNACK of two bytes and a return code.
fn refused_in_old_form(frame: Frame<'_>, version: Version) -> Result<(), ConnectError> {
    if !version.has_properties() || frame.packet_type(version) != Ok(PacketType::Connack) {
        return Ok(());
    }
    let &[_, code] = frame.body() else { return Ok(()) };
    match ConnectReturnCode::from_number(code) {
        Some(ConnectReturnCode::Accepted) => {
            Err(ConnectError::UnsupportedVersion { version, evidence: Evidence::OldForm })
        }
        Some(ConnectReturnCode::UnacceptableProtocolVersion) => {
            Err(ConnectError::UnsupportedVersion { version, evidence: Evidence::Answer })
        }
        Some(
            code @ (ConnectReturnCode::IdentifierRejected
            | ConnectReturnCode::ServerUnavailable
            | ConnectReturnCode::BadUserNameOrPassword
            | ConnectReturnCode::NotAuthorized),
        ) => Err(ConnectError::refused_before_v5(code)),
        None => Ok(()),
    }
}

const fn closed(version: Version) -> ConnectError {
    match version {
        Version::V5 => ConnectError::UnsupportedVersion { version, evidence: Evidence::Closed },
        Version::V3_1 | Version::V3_1_1 => ConnectError::Closed,
    }
}
