//! What a case of a client is given: the means to start it, and the version.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use colibri_codec::Version;

use super::Client;
use super::program::{Program, Verb};
use super::server::grant;
use crate::raw::{Kind, Packet, Response, connack};
use crate::{Failure, Peer, Stop, Verdict};

/// What a case of a client is given.
#[derive(Debug)]
pub struct Stage {
    program: Program,
    version: Version,
    patience: Duration,
    /// When the case has to be over, and how long it may take.
    end: (Instant, Duration),
    /// The commands that were started, for the report.
    commands: Mutex<Vec<String>>,
}

impl Stage {
    pub(crate) fn new(program: Program, version: Version, patience: Duration, time: Duration) -> Self {
        let end = (Instant::now() + time, time);
        Self { program, version, patience, end, commands: Mutex::new(Vec::new()) }
    }

    /// The version under test.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How long an answer may take.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether that is 5.0.
    pub fn v5(&self) -> bool {
        self.version == Version::V5
    }

    /// Starts the client that publishes, with these flags.
    pub fn publisher<F: AsRef<OsStr>>(&self, flags: &[F]) -> Result<Client, Stop> {
        self.start(Verb::Publish, flags)
    }

    /// Starts the client that subscribes, with these flags.
    pub fn subscriber<F: AsRef<OsStr>>(&self, flags: &[F]) -> Result<Client, Stop> {
        self.start(Verb::Subscribe, flags)
    }

    /// A client that publishes each line it is told to `a/b`, with these flags and a session that stays, and
    /// its first connection.
    pub fn lines(&self, flags: &[&str]) -> Result<(Client, Peer), Stop> {
        self.lines_with(flags, &connack(0, 0))
    }

    /// As [`Stage::lines`], with a CONNACK of the case's own.
    pub fn lines_with(&self, flags: &[&str], connack: &Response) -> Result<(Client, Peer), Stop> {
        let mut client = self.publisher(&[self.staying(), &["-t", "a/b", "-l"], flags].concat())?;
        let (peer, _) = client.serve_with(connack)?;
        Ok((client, peer))
    }

    /// A client that subscribes with these flags and a session that stays, and its first connection, on which
    /// all it asked for was granted.
    pub fn subscribed(&self, flags: &[&str]) -> Result<(Client, Peer), Stop> {
        self.subscribed_with(flags, &connack(0, 0))
    }

    /// As [`Stage::subscribed`], with a CONNACK of the case's own.
    pub fn subscribed_with(&self, flags: &[&str], connack: &Response) -> Result<(Client, Peer), Stop> {
        let mut client = self.subscriber(&[self.staying(), flags].concat())?;
        let (mut peer, _) = client.serve_with(connack)?;
        // With a short Server Keep Alive PINGREQ may come before.
        let packet: Packet = peer.find(Kind::Subscribe)?;
        grant(&mut peer, &packet)?;
        Ok((client, peer))
    }

    /// The flags for a session that outlives its connections.
    pub fn staying(&self) -> &'static [&'static str] {
        if self.v5() { &["-i", "conformance", "-c", "-x", "120"] } else { &["-i", "conformance", "-c"] }
    }

    /// Lets time pass that the statement itself speaks of. A client has its own clock, so there is none to
    /// drain.
    pub fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }

    fn start<F: AsRef<OsStr>>(&self, verb: Verb, flags: &[F]) -> Result<Client, Stop> {
        let failed = |error: std::io::Error| Stop::failed("", "the client starts", error.to_string());
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port().to_string();
        let version = match self.version {
            Version::V5 => "mqttv5",
            Version::V3_1 | Version::V3_1_1 => "mqttv311",
        };
        let mut command = self.program.command(verb);
        command.args(["-h", "127.0.0.1", "-p", &port, "-V", version]).args(flags);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let shown: Vec<String> = words.map(|word| shorten(&word.to_string_lossy())).collect();
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).push(format!("$ {}", shown.join(" ")));
        Client::start(command, listener, self.version, (self.patience, self.end)).map_err(failed)
    }

    /// A failure with the last command that was started.
    pub(crate) fn with_commands(&self, verdict: Verdict) -> Verdict {
        let Verdict::Failed(failure) = verdict else { return verdict };
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        let command = commands.last().cloned().unwrap_or_default();
        let sent = format!("{command}\n{}", failure.sent);
        Verdict::Failed(Box::new(Failure { sent, ..*failure }))
    }
}

/// A word of a command; the report has no room for the longest of them.
fn shorten(word: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let shown: String = word.chars().take(SHOWN_MAX).collect();
    let shown = if shown.len() < word.len() { format!("{shown}...") } else { shown };
    if shown.is_empty() || shown.contains([' ', '#', '$', '"']) { format!("'{shown}'") } else { shown }
}
