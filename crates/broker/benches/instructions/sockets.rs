//! Sockets in memory that never block, and whose cost can be told from that of the broker.

use std::io;
use std::net::SocketAddr;

use colibri_broker::shard::{Detached, Ready, Sockets};

/// Both directions of one connection.
#[derive(Default)]
struct Wire {
    input: Vec<u8>,
    output: Vec<u8>,
    closed: bool,
}

/// The sockets of the one shard, by the numbers of the connections.
#[derive(Default)]
pub(crate) struct Memory {
    wires: Vec<Wire>,
    /// How many clients wait to be accepted.
    knocking: usize,
}

impl Memory {
    /// So many clients connect. They are accepted in the next turns, and their connections count up from
    /// those that there are.
    pub(crate) fn knock(&mut self, clients: usize) {
        self.knocking += clients;
    }

    /// What the broker is to read, to be appended to.
    pub(crate) fn input(&mut self, connection: u32) -> &mut Vec<u8> {
        &mut self.wire(connection).input
    }

    /// What the broker has written, to be taken from.
    pub(crate) fn output(&mut self, connection: u32) -> &mut Vec<u8> {
        &mut self.wire(connection).output
    }

    /// What a poller would say: who has sent something can be read, and written to as ever.
    pub(crate) fn poll_ready(&self, ready: &mut Vec<Ready>) {
        ready.clear();
        if self.knocking > 0 {
            ready.push(Ready::Listener(0));
        }
        let sent = (0..).zip(&self.wires).filter(|(_, wire)| !wire.input.is_empty());
        ready.extend(sent.map(|(connection, _)| Ready::Connection {
            connection,
            readable: true,
            writable: true,
            ended: false,
        }));
    }

    /// Whether the broker has closed any connection, which no scenario wants.
    pub(crate) fn any_closed(&self) -> bool {
        self.wires.iter().any(|wire| wire.closed)
    }

    fn wire(&mut self, connection: u32) -> &mut Wire {
        let index = connection as usize;
        if self.wires.len() <= index {
            self.wires.resize_with(index + 1, Wire::default);
        }
        &mut self.wires[index]
    }
}

/// What the kernel does in a `read`; `cargo xtask bench` counts none of it.
#[inline(never)]
fn kernel_reads(wire: &mut Wire, buffer: &mut [u8]) -> usize {
    let count = buffer.len().min(wire.input.len());
    buffer[..count].copy_from_slice(&wire.input[..count]);
    if count == wire.input.len() {
        wire.input.clear();
    } else {
        wire.input.drain(..count);
    }
    count
}

/// What the kernel does in a `write`; `cargo xtask bench` counts none of it.
#[inline(never)]
fn kernel_writes(wire: &mut Wire, bytes: &[u8]) {
    wire.output.extend_from_slice(bytes);
}

impl Sockets for Memory {
    fn accept(&mut self, _: usize, _: u32) -> io::Result<Option<SocketAddr>> {
        if self.knocking == 0 {
            return Ok(None);
        }
        self.knocking -= 1;
        Ok(Some(SocketAddr::from(([127, 0, 0, 1], 40000))))
    }

    fn read(&mut self, connection: u32, buffer: &mut [u8]) -> io::Result<usize> {
        match kernel_reads(self.wire(connection), buffer) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn write(&mut self, connection: u32, bytes: &[u8]) -> io::Result<usize> {
        kernel_writes(self.wire(connection), bytes);
        Ok(bytes.len())
    }

    fn finish(&mut self, connection: u32) {
        self.wire(connection).closed = true;
    }

    fn close(&mut self, connection: u32) {
        self.wire(connection).closed = true;
    }

    fn detach(&mut self, _: u32) -> Option<Detached> {
        None
    }

    fn adopt(&mut self, _: u32, _: Detached) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
