//! A byte stream cut anyhow: the same packets, the same verdict at its end, and no byte too many awaited.

use colibri_codec::{Frame, Malformed, Packet, Split, Version};

use crate::trace;

/// What a stream came to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// First byte and body of each packet.
    frames: Vec<(u8, Vec<u8>)>,
    /// How many bytes were left over.
    left: usize,
    error: Option<Malformed>,
}

/// The first byte says how large packets may be, the second where to cut; the rest is the stream.
pub(super) fn run(data: &[u8]) {
    let [size, cuts, stream @ ..] = data else { return };
    let maximum = match size {
        0..=63 => u32::from(*size),
        64..=127 => u32::from(*size) * 8,
        128..=255 => u32::MAX,
    };
    let whole = at_once(stream, maximum);
    assert_eq!(in_pieces(stream, maximum, u64::from(*cuts)), whole);
    trace::note((whole.frames.len().min(8), whole.error.map(|error| std::mem::discriminant(&error))));
    for (first, body) in &whole.frames {
        assert!(body.len() + 2 <= maximum as usize);
        for version in Version::ALL {
            let decoded = Packet::decode(Frame::new(*first, body), version);
            trace::note((version, decoded.map(|packet| packet.packet_type()).ok()));
        }
    }
}

fn at_once(mut stream: &[u8], maximum: u32) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        match Frame::split(stream, maximum) {
            Ok(Split::Frame(frame, used)) => {
                outcome.frames.push((frame.first_byte(), frame.body().to_vec()));
                stream = &stream[used..];
            }
            Ok(Split::Need(_)) => break,
            Err(error) => {
                outcome.error = Some(error);
                break;
            }
        }
    }
    outcome.left = if outcome.error.is_some() { 0 } else { stream.len() };
    outcome
}

fn in_pieces(mut stream: &[u8], maximum: u32, seed: u64) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut outcome = Outcome::default();
    let mut buffer = Vec::new();
    let mut need = 0;
    while !stream.is_empty() {
        let longest = if random.bool() { 3 } else { 40 };
        let (piece, rest) = stream.split_at(random.usize(1..=longest).min(stream.len()));
        buffer.extend_from_slice(piece);
        stream = rest;
        loop {
            match Frame::split(&buffer, maximum) {
                Ok(Split::Frame(frame, used)) => {
                    assert!(used >= need, "{need} bytes were asked for and {used} are a packet");
                    outcome.frames.push((frame.first_byte(), frame.body().to_vec()));
                    buffer.drain(..used);
                    need = 0;
                }
                Ok(Split::Need(more)) => {
                    assert!(more > buffer.len() && more >= need, "{more} after {need}");
                    need = more;
                    break;
                }
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
    }
    outcome.left = buffer.len();
    outcome
}
