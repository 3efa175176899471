//! Rows in words: one line each.

use core::ops::ControlFlow;
use std::io::{self, Write};

use crate::records::{
    Counter, QueueBody, QueueRecord, QueueState, RetainedRecord, SessionRecord, StoredMessage,
    SubscriptionRecord, decode_counter, parse_body_key, parse_queue_key, parse_received_key,
    parse_subscription_key,
};
use crate::{Rows, Store, StoreError, Table};

/// How many bytes of a payload are shown.
const PAYLOAD_SHOWN: usize = 60;

/// Writes a line for each row, in the order of the tables and keys. A row that cannot be read gets a line
/// that says so.
///
/// # Errors
/// When the store cannot be read; the inner error is that of `out`.
pub fn dump(store: &dyn Store, out: &mut dyn Write) -> Result<io::Result<()>, StoreError> {
    let mut written = Ok(());
    for table in Table::ALL {
        store.scan(table, Rows::ALL, &mut |key, value| {
            let line = describe(table, key, value).unwrap_or_else(|error| format!("UNREADABLE: {error}"));
            written = writeln!(out, "{table} {line}");
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
    }
    Ok(written)
}

/// A row in words.
///
/// # Errors
/// When its key or its value cannot be right.
pub fn describe(table: Table, key: &[u8], value: &[u8]) -> Result<String, StoreError> {
    Ok(match table {
        Table::Meta => {
            let counter = Counter::ALL.into_iter().find(|counter| counter.key() == key);
            let Some(counter) = counter else {
                return Err(StoreError::corrupt_row(table, key, "there is no such counter"));
            };
            format!("{}: {}", String::from_utf8_lossy(key), decode_counter(counter, value)?)
        }
        Table::Sessions => session(key, &SessionRecord::decode(key, value)?),
        Table::Subscriptions => {
            let (session, filter) = parse_subscription_key(key)?;
            let SubscriptionRecord { options, identifier } = SubscriptionRecord::decode(key, value)?;
            let mut line = format!("session {session}: {:?}, QoS {}", filter.as_str(), options.qos.number());
            push_if(&mut line, options.no_local, "no local");
            push_if(&mut line, options.retain_as_published, "retain as published");
            if let Some(identifier) = identifier {
                push(&mut line, format_args!("identifier {identifier}"));
            }
            line
        }
        Table::Queue => queue(key, value)?,
        Table::Bodies => {
            let message = StoredMessage::decode(key, value)?;
            format!("{}: {}", parse_body_key(key)?, describe_message(&message))
        }
        Table::Received => {
            let (session, packet_id) = parse_received_key(key)?;
            if !value.is_empty() {
                return Err(StoreError::corrupt_row(table, key, "the value is not empty"));
            }
            format!("session {session}: packet identifier {}", packet_id.get())
        }
        Table::Retained => {
            let record = RetainedRecord::decode(key, value)?;
            format!("{}, stored at {} ms", describe_message(&record.message), record.stored_at)
        }
    })
}

fn session(key: &[u8], record: &SessionRecord<'_>) -> String {
    let mut line = format!("{:?}: session {}", String::from_utf8_lossy(key), record.number);
    match record.expiry_interval {
        u32::MAX => line.push_str(", never expires"),
        seconds => push(&mut line, format_args!("expires after {seconds} s")),
    }
    match record.connected {
        true => line.push_str(", connected"),
        false => push(&mut line, format_args!("disconnected at {} ms", record.disconnected_at)),
    }
    if let Some(will) = record.will {
        push(&mut line, format_args!("will after {} s: {}", will.delay, describe_message(&will.message)));
    }
    line
}

fn queue(key: &[u8], value: &[u8]) -> Result<String, StoreError> {
    let (session, sequence) = parse_queue_key(key)?;
    let record = QueueRecord::decode(key, value)?;
    let mut line = format!("session {session}, {sequence}: QoS {}", record.qos.number());
    match record.state {
        QueueState::Waiting => line.push_str(", waiting"),
        QueueState::Sent(packet_id) => push(&mut line, format_args!("sent as {}", packet_id.get())),
        QueueState::Released(packet_id, _) => {
            push(&mut line, format_args!("released as {}", packet_id.get()))
        }
    }
    push_if(&mut line, record.retain, "retain");
    push_if(&mut line, record.replayed, "replayed");
    for identifier in record.subscription_identifiers.iter() {
        push(&mut line, format_args!("identifier {identifier}"));
    }
    if let Some(group) = record.group {
        push(&mut line, format_args!("for {:?}", group.as_str()));
    }
    match record.body {
        QueueBody::Inline(message) => push(&mut line, format_args!("{}", describe_message(&message))),
        QueueBody::Shared(body) => push(&mut line, format_args!("body {body}")),
        QueueBody::Gone => line.push_str(", no body"),
    }
    Ok(line)
}

fn describe_message(message: &StoredMessage<'_>) -> String {
    let mut line = format!("{:?}, published with QoS {}", message.topic.as_str(), message.qos.number());
    push_if(&mut line, message.retain, "retain");
    if let Some(at) = message.expires_at {
        push(&mut line, format_args!("expires at {at} ms"));
    }
    if !message.properties.is_empty() {
        push(&mut line, format_args!("{} bytes of properties", message.properties.len()));
    }
    let shown = message.payload.get(..PAYLOAD_SHOWN).unwrap_or(message.payload);
    let more = if shown.len() < message.payload.len() { "..." } else { "" };
    push(&mut line, format_args!("{} bytes \"{}{more}\"", message.payload.len(), shown.escape_ascii()));
    line
}

fn push_if(line: &mut String, condition: bool, words: &str) {
    if condition {
        push(line, format_args!("{words}"));
    }
}

fn push(line: &mut String, words: core::fmt::Arguments<'_>) {
    line.push_str(", ");
    line.push_str(&words.to_string());
}
