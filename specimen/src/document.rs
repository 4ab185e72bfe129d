//! The two documents: what goes where on a passport's data page and on the two sides of an identity card.

use std::collections::BTreeMap;
use std::io::Cursor;

use image::{ImageFormat, RgbImage};

use crate::canvas::{Canvas, Colour, Style, pixels};
use crate::fonts::Fonts;
use crate::holder::{Holder, Issue};
use crate::portrait::Portrait;
use crate::tamper::{Contents, Tamper};
use crate::truth::{Area, Format, Side, Truth};
use crate::zone;

const LABEL: Colour = [66, 84, 132];
const VALUE: Colour = [24, 24, 34];
const WARNING: Colour = [188, 24, 36];

/// A drawn side of a document, flat as from a scanner, and all that is known of it.
#[derive(Clone)]
pub struct Page {
    pub image: RgbImage,
    pub truth: Truth,
}

impl Page {
    /// # Errors
    /// When the encoder refuses the picture.
    pub fn png(&self) -> Result<Vec<u8>, image::ImageError> {
        let mut bytes = Cursor::new(Vec::new());
        self.image.write_to(&mut bytes, ImageFormat::Png)?;
        Ok(bytes.into_inner())
    }
}

/// A machine-readable passport, ICAO 9303-4: one data page of 125 × 88 mm.
#[derive(Debug, Clone)]
pub struct Passport {
    pub holder: Holder,
    pub issue: Issue,
}

/// A card of size TD1, ICAO 9303-5: two sides of 85.6 × 54 mm, the zone on the back.
#[derive(Debug, Clone)]
pub struct IdCard {
    pub holder: Holder,
    pub issue: Issue,
}

impl Passport {
    pub fn draw(&self, fonts: &Fonts, portrait: &Portrait, tampering: &[Tamper]) -> Page {
        let contents = Contents::new(Format::Td3, &self.holder, &self.issue, portrait, tampering);
        let mut sheet = Sheet::new(fonts, &contents, (125.0, 88.0), [[226, 236, 246], [244, 232, 238]]);
        let country = country(&self.issue.issuer);

        sheet.heading(6.0, 8.6, 2.0, 37.0, "PASSPORT / PASSEPORT");
        sheet.heading(45.0, 8.6, 2.6, 45.0, &country);
        sheet.specimen(93.0, 8.8, 3.0);
        sheet.portrait(6.0, 14.0, 35.0, 45.0);

        let (left, middle, right) = (45.0, 62.0, 88.0);
        let row = |n: f32| 13.8 + 6.3 * n;
        sheet.value("Type / Type", "P", left, row(0.0), 12.0);
        sheet.value("Code / Code", &self.issue.issuer, middle, row(0.0), 20.0);
        sheet.fact(
            "number",
            "Passport No. / No du passeport",
            &contents.visual.number,
            right,
            row(0.0),
            33.0,
        );
        sheet.fact("surname", "Surname / Nom", &contents.visual.surname, left, row(1.0), 76.0);
        sheet.fact(
            "given_names",
            "Given names / Prénoms",
            &contents.visual.given_names,
            left,
            row(2.0),
            76.0,
        );
        sheet.value("Nationality / Nationalité", &nationality(&self.holder), left, row(3.0), 40.0);
        if let Some(number) = &self.issue.personal_number {
            sheet.value("Personal No. / No personnel", number, right, row(3.0), 33.0);
        }
        sheet.fact(
            "birth_date",
            "Date of birth / Date de naissance",
            &contents.birth_date,
            left,
            row(4.0),
            40.0,
        );
        sheet.value("Sex / Sexe", self.holder.sex.printed(), left, row(5.0), 12.0);
        sheet.value(
            "Place of birth / Lieu de naissance",
            &self.holder.birth_place.to_uppercase(),
            middle,
            row(5.0),
            58.0,
        );
        let issued = self.issue.date_style.print(self.issue.issued);
        sheet.value("Date of issue / Date de délivrance", &issued, left, row(6.0), 40.0);
        sheet.value("Authority / Autorité", "PASSPORT OFFICE", right, row(6.0), 33.0);
        sheet.fact(
            "expiry_date",
            "Date of expiry / Date d'expiration",
            &contents.expiry_date,
            left,
            row(7.0),
            40.0,
        );
        sheet.signature(right, row(7.0), 24.0);
        // Centre lines 15.75 and 9.4 mm above the edge, ICAO 9303-4 appendix B.
        sheet.zone(6.6, &[73.45, 79.8]);
        sheet.finish(Side::DataPage)
    }
}

impl IdCard {
    /// Front and back.
    pub fn draw(&self, fonts: &Fonts, portrait: &Portrait, tampering: &[Tamper]) -> (Page, Page) {
        let contents = Contents::new(Format::Td1, &self.holder, &self.issue, portrait, tampering);
        (self.front(fonts, &contents), self.back(fonts, &contents))
    }

    fn front(&self, fonts: &Fonts, contents: &Contents) -> Page {
        let mut sheet = Sheet::new(fonts, contents, (85.6, 54.0), [[228, 242, 234], [240, 238, 224]]);
        sheet.heading(4.0, 6.2, 2.2, 26.0, &country(&self.issue.issuer));
        sheet.heading(32.5, 6.0, 1.6, 50.0, "IDENTITY CARD / CARTE D'IDENTITÉ");
        sheet.portrait(4.0, 10.0, 26.0, 33.4);
        let (left, right) = (33.0, 60.0);
        let row = |n: f32| 10.8 + 5.9 * n;
        sheet.fact("number", "Card No. / No de la carte", &contents.visual.number, left, row(0.0), 48.0);
        sheet.fact("surname", "Surname / Nom", &contents.visual.surname, left, row(1.0), 48.0);
        sheet.fact(
            "given_names",
            "Given names / Prénoms",
            &contents.visual.given_names,
            left,
            row(2.0),
            48.0,
        );
        sheet.fact(
            "birth_date",
            "Date of birth / Date de naissance",
            &contents.birth_date,
            left,
            row(3.0),
            25.0,
        );
        sheet.value("Sex / Sexe", self.holder.sex.printed(), right, row(3.0), 8.0);
        sheet.value("Nationality / Nationalité", &nationality(&self.holder), left, row(4.0), 25.0);
        let birth_place = self.holder.birth_place.to_uppercase();
        sheet.value("Place of birth / Lieu de naissance", &birth_place, right, row(4.0), 23.0);
        sheet.fact(
            "expiry_date",
            "Date of expiry / Date d'expiration",
            &contents.expiry_date,
            left,
            row(5.0),
            25.0,
        );
        sheet.signature(5.0, 46.0, 20.0);
        sheet.specimen(52.0, 50.5, 2.6);
        sheet.finish(Side::Front)
    }

    fn back(&self, fonts: &Fonts, contents: &Contents) -> Page {
        let mut sheet = Sheet::new(fonts, contents, (85.6, 54.0), [[240, 238, 224], [228, 242, 234]]);
        sheet.value("Authority / Autorité", "CITY OF ZENITH", 5.0, 5.0, 34.0);
        let issued = self.issue.date_style.print(self.issue.issued);
        sheet.value("Date of issue / Date de délivrance", &issued, 5.0, 11.4, 34.0);
        sheet.value("Address / Adresse", "17 HARBOUR ROAD, ZENITH", 44.0, 5.0, 38.0);
        if let Some(number) = &self.issue.personal_number {
            sheet.value("Personal No. / No personnel", number, 44.0, 11.4, 38.0);
        }
        sheet.specimen(31.0, 27.0, 2.6);
        // Six lines to the inch, the lowest centre line 6.8 mm above the edge, as on issued cards.
        sheet.zone(4.9, &[39.93, 44.17, 48.4]);
        sheet.finish(Side::Back)
    }
}

/// A side while it is being drawn; the type sizes follow from its height.
struct Sheet<'a> {
    canvas: Canvas,
    fonts: &'a Fonts,
    contents: &'a Contents,
    areas: BTreeMap<String, Area>,
    /// Height of a value's capitals in mm.
    capital: f32,
    seed: u64,
}

impl<'a> Sheet<'a> {
    fn new(fonts: &'a Fonts, contents: &'a Contents, size: (f32, f32), tints: [Colour; 2]) -> Self {
        // Each document has its own paper and signature, whatever is done to it later.
        let seed =
            contents.genuine.number.bytes().fold(7, |seed: u64, b| seed.wrapping_mul(131) + u64::from(b));
        let canvas = Canvas::paper(size.0, size.1, seed, tints);
        let capital = if size.1 > 60.0 { 1.9 } else { 1.7 };
        Self { canvas, fonts, contents, areas: BTreeMap::new(), capital, seed }
    }

    fn heading(&mut self, x: f32, baseline: f32, capital: f32, width: f32, text: &str) {
        let style = Style { font: &self.fonts.bold, capital, colour: [36, 58, 120], width };
        self.canvas.text(style, x, baseline, text);
    }

    /// Stands clear of every field, so that it hides nothing and is read as a line of its own.
    fn specimen(&mut self, x: f32, baseline: f32, capital: f32) {
        let style = Style { font: &self.fonts.bold, capital, colour: WARNING, width: 60.0 };
        self.canvas.text(style, x, baseline, "SPECIMEN");
    }

    /// A small label with its value below it.
    fn value(&mut self, label: &str, value: &str, x: f32, y: f32, width: f32) -> Area {
        let small = Style { font: &self.fonts.regular, capital: self.capital * 0.56, colour: LABEL, width };
        self.canvas.text(small, x, y, label);
        let large = Style { font: &self.fonts.bold, capital: self.capital, colour: VALUE, width };
        self.canvas.text(large, x, y + self.capital * 1.72, value)
    }

    fn fact(&mut self, name: &str, label: &str, value: &str, x: f32, y: f32, width: f32) {
        let area = self.value(label, value, x, y, width);
        self.areas.insert(name.into(), area);
    }

    fn portrait(&mut self, x: f32, y: f32, width: f32, height: f32) {
        let picture = self.contents.portrait.cut(pixels(width), pixels(height));
        let area = self.canvas.picture(&picture, x, y);
        if self.contents.pasted {
            self.canvas.frame([x, y, width, height], 0.25, [246, 246, 242]);
        }
        self.areas.insert("portrait".into(), area);
    }

    fn signature(&mut self, x: f32, y: f32, width: f32) {
        let style = Style {
            font: &self.fonts.regular,
            capital: self.capital * 0.56,
            colour: LABEL,
            width: width + 6.0,
        };
        self.canvas.text(style, x, y, "Signature / Signature");
        self.canvas.signature(self.seed, x + 1.0, y + 3.4, width);
    }

    fn zone(&mut self, x: f32, baselines: &[f32]) {
        let mut whole: Option<Area> = None;
        for (line, baseline) in self.contents.lines.iter().zip(baselines) {
            let area = self.canvas.zone_line(&self.fonts.zone, x, *baseline, line);
            whole = Some(whole.map_or(area, |so_far| around(so_far, area)));
        }
        self.areas.extend(whole.map(|area| ("mrz".into(), area)));
    }

    fn finish(self, side: Side) -> Page {
        let page = self.canvas.image.dimensions();
        let truth = Truth {
            format: self.contents.format,
            side,
            fields: self.contents.genuine.clone(),
            visual: self.contents.visual.clone(),
            mrz: self.contents.lines.clone(),
            mrz_valid: zone::digits_agree(&self.contents.lines),
            tampering: self.contents.changes.clone(),
            areas: self.areas,
            page: [page.0, page.1],
            photo: None,
        };
        Page { image: self.canvas.image, truth }
    }
}

fn around(a: Area, b: Area) -> Area {
    let (left, top) = (a[0].min(b[0]), a[1].min(b[1]));
    [left, top, (a[0] + a[2]).max(b[0] + b[2]) - left, (a[1] + a[3]).max(b[1] + b[3]) - top]
}

/// A state's name for the heading; a code that nobody knows stands for itself.
fn country(code: &str) -> String {
    let name = mrz::country_name(code).unwrap_or(code);
    name.split(" (").next().unwrap_or(name).to_uppercase()
}

fn nationality(holder: &Holder) -> String {
    if holder.nationality == "UTO" { "UTOPIAN".into() } else { country(&holder.nationality) }
}
