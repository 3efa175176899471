//! The adapter for rumqttc (see `script.py` for what it reads and writes): its 3.1.1 client, in
//! the crate's root, and its 5.0 client, in the module `v5`. What the two share is in `Peer`.

mod v311;
mod v5;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Large enough for everything a case sends at once: a full channel would hold up the reading of
/// commands.
pub const REQUESTS: usize = 10_000;
/// The library's own default, 10 KB, is below the largest payload of the suite.
pub const MAX_PACKET_BYTES: u32 = 16 * 1024 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    say(json!({"hello": {
        "client": "rumqttc 0.25",
        "versions": ["3.1.1", "5.0"],
        "lacks": {
            "many": "one library is enough; aiomqtt carries the 200",
            "short_disconnect":
                "rumqttc reads no DISCONNECT that ends with its reason code",
            "topic_alias_resolution":
                "rumqttc hands messages to the application before it looks their topic alias up",
            "disconnect_session_expiry": "rumqttc sends DISCONNECT without properties",
        },
    }}));
    let mut clients: HashMap<String, Client> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let command: Value = serde_json::from_str(&line).unwrap();
        let name = text(&command, "peer");
        if command["do"] == "connect" {
            let peer = Peer::new(&name);
            let client = if command["version"] == "5.0" {
                Client::V5(v5::connect(peer, &command))
            } else {
                Client::V311(v311::connect(peer, &command))
            };
            clients.insert(name, client);
        } else {
            let done = match &mut clients.get_mut(&name).unwrap() {
                Client::V5(client) => client.carry_out(&command).await,
                Client::V311(client) => client.carry_out(&command).await,
            };
            if let Err(error) = done {
                say(json!({"id": command["id"], "error": error}));
            }
        }
    }
    // The runtime would wait for nothing; the process ends with its connections.
    std::process::exit(0);
}

enum Client {
    V311(v311::Client),
    V5(v5::Client),
}

pub fn say(said: Value) {
    println!("{said}");
}

pub fn text(command: &Value, key: &str) -> String {
    command[key].as_str().unwrap_or_default().to_owned()
}

pub fn number<T: TryFrom<u64>>(command: &Value, key: &str) -> Option<T> {
    command[key].as_u64().and_then(|value| T::try_from(value).ok())
}

pub fn flag(command: &Value, key: &str) -> bool {
    command[key].as_bool().unwrap_or(false)
}

pub fn from_hex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// What the event loop of a connection and the reader of commands both know: which command each
/// acknowledgement answers. The library numbers packets itself, in the order of the requests, and
/// tells the number when it sends them.
#[derive(Clone)]
pub struct Peer {
    name: String,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    connect: Option<Value>,
    disconnect: Option<Value>,
    unsent: HashMap<Kind, VecDeque<Value>>,
    unacknowledged: HashMap<(Kind, u16), Value>,
}

/// The requests that get an answer of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Publish,
    Subscribe,
    Unsubscribe,
}

impl Peer {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), waiting: Arc::default() }
    }

    pub fn on_connect_requested(&self, command: &Value) {
        self.waiting.lock().unwrap().connect = Some(command["id"].clone());
    }

    pub fn on_connected(&self, session_present: bool, properties: Value) {
        if let Some(id) = self.waiting.lock().unwrap().connect.take() {
            say(json!({"id": id, "session_present": session_present, "properties": properties}));
        }
    }

    pub fn on_requested(&self, kind: Kind, command: &Value) {
        let mut waiting = self.waiting.lock().unwrap();
        waiting.unsent.entry(kind).or_default().push_back(command["id"].clone());
    }

    pub fn on_sent(&self, kind: Kind, packet_id: u16) {
        let mut waiting = self.waiting.lock().unwrap();
        let Some(id) = waiting.unsent.entry(kind).or_default().pop_front() else { return };
        if packet_id == 0 {
            say(json!({"id": id}));
        } else {
            waiting.unacknowledged.insert((kind, packet_id), id);
        }
    }

    pub fn on_acknowledged(&self, kind: Kind, packet_id: u16, code: Option<u8>) {
        if let Some(id) = self.waiting.lock().unwrap().unacknowledged.remove(&(kind, packet_id)) {
            say(json!({"id": id, "code": code}));
        }
    }

    pub fn on_disconnect_requested(&self, command: &Value) {
        self.waiting.lock().unwrap().disconnect = Some(command["id"].clone());
    }

    /// The connection is over; whatever still waits for it gets the error.
    pub fn on_closed(&self, code: Option<u8>, error: &str) {
        say(json!({"event": "closed", "peer": self.name, "code": code}));
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap());
        if let Some(id) = waiting.disconnect {
            say(json!({"id": id}));
        }
        let unsent = waiting.unsent.into_values().flatten();
        for id in waiting.connect.into_iter().chain(unsent).chain(waiting.unacknowledged.into_values()) {
            say(json!({"id": id, "error": error}));
        }
    }

    pub fn on_message(
        &self,
        topic: &str,
        payload: &[u8],
        qos: u8,
        retain: bool,
        packet_id: u16,
        properties: Value,
    ) {
        say(json!({
            "event": "message",
            "peer": self.name,
            "topic": topic,
            "payload": to_hex(payload),
            "qos": qos,
            "retain": retain,
            "mid": packet_id,
            "properties": properties,
        }));
    }
}
