//! Any bytes, in any version: refused or accepted, for a named reason, whatever follows them.

use std::mem::discriminant;

use colibri_codec::{Blame, Connect, Frame, Malformed, Packet, PacketType, Puback, Publish, Split, Version};

use crate::trace;

pub(super) fn run(data: &[u8]) {
    let cut = split(data);
    for version in Version::ALL {
        if let Some(frame) = cut {
            decode(frame, version);
        }
        // The bytes again as one packet with whatever length they have, which gets past the Remaining Length.
        if let Some((&first, body)) = data.split_first() {
            decode(Frame::new(first, body), version);
        }
    }
}

/// Cuts the first packet off; its end and its size are checked from all sides.
fn split(data: &[u8]) -> Option<Frame<'_>> {
    match Frame::split(data, u32::MAX) {
        Ok(Split::Frame(frame, used)) => {
            assert!(used <= data.len() && frame.body().len() + 2 <= used && used <= frame.body().len() + 5);
            assert_eq!(frame.body(), &data[used - frame.body().len()..used]);
            let size = u32::try_from(used).unwrap();
            assert_eq!(Frame::split(&data[..used], size), Ok(Split::Frame(frame, used)));
            let too_large = Malformed::PacketTooLarge { size, maximum: size - 1 };
            assert_eq!(Frame::split(data, size - 1), Err(too_large));
            Some(frame)
        }
        Ok(Split::Need(need)) => {
            assert!(need > data.len());
            None
        }
        Err(error) => {
            refused(error);
            let of_the_header = matches!(
                error,
                Malformed::VariableByteIntegerTooLong | Malformed::VariableByteIntegerOverlong
            );
            assert!(of_the_header, "{error:?}");
            None
        }
    }
}

fn decode(frame: Frame<'_>, version: Version) {
    let decoded = Packet::decode(frame, version);
    // A copy of exactly the packet's bytes has the same meaning: nothing behind them was read.
    let exact = frame.body().to_vec();
    assert_eq!(Packet::decode(Frame::new(frame.first_byte(), &exact), version), decoded);
    by_itself(frame, version, &decoded);
    match decoded {
        Ok(packet) => {
            trace::note((version, packet.packet_type()));
            assert_eq!(frame.packet_type(version), Ok(packet.packet_type()));
            if frame.body().len().is_multiple_of(8) {
                assert!(!format!("{packet:?}").is_empty());
            }
        }
        Err(error) => {
            trace::note((version, frame.first_byte() >> 4, discriminant(&error)));
            refused(error);
            assert!(error.statements(version).iter().all(|statement| !statement.is_empty()));
        }
    }
}

/// The decoders of single packets say what the one for all says.
fn by_itself<'a>(frame: Frame<'a>, version: Version, decoded: &Result<Packet<'a>, Malformed>) {
    let body = frame.body();
    let other = match frame.packet_type(version) {
        Ok(PacketType::Connect) => {
            // A CONNECT names its version; that of the connection has no say.
            let others = Version::ALL.into_iter().filter(|other| frame.packet_type(*other).is_ok());
            for other in others {
                assert_eq!(Packet::decode(frame, other), *decoded);
            }
            if let Ok(Packet::Connect(connect)) = decoded {
                assert_eq!(Connect::peek_version(body), Some(connect.version));
            }
            return;
        }
        Ok(PacketType::Publish) => Publish::decode(frame, version).map(Packet::Publish),
        Ok(PacketType::Puback) => Puback::decode(body, version).map(Packet::Puback),
        Ok(_) => return,
        Err(error) => Err(error),
    };
    assert_eq!(other, *decoded);
}

/// A refusal blames the peer, has a code for failures, and says something.
fn refused(error: Malformed) {
    assert!(error.reason_code().is_failure(), "{error:?}");
    assert_eq!(error.blame(), Blame::Peer, "{error:?}");
    assert!(!error.to_string().is_empty());
}
