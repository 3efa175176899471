//! The handle that the application holds.

use colibri_codec::{Disconnect, EncodeError, OwnedTopicFilter, ReasonCode, TopicFilter, Unsubscribe};
use colibri_protocol::Session;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::driver::{Command, Driver, Farewell};
use crate::handshake::{self, Failed, Start};
use crate::link::Clock;
use crate::socket::Socket;
use crate::{
    AuthenticateError, ConnectError, Delivery, Messages, Options, OwnedProperties, Publish, PublishError,
    Receipt, RequestError, Status, SubscribeRequest, Transport,
};

/// A handle to a connection; clones of it are cheap. When the last one is dropped, the client disconnects.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    farewells: mpsc::Sender<Farewell>,
    status: watch::Receiver<Status>,
}

impl Client {
    /// Connects to the server and waits until it has accepted.
    ///
    /// # Errors
    /// See [`ConnectError`]. The first attempt is the only one, also with [`Options::reconnect`].
    pub async fn connect(options: Options) -> Result<(Self, Messages), ConnectError> {
        let deadline = Instant::now() + options.connect_timeout;
        let socket = handshake::dial(&options, deadline).await?;
        Self::start(socket, options, deadline).await
    }

    /// Connects over a transport that is open already; [`Options::endpoint`] serves to reconnect only.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_over(
        transport: impl Transport,
        options: Options,
    ) -> Result<(Self, Messages), ConnectError> {
        let deadline = Instant::now() + options.connect_timeout;
        Self::start(Socket::new(transport), options, deadline).await
    }

    async fn start(
        socket: Socket,
        options: Options,
        deadline: Instant,
    ) -> Result<(Self, Messages), ConnectError> {
        let clock = Clock::new();
        let start = Start {
            client_id: &options.client_id,
            clean_start: options.clean_start,
            session: Session::new(),
            deadline,
        };
        let (link, info) =
            handshake::open(socket, &options, start, clock).await.map_err(|Failed { error, .. }| error)?;
        let (commands, requests) = mpsc::channel(options.request_capacity.max(1));
        let (farewells, last_words) = mpsc::channel(1);
        let (messages, receiver) = mpsc::channel(options.message_capacity.max(1));
        let (driver, status) = Driver::new(options, clock, info, requests, last_words, messages);
        tokio::spawn(driver.run(link));
        Ok((Self { commands, farewells, status }, Messages { receiver }))
    }

    /// Sends a message and waits until it has arrived: with QoS 0 until it is on its way, with QoS 1 and 2
    /// until the server has acknowledged it for good.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn publish(&self, message: Publish) -> Result<Delivery, PublishError> {
        self.enqueue(message).await?.await
    }

    /// Hands a message over and waits only for room to do so. Messages are sent in the order in which they
    /// were handed over.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub async fn enqueue(&self, message: Publish) -> Result<Receipt, PublishError> {
        message.check()?;
        let (reply, receipt) = oneshot::channel();
        let command = Command::Publish { message, reply };
        self.commands.send(command).await.map_err(|_| PublishError::Ended)?;
        Ok(Receipt(receipt))
    }

    /// Subscribes, and gives the answer to each filter in its order: the QoS granted, or why not.
    ///
    /// # Errors
    /// See [`RequestError`]. A filter that the server refuses is no error here.
    pub async fn subscribe(&self, request: SubscribeRequest) -> Result<Vec<ReasonCode>, RequestError> {
        request.check()?;
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Subscribe { request, reply }, answer).await
    }

    /// Gives subscriptions up, and gives the answer to each filter in its order; before 5.0 there is none.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn unsubscribe(
        &self,
        filters: &[TopicFilter<'_>],
        properties: OwnedProperties,
    ) -> Result<Vec<ReasonCode>, RequestError> {
        properties
            .checked(Unsubscribe::PROPERTIES)
            .map_err(|malformed| RequestError::Invalid(EncodeError::from(malformed)))?;
        let filters = filters.iter().map(|filter| OwnedTopicFilter::from(*filter)).collect();
        let (reply, answer) = oneshot::channel();
        self.ask(Command::Unsubscribe { filters, properties, reply }, answer).await
    }

    /// Proves again who the client is, while other traffic goes on, and waits until the server has accepted
    /// (5.0, section 4.12.1).
    ///
    /// # Errors
    /// See [`AuthenticateError`]. A server that does not accept ends the connection.
    // [v5 MQTT-4.12.1-1]
    pub async fn authenticate_again(&self) -> Result<(), AuthenticateError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Authenticate { reply };
        self.commands.send(command).await.map_err(|_| AuthenticateError::Ended)?;
        answer.await.unwrap_or(Err(AuthenticateError::Ended))
    }

    async fn ask(
        &self,
        command: Command,
        answer: oneshot::Receiver<Result<Vec<ReasonCode>, RequestError>>,
    ) -> Result<Vec<ReasonCode>, RequestError> {
        self.commands.send(command).await.map_err(|_| RequestError::Ended)?;
        answer.await.unwrap_or(Err(RequestError::Ended))
    }

    /// Ends the connection: sends what was handed over before, then DISCONNECT, and waits until the
    /// connection is closed. What is not acknowledged by then is not waited for.
    ///
    /// Before 5.0 reason and properties are left out. Properties that a DISCONNECT may not carry are, too.
    pub async fn disconnect(&self, reason: ReasonCode, properties: OwnedProperties) {
        let properties = match properties.checked(Disconnect::PROPERTIES) {
            Ok(_) => properties,
            Err(_) => OwnedProperties::new(),
        };
        let (reply, done) = oneshot::channel();
        if self.farewells.send(Farewell { reason, properties, reply }).await.is_ok() {
            // Either way the task has ended.
            drop(done.await);
        }
    }

    /// How the connection fares, now and from now on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until the client has ended.
    pub async fn ended(&self) {
        self.farewells.closed().await;
    }
}
