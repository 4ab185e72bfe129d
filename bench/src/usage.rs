//! What processes use, as Linux counts it below `/proc`.

use std::{fs, io, time::Duration};

/// Ticks of the times in `/proc/PID/stat`, a second: what Linux tells user space on every architecture that we build for.
const TICKS: u32 = 100;

/// Resident memory in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) now: f64,
    /// The most there ever was.
    pub(crate) most: f64,
}

/// The memory of a process.
///
/// # Errors
/// When there is no such process.
pub(crate) fn memory(pid: u32) -> io::Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |name: &str| -> f64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    };
    Ok(Memory { now: mib("VmRSS:"), most: mib("VmHWM:") })
}

/// Whose processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Itself,
    /// Also of those that it has started and that have not ended.
    Family,
}

/// The processor time of a process, to 10 ms.
///
/// # Errors
/// When there is no such process, or the processes can't be listed.
pub(crate) fn processor(pid: u32, of: Of) -> io::Result<Duration> {
    let mut all = ticks(pid)?.1;
    if of == Of::Family {
        for entry in fs::read_dir("/proc")? {
            let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // One may end meanwhile.
            let Ok((parent, ticks)) = ticks(number) else { continue };
            all += if parent == pid { ticks } else { 0 };
        }
    }
    Ok(Duration::from_secs(1) * all / TICKS)
}

/// A process's parent and the ticks that it has had.
fn ticks(pid: u32) -> io::Result<(u32, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // `PID (NAME) STATE PARENT …`, and a name may have any character. User and system time are the 14th and 15th field.
    let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |index: usize| fields.get(index).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
    Ok((field(1), field(11) + field(12)))
}

/// Microseconds of it for each of so many.
pub(crate) fn each(spent: Duration, many: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let many = many as f64;
    spent.as_secs_f64() * 1e6 / many
}
