//! `reinstate-specimen sweep`: writes the photos of a plan and their manifest, on all cores.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use reinstate_specimen::{
    Disturbance, Fonts, Forgery, Half, Kind, Label, Plan, Portrait, STATES, Set, Shot, Studio,
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder for manifest.json and images/.
    #[arg(long)]
    out: PathBuf,
    /// The even seeds are there to be looked at, the odd ones to be measured on.
    #[arg(long, default_value = "tuning")]
    half: Half,
    /// Documents of each kind and issuer.
    #[arg(long, default_value_t = 1)]
    documents: u32,
    /// Default: all.
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// ICAO codes. Default: all that are known.
    #[arg(long, value_delimiter = ',')]
    issuers: Vec<String>,
    /// Default: all.
    #[arg(long, value_delimiter = ',')]
    disturbances: Vec<Disturbance>,
    /// Of each disturbance, 0 to 1.
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 0.25, 0.5, 0.75, 1.0])]
    strengths: Vec<f32>,
    /// Instead of disturbances: so many photos of each document as phones usually take them.
    #[arg(long, conflicts_with_all = ["disturbances", "strengths"])]
    ordinary: Option<u32>,
    /// Instead of disturbances: each document forged in each way, and once untouched.
    #[arg(long, conflicts_with_all = ["disturbances", "strengths", "ordinary"])]
    tampered: bool,
    /// The holders' photos, taken in turn. Default: a drawn head, which no face detector takes for a person.
    #[arg(long)]
    portraits: Vec<PathBuf>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let set = match (self.ordinary, self.tampered) {
            (Some(photos), _) => Set::Ordinary { photos },
            (None, true) => Set::Tampered { forgeries: Forgery::SWEPT.to_vec() },
            (None, false) => Set::Curves {
                disturbances: or_all(&self.disturbances, &Disturbance::ALL),
                strengths: self.strengths.clone(),
            },
        };
        Plan {
            kinds: or_all(&self.kinds, &Kind::ALL),
            issuers: or_all(&self.issuers, &STATES.map(str::to_owned)),
            documents: self.documents,
            half: self.half,
            set,
        }
    }
}

fn or_all<T: Clone>(given: &[T], all: &[T]) -> Vec<T> {
    if given.is_empty() { all.to_vec() } else { given.to_vec() }
}

pub(crate) fn run(arguments: &Arguments, fonts: &Fonts) -> Result<(), Box<dyn Error>> {
    if let Some(unknown) = arguments.issuers.iter().find(|code| !STATES.contains(&code.as_str())) {
        return Err(format!("no issuer {unknown}; there are {}", STATES.join(", ")).into());
    }
    let portraits = match &arguments.portraits[..] {
        [] => vec![Portrait::drawn()],
        paths => paths.iter().map(|path| crate::photo(path, None)).collect::<Result<_, _>>()?,
    };
    let shots = arguments.plan().shots();
    fs::create_dir_all(arguments.out.join("images"))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let labels = std::thread::scope(|scope| {
        let work = || -> Result<Vec<(usize, Label)>, String> {
            let mut studio = Studio::new(fonts, &portraits);
            let mut labels = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(shot) = shots.get(n) else { return Ok(labels) };
                let label =
                    write(shot, &mut studio, &arguments.out).map_err(|e| format!("{}: {e}", shot.id))?;
                labels.push((n, label));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a thread died".to_owned())?)
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut labels: Vec<_> = labels.into_iter().flatten().collect();
    labels.sort_by_key(|(n, _)| *n);
    let labels: Vec<_> = labels.into_iter().map(|(_, label)| label).collect();
    fs::write(arguments.out.join("manifest.json"), serde_json::to_vec_pretty(&labels)?)?;
    println!("{} photos labelled in {}", labels.len(), arguments.out.display());
    Ok(())
}

fn write(shot: &Shot, studio: &mut Studio, folder: &Path) -> Result<Label, Box<dyn Error>> {
    let taken = studio.take(shot)?;
    fs::write(folder.join(&taken.label.image), &taken.front)?;
    if let (Some(name), Some(jpeg)) = (&taken.label.back, &taken.back) {
        fs::write(folder.join(name), jpeg)?;
    }
    Ok(taken.label)
}
