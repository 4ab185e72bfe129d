//! Whether a machine-readable name can be the name that somebody wrote with all its letters.
//!
//! The issuer chooses among the transliterations of ICAO 9303-3 §6 (Ä is AE or A), drops apostrophes, makes a filler of a
//! hyphen or drops it, leaves out given names for which there is no room, and cuts the rest (§4.6) or every word. So the
//! written name becomes a pattern with alternatives, and the machine-readable one is matched against it.

use mrz::CyrillicLanguage;
use unicode_normalization::UnicodeNormalization;

/// How a machine-readable name relates to a written one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameMatch {
    Same,
    /// One of two surnames, say: not the same, and not another person's either.
    Part,
    Different,
    /// The written name is in a script that has no admissible transliteration here.
    Undecidable,
}

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const CYRILLIC: [CyrillicLanguage; 6] = [
    CyrillicLanguage::Russian,
    CyrillicLanguage::Belarusian,
    CyrillicLanguage::Bulgarian,
    CyrillicLanguage::Serbian,
    CyrillicLanguage::Ukrainian,
    CyrillicLanguage::Macedonian,
];

/// What a machine-readable name may lack of the written one (ICAO 9303-4, -5 and -6, §4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Nothing,
    /// What there was no room for, in letters and in words.
    End,
    /// The end of each of its words, down to an initial; no word is missing.
    EveryWord,
}

/// Whether the written name has its marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    Written,
    /// A machine read it off the page, and overlooks marks: an Ö looks like an O, and stands as OE in the other name.
    MayBeMissing,
}

/// One written letter: the ways in which it may appear.
type Letter = Vec<&'static str>;
/// One written word.
type Word = Vec<Letter>;

/// Compares a whole surname.
#[must_use]
pub fn match_surname(written: &str, marks: Marks, machine: &str, cut: Cut) -> NameMatch {
    let is_same = |words: &[Word], parts: &[String]| matches_all(words, parts, cut);
    match_name(written, marks, machine, cut, is_same)
}

/// Compares given names, of which either side may leave some out. Where every word may be cut, what is left may be initials, which
/// others have as well: a part of the name and no more.
#[must_use]
pub fn match_given_names(written: &str, marks: Marks, machine: &str, cut: Cut) -> NameMatch {
    let surely = if cut == Cut::EveryWord { Cut::End } else { cut };
    let is_same = |words: &[Word], parts: &[String]| matches_some(words, parts, surely);
    match_name(written, marks, machine, cut, is_same)
}

/// Whether a name that a machine read off the page is this one but for marks that machines overlook: a stroke, a dieresis
/// or a ring, without which Ø, Ö or Å looks like the bare letter.
#[must_use]
pub fn is_same_but_for_marks(read: &str, machine: &str) -> bool {
    let bare = |name: &str| {
        let plain = mrz::transliterate(&name.nfc().collect::<String>(), mrz::TransliterationStyle::Simple);
        let letters: String = plain.chars().filter(char::is_ascii_alphabetic).collect();
        letters.replace("AE", "A").replace("OE", "O").replace("UE", "U").replace("AA", "A")
    };
    let (read, machine) = (bare(read), bare(machine));
    !read.is_empty() && read == machine
}

fn match_name(
    written: &str,
    marks: Marks,
    machine: &str,
    cut: Cut,
    is_same: impl Fn(&[Word], &[String]) -> bool,
) -> NameMatch {
    let parts: Vec<String> = machine
        .split(|c: char| !c.is_ascii_alphabetic())
        .filter(|part| !part.is_empty())
        .map(str::to_ascii_uppercase)
        .collect();
    let mut best = NameMatch::Undecidable;
    for spelling in spellings(written) {
        let Some(words) = words(&spelling, marks) else { continue };
        let found = match (words.is_empty(), parts.is_empty()) {
            (true, true) => NameMatch::Same,
            (false, false) if is_same(&words, &parts) => NameMatch::Same,
            (false, false) if matches_some(&words, &parts, cut) => NameMatch::Part,
            _ => NameMatch::Different,
        };
        match (found, best) {
            (NameMatch::Same, _) => return NameMatch::Same,
            (NameMatch::Part, _) | (NameMatch::Different, NameMatch::Undecidable) => best = found,
            _ => {}
        }
    }
    best
}

/// The name itself, or, for a Cyrillic one, its transliteration in each language that ICAO lists.
fn spellings(written: &str) -> Vec<String> {
    let written: String = written.nfc().collect();
    if written.chars().any(|c| ('\u{400}'..='\u{52f}').contains(&c)) {
        let word = |w: &str, language| mrz::transliterate_cyrillic(w, language);
        CYRILLIC
            .iter()
            .map(|&language| {
                written.split_whitespace().map(|w| word(w, language)).collect::<Vec<_>>().join(" ")
            })
            .collect()
    } else {
        vec![written]
    }
}

/// `None` when a letter has no transliteration.
fn words(spelling: &str, marks: Marks) -> Option<Vec<Word>> {
    let mut words = vec![Word::new()];
    for c in spelling.chars().flat_map(char::to_uppercase) {
        let mut letter = mrz::transliterations(c).to_vec();
        if letter.is_empty() {
            letter.extend(LETTERS.find(c).map(|at| &LETTERS[at..=at]));
        }
        if !letter.is_empty() {
            if marks == Marks::MayBeMissing {
                letter.extend(with_a_mark(c));
            }
            words.last_mut()?.push(letter);
        } else if c.is_alphabetic() {
            return None;
        } else if c.is_whitespace() || "-‐‑–—<,./".contains(c) {
            words.push(Word::new());
        }
        // Anything else (apostrophes, marks, digits) is left out, as issuers do.
    }
    words.retain(|word| !word.is_empty());
    Some(words)
}

/// How the letter stands in a machine-readable name when it has a mark, or another one, that makes two letters of it (ICAO 9303-3 §6).
fn with_a_mark(c: char) -> &'static [&'static str] {
    match std::iter::once(c).nfd().next() {
        Some('A') => &["AE", "AA"],
        Some('O') => &["OE"],
        Some('U') => &["UE"],
        _ => &[],
    }
}

/// All written words, one after the other, are exactly this name, or what is left of it.
fn matches_all(words: &[Word], parts: &[String], cut: Cut) -> bool {
    leads_to_end(words, parts, cut, false)
}

/// Some written words in their order are the name, or all written words are some parts of it in their order.
fn matches_some(words: &[Word], parts: &[String], cut: Cut) -> bool {
    written_leaves_out(words, parts, cut) || leads_to_end(words, parts, cut, true)
}

/// Whether the words, one after the other, lead to the end of the name, which may leave out some of them if `leaves_out`.
fn leads_to_end(words: &[Word], parts: &[String], cut: Cut, leaves_out: bool) -> bool {
    let name = Machine::new(parts, cut);
    let mut at = vec![0];
    for word in words {
        match name.step(word, &at) {
            Step::Cut => return true,
            Step::At(next) if leaves_out => at.extend(next),
            Step::At(next) => at = next,
        }
        at.sort_unstable();
        at.dedup();
    }
    at.contains(&name.text.len())
}

/// Tries every choice of kept parts: 39 characters rarely hold more than eight, and those eight are 255 choices.
fn written_leaves_out(words: &[Word], parts: &[String], cut: Cut) -> bool {
    // After a part that the written name leaves out there was room for the others.
    let cut = if cut == Cut::End { Cut::Nothing } else { cut };
    let considered = parts.len().min(8);
    (1u32..1 << considered).any(|kept| {
        let kept: Vec<String> =
            (0..considered).filter(|i| kept & (1 << i) != 0).map(|i| parts[i].clone()).collect();
        matches_all(words, &kept, cut)
    })
}

/// A machine-readable name without its fillers.
struct Machine {
    text: String,
    cut: Cut,
    /// Where each of its parts ends in the text.
    ends: Vec<usize>,
}

enum Step {
    /// The text ended inside the word, which a cut field may do.
    Cut,
    /// The places in the text where the word may end.
    At(Vec<usize>),
}

impl Machine {
    fn new(parts: &[String], cut: Cut) -> Self {
        let ends = parts.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        Machine { text: parts.concat(), cut, ends: ends.collect() }
    }

    fn step(&self, word: &Word, from: &[usize]) -> Step {
        let mut at = from.to_vec();
        let mut shortened: Vec<usize> = Vec::new();
        for (i, letter) in word.iter().enumerate() {
            let mut next = Vec::new();
            for &start in &at {
                let rest = &self.text[start..];
                for variant in letter {
                    if rest.starts_with(variant) {
                        next.push(start + variant.len());
                    } else if self.cut == Cut::End && start > 0 && variant.starts_with(rest) {
                        return Step::Cut;
                    }
                    if self.cut == Cut::EveryWord {
                        // Of every word at least a letter is left.
                        let ends = self.ends.iter().filter(|end| **end > start || **end == start && i > 0);
                        shortened.extend(ends.filter(|end| variant.starts_with(&self.text[start..**end])));
                    }
                }
            }
            next.sort_unstable();
            next.dedup();
            at = next;
        }
        at.extend(shortened);
        at.sort_unstable();
        at.dedup();
        Step::At(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn surname(written: &str, machine: &str, expected: NameMatch) {
        assert_eq!(
            match_surname(written, Marks::Written, machine, Cut::Nothing),
            expected,
            "{written} / {machine}"
        );
    }

    #[track_caller]
    fn given(written: &str, machine: &str, expected: NameMatch) {
        assert_eq!(
            match_given_names(written, Marks::Written, machine, Cut::Nothing),
            expected,
            "{written} / {machine}"
        );
    }

    #[test]
    fn every_admissible_transliteration_of_a_letter_is_the_same_name() {
        for machine in ["MUELLER", "MULLER", "MUXXLLER"] {
            surname("Müller", machine, NameMatch::Same);
        }
        surname("Mu\u{308}ller", "MUELLER", NameMatch::Same);
        surname("Groß", "GROSS", NameMatch::Same);
        surname("Ævarsdóttir", "AEVARSDOTTIR", NameMatch::Same);
        surname("Ångström", "AANGSTROEM", NameMatch::Same);
        surname("Иванов", "IVANOV", NameMatch::Same);
        surname("Müller", "MILLER", NameMatch::Different);
        surname("Gross", "GRASS", NameMatch::Different);
    }

    #[test]
    fn hyphens_apostrophes_and_spaces_may_be_kept_or_dropped() {
        for machine in ["OBRIEN", "O BRIEN"] {
            surname("O'Brien", machine, NameMatch::Same);
        }
        for machine in ["KOWALSKA KWIATKOWSKA", "KOWALSKAKWIATKOWSKA"] {
            surname("Kowalska-Kwiatkowska", machine, NameMatch::Same);
        }
        given("Chien-Sheng", "CHIEN SHENG", NameMatch::Same);
    }

    #[test]
    fn either_side_may_leave_out_given_names_but_not_add_others() {
        given("Anna Maria", "ANNA MARIA", NameMatch::Same);
        given("Anna", "ANNA MARIA", NameMatch::Same);
        given("Maria", "ANNA MARIA", NameMatch::Same);
        given("Anna Maria Luisa", "ANNA LUISA", NameMatch::Same);
        given("Anna Maria", "MARIA ANNA", NameMatch::Different);
        given("Anna", "ANNABELLA", NameMatch::Different);
        given("Anna", "", NameMatch::Different);
        given("", "", NameMatch::Same);
    }

    #[test]
    fn one_of_two_surnames_is_a_part_and_never_the_same() {
        surname("García López", "GARCIA", NameMatch::Part);
        surname("García", "GARCIA LOPEZ", NameMatch::Part);
        surname("García López", "LOPEZ GARCIA", NameMatch::Different);
    }

    #[test]
    fn a_cut_field_matches_the_beginning_of_the_name() {
        assert_eq!(
            match_given_names("Konstantin Alexander", Marks::Written, "KONSTANTIN ALEX", Cut::End),
            NameMatch::Same
        );
        assert_eq!(
            match_given_names("Konstantin Alexander", Marks::Written, "KONSTANTIN ALEX", Cut::Nothing),
            NameMatch::Different
        );
        assert_eq!(
            match_given_names("Konstantin Boris", Marks::Written, "KONSTANTIN ALEX", Cut::End),
            NameMatch::Different
        );
    }

    /// The examples of ICAO 9303-4 and 9303-6, §4.2.3.
    #[test]
    fn a_surname_of_which_every_word_is_cut_is_the_name() {
        let written = "Bennelong Wooloomooloo Warrandyte Warnambool";
        for machine in [
            "BENNELONG WOOLOOMOOLOO WARRANDYTE W",
            "BENNELONG WOOLOOMOOLOO W W",
            "BENNELONG WOOLOOM WARRAND WARNAM",
            "BENNEL WOOLOO WARRAN WARNAM",
            "BENNELONG WOOLOOM WAR WARN",
        ] {
            let compared = |cut| match_surname(written, Marks::Written, machine, cut);
            assert_eq!(compared(Cut::EveryWord), NameMatch::Same, "{machine}");
            assert_ne!(compared(Cut::Nothing), NameMatch::Same, "{machine}");
        }
        let compared = |written, machine| match_surname(written, Marks::Written, machine, Cut::EveryWord);
        assert_eq!(compared("Española Española-Ibáñez Güell", "ESPANOLA ESPAN IBAN GUEE"), NameMatch::Same);
        assert_eq!(compared(written, "BENNEL WOOLOO WARRAN"), NameMatch::Part);
        assert_eq!(compared("Bennelong Wooloomooloo", "BENNEL WOOLOO WARRAN WARNAM"), NameMatch::Part);
        assert_eq!(compared(written, "BENNEL WOOLOO WARRAN WARNAM X"), NameMatch::Part);
        for other in ["BENNEL WOOLOO WARREN WARNAM", "WOOLOO BENNEL WARRAN WARNAM"] {
            assert_eq!(compared(written, other), NameMatch::Different, "{other}");
        }
    }

    #[test]
    fn initials_of_given_names_are_a_part_of_them_and_prove_no_more() {
        let compared = |written, machine| match_given_names(written, Marks::Written, machine, Cut::EveryWord);
        assert_eq!(compared("Dingo Potoroo", "D P"), NameMatch::Part);
        assert_eq!(compared("Chayapa Dejthamrong Krasuang", "CHAYAPA DEJ K"), NameMatch::Part);
        assert_eq!(compared("Chayapa Dejthamrong Krasuang", "CHAYAPA DEJTHAMRONG K"), NameMatch::Same);
        assert_eq!(compared("Dingo Potoroo", "D K"), NameMatch::Different);
        assert_eq!(compared("Dingo Potoroo", "P D"), NameMatch::Different);
    }

    #[test]
    fn a_mark_that_was_overlooked_in_one_word_is_no_other_name() {
        let surname = |marks, machine, cut| match_surname("JÁGER-KOHLER", marks, machine, cut);
        let given = |marks, machine, cut| match_given_names("GOTZ KARL-HEINZ", marks, machine, cut);
        for cut in [Cut::End, Cut::EveryWord] {
            assert_eq!(given(Marks::MayBeMissing, "GOETZ KARL HEI", cut), NameMatch::Same, "{cut:?}");
            assert_eq!(given(Marks::Written, "GOETZ KARL HEI", cut), NameMatch::Different, "{cut:?}");
        }
        assert_eq!(given(Marks::MayBeMissing, "GOETZ KARL HEINZ MATTHIAS", Cut::Nothing), NameMatch::Same);
        assert_eq!(surname(Marks::MayBeMissing, "JAEGER KOEHLER", Cut::Nothing), NameMatch::Same);
        assert_eq!(surname(Marks::MayBeMissing, "JAEGER KOEH", Cut::EveryWord), NameMatch::Same);
        assert_eq!(surname(Marks::MayBeMissing, "JAEGER KUEHLER", Cut::Nothing), NameMatch::Different);
        assert_eq!(given(Marks::MayBeMissing, "GUETZ KARL HEI", Cut::End), NameMatch::Different);
    }

    #[test]
    fn a_mark_that_was_overlooked_is_no_other_name() {
        for (read, machine) in [("OBERG", "OEBERG"), ("MULLER", "MUELLER"), ("SOREN AASE", "SOEREN AASE")] {
            assert!(is_same_but_for_marks(read, machine), "{read} / {machine}");
        }
        for (read, machine) in [("OBERG", "OEBURG"), ("OCERG", "OEBERG"), ("", ""), ("MEIER", "MEYER")] {
            assert!(!is_same_but_for_marks(read, machine), "{read} / {machine}");
        }
    }

    #[test]
    fn a_script_without_transliteration_is_undecidable() {
        surname("李", "LI", NameMatch::Undecidable);
    }

    fn any_cut() -> impl Strategy<Value = Cut> {
        prop_oneof![Just(Cut::Nothing), Just(Cut::End), Just(Cut::EveryWord)]
    }

    proptest! {
        #[test]
        fn a_name_matches_what_an_issuer_prints_of_it(words in proptest::collection::vec("[A-ZÄÖÜÅÑÉŠŁa-zäöüåñéšł]{1,9}", 1..4), style in 0..3) {
            let style = [mrz::TransliterationStyle::Expanded, mrz::TransliterationStyle::Simple, mrz::TransliterationStyle::XxSuffix][style as usize];
            let written = words.join(" ");
            let machine = mrz::transliterate(&written, style);
            prop_assert_eq!(match_surname(&written, Marks::Written, &machine, Cut::Nothing), NameMatch::Same);
            prop_assert_eq!(match_given_names(&written, Marks::Written, &machine, Cut::Nothing), NameMatch::Same);
            prop_assert_eq!(match_given_names(&words[0], Marks::Written, &machine, Cut::Nothing), NameMatch::Same);
        }

        #[test]
        fn a_surname_matches_whatever_is_left_of_each_word(
            words in proptest::collection::vec(("[A-Zäöüñéšł]{1,9}", 1usize..9), 1..5),
            style in 0..3,
        ) {
            let style = [mrz::TransliterationStyle::Expanded, mrz::TransliterationStyle::Simple, mrz::TransliterationStyle::XxSuffix][style as usize];
            let written: Vec<&str> = words.iter().map(|(word, _)| &**word).collect();
            let machine: Vec<String> = words.iter().map(|(word, left)| mrz::transliterate(word, style).chars().take(*left).collect()).collect();
            prop_assert_eq!(match_surname(&written.join(" "), Marks::Written, &machine.join(" "), Cut::EveryWord), NameMatch::Same);
        }

        #[test]
        fn nothing_that_was_read_makes_it_panic(written in "\\PC{0,20}", machine in "\\PC{0,20}", cut in any_cut()) {
            for marks in [Marks::Written, Marks::MayBeMissing] {
                let _ = match_surname(&written, marks, &machine, cut);
                let _ = match_given_names(&written, marks, &machine, cut);
            }
        }
    }
}
