//! What a run costs, as Linux counts it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Result;

/// What the process used since it started.
#[derive(Clone, Copy)]
pub struct Usage {
    /// Of all threads.
    pub cpu: Duration,
    /// Bytes that reached the block layer.
    pub written: u64,
    /// Resident, in bytes.
    pub memory: u64,
}

impl Usage {
    /// Until now.
    pub fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        // Fields 14 and 15 of proc(5), in hundredths of a second; the first two were cut off.
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let io = fs::read_to_string("/proc/self/io")?;
        let written = field(&io, "write_bytes:")?;
        let memory = field(&fs::read_to_string("/proc/self/status")?, "VmRSS:")? << 10;
        Ok(Self { cpu: Duration::from_millis(ticks * 10), written, memory })
    }
}

fn field(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("a field of /proc is missing")?;
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}

/// The blocks that all files of a directory take.
pub fn disk_use(directory: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { disk_use(&entry.path())? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
