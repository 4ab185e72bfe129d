//! `reinstate-specimen again`: photographs labelled photos once more, each as if it lay on the table as a print. What a reader
//! makes of real photos when they are worse than they are.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use reinstate_specimen::{Camera, Disturbance, Half};
use serde_json::{Value, json};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Labelled documents, as `reinstate-verifier evaluate` takes them: an array, or an object that holds it as `documents`.
    manifest: PathBuf,
    /// The folder for manifest.json and images/.
    #[arg(long)]
    out: PathBuf,
    /// The even seeds are there to be looked at, the odd ones to be measured on.
    #[arg(long, default_value = "tuning")]
    half: Half,
    /// Default: all.
    #[arg(long, value_delimiter = ',')]
    disturbances: Vec<Disturbance>,
    /// Of each disturbance, 0 to 1.
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 0.15, 0.3, 0.45])]
    strengths: Vec<f32>,
    /// Instead of disturbances: so many photos of each with any faults at once, of any strength up to the greatest of these.
    #[arg(long, conflicts_with = "disturbances")]
    any: Option<u32>,
}

/// One way to photograph an entry again.
struct Way {
    name: String,
    camera: Camera,
    /// With its strength, when there is one alone.
    disturbance: Option<(Disturbance, f32)>,
}

impl Arguments {
    fn ways(&self, entry: u64) -> Vec<Way> {
        let seed = |photo: u64| self.half.seed(entry.wrapping_mul(1_000_003).wrapping_add(photo));
        if let Some(photos) = self.any {
            let most = self.strengths.iter().copied().fold(0.0, f32::max);
            let way = |n: u32| Way {
                name: format!("any-{n}"),
                camera: Disturbance::any(most, seed(u64::from(n))),
                disturbance: None,
            };
            return (0..photos).map(way).collect();
        }
        let disturbances: &[Disturbance] =
            if self.disturbances.is_empty() { &Disturbance::ALL } else { &self.disturbances };
        let each = disturbances.iter().flat_map(|d| self.strengths.iter().map(move |s| (*d, *s)));
        each.map(|(disturbance, strength)| Way {
            name: format!("{}-{:03}", disturbance.as_str(), (strength * 100.0).round()),
            camera: disturbance.camera(strength, seed(0)),
            disturbance: Some((disturbance, strength)),
        })
        .collect()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let from = arguments.manifest.parent().unwrap_or(Path::new(""));
    let manifest: Value = serde_json::from_slice(&fs::read(&arguments.manifest)?)?;
    let entries = manifest.as_array().or_else(|| manifest.get("documents")?.as_array());
    let entries = entries.ok_or("the manifest holds no array of documents")?;
    fs::create_dir_all(arguments.out.join("images"))?;
    let mut labels = Vec::new();
    for (n, entry) in (0..).zip(entries) {
        let id = entry.get("id").and_then(Value::as_str).ok_or("a document has no id")?;
        for way in arguments.ways(n) {
            let mut label = entry.clone();
            let name = format!("{id}-{}", way.name);
            for side in ["image", "back"] {
                let Some(file) = entry.get(side).and_then(Value::as_str) else { continue };
                let picture = image::open(from.join(file)).map_err(|error| format!("{file}: {error}"))?;
                let to = format!("images/{name}-{side}.jpg");
                fs::write(arguments.out.join(&to), way.camera.shoot(&picture.into_rgb8())?.0)?;
                label[side] = to.into();
            }
            label["id"] = name.into();
            label["half"] = json!(arguments.half);
            if let Some((disturbance, strength)) = way.disturbance {
                label["disturbance"] = disturbance.as_str().into();
                label["strength"] = json!(strength);
                label["amount"] = json!(disturbance.amount(strength));
                label["unit"] = disturbance.unit().into();
            }
            if let Some(label) = label.as_object_mut() {
                // It is about the file that was photographed.
                label.remove("sha256");
            }
            labels.push(label);
        }
    }
    fs::write(arguments.out.join("manifest.json"), serde_json::to_vec_pretty(&labels)?)?;
    println!("{} photos labelled in {}", labels.len(), arguments.out.display());
    Ok(())
}
