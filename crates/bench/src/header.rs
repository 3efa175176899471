//! The first bytes of each payload: which message of which stream this is, and when it was due.

/// How many bytes a [`Header`] takes: the smallest payload that can be measured. It is what the Open MQTT
/// Benchmark Suite publishes.
pub const HEADER_LENGTH: usize = 16;

/// Tells our messages from those of others.
const MAGIC: u8 = 0xC0;
/// Streams are numbered in three bytes.
pub(crate) const STREAMS_MAX: u32 = 1 << 24;
/// Sequence numbers have five bytes: at ten million messages a second they last thirty hours.
const SEQUENCE_MASK: u64 = (1 << 40) - 1;
/// Times have six bytes of microseconds; they come round every 8.9 years.
const TIME_MASK: u64 = (1 << 48) - 1;

/// What the first [`HEADER_LENGTH`] bytes of a payload say; big-endian, in this order after one byte `C0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen at random for each run, so that what an earlier run left behind is told apart. One byte.
    pub run: u8,
    /// Which publisher sent it, from 0. Three bytes.
    pub stream: u32,
    /// Which message of the stream it is, from 0. Five bytes.
    pub sequence: u64,
    /// When it was due, in microseconds since 1970, modulo 2^48. Six bytes.
    pub due: u64,
}

impl Header {
    /// Writes it over the front of a payload, which must have room for it.
    #[inline]
    pub fn write(&self, payload: &mut [u8]) {
        let head = u64::from(MAGIC) << 56
            | u64::from(self.run) << 48
            | u64::from(self.stream & (STREAMS_MAX - 1)) << 24
            | (self.sequence & SEQUENCE_MASK) >> 16;
        let tail = (self.sequence & 0xFFFF) << 48 | self.due & TIME_MASK;
        if let Some(place) = payload.first_chunk_mut::<HEADER_LENGTH>() {
            *place = (u128::from(head) << 64 | u128::from(tail)).to_be_bytes();
        }
    }

    /// Reads it from a payload; `None` if it has none.
    #[inline]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (head, rest) = payload.split_first_chunk::<8>()?;
        let [magic, run, a, b, c, ..] = *head;
        let (head, tail) = (u64::from_be_bytes(*head), u64::from_be_bytes(*rest.first_chunk::<8>()?));
        (magic == MAGIC).then(|| Self {
            run,
            stream: u32::from_be_bytes([0, a, b, c]),
            sequence: (head << 16 | tail >> 48) & SEQUENCE_MASK,
            due: tail & TIME_MASK,
        })
    }

    /// How long after it was due `now` is, both in microseconds since 1970; zero if it is before.
    #[inline]
    pub const fn age(&self, now: u64) -> u64 {
        let age = now.wrapping_sub(self.due) & TIME_MASK;
        // The upper half of the circle is the future: the clocks of two machines differ.
        if age > TIME_MASK / 2 { 0 } else { age }
    }
}

#[cfg(test)]
mod tests {
    use super::{HEADER_LENGTH, Header, TIME_MASK};

    #[test]
    fn what_is_written_is_read() {
        for header in [
            Header { run: 0, stream: 0, sequence: 0, due: 0 },
            Header { run: 7, stream: 0x01_02_03, sequence: 0x04_05_06_07_08, due: 0x09_0A_0B_0C_0D_0E },
            Header { run: 255, stream: (1 << 24) - 1, sequence: (1 << 40) - 1, due: (1 << 48) - 1 },
        ] {
            let mut payload = [0xEE; HEADER_LENGTH + 4];
            header.write(&mut payload);
            assert_eq!(Header::read(&payload), Some(header));
            assert_eq!(payload[HEADER_LENGTH..], [0xEE; 4]);
        }
    }

    #[test]
    fn the_bytes_stand_in_the_order_of_the_fields() {
        let mut payload = [0; HEADER_LENGTH];
        Header { run: 1, stream: 0x02_03_04, sequence: 0x05_06_07_08_09, due: 0x0A_0B_0C_0D_0E_0F }
            .write(&mut payload);
        assert_eq!(payload, [0xC0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    }

    #[test]
    fn what_is_short_or_foreign_has_no_header() {
        assert_eq!(Header::read(&[0xC0; HEADER_LENGTH - 1]), None);
        assert_eq!(Header::read(&[0x7B; HEADER_LENGTH]), None);
    }

    #[test]
    fn an_age_survives_the_turn_of_the_clock_and_a_clock_that_is_behind() {
        let header = Header { run: 0, stream: 0, sequence: 0, due: TIME_MASK - 4 };
        assert_eq!(header.age((1 << 48) + 5), 10);
        assert_eq!(header.age(TIME_MASK - 5), 0);
    }
}
