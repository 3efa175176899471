//! The path of a message in the broker: a record is encoded, submitted to the journal, and committed on disk.

use std::path::Path;
use std::time::{Duration, Instant};

use colibri_codec::{QoS, TopicName};
use colibri_protocol::Time;
use colibri_storage::disk::{Disk, DiskOptions};
use colibri_storage::records::{
    QueueBody, QueueRecord, QueueState, StoredMessage, SubscriptionIdentifiers, queue_key,
};
use colibri_storage::writer::{Durability, Journal};
use colibri_storage::{Batch, Put, Table};

use crate::Result;

/// Puts groups of messages and deletes each `lag` groups later; 0 is within its own group.
pub fn run(directory: &Path) -> Result<()> {
    let topic = TopicName::new("plant/7/line/3/sensor/temperature")?;
    let message = StoredMessage {
        topic,
        qos: QoS::AtLeastOnce,
        retain: false,
        expires_at: None,
        publisher: Some(1),
        properties: &[],
        payload: &[b'7'; 100],
    };
    let record = QueueRecord {
        qos: QoS::AtLeastOnce,
        retain: false,
        replayed: false,
        state: QueueState::Waiting,
        subscription_identifiers: SubscriptionIdentifiers::default(),
        group: None,
        body: QueueBody::Inline(message),
    };
    encoding(&record);
    for (size, lag) in [(100, 2), (1_000, 2), (10_000, 2), (1_000, 0), (10_000, 0)] {
        let path = crate::fresh(directory)?;
        let mut journal =
            Journal::new(Disk::open(path.join("store"), DiskOptions::default())?, Durability::Sync);
        let mut batch = Batch::new();
        let (mut next, mut ticket) = (0u64, 0);
        let before = crate::system::Usage::now()?;
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) {
            for sequence in next..next + size {
                batch.clear();
                batch.put_with(Table::Queue, &queue_key(sequence % 100, sequence), Put::Insert, |out| {
                    record.encode(out)
                });
                if let Some(old) = sequence.checked_sub(lag * size) {
                    batch.delete(Table::Queue, &queue_key(old % 100, old));
                }
                ticket += 1;
                journal.submit(0, ticket, &batch);
            }
            next += size;
            let done = journal.commit(Time::from_millis(0)).len();
            if done != 1 {
                return Err(format!("{:?}", journal.health()).into());
            }
        }
        let name = format!("groups of {size}, deleted {lag} groups later");
        crate::report("journal", &name, next, started, before, directory)?;
    }
    Ok(())
}

/// What a record alone costs.
fn encoding(record: &QueueRecord<'_>) {
    const ROUNDS: u32 = 1_000_000;
    let mut value = Vec::new();
    let at = Instant::now();
    for _ in 0..ROUNDS {
        value.clear();
        std::hint::black_box(record).encode(&mut value);
    }
    let encoded = at.elapsed() / ROUNDS;
    let at = Instant::now();
    let mut right = 0;
    for _ in 0..ROUNDS {
        right += u32::from(QueueRecord::decode(b"k", std::hint::black_box(&value)).is_ok());
    }
    println!(
        "a row of {} bytes: encoded in {encoded:?}, decoded in {:?} ({right})",
        value.len(),
        at.elapsed() / ROUNDS
    );
}
