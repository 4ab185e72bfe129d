//! Readers that people would otherwise take, on the same photos and with one thread like ours: installed from PyPI, each into an
//! environment of its own below the cache. One that can't be installed or run here is named with the reason, and no failure.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reinstate_verifier::document::DocumentReader;
use reinstate_verifier::evaluate::manifest::{Document, Manifest};
use reinstate_verifier::evaluate::{self, statistics::quantile};
use reinstate_verifier::models::{Bundle, cache_dir};
use serde::{Deserialize, Serialize};

/// Prints one JSON line per photo, and what they have in common.
const DRIVER: &str = include_str!("../peers/read.py");

struct Peer {
    name: &'static str,
    /// As pip names it, pinned.
    packages: &'static [&'static str],
    /// A program of the system that it calls.
    calls: Option<&'static str>,
}

const PEERS: [Peer; 3] = [
    Peer { name: "rapidocr", packages: &["rapidocr==3.10.0", "onnxruntime==1.24.4"], calls: None },
    Peer { name: "passporteye", packages: &["passporteye==2.2.2"], calls: Some("tesseract") },
    // AGPL-3.0 with its model: measured, never shipped. Its tesseract needs mrz.traineddata, which no package carries.
    Peer { name: "fastmrz", packages: &["fastmrz==2.1.2"], calls: Some("tesseract") },
];

#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Manifest(#[from] evaluate::manifest::Error),
    #[error("a scratch file")]
    Scratch(#[from] io::Error),
    #[error("this program can't start itself")]
    Ours(#[source] io::Error),
    #[error("our own reader failed: {said}")]
    Reader { said: String },
}

/// One page as a reader saw it.
#[derive(Serialize, Deserialize)]
struct Page {
    lines: Vec<String>,
    cpu_ms: f64,
    wall_ms: f64,
}

#[derive(Serialize, Deserialize)]
struct Process {
    version: String,
    peak_mib: f64,
}

/// Reads the documents of a manifest with ours and with each peer, and prints a table.
pub(crate) fn run(manifest: &Path) -> Result<(), Failed> {
    let documents = Manifest::open(manifest)?.documents;
    let mut list = tempfile::NamedTempFile::new()?;
    for document in &documents {
        writeln!(list, "{}", document.front().path.display())?;
    }
    println!("\n{} photos of {}, one thread", documents.len(), manifest.display());
    println!(
        "  {:<22} {:>11} {:>11} {:>11} {:>11} {:>9} {:>12} {:>11}",
        "reader", "CPU ms", "CPU 95 %", "wall ms", "wall 95 %", "peak MiB", "lines exact", "five fields"
    );
    let ours = std::env::current_exe().map_err(Failed::Ours)?;
    let mut command = Command::new(ours);
    command.arg("read").arg(list.path());
    let (pages, process) = ask(&mut command).map_err(|said| Failed::Reader { said })?;
    print("reinstate", &documents, &pages, &process);
    for peer in &PEERS {
        match peer.environment().and_then(|python| {
            let driver = peer.folder().join("read.py");
            fs::write(&driver, DRIVER).map_err(|e| e.to_string())?;
            ask(Command::new(python).args([
                driver.as_os_str(),
                OsStr::new(peer.name),
                list.path().as_os_str(),
            ]))
        }) {
            Ok((pages, process)) => print(peer.name, &documents, &pages, &process),
            Err(reason) => println!("  {:<22} not measured: {reason}", peer.name),
        }
    }
    println!(
        "  deepface, insightface: not measured, both fetch their weights from elsewhere than a package registry"
    );
    Ok(())
}

impl Peer {
    fn folder(&self) -> PathBuf {
        cache_dir().join("peers").join(self.name)
    }

    /// The Python of its environment, which is made on first use; otherwise why there is none.
    fn environment(&self) -> Result<PathBuf, String> {
        if let Some(program) = self.calls
            && !Command::new(program)
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|s| s.success())
        {
            return Err(format!("it calls {program}, which is not installed (Debian: {program}-ocr)"));
        }
        let python = self.folder().join("bin/python");
        let done = self.folder().join("installed");
        let wanted = self.packages.join(" ");
        if fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
            return Ok(python);
        }
        eprintln!("installing {wanted} from PyPI into {}", self.folder().display());
        said(Command::new("python3").args(["-m", "venv"]).arg(self.folder()))?;
        said(
            Command::new(&python)
                .args(["-m", "pip", "install", "-q", "--disable-pip-version-check"])
                .args(self.packages),
        )?;
        fs::write(&done, wanted).map_err(|e| e.to_string())?;
        Ok(python)
    }
}

/// Runs it, or says the last line of what it complained about.
fn said(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it says nothing")
        .trim()
        .to_owned())
}

fn ask(command: &mut Command) -> Result<(Vec<Page>, Process), String> {
    for variable in ["OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(variable, "1");
    }
    let output = String::from_utf8(said(command)?).map_err(|e| e.to_string())?;
    let mut lines: Vec<&str> = output.lines().collect();
    let last = lines.pop().unwrap_or_default();
    let process = serde_json::from_str(last).map_err(|e| e.to_string())?;
    let pages =
        lines.into_iter().map(serde_json::from_str).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    Ok((pages, process))
}

fn print(name: &str, documents: &[Document], pages: &[Page], process: &Process) {
    let of = |value: fn(&Page) -> f64, share| {
        quantile(&pages.iter().map(value).collect::<Vec<_>>(), share).unwrap_or_default()
    };
    let count =
        |is: &dyn Fn(&Document, &Page) -> bool| documents.iter().zip(pages).filter(|(d, p)| is(d, p)).count();
    let exact = count(&|document, page| page.lines == document.mrz);
    let fields = count(&|document, page| {
        fields(&document.format, &document.mrz)
            .is_some_and(|truth| fields(&document.format, &page.lines) == Some(truth))
    });
    println!(
        "  {:<22} {:>11.0} {:>11.0} {:>11.0} {:>11.0} {:>9.0} {:>12} {:>11}",
        format!("{name} {}", process.version),
        of(|p| p.cpu_ms, 0.5),
        of(|p| p.cpu_ms, 0.95),
        of(|p| p.wall_ms, 0.5),
        of(|p| p.wall_ms, 0.95),
        process.peak_mib,
        format!("{exact} of {}", documents.len()),
        format!("{fields} of {}", documents.len()),
    );
}

/// Number, birth date, expiry date, surname and given names, as the cells have them; `None` of lines of another shape.
fn fields(format: &str, lines: &[String]) -> Option<[String; 5]> {
    let plain = |cells: &str| cells.trim_end_matches('<').to_owned();
    let names = |cells: &str| {
        let (surname, given_names) = cells.split_once("<<").unwrap_or((cells, ""));
        (plain(surname), plain(given_names))
    };
    let whole = |width: usize| lines.iter().all(|line| line.len() == width && line.is_ascii());
    match (format, lines) {
        ("TD1", [first, second, third]) if whole(30) => {
            let (surname, given_names) = names(third);
            Some([plain(&first[5..14]), second[0..6].into(), second[8..14].into(), surname, given_names])
        }
        ("TD3" | "MRVA", [first, second]) if whole(44) => {
            let (surname, given_names) = names(&first[5..]);
            Some([plain(&second[0..9]), second[13..19].into(), second[21..27].into(), surname, given_names])
        }
        ("TD2" | "MRVB", [first, second]) if whole(36) => {
            let (surname, given_names) = names(&first[5..]);
            Some([plain(&second[0..9]), second[13..19].into(), second[21..27].into(), surname, given_names])
        }
        _ => None,
    }
}

/// The hidden command `read`: ours, speaking as the peers' driver does.
pub(crate) fn read(list: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let bundle = Bundle::load(None)?;
    let mut reader = DocumentReader::new(&bundle)?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let photos = fs::read_to_string(list)?;
    let mut out = io::stdout().lock();
    // Whatever is loaded on first use is not a page's cost.
    for (path, measured) in
        photos.lines().take(1).map(|path| (path, false)).chain(photos.lines().map(|path| (path, true)))
    {
        let begun = Instant::now();
        let examination = reader.examine(&fs::read(path)?, None, today)?;
        let wall = begun.elapsed();
        if measured {
            let lines = examination.observation.mrz.map(|mrz| mrz.lines).unwrap_or_default();
            let cpu: f64 = examination.timings.stages().map(|(_, spent)| spent.cpu.as_secs_f64() * 1e3).sum();
            let page = Page { lines, cpu_ms: cpu, wall_ms: wall.as_secs_f64() * 1e3 };
            writeln!(out, "{}", serde_json::to_string(&page)?)?;
        }
    }
    let process = Process { version: env!("CARGO_PKG_VERSION").into(), peak_mib: peak_mib()? };
    writeln!(out, "{}", serde_json::to_string(&process)?)?;
    Ok(())
}

/// The most memory that this process ever held, as the kernel counts it.
fn peak_mib() -> io::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    Ok(kib.unwrap_or_default() / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_are_cut_from_the_zone_and_from_nothing_else() {
        let zone =
            ["P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"];
        let zone = zone.map(str::to_owned);
        let expected = ["L898902C3", "740812", "120415", "ERIKSSON", "ANNA<MARIA"].map(str::to_owned);
        assert_eq!(fields("TD3", &zone), Some(expected));
        assert_eq!(fields("TD3", &zone[..1]), None);
        assert_eq!(fields("none", &[]), None);
    }
}
