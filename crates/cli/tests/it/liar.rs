//! A server of 3.1.1 that does not do what it should: for showing that this is noticed.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does wrong. Messages are counted from 0, in the order in which they come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manners {
    /// Loses this message.
    pub(crate) lose: Option<usize>,
    /// Sends this message twice.
    pub(crate) double: Option<usize>,
    /// Sends this message behind the next.
    pub(crate) swap: Option<usize>,
    /// Sends all to some other subscriber than the one that has asked.
    pub(crate) misroute: bool,
    /// Refuses every so-manieth client.
    pub(crate) refuse_every: Option<usize>,
}

/// The server. It never acknowledges a message, and ends with the process.
#[derive(Debug, Default)]
pub(crate) struct Liar {
    manners: Manners,
    clients: usize,
    messages: usize,
    held: Option<(Vec<u8>, Vec<u8>)>,
    subscribers: HashMap<Vec<u8>, TcpStream>,
}

impl Liar {
    /// Starts one; its port.
    pub(crate) fn start(manners: Manners) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let liar = Arc::new(Mutex::new(Self { manners, ..Self::default() }));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let liar = Arc::clone(&liar);
                std::thread::spawn(move || converse(&liar, stream.unwrap()));
            }
        });
        port
    }

    /// Answers one packet, with the length of its fixed header.
    fn on_packet(&mut self, stream: &mut TcpStream, packet: Vec<u8>, header: usize) {
        let body = &packet[header..];
        match packet[0] >> 4 {
            1 => {
                self.clients += 1;
                let refused =
                    self.manners.refuse_every.is_some_and(|every| self.clients.is_multiple_of(every));
                stream.write_all(&[0x20, 2, 0, if refused { 5 } else { 0 }]).unwrap();
            }
            8 => {
                let length = usize::from(u16::from_be_bytes([body[2], body[3]]));
                self.subscribers.insert(body[4..4 + length].to_vec(), stream.try_clone().unwrap());
                stream.write_all(&[0x90, 3, body[0], body[1], 0]).unwrap();
            }
            3 => {
                let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = body[2..2 + length].to_vec();
                self.on_message(topic, packet);
            }
            _ => {}
        }
    }

    fn on_message(&mut self, topic: Vec<u8>, packet: Vec<u8>) {
        let number = Some(self.messages);
        self.messages += 1;
        if number == self.manners.lose {
            return;
        }
        if number == self.manners.swap {
            self.held = Some((topic, packet));
            return;
        }
        self.forward(&topic, &packet);
        if number == self.manners.double {
            self.forward(&topic, &packet);
        }
        if let Some((topic, packet)) = self.held.take() {
            self.forward(&topic, &packet);
        }
    }

    fn forward(&mut self, topic: &[u8], packet: &[u8]) {
        let misroute = self.manners.misroute;
        if let Some((_, stream)) =
            self.subscribers.iter_mut().find(|(filter, _)| (*filter == topic) != misroute)
        {
            stream.write_all(packet).unwrap();
        }
    }
}

/// Reads one client's packets until it goes.
fn converse(liar: &Mutex<Liar>, mut stream: TcpStream) {
    loop {
        let mut packet = vec![0; 2];
        if stream.read_exact(&mut packet).is_err() {
            return;
        }
        let mut length = usize::from(packet[1] & 0x7F);
        if packet[1] & 0x80 != 0 {
            packet.push(0);
            stream.read_exact(&mut packet[2..]).unwrap();
            length |= usize::from(packet[2]) << 7;
        }
        let header = packet.len();
        packet.resize(header + length, 0);
        stream.read_exact(&mut packet[header..]).unwrap();
        liar.lock().unwrap().on_packet(&mut stream, packet, header);
    }
}
