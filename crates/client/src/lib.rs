//! An asynchronous MQTT client on the same state machine as the server.
//!
//! [`Client::connect`] gives a handle, which is cheap to clone, and the stream of incoming [`Messages`].
//! One task behind them drives the connection; it ends with [`Client::disconnect`] or when the last
//! handle is dropped.
//!
//! ```no_run
//! use colibri_client::{Client, Options, Publish, QoS, SubscribeRequest, TopicFilter, TopicName};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, mut messages) = Client::connect(Options::new("localhost", 1883)).await?;
//! let filter = TopicFilter::new("greenhouse/+")?;
//! let granted = client.subscribe(SubscribeRequest::new(filter, QoS::AtLeastOnce)).await?;
//! assert_eq!(granted.len(), 1);
//! let reading = Publish::new(TopicName::new("greenhouse/3")?, "21.5").qos(QoS::AtLeastOnce);
//! client.publish(reading).await?;
//! while let Some(message) = messages.recv().await {
//!     println!("{}: {} bytes", message.topic(), message.payload.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is bounded
//! Requests and incoming messages pass through two channels whose capacities stand in [`Options`]. When
//! the application does not take messages, the task stops reading from the server; when the server does not
//! take messages, [`Client::enqueue`] and [`Client::publish`] wait. Nothing else in here can grow but a
//! packet on its way in, up to [`Limits::maximum_packet_size`].
//!
//! # Versions
//! What a version does not know (properties before 5.0) is left out when a packet is written for it.
#![forbid(unsafe_code)]

mod authentication;
mod client;
mod dispatch;
mod driver;
mod error;
mod handshake;
mod link;
mod message;
mod options;
mod properties;
mod publish;
mod reconnect;
mod socket;
mod status;
mod subscription;

pub use authentication::{AuthenticateError, Authenticator, Exchange, Rejected};
pub use client::Client;
pub use colibri_codec::{
    Frame, OwnedTopicFilter, OwnedTopicName, Packet, PacketId, Properties, Property, PropertyId, QoS,
    ReasonCode, RetainHandling, SubscriptionOptions, TopicError, TopicFilter, TopicName, Version,
};
pub use colibri_protocol::{Limits, Violation};
pub use error::{Blame, ConnectError, Evidence, PublishError, RequestError};
pub use message::{Message, Messages};
pub use options::{Direction, Observer, Options, Will};
pub use properties::OwnedProperties;
pub use publish::{Delivery, Publish, Receipt};
pub use reconnect::Backoff;
pub use socket::{Endpoint, Transport};
pub use status::{Ending, ServerInfo, Status};
pub use subscription::SubscribeRequest;
