//! A store as lines of JSON, and back, without loss.
//!
//! ```text
//! {"colibri-storage":1}
//! {"table":"retained","key":"612f62","value":"01..."}
//! {"rows":1}
//! ```
//!
//! Keys and values are in hexadecimal. The last line says how many rows there were, so that a file that was
//! cut short is noticed.

use core::fmt;
use core::ops::ControlFlow;
use std::io::{self, BufRead, Write};

use serde_json::{Map, Value};

use super::describe;
use crate::records::FORMAT_VERSION;
use crate::{Batch, Rows, Store, StoreError, Table};

/// Why nothing was exported, or nothing imported.
#[derive(Debug)]
pub enum TransferError {
    /// The store failed.
    Store(StoreError),
    /// The export could not be written.
    Write(io::Error),
    /// The file to import could not be read.
    Read(io::Error),
    /// The store has rows already.
    NotEmpty,
    /// A line cannot be right.
    Line {
        /// Which, from 1.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Writes all rows; how many there are.
///
/// # Errors
/// When the store cannot be read or `out` not written.
pub fn export(store: &dyn Store, out: &mut dyn Write) -> Result<u64, TransferError> {
    writeln!(out, "{{\"colibri-storage\":{FORMAT_VERSION}}}")?;
    let mut rows = 0;
    let mut line = String::new();
    for table in Table::ALL {
        let mut written = Ok(());
        store.scan(table, Rows::ALL, &mut |key, value| {
            rows += 1;
            line.clear();
            line.push_str("{\"table\":\"");
            line.push_str(table.name());
            line.push_str("\",\"key\":\"");
            push_hex(&mut line, key);
            line.push_str("\",\"value\":\"");
            push_hex(&mut line, value);
            line.push_str("\"}\n");
            written = out.write_all(line.as_bytes());
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        written?;
    }
    writeln!(out, "{{\"rows\":{rows}}}")?;
    out.flush()?;
    Ok(rows)
}

/// Reads what [`export`] wrote into an empty store; how many rows there were. All of it is written in one
/// batch, so a failure leaves the store empty; it needs memory for all rows.
///
/// # Errors
/// As for [`read`] and [`fill`].
pub fn import(store: &mut dyn Store, from: &mut dyn BufRead) -> Result<u64, TransferError> {
    fill(store, &read(from)?)
}

/// Puts rows into an empty store, all or none; how many there were.
///
/// # Errors
/// When the store is not empty, or fails.
pub fn fill(store: &mut dyn Store, batch: &Batch) -> Result<u64, TransferError> {
    for table in Table::ALL {
        let mut rows = 0;
        store.scan(table, Rows::ALL, &mut |_, _| {
            rows += 1;
            ControlFlow::Break(())
        })?;
        if rows > 0 {
            return Err(TransferError::NotEmpty);
        }
    }
    store.commit(batch, true)?;
    Ok(batch.len() as u64)
}

/// Reads what [`export`] wrote.
///
/// # Errors
/// When it cannot be read, or a line cannot be right: its number is in the error.
pub fn read(from: &mut dyn BufRead) -> Result<Batch, TransferError> {
    let mut batch = Batch::new();
    let mut number = 0;
    let mut ended = false;
    for line in from.lines() {
        number += 1;
        let line = line.map_err(TransferError::Read)?;
        let result = if ended {
            Err("there is a line behind the one with the number of rows".to_owned())
        } else if number == 1 {
            header(&line)
        } else {
            row(&line, &mut batch).map(|end| ended = end)
        };
        result.map_err(|what| TransferError::Line { number, what })?;
    }
    if !ended {
        let what = "the line with the number of rows is missing: the file was cut short".to_owned();
        return Err(TransferError::Line { number: number + 1, what });
    }
    Ok(batch)
}

fn header(line: &str) -> Result<(), String> {
    match object(line)?.get("colibri-storage").and_then(Value::as_u64) {
        None | Some(0) => Err("it is not the first line of an export".into()),
        Some(found) if found > u64::from(FORMAT_VERSION) => Err(format!(
            "it has version {found} of the format and this program knows versions up to {FORMAT_VERSION}"
        )),
        Some(_) => Ok(()),
    }
}

/// Reads one row into the batch; whether it was the last line instead.
fn row(line: &str, batch: &mut Batch) -> Result<bool, String> {
    let object = object(line)?;
    if let Some(rows) = object.get("rows") {
        return match rows.as_u64() == Some(batch.len() as u64) {
            true => Ok(true),
            false => Err(format!("it says {rows} rows, and there were {}", batch.len())),
        };
    }
    let field = |name: &str| {
        object
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| format!("\"{name}\" is missing or not a string"))
    };
    let table = field("table")?;
    let table = Table::from_name(table).ok_or_else(|| format!("there is no table \"{table}\""))?;
    let hex = |name: &str| {
        from_hex(field(name)?).ok_or_else(|| format!("\"{name}\" is not hexadecimal in pairs of digits"))
    };
    let (key, value) = (hex("key")?, hex("value")?);
    match describe(table, &key, &value) {
        Ok(_) => {}
        Err(StoreError::Corrupt { place, what }) => return Err(format!("{place}: {what}")),
        Err(error) => return Err(error.to_string()),
    }
    batch.put(table, &key, &value);
    Ok(false)
}

fn object(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("it is not a JSON object".into()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

fn push_hex(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            line.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

impl fmt::Display for TransferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Write(error) => write!(
                f,
                "The export cannot be written: {error}; what there is of it is not whole, so make room for another."
            ),
            Self::Read(error) => {
                write!(f, "The export cannot be read: {error}; nothing was imported.")
            }
            Self::NotEmpty => write!(
                f,
                "The store has rows already; nothing was imported, so name a data directory that is empty or new."
            ),
            Self::Line { number, what } => write!(
                f,
                "Line {number} cannot be imported: {what}; nothing was imported, so mend the line or export again."
            ),
        }
    }
}

impl std::error::Error for TransferError {}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}
