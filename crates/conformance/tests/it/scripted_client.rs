//! A small client, right in what the cases of `impostor_client` look at but for the one fault that the
//! environment names. The test binary plays it when the suite starts it.

use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::exit;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use colibri_codec::Version;
use colibri_conformance::client::Program;
use colibri_conformance::raw::{
    Connect, Content, Encode, Kind, Packet, Publish, Subscribe, disconnect, puback, pubcomp, pubrec, pubrel,
    split,
};

/// Says that the binary is to be the client, and which fault it has.
pub(crate) const FAULT: &str = "COLIBRI_SCRIPTED_CLIENT";

/// The command that starts this client with this fault.
pub(crate) fn program(fault: &str) -> Program {
    command(module_path!(), fault)
}

/// The command that starts the client of a module's test `play`. What stands behind `--` are test names to the
/// test harness, and there are none of these.
pub(crate) fn command(module: &str, fault: &str) -> Program {
    let binary = std::env::current_exe().unwrap();
    let binary = binary.to_str().unwrap();
    let module = module.split_once("::").unwrap().1;
    let fault = fault.replace(' ', "_");
    let command = format!("env {FAULT}={fault} {binary} --exact {module}::play --nocapture -- {{verb}}");
    Program::new(&command).unwrap()
}

#[test]
fn play() {
    if let Ok(fault) = std::env::var(FAULT) {
        Script::new(fault.replace('_', " ")).run();
    }
}

struct Script {
    fault: String,
    flags: Vec<String>,
    version: Version,
    /// Messages that are not acknowledged, and whether they are released.
    pending: VecDeque<(u16, String, bool)>,
    last_id: u16,
    lines: Option<Receiver<String>>,
}

/// How a connection ended.
enum Lost {
    Done,
    Again,
}

impl Script {
    fn new(fault: String) -> Self {
        let flags: Vec<String> = std::env::args().skip_while(|flag| flag != "--").skip(1).collect();
        let v5 = flags.iter().any(|flag| flag == "mqttv5");
        let version = if v5 { Version::V5 } else { Version::V3_1_1 };
        let lines = flags.iter().any(|flag| flag == "-l").then(lines);
        Self { fault, flags, version, pending: VecDeque::new(), last_id: 0, lines }
    }

    fn flag(&self, name: &str) -> Option<&str> {
        let at = self.flags.iter().position(|flag| flag == name)?;
        self.flags.get(at + 1).map(String::as_str)
    }

    fn has(&self, fault: &str) -> bool {
        self.fault == fault
    }

    fn run(mut self) {
        loop {
            let port: u16 = self.flag("-p").unwrap().parse().unwrap();
            let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { exit(1) };
            match self.connection(stream) {
                Ok(Lost::Done) => exit(0),
                Ok(Lost::Again) | Err(_) if self.lines.is_some() => {}
                Ok(Lost::Again) | Err(_) => exit(1),
            }
        }
    }

    fn connection(&mut self, mut stream: TcpStream) -> std::io::Result<Lost> {
        stream.set_read_timeout(Some(Duration::from_millis(2)))?;
        let connect = Connect::new(self.flag("-i").unwrap_or("scripted"));
        let kept = self.flags.iter().any(|flag| flag == "-c");
        let connect = if kept { connect.resuming() } else { connect };
        self.send(&mut stream, &connect)?;
        let mut input = Vec::new();
        let mut accepted = false;
        loop {
            while let Ok(Some(packet)) = split(&input, self.version) {
                input.drain(..packet.bytes.len());
                match &packet.content {
                    Content::Connack(connack) if connack.code != 0 => {
                        if self.has("publishes after a refusal") {
                            self.send(&mut stream, &Publish::new("a/b", "x"))?;
                        }
                        exit(1);
                    }
                    Content::Connack(_) if !accepted => {
                        accepted = true;
                        self.begin(&mut stream)?;
                    }
                    Content::Unreadable | Content::Connack(_) if !self.has("closes nothing") => {
                        return Ok(Lost::Again);
                    }
                    _ => self.take(&mut stream, &packet)?,
                }
                if accepted && self.lines.is_none() && self.flag("-m").is_some() && self.pending.is_empty() {
                    return self.leave(&mut stream);
                }
            }
            if accepted {
                self.publish_lines(&mut stream)?;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk) {
                Ok(0) => return Ok(Lost::Again),
                Ok(count) => input.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn send(&self, stream: &mut TcpStream, packet: &impl Encode) -> std::io::Result<()> {
        stream.write_all(&packet.encode(self.version))
    }

    fn qos(&self) -> u8 {
        self.flag("-q").map_or(0, |qos| qos.parse().unwrap())
    }

    /// What comes right behind CONNACK.
    fn begin(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        for (id, line, released) in self.pending.clone() {
            let publish = Publish::new("a/b", &line).qos(self.qos(), id);
            match released && !self.has("publishes again after PUBREC") {
                true => self.send(stream, &pubrel(id))?,
                false if self.has("forgets DUP") => self.send(stream, &publish)?,
                false => self.send(stream, &publish.dup())?,
            }
        }
        if let Some(message) = self.flag("-m").map(str::to_owned) {
            self.publish(stream, message)?;
        } else if self.lines.is_none() {
            let filter = self.flag("-t").unwrap().to_owned();
            self.send(stream, &Subscribe::new(1).filter(filter, self.qos()))?;
        }
        Ok(())
    }

    fn publish(&mut self, stream: &mut TcpStream, payload: String) -> std::io::Result<()> {
        let qos = self.qos();
        self.last_id = match self.fault.as_str() {
            "uses Packet Identifier 0" => 0,
            "uses one Packet Identifier" => 1,
            _ => self.last_id + 1,
        };
        self.send(stream, &Publish::new("a/b", &payload).qos(qos, self.last_id))?;
        if qos > 0 {
            self.pending.push_back((self.last_id, payload, false));
        }
        Ok(())
    }

    fn publish_lines(&mut self, stream: &mut TcpStream) -> std::io::Result<()> {
        while let Some(Ok(line)) = self.lines.as_ref().map(Receiver::try_recv) {
            self.publish(stream, line)?;
        }
        Ok(())
    }

    fn take(&mut self, stream: &mut TcpStream, packet: &Packet) -> std::io::Result<()> {
        match (&packet.content, packet.kind()) {
            (Content::Publish(publish), _) => match (publish.qos, publish.id) {
                (1, Some(id)) => self.send(stream, &puback(id)),
                (2, Some(id)) => self.send(stream, &pubrec(id)),
                _ => Ok(()),
            },
            (Content::Ack(ack), Kind::Pubrec) if ack.code < 0x80 || self.has("ignores codes") => {
                let open = self.pending.iter_mut().filter(|(id, ..)| *id == ack.id);
                open.for_each(|(.., released)| *released = true);
                self.send(stream, &pubrel(ack.id))
            }
            (Content::Ack(_), Kind::Pubrel) if self.has("is deaf to PUBREL") => Ok(()),
            (Content::Ack(ack), Kind::Pubrel) => self.send(stream, &pubcomp(ack.id)),
            (Content::Ack(ack), _) => {
                self.pending.retain(|(id, ..)| *id != ack.id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn leave(&self, stream: &mut TcpStream) -> std::io::Result<Lost> {
        self.send(stream, &disconnect())?;
        if self.has("speaks after DISCONNECT") {
            self.send(stream, &Publish::new("a/b", "x"))?;
        }
        if self.has("stays after DISCONNECT") {
            stream.set_read_timeout(None)?;
            drop(stream.read(&mut [0]));
        }
        Ok(Lost::Done)
    }
}

fn lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
