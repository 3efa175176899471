//! A client that runs: its connections, what it prints, and how it ends.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use colibri_codec::Version;

use super::running::Group;
use crate::raw::{Encode, Hello, Kind, Packet, connack};
use crate::tcp::Socket;
use crate::{Peer, Stop};

/// How many bytes of what a client prints are kept, and the longest line: more than any case makes one print.
const PRINTED_MAX: usize = 8 << 20;
/// How many bytes of what it complains are kept.
const COMPLAINT_MAX: usize = 1 << 16;
/// How many signs of a client wait to be looked at; then it waits itself.
const SIGNS_MAX: usize = 16;

/// What a running client does.
#[derive(Debug)]
enum Sign {
    Connection(TcpStream),
    Line(Vec<u8>),
    Complaint(Vec<u8>),
    /// One of stdout and stderr has ended.
    Quiet,
}

/// How a client ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stderr.
    pub complaint: String,
}

impl Ended {
    /// Whether it tells of a failure: some programs end with code 0 and an error on stderr.
    pub fn complains(&self) -> bool {
        self.code != Some(0) || !self.complaint.is_empty()
    }

    /// As the report says it.
    pub fn words(&self) -> String {
        let code = self.code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
        let complaint = self.complaint.lines().next().unwrap_or_default();
        if complaint.is_empty() { code } else { format!("{code} and {complaint:?}") }
    }
}

/// What a client does next, apart from printing.
#[derive(Debug)]
pub(super) enum Move {
    Connected(TcpStream),
    Ended(Ended),
    Nothing,
}

/// A client that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Client {
    version: Version,
    patience: Duration,
    /// When the case has to be over, and how long it may take.
    end: (Instant, Duration),
    address: SocketAddr,
    signs: Receiver<Sign>,
    connections: VecDeque<TcpStream>,
    lines: VecDeque<Vec<u8>>,
    /// How many bytes it has printed.
    printed: usize,
    complaint: Vec<u8>,
    /// How many of stdout and stderr have ended.
    quiet: usize,
    ended: Option<Ended>,
    closing: Arc<AtomicBool>,
    input: Option<ChildStdin>,
    /// Killed before `child` is waited for.
    group: Option<Group>,
    child: Child,
}

impl Client {
    /// Starts the command, whose server is `listener`.
    pub(super) fn start(
        mut command: Command,
        listener: TcpListener,
        version: Version,
        (patience, end): (Duration, (Instant, Duration)),
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let group = Some(Group::new(child.id()));
        let (sender, signs) = sync_channel(SIGNS_MAX);
        if let Some(stdout) = child.stdout.take() {
            report_lines(stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            report_complaints(stderr, sender.clone());
        }
        let closing = Arc::new(AtomicBool::new(false));
        report_connections(listener, sender, Arc::clone(&closing));
        let input = child.stdin.take();
        let (connections, lines) = (VecDeque::new(), VecDeque::new());
        let (printed, complaint, quiet, ended) = (0, Vec::new(), 0, None);
        Ok(Self {
            version,
            patience,
            end,
            address,
            signs,
            connections,
            lines,
            printed,
            complaint,
            quiet,
            ended,
            closing,
            input,
            group,
            child,
        })
    }

    /// Takes in what the client did until `until`, at most one sign; `false` if there was none.
    fn look(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(sign) = self.signs.recv_timeout(left) else { return false };
        match sign {
            Sign::Connection(stream) => self.connections.push_back(stream),
            Sign::Line(line) => {
                self.printed = self.printed.saturating_add(line.len() + 1);
                if self.printed <= PRINTED_MAX {
                    self.lines.push_back(line);
                }
            }
            Sign::Complaint(text) => {
                let room = COMPLAINT_MAX.saturating_sub(self.complaint.len());
                self.complaint.extend(text.into_iter().take(room));
            }
            Sign::Quiet => {
                self.quiet += 1;
                if self.quiet == 2 {
                    self.reap(until);
                }
            }
        }
        true
    }

    /// A process that prints nothing any more is about to end.
    fn reap(&mut self, until: Instant) {
        while self.ended.is_none() {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    let complaint = String::from_utf8_lossy(&self.complaint).into_owned();
                    self.ended = Some(Ended { code: status.code(), complaint });
                    // Its number may soon be another's.
                    self.group = None;
                }
                Ok(None) if Instant::now() < until => thread::park_timeout(Duration::from_millis(1)),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// What the client does next; nothing any more once the case has to be over.
    pub(super) fn next_move(&mut self) -> Move {
        let until = (Instant::now() + self.patience).min(self.end.0);
        loop {
            if Instant::now() > self.end.0 {
                return Move::Nothing;
            }
            if let Some(stream) = self.connections.pop_front() {
                return Move::Connected(stream);
            }
            if let Some(ended) = &self.ended {
                return Move::Ended(ended.clone());
            }
            if !self.look(until) {
                return Move::Nothing;
            }
        }
    }

    /// When the case has to be over.
    pub(super) fn end(&self) -> Instant {
        self.end.0
    }

    /// A peer for a connection of this client.
    pub(super) fn peer(&self, stream: TcpStream) -> Result<Peer, Stop> {
        let socket = Socket::new(stream, self.patience);
        let socket = socket.map_err(|error| Stop::failed("nothing", "a usable socket", error.to_string()))?;
        let left = self.end.0.saturating_duration_since(Instant::now());
        let peer = Peer::new(Box::new(socket), self.version, self.patience, "client");
        Ok(peer.until(left, self.end.1))
    }

    /// The next connection, on which nothing was read.
    pub fn accept(&mut self) -> Result<Peer, Stop> {
        let came = match self.next_move() {
            Move::Connected(stream) => return self.peer(stream),
            Move::Ended(ended) => ended.words(),
            Move::Nothing => format!("nothing in {:?}", self.patience),
        };
        Err(Stop::failed("", "a connection from the client", came))
    }

    /// The next connection with its CONNECT.
    pub fn connect(&mut self) -> Result<(Peer, Hello), Stop> {
        let mut peer = self.accept()?;
        let hello = expect_connect(&mut peer)?;
        Ok((peer, hello))
    }

    /// The next connection with its CONNECT, which is answered.
    pub fn serve_with(&mut self, connack: &(impl Encode + ?Sized)) -> Result<(Peer, Hello), Stop> {
        let (mut peer, hello) = self.connect()?;
        peer.send(connack)?;
        Ok((peer, hello))
    }

    /// The next connection, which is accepted with Session Present 0.
    pub fn serve(&mut self) -> Result<Peer, Stop> {
        Ok(self.serve_with(&connack(0, 0))?.0)
    }

    /// The next connection, which goes on with its session.
    pub fn resume(&mut self) -> Result<Peer, Stop> {
        let (peer, hello) = self.serve_with(&connack(1, 0))?;
        peer.require(
            !hello.clean(),
            "CONNECT that goes on with the session",
            "Clean Session or Clean Start 1",
        )?;
        Ok(peer)
    }

    /// Writes a line to the client's standard input.
    pub fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.input {
            // A client that does not read any more shows that by what it does not send.
            drop(input.write_all(format!("{line}\n").as_bytes()).and_then(|()| input.flush()));
        }
    }

    /// Ends the client's standard input.
    pub fn hush(&mut self) {
        self.input = None;
    }

    /// The next line that the client prints must be this.
    pub fn expect_line(&mut self, line: impl AsRef<[u8]>) -> Result<(), Stop> {
        let expected = String::from_utf8_lossy(line.as_ref()).into_owned();
        let until = Instant::now() + self.patience;
        let fail = |came: String| Stop::failed("", format!("the client prints {expected:?}"), came);
        loop {
            if let Some(came) = self.lines.pop_front() {
                if came == line.as_ref() {
                    return Ok(());
                }
                return Err(fail(format!("it prints {:?}", String::from_utf8_lossy(&came))));
            }
            if let Some(ended) = &self.ended {
                return Err(fail(ended.words()));
            }
            if !self.look(until) {
                return Err(fail(format!("nothing in {:?}", self.patience)));
            }
        }
    }

    /// The client must end.
    pub fn expect_exit(&mut self) -> Result<Ended, Stop> {
        let until = Instant::now() + self.patience;
        loop {
            if let Some(ended) = &self.ended {
                return Ok(ended.clone());
            }
            if !self.look(until) {
                return Err(Stop::failed("", "the client ends", "it runs on"));
            }
        }
    }
}

/// The first packet of a connection, which must be CONNECT.
pub(super) fn expect_connect(peer: &mut Peer) -> Result<Hello, Stop> {
    let packet: Packet = peer.expect(Kind::Connect)?;
    packet.connect().cloned().ok_or_else(|| peer.fail_with("CONNECT", &packet))
}

impl Drop for Client {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.group = None;
        // It is dead, or about to be.
        drop(self.child.wait());
        // Wakes the thread that accepts, so that it ends.
        drop(TcpStream::connect_timeout(&self.address, self.patience));
    }
}

fn report_lines(stdout: impl Read + Send + 'static, sender: SyncSender<Sign>) {
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = stdout.by_ref().take(PRINTED_MAX as u64).read_until(b'\n', &mut line);
            if !read.is_ok_and(|count| count > 0) {
                break;
            }
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            if sender.send(Sign::Line(line)).is_err() {
                return;
            }
        }
        drop(sender.send(Sign::Quiet));
    });
}

fn report_complaints(mut stderr: impl Read + Send + 'static, sender: SyncSender<Sign>) {
    thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stderr.read(&mut chunk) {
            let text = chunk.get(..count).unwrap_or_default().to_vec();
            if sender.send(Sign::Complaint(text)).is_err() {
                return;
            }
        }
        drop(sender.send(Sign::Quiet));
    });
}

fn report_connections(listener: TcpListener, sender: SyncSender<Sign>, closing: Arc<AtomicBool>) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            if closing.load(Ordering::Relaxed) || sender.send(Sign::Connection(stream)).is_err() {
                return;
            }
        }
    });
}
