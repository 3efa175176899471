//! The MQTT state machine for both ends, without clock, sockets or threads.
//!
//! # How to drive it
//!
//! A [`Connection`] never reads, writes or waits; its driver does, in this loop:
//!
//! 1. Put the bytes that came behind those left over, and cut packets off with
//!    [`Frame::split`](colibri_codec::Frame::split), bounded by [`Limits::maximum_packet_size`].
//! 2. Hand each to [`Connection::handle_frame`] with the time and an output buffer.
//! 3. Act on the [`Event`]. What wants an answer says so: [`Event::Connect`] wants
//!    [`accept`](Connection::accept) or [`refuse`](Connection::refuse); [`Event::Publish`] wants
//!    [`acknowledge`](Connection::acknowledge), or [`hold`](Connection::hold) now and
//!    [`acknowledge_held`](Connection::acknowledge_held) later; [`Event::Release`] wants
//!    [`complete`](Connection::complete); [`Event::Subscribe`] wants [`suback`](Connection::suback);
//!    [`Event::Auth`] wants [`authenticate`](Connection::authenticate), or an end.
//! 4. After [`Event::Delivered`] and after the connection has opened, call [`pump`](Connection::pump): what
//!    waited may be sent now.
//! 5. Send messages with [`send`](Connection::send); if it says [`Sent::Wait`], put them into the session's
//!    queue with [`Session::enqueue`].
//! 6. On a [`Violation`] call [`fail`](Connection::fail).
//! 7. Write the output buffer to the peer, once for all of the above. If [`Connection::state`] is
//!    [`State::Closed`] then, close; [`into_session`](Connection::into_session) hands back what outlives it.
//! 8. Wait for bytes, or until [`poll_timeout`](Connection::poll_timeout); then call
//!    [`handle_timeout`](Connection::handle_timeout).
//!
//! ```
//! use colibri_codec::{Connect, Frame, Properties, QoS, ReasonCode, Split, TopicName, Utf8String, Version};
//! use colibri_protocol::{
//!     Acceptance, Connection, Event, Kept, Limits, Publication, Sent, Session, State, Time,
//! };
//!
//! #[derive(Debug)]
//! struct Reading(&'static str);
//! impl Kept for Reading {
//!     fn publication(&self) -> Publication<'_> {
//!         let topic = TopicName::new("greenhouse/3").unwrap();
//!         Publication::new(topic, QoS::AtLeastOnce, false, self.0.as_bytes())
//!     }
//! }
//!
//! /// The whole packets at the front of a buffer.
//! fn frames(mut input: &[u8]) -> Vec<Frame<'_>> {
//!     let mut frames = Vec::new();
//!     while let Ok(Split::Frame(frame, used)) = Frame::split(input, u32::MAX) {
//!         frames.push(frame);
//!         input = &input[used..];
//!     }
//!     frames
//! }
//!
//! let now = Time::from_millis(0);
//! let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
//! let connect = Connect {
//!     version: Version::V5,
//!     clean_start: true,
//!     keep_alive: 30,
//!     properties: Properties::EMPTY,
//!     client_id: Utf8String::new("sensor")?,
//!     will: None,
//!     user_name: None,
//!     password: None,
//! };
//! let mut client = Connection::client(&connect, Limits::default(), Session::new(), now, &mut to_server)?;
//! let mut server = Connection::<Reading>::server(Limits::default(), now);
//!
//! // The server reads CONNECT and accepts.
//! for frame in frames(&std::mem::take(&mut to_server)) {
//!     let Event::Connect(_) = server.handle_frame(frame, now, &mut to_client)? else { panic!() };
//!     server.accept(&Acceptance::default(), Session::new(), now, &mut to_client);
//! }
//! // The client reads CONNACK and publishes.
//! for frame in frames(&std::mem::take(&mut to_client)) {
//!     let Event::Connack(_) = client.handle_frame(frame, now, &mut to_server)? else { panic!() };
//! }
//! assert_eq!(client.state(), State::Open);
//! let reading = Reading("21.5");
//! let sent = client.send(&reading.publication(), || Some(Reading("21.5")), now, &mut to_server);
//! assert!(matches!(sent, Sent::Written(Some(_))));
//! // The server takes the message over and says so; the client learns that it arrived.
//! for frame in frames(&std::mem::take(&mut to_server)) {
//!     let Event::Publish(message) = server.handle_frame(frame, now, &mut to_client)? else { panic!() };
//!     assert_eq!(message.publish.payload, b"21.5");
//!     server.acknowledge(message.publish.delivery, ReasonCode::Success, now, &mut to_client);
//! }
//! for frame in frames(&to_client) {
//!     let Event::Delivered(delivered) = client.handle_frame(frame, now, &mut to_server)? else { panic!() };
//!     assert!(delivered.kept.is_some());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod alias;
mod answer;
mod authentication;
mod closing;
mod connection;
mod error;
mod event;
mod exchanges;
mod flow;
mod incoming;
mod keep_alive;
mod limits;
mod on;
mod outgoing;
mod packet_id;
mod publication;
mod role;
mod run;
mod send;
mod session;
mod state;
mod time;
mod waiting;

pub use connection::{Acceptance, Connection};
pub use error::Violation;
pub use event::{Delivered, Event, Received, Topic};
pub use limits::{Limits, PACKET_SIZE_MAX, PeerLimits};
pub use publication::{Kept, Publication, passed_on};
pub use role::Role;
pub use run::{EncodedRun, RunPacket};
pub use send::{Encoded, Pumped, Sent};
pub use session::{Progress, Session};
pub use state::State;
pub use time::Time;
