//! `reinstate-specimen draw KIND`: draws one specimen, photographs it when asked to, and writes the truth beside it.
//! `reinstate-specimen sweep`: a folder of photos from careful to hopeless, labelled.
//! `reinstate-specimen again`: labelled photos, photographed once more.

mod again;
mod sweep;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use reinstate_specimen::{
    Camera, DateStyle, Document, FaceBox, Fonts, Forgery, Holder, Issue, Kind, Page, Portrait, Sex, Tamper,
    Unknown,
};

/// Draws identity documents that were never issued, and photographs them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Draws one document, and photographs it when asked to. The truth goes beside each picture, with the ending .json.
    Draw {
        kind: Kind,
        #[command(flatten)]
        request: Box<Request>,
        /// Where the back of a card goes; --out is the front.
        #[arg(long)]
        back: Option<PathBuf>,
    },
    /// Photographs many documents at every strength of each disturbance into a folder, with a manifest for
    /// `reinstate-verifier evaluate`.
    Sweep(sweep::Arguments),
    /// Photographs labelled photos of documents once more, at every strength of each disturbance, into a folder with a manifest
    /// for `reinstate-verifier evaluate`.
    Again(again::Arguments),
}

#[derive(Args)]
struct Request {
    /// A photo of the holder, JPEG, PNG or WebP.
    #[arg(long)]
    portrait: PathBuf,
    /// Where the face is in the photo: X,Y,WIDTH,HEIGHT in pixels. Default: the upper middle.
    #[arg(long, value_parser = face_box)]
    face: Option<FaceBox>,
    /// The picture: PNG as drawn, JPEG with --camera. The truth goes beside it, with the ending .json.
    #[arg(long)]
    out: PathBuf,
    /// Same seed, same bytes. It invents whoever and whatever isn't given.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Photographs the drawing.
    #[arg(long)]
    camera: Option<Quality>,
    /// mrz:FIELD, mrz-mended:FIELD, visual:FIELD, pasted:FIELD, portrait or zone; may be repeated.
    /// FIELD is surname, given-names, number, birth-date or expiry-date.
    #[arg(long)]
    tamper: Vec<Forgery>,
    /// The photo for `--tamper portrait`.
    #[arg(long)]
    other_portrait: Option<PathBuf>,
    /// Where the face is in --other-portrait.
    #[arg(long, value_parser = face_box)]
    other_face: Option<FaceBox>,
    #[arg(long)]
    surname: Option<String>,
    #[arg(long)]
    given_names: Option<String>,
    /// As 1974-08-12.
    #[arg(long)]
    birth_date: Option<Date>,
    #[arg(long)]
    birth_place: Option<String>,
    #[arg(long)]
    sex: Option<SexArgument>,
    #[arg(long)]
    nationality: Option<String>,
    #[arg(long)]
    issuer: Option<String>,
    #[arg(long)]
    number: Option<String>,
    #[arg(long)]
    issued: Option<Date>,
    #[arg(long)]
    expires: Option<Date>,
    #[arg(long)]
    personal_number: Option<String>,
    #[arg(long)]
    date_style: Option<DateStyle>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Quality {
    Good,
    Poor,
    Terrible,
}

#[derive(Clone, Copy, ValueEnum)]
enum SexArgument {
    F,
    M,
    X,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("reinstate-specimen: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Draw { kind, request, back } => {
            let fonts = Fonts::load()?;
            let sides = request.document(kind).draw(&fonts, &request.portrait()?, &request.tampering()?);
            request.write(&sides.front, &request.out)?;
            match (&sides.back, &back) {
                (Some(page), Some(path)) => request.write(page, path),
                (Some(_), None) => Err("this document has a back: say with --back where it goes".into()),
                (None, Some(_)) => Err("this document has no back".into()),
                (None, None) => Ok(()),
            }
        }
        Command::Sweep(arguments) => sweep::run(&arguments, &Fonts::load()?),
        Command::Again(arguments) => again::run(&arguments),
    }
}

impl Request {
    /// Invented but for what is given.
    fn document(&self, kind: Kind) -> Document {
        let issuer = self.issuer.as_deref().unwrap_or("UTO");
        let Document { holder, issue, .. } = Document::invented(kind, issuer, self.seed);
        let holder = Holder {
            surname: self.surname.clone().unwrap_or(holder.surname),
            given_names: self.given_names.clone().unwrap_or(holder.given_names),
            birth_date: self.birth_date.unwrap_or(holder.birth_date),
            birth_unknown: if self.birth_date.is_some() { Unknown::Nothing } else { holder.birth_unknown },
            birth_place: self.birth_place.clone().unwrap_or(holder.birth_place),
            sex: self.sex.map_or(holder.sex, |sex| match sex {
                SexArgument::F => Sex::Female,
                SexArgument::M => Sex::Male,
                SexArgument::X => Sex::Unspecified,
            }),
            nationality: self.nationality.clone().unwrap_or(holder.nationality),
        };
        let issue = Issue {
            issuer: issuer.to_owned(),
            number: self.number.clone().unwrap_or(issue.number),
            issued: self.issued.unwrap_or(issue.issued),
            expires: self.expires.unwrap_or(issue.expires),
            personal_number: self.personal_number.clone().or(issue.personal_number),
            date_style: self.date_style.unwrap_or(issue.date_style),
            ..issue
        };
        Document { kind, holder, issue }
    }

    fn portrait(&self) -> Result<Portrait, Box<dyn Error>> {
        photo(&self.portrait, self.face)
    }

    fn tampering(&self) -> Result<Vec<Tamper>, Box<dyn Error>> {
        let other = match &self.other_portrait {
            Some(path) => photo(path, self.other_face)?,
            None if self.tamper.contains(&Forgery::Portrait) => {
                return Err("--tamper portrait needs --other-portrait".into());
            }
            None => Portrait::drawn(),
        };
        Ok(self.tamper.iter().map(|forgery| forgery.tamper(self.seed, &other)).collect())
    }

    fn write(&self, page: &Page, to: &Path) -> Result<(), Box<dyn Error>> {
        let camera = self.camera.map(|quality| match quality {
            Quality::Good => Camera::good(self.seed),
            Quality::Poor => Camera::poor(self.seed),
            Quality::Terrible => Camera::terrible(self.seed),
        });
        let (picture, truth) = match camera {
            Some(camera) => {
                let photo = camera.photograph(page)?;
                (photo.jpeg, photo.truth)
            }
            None => (page.png()?, page.truth.clone()),
        };
        std::fs::write(to, picture)?;
        std::fs::write(to.with_extension("json"), serde_json::to_vec_pretty(&truth)?)?;
        Ok(())
    }
}

fn photo(path: &Path, face: Option<FaceBox>) -> Result<Portrait, Box<dyn Error>> {
    let photo = image::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Portrait::new(&photo, face))
}

fn face_box(text: &str) -> Result<FaceBox, String> {
    let numbers: Vec<f32> = text.split(',').map_while(|part| part.trim().parse().ok()).collect();
    match numbers[..] {
        [x, y, width, height] if width > 0.0 && height > 0.0 => Ok(FaceBox { x, y, width, height }),
        _ => Err("a face box is X,Y,WIDTH,HEIGHT".into()),
    }
}
