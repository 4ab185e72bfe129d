//! What is in front of the lens besides the page's own ink: the table and what lies on it, a second page, a finger, and
//! what a screen or a copier does to the page.

use std::f32::consts::TAU;

use crate::camera::settings::Settings;
use crate::dice::Dice;

pub(super) struct Scene {
    table: Table,
    things: Vec<Thing>,
    settings: Settings,
    /// Width and height of the page in its own pixels.
    page: [f32; 2],
    finger: [f32; 2],
    screen: Screen,
}

impl Scene {
    pub(super) fn new(seed: u64, settings: &Settings, (width, height): (u32, u32)) -> Self {
        let page = [width as f32, height as f32];
        let things = (settings.clutter.clamp(0.0, 1.0) * 16.0).round() as usize;
        let mut dice = Dice::new(seed, "things on the table");
        Self {
            table: Table::new(&mut Dice::new(seed, "table")),
            things: (0..things).map(|_| Thing::new(&mut dice)).collect(),
            finger: on_outline(settings.cover_at, page),
            screen: Screen::new(&mut Dice::new(seed, "screen")),
            settings: settings.clone(),
            page,
        }
    }

    /// The colour at a point outside of the page: in pixels of the page, and as a share of the photo's width.
    pub(super) fn around(&self, u: f32, v: f32, outside: f32, [x, y]: [f32; 2]) -> [f32; 3] {
        let [width, height] = self.page;
        let above = -v / height;
        if self.settings.spread > 0.0
            && (0.0..self.settings.spread).contains(&above)
            && (0.0..width).contains(&u)
        {
            return second_page(u / width, above);
        }
        // The page lies on the table and darkens it around its edge.
        let contact = 1.0 - 0.45 * (-(outside.max(0.0) / (width * 0.012))).exp();
        let thing = self.things.iter().rev().find_map(|thing| thing.colour(x, y));
        thing.unwrap_or_else(|| self.table.colour(x, y)).map(|c| c * contact)
    }

    /// The page's colour as a copier or a screen shows it, at a pixel of the photo.
    pub(super) fn shown(&self, paper: [f32; 3], i: u32, j: u32) -> [f32; 3] {
        let Settings { copy, screen, .. } = self.settings;
        let mut shown = paper;
        if copy > 0.0 {
            let grey = 0.299 * paper[0] + 0.587 * paper[1] + 0.114 * paper[2];
            // A copier's curve: light paper burns to white, ink to black.
            let curve = 255.0 / (1.0 + (-(grey - 150.0) / (52.0 - 34.0 * copy)).exp());
            shown = shown.map(|c| c + (curve - c) * copy);
        }
        if screen > 0.0 {
            shown = self.screen.show(shown, screen, i as f32, j as f32);
        }
        shown
    }

    /// The same colour, or a finger's that lies over it.
    pub(super) fn under_finger(&self, colour: [f32; 3], u: f32, v: f32) -> [f32; 3] {
        if self.settings.cover <= 0.0 {
            return colour;
        }
        let [width, height] = self.page;
        // A fingertip: as wide as it reaches, its middle on the outline, longer towards the page's middle.
        let inward = [width / 2.0 - self.finger[0], height / 2.0 - self.finger[1]];
        let length = inward[0].hypot(inward[1]).max(1.0);
        let (du, dv) = (u - self.finger[0], v - self.finger[1]);
        let along = (du * inward[0] + dv * inward[1]) / length;
        let across = (du * inward[1] - dv * inward[0]) / length;
        let reach = self.settings.cover * height;
        // Outside of the page the finger goes on as wide as it is.
        let along = along.max(0.0) / reach;
        let across = across / (reach * 0.6);
        let distance = along.hypot(across);
        if distance >= 1.0 {
            return colour;
        }
        let round = 0.72 + 0.28 * (1.0 - distance * distance).sqrt();
        [214.0 * round, 164.0 * round, 138.0 * round]
    }
}

/// A point of the page's outline, from its left top corner clockwise.
fn on_outline(share: f32, [width, height]: [f32; 2]) -> [f32; 2] {
    let along = share.rem_euclid(1.0) * 2.0 * (width + height);
    if along < width {
        [along, 0.0]
    } else if along < width + height {
        [width, along - width]
    } else if along < 2.0 * width + height {
        [2.0 * width + height - along, height]
    } else {
        [0.0, 2.0 * (width + height) - along]
    }
}

/// The page of an open passport above the data page: tinted paper with lines of words that nobody has to read, and the fold.
fn second_page(x: f32, above: f32) -> [f32; 3] {
    let fold = 1.0 - 0.4 * (-above * 40.0).exp();
    let (row, within) = ((above * 14.0).floor(), (above * 14.0).fract());
    let word = ((x * 47.0 + row * 3.7).sin() + (x * 19.0 + row * 1.9).sin()) > -0.6;
    let stroke = (x * 560.0 + row).sin() > 0.1;
    let is_ink = (0.1..0.9).contains(&x)
        && (1.0..11.0).contains(&row)
        && (0.3..0.6).contains(&within)
        && word
        && stroke;
    let paper = if is_ink { [96.0, 100.0, 118.0] } else { [226.0, 226.0, 232.0] };
    paper.map(|c| c * fold)
}

/// A sheet, a card or a box on the table, some printed with lines.
struct Thing {
    middle: [f32; 2],
    half: [f32; 2],
    turn: (f32, f32),
    colour: [f32; 3],
    lines: Option<f32>,
}

impl Thing {
    fn new(dice: &mut Dice) -> Self {
        Self {
            middle: [dice.between(0.0, 1.0), dice.between(0.0, 1.0)],
            half: [dice.between(0.04, 0.22), dice.between(0.03, 0.16)],
            turn: dice.between(0.0, TAU).sin_cos(),
            colour: std::array::from_fn(|_| dice.between(40.0, 245.0)),
            lines: (dice.below(2) == 0).then(|| dice.between(60.0, 140.0)),
        }
    }

    fn colour(&self, x: f32, y: f32) -> Option<[f32; 3]> {
        let (dx, dy) = (x - self.middle[0], y - self.middle[1]);
        let (sin, cos) = self.turn;
        let (along, across) = (dx * cos + dy * sin, dy * cos - dx * sin);
        if along.abs() > self.half[0] || across.abs() > self.half[1] {
            return None;
        }
        let is_ink = self.lines.is_some_and(|pitch| {
            (across * pitch).rem_euclid(1.0) < 0.4
                && (along * pitch * 2.3 + (across * pitch).floor()).sin() > -0.3
        });
        Some(if is_ink { self.colour.map(|c| c * 0.35) } else { self.colour })
    }
}

/// A screen's grid beside the sensor's: each colour has fine stripes at the pitch of the screen's pixels, and broad ones
/// where the two grids drift against each other.
struct Screen {
    fine: [f32; 2],
    broad: [f32; 2],
    phases: [f32; 3],
}

impl Screen {
    fn new(dice: &mut Dice) -> Self {
        let direction = |angle: f32, period: f32| [angle.cos() * TAU / period, angle.sin() * TAU / period];
        Self {
            fine: direction(dice.between(-0.2, 0.2), dice.between(2.6, 4.2)),
            broad: direction(dice.between(0.0, TAU), dice.between(24.0, 80.0)),
            phases: [0.0, TAU / 3.0, 2.0 * TAU / 3.0],
        }
    }

    /// Lit from behind, so a little blue and with grey for black.
    fn show(&self, colour: [f32; 3], strength: f32, x: f32, y: f32) -> [f32; 3] {
        let fine = x * self.fine[0] + y * self.fine[1];
        let broad = x * self.broad[0] + y * self.broad[1];
        std::array::from_fn(|c| {
            let stripes = 0.22 * (fine + self.phases[c]).sin() + 0.16 * (broad + self.phases[c]).sin();
            let lit = colour[c] * [0.94, 0.98, 1.06][c] * (1.0 + strength * stripes);
            lit + strength * 18.0
        })
    }
}

/// Brown wood: long fibres along x, each plank with its own tone.
struct Table {
    tone: [f32; 3],
    phases: [f32; 4],
}

impl Table {
    fn new(dice: &mut Dice) -> Self {
        let tones = [[128.0, 92.0, 62.0], [92.0, 66.0, 48.0], [112.0, 104.0, 96.0], [64.0, 72.0, 84.0]];
        Self { tone: *dice.pick(&tones), phases: std::array::from_fn(|_| dice.between(0.0, TAU)) }
    }

    fn colour(&self, x: f32, y: f32) -> [f32; 3] {
        let [a, b, c, d] = self.phases;
        let bend = 0.02 * (x * 5.0 + a).sin() + 0.008 * (x * 17.0 + b).sin();
        let fibre = ((y + bend) * 150.0 + c).sin() * 0.5 + ((y + bend * 1.7) * 391.0 + d).sin() * 0.3;
        let plank = ((y * 4.0 + d).floor() * 2.4).sin();
        let light = 1.0 + 0.09 * fibre + 0.08 * plank;
        self.tone.map(|t| t * light)
    }
}
