//! The task behind the handles: owns the connection, follows the drive contract of
//! [`colibri_protocol`], and connects again.

use std::io;
use std::sync::Arc;

use colibri_codec::{Disconnect, OwnedTopicFilter, Properties, ReasonCode, Version};
use colibri_protocol::{Session, State, Violation};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::dispatch::{Dispatch, Flow};
use crate::error::{PublishError, RequestError};
use crate::handshake::{self, Failed, Start};
use crate::link::{Clock, Link};
use crate::publish::InFlight;
use crate::reconnect::{Backoff, may_pass, worth_another};
use crate::socket::Moved;
use crate::status::{Ending, ServerInfo, Status};
use crate::{AuthenticateError, Delivery, Message, Options, OwnedProperties, Publish, SubscribeRequest};

/// How many bytes may wait to be written before nothing more is taken in that would add to them. Higher:
/// more throughput over long lines. Lower: less memory when the server does not read.
const OUTPUT_MAX: usize = 1024 * 1024;

/// The answer to a request.
pub(crate) type Answer = oneshot::Sender<Result<Vec<ReasonCode>, RequestError>>;

/// What a handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { message: Publish, reply: oneshot::Sender<Result<Delivery, PublishError>> },
    Subscribe { request: SubscribeRequest, reply: Answer },
    Authenticate { reply: oneshot::Sender<Result<(), AuthenticateError>> },
    Unsubscribe { filters: Vec<OwnedTopicFilter>, properties: OwnedProperties, reply: Answer },
}

/// The last thing a handle asks for. When it is done, `reply` is dropped.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) reason: ReasonCode,
    pub(crate) properties: OwnedProperties,
    pub(crate) reply: oneshot::Sender<()>,
}

/// The task.
#[derive(Debug)]
pub(crate) struct Driver {
    options: Options,
    clock: Clock,
    client_id: String,
    commands: mpsc::Receiver<Command>,
    farewells: mpsc::Receiver<Farewell>,
    status: watch::Sender<Status>,
    dispatch: Dispatch,
}

/// What the task woke up for.
enum Step {
    Moved(io::Result<Moved>),
    Command(Option<Command>),
    Farewell(Farewell),
    Due,
    Room,
}

impl Driver {
    pub(crate) fn new(
        options: Options,
        clock: Clock,
        info: ServerInfo,
        commands: mpsc::Receiver<Command>,
        farewells: mpsc::Receiver<Farewell>,
        messages: mpsc::Sender<Message>,
    ) -> (Self, watch::Receiver<Status>) {
        let client_id = info.client_id.clone();
        let (status, watcher) = watch::channel(Status::Connected(Arc::new(info)));
        let authenticator = options.authenticator.clone().filter(|_| options.version.has_properties());
        let dispatch = Dispatch::new(clock, messages, authenticator);
        (Self { options, clock, client_id, commands, farewells, status, dispatch }, watcher)
    }

    /// Drives connections until there is to be none any more.
    pub(crate) async fn run(mut self, first: Link) {
        let mut link = first;
        let ending = loop {
            let lost = self.drive(&mut link).await;
            self.dispatch.fail_requests();
            let Some(backoff) = self.options.reconnect.filter(|_| worth_another(&lost)) else { break lost };
            match self.connect_again(link.connection.into_session(), lost, backoff).await {
                Ok(next) => link = next,
                Err(ending) => break ending,
            }
        };
        self.status.send_replace(Status::Ended(ending));
    }

    /// Drives one connection to its end.
    async fn drive(&mut self, link: &mut Link) -> Ending {
        loop {
            let flow = match self.dispatch.take_frames(link, OUTPUT_MAX) {
                Ok(flow) => flow,
                Err(ending) => {
                    link.close().await;
                    return ending;
                }
            };
            self.dispatch.pump(link, OUTPUT_MAX);
            match self.step(link, flow).await {
                Step::Moved(Ok(Moved::In(0))) => return Ending::Closed,
                Step::Moved(Ok(Moved::In(_) | Moved::Out(_))) | Step::Room => {}
                Step::Moved(Err(error)) => return Ending::Io(Arc::new(error)),
                Step::Command(Some(command)) => self.obey(command, link),
                Step::Command(None) => {
                    self.leave(link, ReasonCode::Success, &OwnedProperties::new()).await;
                    return Ending::Asked;
                }
                Step::Farewell(Farewell { reason, properties, reply }) => {
                    while let Ok(command) = self.commands.try_recv() {
                        self.dispatch.command(command, link);
                    }
                    self.leave(link, reason, &properties).await;
                    drop(reply);
                    return Ending::Asked;
                }
                Step::Due => {
                    if let Err(violation) = self.on_timeout(link, flow) {
                        link.connection.fail(violation, &mut link.output);
                        link.close().await;
                        return Ending::Violation(violation);
                    }
                }
            }
        }
    }

    /// Waits for whatever comes first.
    async fn step(&mut self, link: &mut Link, flow: Flow) -> Step {
        let due = link.connection.poll_timeout(self.clock.now()).map(|time| self.clock.instant(time));
        let read = flow == Flow::Open && link.unwritten() < OUTPUT_MAX;
        let room = self.room(link) > 0;
        tokio::select! {
            Some(farewell) = self.farewells.recv() => Step::Farewell(farewell),
            command = self.commands.recv(), if room => Step::Command(command),
            () = self.dispatch.message_room(), if flow == Flow::Full => Step::Room,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Step::Due,
            moved = link.turn(read) => Step::Moved(moved),
        }
    }

    /// How many more commands may be taken in now.
    fn room(&self, link: &Link) -> usize {
        if link.unwritten() >= OUTPUT_MAX || link.connection.has_backlog() {
            return 0;
        }
        let maximum = usize::from(self.options.maximum_in_flight.get());
        maximum.saturating_sub(link.connection.session().in_flight())
    }

    /// Carries a command out, and those behind it that there is room for: they leave in one write.
    fn obey(&mut self, first: Command, link: &mut Link) {
        self.dispatch.command(first, link);
        for _ in 0..self.room(link) {
            if link.unwritten() >= OUTPUT_MAX || link.connection.has_backlog() {
                return;
            }
            let Ok(command) = self.commands.try_recv() else { return };
            self.dispatch.command(command, link);
        }
    }

    /// While the application takes no messages, the server's answer to a ping lies unread: then it is enough
    /// that the server hears from us.
    fn on_timeout(&self, link: &mut Link, flow: Flow) -> Result<(), Violation> {
        let now = self.clock.now();
        match flow {
            Flow::Open => link.connection.handle_timeout(now, &mut link.output),
            Flow::Full => {
                link.connection.ping(now, &mut link.output);
                Ok(())
            }
        }
    }

    async fn leave(&self, link: &mut Link, reason: ReasonCode, properties: &OwnedProperties) {
        if link.connection.state() == State::Open {
            let properties = properties.checked(Disconnect::PROPERTIES).unwrap_or(Properties::EMPTY);
            link.connection.disconnect(&Disconnect { reason, properties }, &mut link.output);
        }
        // [v5 MQTT-3.14.4-2] [v3.1.1 MQTT-3.14.4-1]
        link.close().await;
    }

    /// Tries until the server has the client back, or never will.
    async fn connect_again(
        &mut self,
        mut session: Session<InFlight>,
        lost: Ending,
        backoff: Backoff,
    ) -> Result<Link, Ending> {
        let mut failed = 0;
        loop {
            let delay = backoff.delay(failed);
            self.status.send_replace(Status::Waiting { lost: lost.clone(), failed, delay });
            self.wait(sleep(delay)).await?;
            let attempt = attempt(&self.options, &self.client_id, self.clock, session);
            let attempt = tokio::select! {
                attempt = attempt => attempt,
                Some(_) = self.farewells.recv() => return Err(Ending::Asked),
            };
            match attempt {
                Ok((mut link, info)) => {
                    if !info.session_present {
                        self.dispatch.subscribe_again(&mut link);
                    }
                    self.client_id.clone_from(&info.client_id);
                    self.status.send_replace(Status::Connected(Arc::new(info)));
                    return Ok(link);
                }
                Err(Failed { error, .. }) if !may_pass(&error) => {
                    return Err(Ending::Refused(Arc::new(error)));
                }
                Err(Failed { session: kept, .. }) => session = kept,
            }
            failed = failed.saturating_add(1);
        }
    }

    /// Waits, unless the handles do not want the connection any more.
    async fn wait(&mut self, pause: impl Future<Output = ()>) -> Result<(), Ending> {
        tokio::select! {
            () = pause => Ok(()),
            _ = self.farewells.recv() => Err(Ending::Asked),
        }
    }
}

/// One attempt to go on with a session.
async fn attempt(
    options: &Options,
    client_id: &str,
    clock: Clock,
    session: Session<InFlight>,
) -> Result<(Link, ServerInfo), Failed> {
    let deadline = Instant::now() + options.connect_timeout;
    let clean_start = match options.version {
        Version::V5 => false,
        // Clean Session before 5.0 also says that the session ends with the connection.
        Version::V3_1 | Version::V3_1_1 => options.clean_start,
    };
    let socket = match handshake::dial(options, deadline).await {
        Ok(socket) => socket,
        Err(error) => return Err(Failed { error, session }),
    };
    handshake::open(socket, options, Start { client_id, clean_start, session, deadline }, clock).await
}
