//! A side while it is being drawn: headings, labels with their values, portrait, zone.

use std::collections::BTreeMap;

use super::page::Page;
use crate::canvas::{Canvas, Colour, Style, pixels};
use crate::fonts::Fonts;
use crate::holder::Holder;
use crate::language::{Labels, Language};
use crate::state::State;
use crate::tamper::Contents;
use crate::truth::{Area, Side, Truth};
use crate::zone;

const LABEL: Colour = [66, 84, 132];
const VALUE: Colour = [24, 24, 34];
const WARNING: Colour = [188, 24, 36];

/// Size in mm, height of a value's capitals, and the paper's tint on the left and on the right.
pub(super) struct Paper {
    size: (f32, f32),
    capital: f32,
    tints: [Colour; 2],
}

impl Paper {
    pub(super) fn passport() -> Self {
        Self { size: (125.0, 88.0), capital: 1.9, tints: [[226, 236, 246], [244, 232, 238]] }
    }

    pub(super) fn card() -> Self {
        Self { size: (85.6, 54.0), capital: 1.7, tints: [[228, 242, 234], [240, 238, 224]] }
    }

    pub(super) fn card_back() -> Self {
        let Self { size, capital, tints: [left, right] } = Self::card();
        Self { size, capital, tints: [right, left] }
    }

    pub(super) fn td2() -> Self {
        Self { size: (105.0, 74.0), capital: 1.9, tints: [[224, 236, 228], [232, 232, 246]] }
    }

    pub(super) fn visa(size: (f32, f32)) -> Self {
        Self { size, capital: 1.9, tints: [[236, 240, 222], [226, 234, 240]] }
    }

    pub(super) fn licence() -> Self {
        Self { size: (85.6, 54.0), capital: 1.7, tints: [[246, 226, 232], [238, 232, 240]] }
    }

    pub(super) fn typed() -> Self {
        Self { size: (105.0, 74.0), capital: 1.9, tints: [[238, 230, 208], [234, 224, 200]] }
    }
}

/// A side while it is being drawn.
pub(super) struct Sheet<'a> {
    canvas: Canvas,
    fonts: &'a Fonts,
    contents: &'a Contents,
    languages: [Language; 2],
    areas: BTreeMap<String, Area>,
    /// Height of a value's capitals in mm.
    capital: f32,
    height: f32,
    seed: u64,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(fonts: &'a Fonts, contents: &'a Contents, paper: Paper) -> Self {
        // Each document has its own paper and signature, whatever is done to it later.
        let seed =
            contents.genuine.number.bytes().fold(7, |seed: u64, b| seed.wrapping_mul(131) + u64::from(b));
        let Paper { size: (width, height), capital, tints } = paper;
        Self {
            canvas: Canvas::paper(width, height, seed, tints),
            fonts,
            contents,
            languages: State::of(&contents.genuine.issuer).languages,
            areas: BTreeMap::new(),
            capital,
            height,
            seed,
        }
    }

    /// In both of the issuer's languages.
    pub(super) fn label(&self, of: fn(&Labels) -> &'static str) -> String {
        let [one, other] = self.languages.map(|language| of(language.labels()));
        format!("{one} / {other}")
    }

    /// In the first of them.
    pub(super) fn local(&self, of: fn(&Labels) -> &'static str) -> String {
        of(self.languages[0].labels()).to_owned()
    }

    pub(super) fn heading(&mut self, x: f32, baseline: f32, capital: f32, width: f32, text: &str) {
        let style = Style { font: &self.fonts.bold, capital, colour: [36, 58, 120], width };
        self.canvas.text(style, x, baseline, text);
    }

    /// Stands clear of every field, so that it hides nothing and is read as a line of its own.
    pub(super) fn specimen(&mut self, x: f32, baseline: f32, capital: f32) {
        let style = Style { font: &self.fonts.bold, capital, colour: WARNING, width: 60.0 };
        self.canvas.text(style, x, baseline, "SPECIMEN");
    }

    /// A small label with its value below it.
    pub(super) fn value(&mut self, label: &str, value: &str, x: f32, y: f32, width: f32) {
        self.small(label, x, y, width);
        self.plain(value, x, y + self.capital * 1.72, width);
    }

    /// The same for a value that the truth has, which may be pasted in.
    pub(super) fn fact(
        &mut self,
        name: &str,
        label: fn(&Labels) -> &'static str,
        value: &str,
        x: f32,
        y: f32,
        width: f32,
    ) {
        self.small(&self.label(label), x, y, width);
        self.stated(name, value, x, y + self.capital * 1.72, width);
    }

    /// A number as on driving licences, and the value on the same line.
    pub(super) fn numbered(
        &mut self,
        name: &str,
        number: &str,
        value: &str,
        x: f32,
        baseline: f32,
        width: f32,
    ) {
        let style =
            Style { font: &self.fonts.regular, capital: self.capital * 0.8, colour: LABEL, width: 5.5 };
        self.canvas.text(style, x, baseline, number);
        self.stated(name, value, x + 6.0, baseline, width - 6.0);
    }

    /// A label with a colon, and the value on the same line in a typewriter's letters.
    pub(super) fn typed(
        &mut self,
        name: &str,
        label: fn(&Labels) -> &'static str,
        value: &str,
        [at, value_at]: [f32; 2],
        baseline: f32,
    ) {
        let label = format!("{}:", self.local(label));
        let small = Style {
            font: &self.fonts.regular,
            capital: self.capital * 0.8,
            colour: VALUE,
            width: value_at - at - 1.0,
        };
        self.canvas.text(small, at, baseline, &label);
        self.stated(name, value, value_at, baseline, 36.0);
    }

    pub(super) fn plain(&mut self, value: &str, x: f32, baseline: f32, width: f32) -> Area {
        let font = if self.is_typed() { &self.fonts.mono } else { &self.fonts.bold };
        self.canvas.text(Style { font, capital: self.capital, colour: VALUE, width }, x, baseline, value)
    }

    fn small(&mut self, label: &str, x: f32, y: f32, width: f32) {
        let style = Style { font: &self.fonts.regular, capital: self.capital * 0.56, colour: LABEL, width };
        self.canvas.text(style, x, y, label);
    }

    fn stated(&mut self, name: &str, value: &str, x: f32, baseline: f32, width: f32) {
        let pasted = self.contents.pasted_fields.iter().any(|field| field.name() == name);
        let area = if pasted {
            // As long as the value is in its new type, and a little more.
            let style =
                Style { font: &self.fonts.serif, capital: self.capital * 0.96, colour: [44, 40, 40], width };
            let long = self.canvas.width_of(&style, value).min(width);
            let patch = [x - 0.4, baseline - self.capital - 0.4, long + 0.8, self.capital + 0.9];
            let patch = self.canvas.patch(self.seed, patch, [248, 246, 240]);
            self.canvas.text(style, x, baseline, value);
            patch
        } else {
            self.plain(value, x, baseline, width)
        };
        self.areas.insert(name.into(), area);
    }

    fn is_typed(&self) -> bool {
        self.contents.kind == crate::kind::Kind::PaperCard
    }

    pub(super) fn portrait(&mut self, x: f32, y: f32, width: f32, height: f32) {
        let picture = self.contents.portrait.cut(pixels(width), pixels(height));
        let area = self.canvas.picture(&picture, x, y);
        if self.contents.pasted {
            self.canvas.frame([x, y, width, height], 0.25, [246, 246, 242]);
        }
        self.areas.insert("portrait".into(), area);
    }

    pub(super) fn signature(&mut self, x: f32, y: f32, width: f32) {
        self.small(&self.label(|l| l.signature), x, y, width + 6.0);
        self.scribble(x + 1.0, y + 3.4, width);
    }

    /// A signature without a label.
    pub(super) fn scribble(&mut self, x: f32, y: f32, width: f32) {
        self.canvas.signature(self.seed, x, y, width);
    }

    /// The zone's lines from `x`, each so far above the page's lower edge.
    pub(super) fn zone(&mut self, x: f32, above_edge: &[f32]) {
        let mut whole: Option<Area> = None;
        for (line, above) in self.contents.lines.iter().zip(above_edge) {
            let area = self.canvas.zone_line(&self.fonts.zone, x, self.height - above, line);
            whole = Some(whole.map_or(area, |so_far| around(so_far, area)));
        }
        self.areas.extend(whole.map(|area| ("mrz".into(), area)));
    }

    pub(super) fn finish(self, side: Side) -> Page {
        let page = self.canvas.image.dimensions();
        let truth = Truth {
            kind: self.contents.kind,
            format: self.contents.format,
            side,
            fields: self.contents.genuine.clone(),
            visual: self.contents.visual.clone(),
            mrz: self.contents.lines.clone(),
            mrz_valid: zone::digits_agree(self.contents.format, &self.contents.lines),
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
pub(super) fn country(code: &str) -> String {
    let name = mrz::country_name(code).unwrap_or(code);
    name.split(" (").next().unwrap_or(name).to_uppercase()
}

pub(super) fn nationality(holder: &Holder) -> String {
    if holder.nationality == "UTO" { "UTOPIAN".into() } else { country(&holder.nationality) }
}
