//! The server's end of a WebSocket (RFC 6455), as far as the cases of section 6 need it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use colibri_codec::Version;

use super::Client;
use super::process::Move;
use crate::Stop;
use crate::raw::{Kind, Packet, hex, split, words};
use crate::wait::BYTES_MAX;

/// The opcode of a frame that goes on with the one before.
pub(crate) const CONTINUATION: u8 = 0;
/// The opcode of a text frame.
pub(crate) const TEXT: u8 = 1;
/// The opcode of a binary frame.
pub(crate) const BINARY: u8 = 2;
/// The opcode of a close frame.
pub(crate) const CLOSE: u8 = 8;

/// What a server adds to a client's key before it hashes it.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How long the request of a client may be, in bytes.
const REQUEST_MAX: usize = 16 * 1024;

/// A connection whose client has asked for WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocket {
    stream: TcpStream,
    version: Version,
    /// When the case has to be over.
    until: Instant,
    /// How many bytes came.
    read: usize,
    /// Bytes that came and are no whole frame yet.
    input: Vec<u8>,
    /// What was in the frames and is no whole packet yet.
    bytes: Vec<u8>,
    /// The request, line by line.
    request: Vec<String>,
}

/// A frame that came: the opcode and what is in it.
type Frame = (u8, Vec<u8>);

impl WebSocket {
    /// The next connection of a client that was told `--ws`; the case does not apply to one that has no such
    /// flag.
    pub(crate) fn accept(client: &mut Client, version: Version, patience: Duration) -> Result<Self, Stop> {
        let none = |evidence: String| Stop::NotApplicable(format!("the client has no --ws: {evidence}"));
        let stream = match client.next_move() {
            Move::Connected(stream) => stream,
            Move::Ended(ended) => return Err(none(format!("it ends with {}", ended.words()))),
            Move::Nothing => return Err(Stop::failed("", "a connection from the client", "nothing")),
        };
        let set = stream.set_read_timeout(Some(patience));
        set.map_err(|error| Stop::failed("", "a usable socket", error.to_string()))?;
        let (input, bytes, request) = (Vec::new(), Vec::new(), Vec::new());
        let (until, read) = (client.end(), 0);
        let mut socket = Self { stream, version, until, read, input, bytes, request };
        let head = socket.read_head()?;
        if !head.starts_with(b"GET ") {
            return Err(none(format!("it begins with {}", hex(&head))));
        }
        socket.request = String::from_utf8_lossy(&head).lines().map(str::to_owned).collect();
        Ok(socket)
    }

    /// The bytes up to the empty line, or those that show that no request is coming.
    fn read_head(&mut self) -> Result<Vec<u8>, Stop> {
        loop {
            if let Some(at) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                return Ok(self.input.drain(..at + 4).collect());
            }
            let no_request = self.input.len() >= 4 && !self.input.starts_with(b"GET ");
            if no_request || self.input.len() > REQUEST_MAX || !self.fill()? {
                return Ok(std::mem::take(&mut self.input));
            }
        }
    }

    /// The value of a field of the request.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.request.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Accepts the request and its subprotocol.
    pub(crate) fn open(&mut self) -> Result<(), Stop> {
        let Some(key) = self.field("Sec-WebSocket-Key").map(str::to_owned) else {
            return Err(self.fail("Sec-WebSocket-Key in the request", "none"));
        };
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
            base64(&sha1(format!("{key}{GUID}").as_bytes()))
        );
        self.write(answer.as_bytes())
    }

    /// Sends a frame; `last` is whether it ends its message.
    pub(crate) fn send(&mut self, opcode: u8, last: bool, payload: &[u8]) -> Result<(), Stop> {
        let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126);
        let Some(length) = length else { return Err(self.fail("a short frame", "a long one")) };
        let first = opcode | if last { 0x80 } else { 0 };
        self.write(&[&[first, length], payload].concat())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let written = self.stream.write_all(bytes);
        written.map_err(|error| self.fail("a client that reads", error.to_string()))
    }

    /// Reads once; `false` at the end of the connection.
    fn fill(&mut self) -> Result<bool, Stop> {
        if self.read > BYTES_MAX {
            return Err(self.fail(&format!("at most {BYTES_MAX} bytes from the client"), "more"));
        }
        if Instant::now() > self.until {
            return Err(self.fail("the end of the case in its time", "it goes on"));
        }
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.read += count;
                self.input.extend_from_slice(chunk.get(..count).unwrap_or_default());
                Ok(true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(self.fail("more from the client, or the end of the connection", "nothing"))
            }
            // A reset is an end too.
            Err(_) => Ok(false),
        }
    }

    /// The next frame; none at the end of the connection.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, Stop> {
        loop {
            if let Some((frame, used)) = read_frame(&self.input) {
                self.input.drain(..used);
                return Ok(Some(frame));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// The next packet, which must be of this kind and have come in binary frames.
    pub(crate) fn expect(&mut self, kind: Kind) -> Result<Packet, Stop> {
        loop {
            let packet = split(&self.bytes, self.version).map_err(|fault| self.fail("a packet", fault))?;
            if let Some(packet) = packet {
                self.bytes.drain(..packet.bytes.len());
                let right = packet.kind() == kind;
                return if right { Ok(packet) } else { Err(self.fail(&kind.name(), words(&packet))) };
            }
            match self.next_frame()? {
                Some((BINARY | CONTINUATION, payload)) => self.bytes.extend(payload),
                Some((opcode, _)) if opcode < 8 => {
                    return Err(self.fail("packets in binary frames", format!("opcode {opcode}")));
                }
                Some((CLOSE, _)) | None => return Err(self.fail(&kind.name(), "the end of the connection")),
                Some(_) => {}
            }
        }
    }

    /// A failure of this connection.
    pub(crate) fn fail(&self, expected: &str, came: impl AsRef<str>) -> Stop {
        Stop::failed(self.request.join("\n"), expected, came.as_ref())
    }
}

/// The first frame of a client's bytes, and how many of them it takes.
fn read_frame(input: &[u8]) -> Option<(Frame, usize)> {
    let (&[first, second], rest) = input.split_first_chunk::<2>()?;
    let (length, rest) = match second & 0x7F {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        short => (usize::from(short), rest),
    };
    let (mask, rest) = if second & 0x80 == 0 {
        ([0; 4], rest)
    } else {
        let (mask, rest) = rest.split_first_chunk::<4>()?;
        (*mask, rest)
    };
    let payload = rest.get(..length)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some(((first & 0x0F, payload), input.len() - rest.len() + length))
}

/// SHA-1 (RFC 3174), which WebSocket uses to tell its servers from others.
fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut state: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    for block in padded.chunks_exact(64) {
        let mut schedule: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| word.iter().fold(0, |all, byte| all << 8 | u32::from(*byte)))
            .collect();
        for at in 16..80_usize {
            let word = [3, 8, 14, 16]
                .iter()
                .filter_map(|back| schedule.get(at - back))
                .fold(0, |all, word| all ^ word);
            schedule.push(word.rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in schedule.into_iter().enumerate() {
            let (mixed, constant) = match round / 20 {
                0 => ((b & c) | (!b & d), 0x5A82_7999),
                1 => (b ^ c ^ d, 0x6ED9_EBA1),
                2 => ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC_u32),
                _ => (b ^ c ^ d, 0xCA62_C1D6),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (place, word) in digest.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0, |all, at| all << 8 | usize::from(chunk.get(at).copied().unwrap_or(0)));
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = ALPHABET.get(number >> shift & 63).copied().filter(|_| at <= chunk.len());
            text.push(char::from(digit.unwrap_or(b'=')));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{GUID, base64, sha1};

    #[test]
    fn the_key_of_the_standard_is_answered_as_it_says() {
        let key = format!("dGhlIHNhbXBsZSBub25jZQ=={GUID}");
        assert_eq!(base64(&sha1(key.as_bytes())), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(base64(b"a"), "YQ==");
        // The padding needs a block of its own.
        assert_eq!(base64(&sha1(&[b'a'; 119])), "7pcQZaqgF+BjKoymx3uzv4sd/FY=");
    }
}
