//! What a process has used, from `/proc`, and what this one may use.

use std::fs;

/// How many ticks of the processor times in `/proc` make a second. Linux has shown 100 on every common
/// architecture since 2.6, whatever the kernel counts by.
const TICKS_PER_SECOND: u64 = 100;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system, of all its threads, in microseconds; counted in steps of 10,000.
    pub cpu_micros: u64,
    /// Resident memory in bytes.
    pub resident: u64,
}

impl Usage {
    /// Of a process; `None` if there is none or the system does not tell.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Self::parse(&stat, &status)
    }

    /// Of this process.
    pub fn own() -> Option<Self> {
        Self::of(std::process::id())
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name of the program, in brackets, may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11).take(2);
        let user: u64 = times.next()?.parse().ok()?;
        let system: u64 = times.next()?.parse().ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        let cpu_micros = (user + system) * (1_000_000 / TICKS_PER_SECOND);
        Some(Self { cpu_micros, resident: kilobytes * 1024 })
    }
}

/// How many files this process may open, and how many it has open; `None` if the system does not tell.
pub fn open_files_limit() -> Option<(u64, u64)> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let most = match line.split_whitespace().next()? {
        "unlimited" => u64::MAX,
        number => number.parse().ok()?,
    };
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some((most, u64::try_from(open).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::Usage;

    #[test]
    fn a_name_with_brackets_and_blanks_does_no_harm() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 5 1 2";
        let status = "Name:\ta ) b\nVmRSS:\t    1024 kB\n";
        assert_eq!(Usage::parse(stat, status), Some(Usage { cpu_micros: 3_000_000, resident: 1_048_576 }));
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        assert_eq!(Usage::parse("42 (a) S 1", "VmRSS:\t1 kB\n"), None);
        assert_eq!(Usage::parse("42 (a) S 1 42 42 0 -1 4 1 0 0 0 250 50", ""), None);
    }

    #[test]
    fn this_process_uses_memory() {
        if cfg!(target_os = "linux") {
            assert!(Usage::own().unwrap().resident > 100_000);
        }
    }
}
