//! The five layouts of ICAO 9303 parts 4 to 7 and the one line of a driving licence as data: which symbols each cell may
//! hold, and what each check digit covers.
//! Cells are numbered through: line · width + column.

use reinstate_domain::document::{CheckedField, MrzFormat};

use super::alphabet::{DIGITS, FILLER, FILLERS, LETTERS, Mask, Symbol, symbol};

/// What one cell may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    OneOf(Mask),
    /// A letter of the issuer's code, left-aligned and filled up: `D<<`. The number is the place in the code.
    Issuer(u8),
    /// The same of the nationality, which some cards leave out.
    Nationality(u8),
    /// A character of the name field; the number is the place in it.
    Name(u8),
}

impl Cell {
    /// Whether digits, or letters, can't stand here, so that one may be read for the other.
    pub(crate) fn class(self) -> Class {
        match self {
            Self::OneOf(mask) if mask & LETTERS == 0 => Class::Digits,
            Self::OneOf(mask) if mask & DIGITS != 0 => Class::Any,
            _ => Class::Letters,
        }
    }
}

/// What can stand in a cell beside the filler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Any,
    Letters,
    Digits,
}

/// A check digit and the cells that it covers, in the order of the sum.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) field: CheckedField,
    pub(crate) cells: Vec<usize>,
    pub(crate) digit: usize,
    /// The digit may be a filler when the field is empty (ICAO 9303-4 §4.2.2.2, personal number).
    pub(crate) may_be_filler: bool,
}

impl Check {
    /// What it covers, and the digit itself.
    pub(crate) fn all_cells(&self) -> impl Iterator<Item = usize> {
        self.cells.iter().copied().chain([self.digit])
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) format: MrzFormat,
    pub(crate) width: usize,
    pub(crate) cells: Vec<Cell>,
    pub(crate) checks: Vec<Check>,
    pub(crate) fields: Fields,
}

/// Where the fields stand that are read here; the others are the `mrz` crate's business.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    /// A driving licence's line says nothing of birth and sex.
    pub(crate) holder: Option<HolderCells>,
    pub(crate) expiry: Span,
    pub(crate) name: Span,
}

#[derive(Debug, Clone)]
pub(crate) struct HolderCells {
    pub(crate) birth: Span,
    pub(crate) sex: usize,
}

pub(crate) type Span = std::ops::Range<usize>;

const ANY: Mask = DIGITS | LETTERS | FILLERS;

const fn one(c: char) -> Mask {
    match symbol(c) {
        Some(s) => 1 << s,
        None => 0,
    }
}

const SEX: Mask = one('M') | one('F') | one('X') | FILLERS;
/// A birth date of which parts are unknown has fillers there (ICAO 9303-3 §4.8).
const DATE: Mask = DIGITS | FILLERS;

impl Layout {
    /// The ordinary layout of a format.
    pub(crate) fn of(format: MrzFormat) -> Self {
        match format {
            MrzFormat::Td1 => td1(0),
            MrzFormat::Td2 => two_lines(format, 36, one('I') | one('A') | one('C'), 0),
            MrzFormat::Td3 => two_lines(format, 44, one('P'), 0),
            MrzFormat::MrvA => two_lines(format, 44, one('V'), 0),
            MrzFormat::MrvB => two_lines(format, 36, one('V'), 0),
            MrzFormat::D1 => one_line(),
        }
    }

    /// The layouts of a number that is longer than nine characters: its check digit's cell is a filler and the rest of it
    /// opens the optional data, followed by the check digit and a filler (ICAO 9303-5 §4.2.2.1 note j, 9303-6 note j).
    pub(crate) fn overflowing(format: MrzFormat) -> Vec<Self> {
        match format {
            MrzFormat::Td1 => (1..=13).map(td1).collect(),
            MrzFormat::Td2 => {
                (1..=5).map(|extra| two_lines(format, 36, one('I') | one('A') | one('C'), extra)).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn lines(&self) -> usize {
        self.cells.len() / self.width
    }

    pub(crate) fn line(&self, line: usize) -> &[Cell] {
        &self.cells[line * self.width..(line + 1) * self.width]
    }
}

fn td1(extra: usize) -> Layout {
    let mut cells = Vec::with_capacity(90);
    cells.extend([Cell::OneOf(one('I') | one('A') | one('C')), Cell::OneOf(LETTERS | FILLERS)]);
    cells.extend([0, 1, 2].map(Cell::Issuer));
    cells.extend([Cell::OneOf(ANY); 9]);
    cells.push(Cell::OneOf(DIGITS));
    cells.extend([Cell::OneOf(ANY); 15]);
    cells.extend([Cell::OneOf(DATE); 6]);
    cells.extend([Cell::OneOf(DIGITS), Cell::OneOf(SEX)]);
    cells.extend([Cell::OneOf(DATE); 6]);
    cells.push(Cell::OneOf(DIGITS));
    cells.extend([0, 1, 2].map(Cell::Nationality));
    cells.extend([Cell::OneOf(ANY); 11]);
    cells.push(Cell::OneOf(DIGITS));
    cells.extend((0..30).map(Cell::Name));

    let composite = (5..30).chain(30..37).chain(38..45).chain(48..59).collect();
    let mut number: Vec<usize> = (5..14).collect();
    let mut digit = 14;
    if extra > 0 {
        digit = overflow(&mut cells, &mut number, 14, 15, extra, 30);
    }
    Layout {
        format: MrzFormat::Td1,
        width: 30,
        cells,
        checks: vec![
            check(CheckedField::Number, number, digit),
            check(CheckedField::BirthDate, (30..36).collect(), 36),
            check(CheckedField::ExpiryDate, (38..44).collect(), 44),
            check(CheckedField::Composite, composite, 59),
        ],
        fields: Fields { holder: Some(HolderCells { birth: 30..36, sex: 37 }), expiry: 38..44, name: 60..90 },
    }
}

/// TD2, TD3 and both visas: the same order of fields on two lines.
fn two_lines(format: MrzFormat, width: usize, code: Mask, extra: usize) -> Layout {
    let visa = matches!(format, MrzFormat::MrvA | MrzFormat::MrvB);
    let mut cells = Vec::with_capacity(2 * width);
    cells.extend([Cell::OneOf(code), Cell::OneOf(LETTERS | FILLERS)]);
    cells.extend([0, 1, 2].map(Cell::Issuer));
    cells.extend((0..width as u8 - 5).map(Cell::Name));
    cells.extend([Cell::OneOf(ANY); 9]);
    cells.push(Cell::OneOf(DIGITS));
    cells.extend([0, 1, 2].map(Cell::Nationality));
    cells.extend([Cell::OneOf(DATE); 6]);
    cells.extend([Cell::OneOf(DIGITS), Cell::OneOf(SEX)]);
    cells.extend([Cell::OneOf(DATE); 6]);
    cells.push(Cell::OneOf(DIGITS));
    cells.resize(2 * width, Cell::OneOf(ANY));

    let at = |column: usize| width + column;
    let mut number: Vec<usize> = (at(0)..at(9)).collect();
    let mut digit = at(9);
    if extra > 0 {
        digit = overflow(&mut cells, &mut number, at(9), at(28), extra, at(35));
    }
    let mut checks = vec![
        check(CheckedField::Number, number, digit),
        check(CheckedField::BirthDate, (at(13)..at(19)).collect(), at(19)),
        check(CheckedField::ExpiryDate, (at(21)..at(27)).collect(), at(27)),
    ];
    if format == MrzFormat::Td3 {
        cells[at(42)] = Cell::OneOf(DIGITS | FILLERS);
        checks.push(Check {
            may_be_filler: true,
            ..check(CheckedField::PersonalNumber, (at(28)..at(42)).collect(), at(42))
        });
    }
    if !visa {
        let last = at(width - 1);
        cells[last] = Cell::OneOf(DIGITS);
        let composite = (at(0)..at(10)).chain(at(13)..at(20)).chain(at(21)..last).collect();
        checks.push(check(CheckedField::Composite, composite, last));
    }
    Layout {
        format,
        width,
        cells,
        checks,
        fields: Fields {
            holder: Some(HolderCells { birth: at(13)..at(19), sex: at(20) }),
            expiry: at(21)..at(27),
            name: 5..width,
        },
    }
}

/// The French driving licence (`D1FRA13AA000026181231MARTIN<<9`, the specimen that the ministry shows). Both digits begin to
/// count at the document code.
fn one_line() -> Layout {
    let mut cells: Vec<Cell> = "D1FRA".chars().map(|c| Cell::OneOf(one(c))).collect();
    cells.extend([Cell::OneOf(ANY & !FILLERS); 9]);
    cells.extend([Cell::OneOf(DIGITS); 7]);
    cells.extend((0..8).map(Cell::Name));
    cells.push(Cell::OneOf(DIGITS));
    Layout {
        format: MrzFormat::D1,
        width: 30,
        cells,
        checks: vec![
            check(CheckedField::Number, (0..14).collect(), 14),
            check(CheckedField::Composite, (0..29).collect(), 29),
        ],
        fields: Fields { holder: None, expiry: 15..21, name: 21..29 },
    }
}

fn check(field: CheckedField, cells: Vec<usize>, digit: usize) -> Check {
    Check { field, cells, digit, may_be_filler: false }
}

/// Lays out a long number; returns the cell of its check digit.
fn overflow(
    cells: &mut [Cell],
    number: &mut Vec<usize>,
    sign: usize,
    from: usize,
    extra: usize,
    end: usize,
) -> usize {
    cells[sign] = Cell::OneOf(FILLERS);
    cells[from..from + extra].fill(Cell::OneOf(ANY & !FILLERS));
    number.extend(from..from + extra);
    let digit = from + extra;
    cells[digit] = Cell::OneOf(DIGITS);
    if digit + 1 < end {
        cells[digit + 1] = Cell::OneOf(FILLERS);
    }
    digit
}

/// The grammar of a line: a state after each character, so that what may follow can depend on what came before.
/// 0 is "nothing to remember"; the others are named below.
pub(crate) type State = u8;

/// The end of a country code or of a name: only fillers follow.
const CLOSED: State = 1;
const SURNAME: State = 2;
/// One filler after a part of the surname.
const SURNAME_GAP: State = 3;
/// `<<` between surname and given names.
const BETWEEN: State = 4;
const GIVEN: State = 5;
const GIVEN_GAP: State = 6;
/// How many states there are.
pub(crate) const STATES: usize = 7;

/// The state after this symbol in this cell, or `None` when it may not stand there. A name is `SURNAME<PARTS<<GIVEN<PARTS`
/// and nothing but fillers after the next `<<`.
pub(crate) fn follow(cell: Cell, state: State, symbol: Symbol) -> Option<State> {
    let letter = LETTERS & (1 << symbol) != 0;
    match cell {
        Cell::OneOf(mask) => (mask & (1 << symbol) != 0).then_some(0),
        Cell::Issuer(place) | Cell::Nationality(place) => match (place, letter) {
            (0, true) => Some(0),
            (0, false) => (matches!(cell, Cell::Nationality(_)) && symbol == FILLER).then_some(CLOSED),
            (_, true) => (state != CLOSED).then_some(0),
            (2, false) => (symbol == FILLER).then_some(0),
            (_, false) => (symbol == FILLER).then_some(CLOSED),
        },
        Cell::Name(place) => {
            if !letter && symbol != FILLER {
                return None;
            }
            match (if place == 0 { 0 } else { state }, letter) {
                (0, true) => Some(SURNAME),
                (SURNAME | SURNAME_GAP, true) => Some(SURNAME),
                (SURNAME, false) => Some(SURNAME_GAP),
                (SURNAME_GAP, false) => Some(BETWEEN),
                (BETWEEN | GIVEN | GIVEN_GAP, true) => Some(GIVEN),
                (GIVEN, false) => Some(GIVEN_GAP),
                (BETWEEN | GIVEN_GAP | CLOSED, false) => Some(CLOSED),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [MrzFormat; 6] =
        [MrzFormat::Td1, MrzFormat::Td2, MrzFormat::Td3, MrzFormat::MrvA, MrzFormat::MrvB, MrzFormat::D1];

    #[test]
    fn every_layout_has_the_size_and_the_digits_of_its_standard() {
        for (format, lines, width, digits) in [
            (MrzFormat::Td1, 3, 30, 4),
            (MrzFormat::Td2, 2, 36, 4),
            (MrzFormat::Td3, 2, 44, 5),
            (MrzFormat::MrvA, 2, 44, 3),
            (MrzFormat::MrvB, 2, 36, 3),
            (MrzFormat::D1, 1, 30, 2),
        ] {
            for layout in std::iter::once(Layout::of(format)).chain(Layout::overflowing(format)) {
                assert_eq!(
                    (layout.lines(), layout.width, layout.checks.len()),
                    (lines, width, digits),
                    "{format:?}"
                );
                assert_eq!(layout.cells.len(), lines * width);
            }
        }
    }

    #[test]
    fn fields_of_check_digits_do_not_overlap_and_stand_before_their_digit() {
        for format in ALL {
            for layout in std::iter::once(Layout::of(format)).chain(Layout::overflowing(format)) {
                let mut seen = vec![false; layout.cells.len()];
                for check in layout.checks.iter().filter(|c| c.field != CheckedField::Composite) {
                    for &cell in check.cells.iter().chain([&check.digit]) {
                        assert!(!std::mem::replace(&mut seen[cell], true), "{format:?} cell {cell}");
                    }
                    assert!(check.cells.iter().all(|cell| *cell < check.digit));
                }
            }
        }
    }

    #[track_caller]
    fn name(text: &str, allowed: bool) {
        let mut state = Some(0);
        for (place, c) in text.chars().enumerate() {
            state = state.and_then(|s| follow(Cell::Name(place as u8), s, symbol(c).unwrap()));
        }
        assert_eq!(state.is_some(), allowed, "{text}");
    }

    #[test]
    fn a_name_is_filler_after_its_second_double_filler() {
        name("ERIKSSON<<ANNA<MARIA<<<<<", true);
        name("KOWALSKA<KWIATKOWSKA<<JOANNA", true);
        name("ARKFREITH<<<<<<<<<", true);
        name("ERIKSSON<<ANNA<<C<<<", false);
        name("<ERIKSSON<<ANNA", false);
        name("ERIK5SON<<ANNA", false);
        name("ARKFREITH<<<ANNA", false);
    }

    #[test]
    fn a_country_code_is_filled_up_at_its_end() {
        let code = |cell: fn(u8) -> Cell, text: &str| {
            let mut state = Some(0);
            for (place, c) in text.chars().enumerate() {
                state = state.and_then(|s| follow(cell(place as u8), s, symbol(c).unwrap()));
            }
            state.is_some()
        };
        for cell in [Cell::Issuer, Cell::Nationality] {
            assert!(code(cell, "UTO") && code(cell, "D<<") && code(cell, "SI<"));
            assert!(!code(cell, "<D<") && !code(cell, "D<D") && !code(cell, "1TO"));
        }
        assert!(!code(Cell::Issuer, "<<<") && code(Cell::Nationality, "<<<"));
    }
}
