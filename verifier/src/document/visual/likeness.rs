//! When a printed text is what the zone says, when it is nearly that, and when a recogniser made it of that.

use reinstate_domain::document::is_same_but_for_marks;

use crate::document::line::Line;
use crate::document::mrz::TWINS;

/// Words that are tried together as one value.
const MOST_WORDS: usize = 5;
/// Differing characters up to which a text is taken for an altered value, as a share of its length.
const NEARLY: f32 = 0.25;

/// Every run of up to five words of a text.
pub(super) fn runs(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut runs = Vec::new();
    for from in 0..words.len() {
        for to in from + 1..=words.len().min(from + MOST_WORDS) {
            runs.push(words[from..to].join(" "));
        }
    }
    runs
}

pub(super) fn significant(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// Letters and digits that many fonts print alike become one.
pub(super) fn printed(text: &str) -> String {
    let one = |c| match c {
        'O' | 'Q' | 'D' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    significant(text).chars().map(one).collect()
}

/// Letters and digits that the recogniser takes for one another become one, so that a misread pair does not accuse. A 0 of which the
/// top is faint is a U.
fn blurred(c: char) -> char {
    match c {
        'O' | 'Q' | 'D' | 'U' => '0',
        'I' | 'L' => '1',
        'Z' => '2',
        'S' => '5',
        'G' => '6',
        'B' => '8',
        c => c,
    }
}

/// The letters as a machine-readable zone would have them.
pub(super) fn letters(text: &str) -> String {
    let ascii = mrz::transliterate(text, mrz::TransliterationStyle::Expanded);
    ascii.chars().filter(char::is_ascii_alphabetic).collect()
}

/// A printed text as a machine-readable zone would have it, with a space for a filler.
pub(crate) fn as_in_zone(print: &str) -> String {
    let ascii = mrz::transliterate(print, mrz::TransliterationStyle::Expanded).to_ascii_uppercase();
    let words = ascii.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a printed name that is the zone's has all of its letters: one of several given names is the same person's.
pub(crate) fn states_all(printed: &str, name: &str) -> bool {
    letters(printed).len() >= letters(name).len() || is_same_but_for_marks(printed, name)
}

/// The run of words that is nearly this name, and not it.
pub(super) fn nearest(text: &str, name: &str) -> Option<String> {
    let name = letters(name);
    let most = (name.len() as f32 * NEARLY) as usize;
    runs(text).into_iter().find(|run| {
        let letters = letters(run);
        letters.len().abs_diff(name.len()) <= most
            && (1..=most).contains(&strsim::levenshtein(&letters, &name))
            && !is_misread(run, &name)
    })
}

/// Whether a recogniser may have made this of the name: with a letter more or less, for a stroke or a ligature that it does
/// not know (Ø read as O, Æ as E, Ĳ as I), or with an end missing that a finger or a reflection covers, and perhaps half a letter more. A
/// forger does neither, and a short name in the place of a long one that begins or ends with it confirms nothing.
pub(super) fn is_misread(text: &str, name: &str) -> bool {
    let as_printed = [letters(text), letters(name)];
    let [text, name] = as_printed.each_ref().map(|letters| without_ligature(letters));
    let is_end = |rest: &str| !rest.is_empty() && (name.starts_with(rest) || name.ends_with(rest));
    let without_a_letter = [text.get(1..), text.get(..text.len().saturating_sub(1))];
    let and_half_a_letter = text.len() < name.len() && without_a_letter.into_iter().flatten().any(is_end);
    let cut = is_end(&text) || and_half_a_letter;
    let a_letter_off = |[a, b]: [&String; 2]| a.len() != b.len() && strsim::levenshtein(a, b) <= 1;
    text == name || cut || a_letter_off([&text, &name]) || a_letter_off(as_printed.each_ref())
}

/// Whether the text is the name but for an Œ or an Ĳ.
pub(super) fn is_ligature(text: &str, name: &str) -> bool {
    let (text, name) = (letters(text), letters(name));
    text != name && without_ligature(&text) == without_ligature(&name)
}

/// Œ is read as CE, the zone has OE. The Dutch Ĳ, whose parts run together in bold capitals, is read as U.
fn without_ligature(letters: &str) -> String {
    letters.replace("CE", "OE").replace("IJ", "U")
}

/// Whether a recogniser may have made this of the number, by taking characters for others of their shape.
pub(super) fn is_misread_number(text: &str, number: &str) -> bool {
    let shapes = |text: &str| -> String { significant(text).chars().map(blurred).collect() };
    shapes(text) == shapes(number)
}

/// Whether the text is this number but for one character at one of its ends, which a finger lies over or text detection left outside. A
/// check digit tells that one by the others, unless it is a G or a 6.
pub(super) fn lacks_an_end(text: &str, number: &str) -> bool {
    let (text, number) = (significant(text), significant(number));
    let [first, .., last] = number.as_bytes() else { return false };
    let is_told = |end: &u8| !TWINS.contains(&char::from(*end));
    let rest = [(&number[1..], first), (&number[..number.len() - 1], last)];
    text.len() >= FEWEST_OF_A_NUMBER
        && rest.into_iter().any(|(rest, end)| is_told(end) && printed(&text) == printed(rest))
}

/// Characters from which a text can be what is left of a number.
const FEWEST_OF_A_NUMBER: usize = 5;

/// The run of words that is this number but for a few characters, each of which was read with at least this certainty.
pub(super) fn nearest_number(line: &Line, number: &str, least: f32) -> Option<String> {
    let number: Vec<char> = significant(number).chars().collect();
    let most = (number.len() as f32 * NEARLY) as usize;
    let read: Vec<(char, f32)> = line.text.chars().zip(line.certainty.iter().copied()).collect();
    let words: Vec<&[(char, f32)]> =
        read.split(|(c, _)| c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    let is_it = |run: &[(char, f32)]| {
        let mut differing = run.iter().zip(&number).filter(|((a, _), b)| blurred(*a) != blurred(**b));
        let count = differing.clone().count();
        run.len() == number.len() && (1..=most).contains(&count) && differing.all(|((_, p), _)| *p >= least)
    };
    (0..words.len()).find_map(|from| {
        let mut run = Vec::new();
        words[from..].iter().take(MOST_WORDS).find_map(|word| {
            let letters = word.iter().filter(|(c, _)| c.is_ascii_alphanumeric());
            run.extend(letters.map(|(c, p)| (c.to_ascii_uppercase(), *p)));
            is_it(&run).then(|| run.iter().map(|(c, _)| c).collect())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::line;
    use super::*;

    #[test]
    fn what_a_recogniser_makes_of_a_name_is_no_other_name() {
        for (text, name) in [
            ("BCEUF", "BOEUF"),
            ("USSELSTEIN", "IJSSELSTEIN"),
            ("ISSELSTEIN", "IJSSELSTEIN"),
            ("AERO", "AEROE"),
            ("NDSTRÖM", "LINDSTROEM"),
            ("LINDSTR", "LINDSTROEM"),
            ("ŁUKASIEV", "LUKASIEWICZ"),
            ("VDSTRÖM", "LINDSTROEM"),
            ("JF", "BOEUF"),
            ("SON", "ERIKSSON"),
            ("ERIKSSON", "ERIKSSON"),
        ] {
            assert!(is_misread(text, name), "{text} {name}");
        }
        for (text, name) in
            [("ERIKSEN", "ERIKSSON"), ("BRUN", "BRAUN MEIER"), ("MARTEN", "MARTIN"), ("LEE", "ERIKSSON")]
        {
            assert!(!is_misread(text, name), "{text} {name}");
        }
    }

    #[test]
    fn a_name_is_stated_whole_though_its_marks_are_overlooked_and_in_part_when_a_name_is_missing() {
        for (printed, name) in
            [("ANNA MARIA", "ANNA MARIA"), ("AKE", "AAKE"), ("ÅKE", "AAKE"), ("NILS GÕRAN", "NILS GOERAN")]
        {
            assert!(states_all(printed, name), "{printed} {name}");
        }
        for (printed, name) in
            [("ANNA", "ANNA MARIA"), ("ÅKE", "AAKE BO"), ("MICHAEL", "MICHAEL J"), ("ANN", "ANNA")]
        {
            assert!(!states_all(printed, name), "{printed} {name}");
        }
    }

    #[test]
    fn a_ligature_that_a_recogniser_does_not_know_is_what_it_makes_of_it() {
        for (text, name) in [("BCEUF", "BOEUF"), ("USSELSTEIN", "IJSSELSTEIN"), ("DUK", "DIJK")] {
            assert!(is_ligature(text, name), "{text} {name}");
        }
        for (text, name) in [("DUK", "DUIK"), ("DIK", "DIJK"), ("DIJK", "DIJK")] {
            assert!(!is_ligature(text, name), "{text} {name}");
        }
    }

    #[test]
    fn only_a_character_that_was_read_with_certainty_makes_another_number() {
        // G and 6 are blurred, the 0 is clear.
        let read = line("No C6Z63T0GT", &[0.9, 0.9, 0.9, 0.9, 0.4, 0.9, 0.9, 0.9, 0.9, 0.95, 0.9, 0.9]);
        assert_eq!(nearest_number(&read, "CGZ63T9GT", 0.7).as_deref(), Some("C6Z63T0GT"));
        let unclear = line("C6Z63T0GT", &[0.9, 0.4, 0.9, 0.9, 0.9, 0.9, 0.6, 0.9, 0.9]);
        assert_eq!(nearest_number(&unclear, "CGZ63T9GT", 0.7), None);
        for (misread, number) in [("C6Z63T9GT", "CGZ63T9GT"), ("59HB7130U", "59HB71300")] {
            assert_eq!(nearest_number(&line(misread, &[0.9; 9]), number, 0.7), None, "{misread}");
            assert!(is_misread_number(misread, number), "{misread}");
        }
        assert!(!is_misread_number("59HB71301", "59HB71300"));
    }

    #[test]
    fn a_number_may_lack_one_character_at_an_end_that_its_check_digit_tells() {
        for text in ["9900385", "99 00385", "9003853"] {
            assert!(lacks_an_end(text, "99003853"), "{text}");
        }
        for text in ["99003853", "990038", "9900386", "9903853", "99003857", ""] {
            assert!(!lacks_an_end(text, "99003853"), "{text}");
        }
        // A 6 counts like the G that it may be.
        assert!(!lacks_an_end("9900385", "99003856"));
        assert!(!lacks_an_end("1234", "12345"), "a year");
    }

    #[test]
    fn a_number_is_confirmed_by_its_own_text_and_not_by_what_looks_alike_to_the_recogniser() {
        assert_eq!(printed("CO1-X0OT"), printed("C0IX0OT"));
        assert_ne!(printed("CT6Z63T96"), printed("CTGZ63T9G"));
    }
}
