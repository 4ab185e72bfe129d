//! `reinstate-specimen passport|id-card`: draws one specimen, photographs it when asked to, and writes the truth beside it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use reinstate_specimen::{
    Camera, DateStyle, FaceBox, Field, Fonts, Holder, IdCard, Issue, Page, Passport, Portrait, Sex, Tamper,
};

/// Draws identity documents that were never issued, and photographs them.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    document: Document,
}

#[derive(Subcommand)]
enum Document {
    /// A passport's data page.
    Passport(Request),
    /// An identity card, front and back.
    IdCard {
        #[command(flatten)]
        request: Request,
        /// Where the back goes; --out is the front.
        #[arg(long)]
        back: PathBuf,
    },
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
    /// mrz:FIELD, mrz-mended:FIELD, visual:FIELD, portrait or zone; may be repeated.
    /// FIELD is surname, given-names, number, birth-date or expiry-date.
    #[arg(long, value_parser = forgery)]
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

#[derive(Clone, Copy)]
enum Forgery {
    Mrz { field: Field, mended: bool },
    Visual { field: Field },
    Portrait,
    Zone,
}

fn main() -> ExitCode {
    match run(Arguments::parse().document) {
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

fn run(document: Document) -> Result<(), Box<dyn Error>> {
    let fonts = Fonts::load()?;
    match document {
        Document::Passport(request) => {
            let passport = Passport { holder: request.holder(), issue: request.issue() };
            let page = passport.draw(&fonts, &request.portrait()?, &request.tampering()?);
            request.write(&page, &request.out)
        }
        Document::IdCard { request, back } => {
            let card = IdCard { holder: request.holder(), issue: request.issue() };
            let (front_page, back_page) = card.draw(&fonts, &request.portrait()?, &request.tampering()?);
            request.write(&front_page, &request.out)?;
            request.write(&back_page, &back)
        }
    }
}

impl Request {
    fn holder(&self) -> Holder {
        let invented = Holder::invented(self.seed);
        Holder {
            surname: self.surname.clone().unwrap_or(invented.surname),
            given_names: self.given_names.clone().unwrap_or(invented.given_names),
            birth_date: self.birth_date.unwrap_or(invented.birth_date),
            birth_place: self.birth_place.clone().unwrap_or(invented.birth_place),
            sex: self.sex.map_or(invented.sex, |sex| match sex {
                SexArgument::F => Sex::Female,
                SexArgument::M => Sex::Male,
                SexArgument::X => Sex::Unspecified,
            }),
            nationality: self.nationality.clone().unwrap_or(invented.nationality),
        }
    }

    fn issue(&self) -> Issue {
        let invented = Issue::invented(self.seed);
        Issue {
            issuer: self.issuer.clone().unwrap_or(invented.issuer),
            number: self.number.clone().unwrap_or(invented.number),
            issued: self.issued.unwrap_or(invented.issued),
            expires: self.expires.unwrap_or(invented.expires),
            personal_number: self.personal_number.clone().or(invented.personal_number),
            date_style: self.date_style.unwrap_or(invented.date_style),
        }
    }

    fn portrait(&self) -> Result<Portrait, Box<dyn Error>> {
        photo(&self.portrait, self.face)
    }

    fn tampering(&self) -> Result<Vec<Tamper>, Box<dyn Error>> {
        let forge = |forgery: &Forgery| match *forgery {
            Forgery::Mrz { field, mended } => Ok(Tamper::Mrz { field, mended }),
            Forgery::Visual { field } => Ok(Tamper::Visual { field }),
            Forgery::Zone => {
                let other = self.seed.wrapping_add(1);
                Ok(Tamper::Zone { holder: Holder::invented(other), issue: Issue::invented(other) })
            }
            Forgery::Portrait => {
                let path =
                    self.other_portrait.as_deref().ok_or("--tamper portrait needs --other-portrait")?;
                Ok(Tamper::Portrait(photo(path, self.other_face)?))
            }
        };
        self.tamper.iter().map(forge).collect()
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

fn forgery(text: &str) -> Result<Forgery, String> {
    let field = |name: &str| Field::from_str(name, true);
    match text.split_once(':') {
        Some(("mrz", name)) => Ok(Forgery::Mrz { field: field(name)?, mended: false }),
        Some(("mrz-mended", name)) => Ok(Forgery::Mrz { field: field(name)?, mended: true }),
        Some(("visual", name)) => Ok(Forgery::Visual { field: field(name)? }),
        None if text == "portrait" => Ok(Forgery::Portrait),
        None if text == "zone" => Ok(Forgery::Zone),
        _ => Err("not a way to tamper".into()),
    }
}
