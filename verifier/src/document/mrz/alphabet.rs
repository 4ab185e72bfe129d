//! The 37 characters of a machine-readable zone, and how the recogniser's many thousand classes fold into them.

/// Digits are 0 to 9, letters 10 to 35, the filler `<` is 36: for all but the filler this is also the ICAO value.
pub(crate) type Symbol = u8;

pub(crate) const SYMBOLS: usize = 37;
pub(crate) const FILLER: Symbol = 36;
/// Column of the CTC blank in [`Frames`].
pub(crate) const BLANK: usize = SYMBOLS;

/// A set of symbols, one bit each.
pub(crate) type Mask = u64;

pub(crate) const DIGITS: Mask = (1 << 10) - 1;
pub(crate) const LETTERS: Mask = ((1 << 26) - 1) << 10;
pub(crate) const FILLERS: Mask = 1 << FILLER;

/// The symbol of an upper-case letter, a digit or `<`.
pub(crate) const fn symbol(c: char) -> Option<Symbol> {
    match c {
        '0'..='9' => Some(c as u8 - b'0'),
        'A'..='Z' => Some(c as u8 - b'A' + 10),
        '<' => Some(FILLER),
        _ => None,
    }
}

pub(crate) fn character(symbol: Symbol) -> char {
    match symbol {
        0..10 => char::from(b'0' + symbol),
        10..36 => char::from(b'A' + symbol - 10),
        _ => '<',
    }
}

/// The value in a check digit's sum, ICAO 9303-3 §4.9: the filler counts as zero.
pub(crate) fn value(symbol: Symbol) -> u32 {
    if symbol == FILLER { 0 } else { u32::from(symbol) }
}

/// A digit and the letters that are taken for it; the first is what the digit is taken for among letters.
const LOOK_ALIKE: [(char, &str); 6] =
    [('0', "OQD"), ('1', "IL"), ('2', "Z"), ('5', "S"), ('6', "G"), ('8', "B")];

/// What a character of the recogniser's dictionary stands for in a machine-readable zone.
fn fold(text: &str) -> Option<Symbol> {
    let mut chars = text.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return None };
    match c {
        'Λ' | '«' | '‹' | '∧' | '≪' | '＜' | '〈' | '《' | '㇏' | '﹤' | 'く' | 'ㄑ' => {
            Some(FILLER)
        }
        // Full-width forms.
        '\u{ff10}'..='\u{ff5a}' => {
            char::from_u32(c as u32 - 0xfee0).and_then(|c| symbol(c.to_ascii_uppercase()))
        }
        _ => symbol(c.to_ascii_uppercase()),
    }
}

/// Whether a character may stand in a zone: `Some(true)` for what folds into the filler, `Some(false)` for the others.
pub(crate) fn folded(c: char) -> Option<bool> {
    fold(c.encode_utf8(&mut [0; 4])).map(|symbol| symbol == FILLER)
}

/// Probabilities of the 37 symbols and the blank, one row per frame of the recogniser, each row summing to one.
#[derive(Clone)]
pub(crate) struct Frames(Vec<[f32; SYMBOLS + 1]>);

impl Frames {
    /// The smallest probability of anything: a frame that shows something else entirely (a hologram, a stain) can be
    /// crossed at a price instead of making every reading impossible.
    const FLOOR: f32 = 1e-4;

    /// Rows need not sum to one.
    pub(crate) fn new(mut rows: Vec<[f32; SYMBOLS + 1]>) -> Self {
        for row in &mut rows {
            let sum = row.iter().sum::<f32>().max(f32::MIN_POSITIVE);
            for p in row.iter_mut() {
                *p = *p / sum * (1.0 - Self::FLOOR * (SYMBOLS + 1) as f32) + Self::FLOOR;
            }
        }
        Self(rows)
    }

    /// What the frames show where only letters, or only digits, can stand: there a 0 is an O and an O is a 0.
    pub(crate) fn only(&self, letters: bool) -> Self {
        let pairs = LOOK_ALIKE.iter().filter_map(|(digit, others)| {
            let digit = usize::from(symbol(*digit)?);
            let others: Vec<usize> = others.chars().filter_map(symbol).map(usize::from).collect();
            Some((digit, others))
        });
        let mut rows = self.0.clone();
        for (digit, others) in pairs {
            for (row, seen) in rows.iter_mut().zip(&self.0) {
                if letters {
                    row[others[0]] += seen[digit];
                } else {
                    row[digit] += others.iter().map(|other| seen[*other]).sum::<f32>();
                }
            }
        }
        Self(rows)
    }

    /// With what is known of fillers by their shape: the nats by which one stands at places at equal distances from end to end. Whatever
    /// else was seen there was seen of the filler.
    pub(crate) fn with_fillers(&self, nats: &[f32]) -> Self {
        let (mut rows, count) = (self.0.clone(), self.0.len());
        for (at, row) in rows.iter_mut().enumerate() {
            let Some(nats) = nats.get((2 * at + 1) * nats.len() / (2 * count)) else { continue };
            let share = 1.0 - (-nats).exp();
            for other in 0..usize::from(FILLER) {
                row[usize::from(FILLER)] += share * row[other];
                row[other] *= 1.0 - share;
            }
        }
        Self(rows)
    }

    pub(crate) fn rows(&self) -> &[[f32; SYMBOLS + 1]] {
        &self.0
    }

    /// The greedy reading: the best class of each frame, repeats and blanks removed.
    pub(crate) fn greedy(&self) -> String {
        let mut text = String::new();
        let mut last = BLANK;
        for row in &self.0 {
            let best = (0..=SYMBOLS).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(BLANK);
            if best != last && best != BLANK {
                text.push(character(best as Symbol));
            }
            last = best;
        }
        text
    }
}

/// Which columns of a recogniser's output fold into which symbol.
pub(crate) struct Folding {
    /// (column, folded column), the blank included.
    columns: Vec<(usize, usize)>,
}

impl Folding {
    /// The text of each class; class 0 is the blank.
    pub(crate) fn new<S: AsRef<str>>(dictionary: &[S]) -> Self {
        let symbols = dictionary
            .iter()
            .enumerate()
            .skip(1)
            .filter_map(|(i, text)| fold(text.as_ref()).map(|symbol| (i, usize::from(symbol))));
        Self { columns: std::iter::once((0, BLANK)).chain(symbols).collect() }
    }

    /// `probabilities` is row-major, `classes` columns per frame.
    pub(crate) fn fold(&self, probabilities: &[f32], classes: usize) -> Frames {
        let rows = probabilities.chunks_exact(classes).map(|frame| {
            let mut row = [0.0; SYMBOLS + 1];
            for &(from, to) in &self.columns {
                row[to] += frame[from];
            }
            row
        });
        Frames::new(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_of_the_filler_and_lower_case_fold_before_anything_is_masked() {
        let dictionary = ["", "a", "A", "<", "«", "Λ", "＜", "国", "Ａ", "é"];
        let folding = Folding::new(&dictionary);
        let frame = [0.1, 0.1, 0.1, 0.05, 0.05, 0.1, 0.1, 0.1, 0.1, 0.2];
        let frames = folding.fold(&frame, frame.len());
        let row = frames.rows()[0];
        let kept = 0.1 + 0.3 + 0.3;
        assert!((row[10] - 0.3 / kept).abs() < 0.01, "a, A and the full-width A are one letter");
        assert!((row[usize::from(FILLER)] - 0.3 / kept).abs() < 0.01);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[test]
    fn every_symbol_is_the_symbol_of_its_character() {
        for s in 0..SYMBOLS as Symbol {
            assert_eq!(symbol(character(s)), Some(s));
        }
        assert_eq!((value(FILLER), value(35), value(7)), (0, 35, 7));
    }
}
