//! A recogniser that knows the right answer: frames of a given text, with as much noise as a test asks for.

use super::alphabet::{BLANK, FILLER, Frames, SYMBOLS, Symbol, symbol};

/// How the frames depart from the truth.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noise {
    /// (column, what it is taken for, probability of the wrong symbol).
    pub(crate) confusions: Vec<(usize, char, f32)>,
    /// Every how many characters of a run of fillers one is swallowed; 0 is never.
    pub(crate) swallow: usize,
    /// Probability spread over all symbols in each frame.
    pub(crate) haze: f32,
}

impl Noise {
    pub(crate) fn none() -> Self {
        Self::default()
    }
}

/// Three frames per character, like a recogniser that moves eight pixels per frame over characters of 24: a rise, the
/// peak, a blank.
pub(crate) fn frames_of(text: &str, noise: &Noise) -> Frames {
    let mut rows = Vec::new();
    for (column, c) in text.chars().enumerate() {
        let truth = symbol(c).expect("a character of the zone");
        let in_run = truth == FILLER && column > 0 && text.as_bytes()[column - 1] == b'<';
        let swallowed = in_run && noise.swallow > 0 && column % noise.swallow == 0;
        let wrong = noise.confusions.iter().find(|(at, ..)| *at == column);
        let strength = if swallowed { 0.02 } else { 0.97 };
        for share in [0.35, strength] {
            rows.push(frame(
                truth,
                wrong.map(|(_, c, p)| (symbol(*c).expect("a character of the zone"), *p)),
                share,
                noise.haze,
            ));
        }
        rows.push(frame(truth, None, 0.02, noise.haze));
    }
    Frames::new(rows)
}

fn frame(truth: Symbol, wrong: Option<(Symbol, f32)>, share: f32, haze: f32) -> [f32; SYMBOLS + 1] {
    let mut row = [haze / SYMBOLS as f32; SYMBOLS + 1];
    row[BLANK] += (1.0 - share) * (1.0 - haze);
    let (other, p) = wrong.unwrap_or((truth, 0.0));
    row[usize::from(truth)] += share * (1.0 - p) * (1.0 - haze);
    row[usize::from(other)] += share * p * (1.0 - haze);
    row
}
