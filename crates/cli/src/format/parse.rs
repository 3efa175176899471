//! A format's text into its pieces.

use std::iter::Peekable;
use std::str::Chars;

use super::{Field, Layout, Piece};
use crate::failure::Failure;

pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let piece = match character {
            '%' => percent(&mut characters)?,
            '@' => at(&mut characters)?,
            '\\' => literal(escape(&mut characters)?),
            other => literal(other),
        };
        match (pieces.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(more)) => before.extend(more),
            (_, piece) => pieces.push(piece),
        }
    }
    Ok(pieces)
}

fn literal(character: char) -> Piece {
    Piece::Literal(character.to_string().into_bytes())
}

fn percent(characters: &mut Peekable<Chars<'_>>) -> Result<Piece, Failure> {
    let layout = Layout {
        left: characters.next_if_eq(&'-').is_some(),
        zeros: characters.next_if_eq(&'0').is_some(),
        width: number(characters),
        precision: characters.next_if_eq(&'.').map(|_| number(characters)),
    };
    let field = match characters.next() {
        Some('%') => return Ok(literal('%')),
        Some('A') => Field::TopicAlias,
        Some('C') => Field::ContentType,
        Some('D') => Field::CorrelationData,
        Some('E') => Field::MessageExpiry,
        Some('F') => Field::PayloadFormat,
        Some('I') => Field::IsoTime,
        Some('j') => Field::Json { payload_is_json: false },
        Some('J') => Field::Json { payload_is_json: true },
        Some('l') => Field::PayloadLength,
        Some('m') => Field::PacketId,
        Some('P') => Field::UserProperties,
        Some('p') => Field::Payload,
        Some('q') => Field::QoS,
        Some('R') => Field::ResponseTopic,
        Some('r') => Field::Retain,
        Some('S') => Field::SubscriptionIdentifier,
        Some('t') => Field::Topic,
        Some('U') => Field::UnixTime,
        Some('x') => Field::HexLower,
        Some('X') => Field::HexUpper,
        Some(other) => {
            return Err(Failure::usage(format!("-F knows no %{other}; for a percent sign write %%")));
        }
        None => {
            return Err(Failure::usage("-F ends in the middle of a % sequence; for a percent sign write %%"));
        }
    };
    Ok(Piece::Field(field, layout))
}

/// How wide a field may be at most, so that a format cannot ask for more than a line's worth of blanks.
const WIDTH_MAX: usize = 10_000;

fn number(characters: &mut Peekable<Chars<'_>>) -> usize {
    let mut number = 0usize;
    while let Some(digit) = characters.peek().and_then(|character| character.to_digit(10)) {
        characters.next();
        number = number.saturating_mul(10).saturating_add(digit as usize).min(WIDTH_MAX);
    }
    number
}

fn at(characters: &mut Peekable<Chars<'_>>) -> Result<Piece, Failure> {
    match characters.next() {
        Some('@') => Ok(literal('@')),
        Some('N') => Ok(Piece::Nanoseconds),
        Some(letter) => Ok(Piece::Time(letter)),
        None => Err(Failure::usage("-F ends with a single @; for an at sign write @@")),
    }
}

fn escape(characters: &mut Peekable<Chars<'_>>) -> Result<char, Failure> {
    match characters.next() {
        Some('\\') => Ok('\\'),
        Some('0') => Ok('\0'),
        Some('a') => Ok('\x07'),
        Some('e') => Ok('\x1b'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('v') => Ok('\x0b'),
        Some(other) => Err(Failure::usage(format!("-F knows no \\{other}; for a backslash write \\\\"))),
        None => Err(Failure::usage("-F ends with a single \\; for a backslash write \\\\")),
    }
}
