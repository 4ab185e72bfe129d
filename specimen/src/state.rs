//! Who issues specimens: real ICAO codes, with the languages, forms of dates and shapes of numbers that are usual there.
//! The people are invented, and every page says SPECIMEN.

use crate::date::DateStyle;
use crate::dice::Dice;
use crate::kind::Kind;
use crate::language::Language;
use crate::sex::Sex;

/// An issuing state. In patterns `A` is a letter, `#` a digit, `X` either without vowels; anything else stands for itself.
pub(crate) struct State {
    pub code: &'static str,
    /// The language above or before, and the one after it.
    pub languages: [Language; 2],
    pub number: &'static str,
    pub licence_number: &'static str,
    pub dates: &'static [DateStyle],
    surnames: &'static [&'static str],
    women: &'static [&'static str],
    men: &'static [&'static str],
    pub places: &'static [&'static str],
}

/// Every state that [`crate::Document::invented`] knows, by its ICAO 9303-3 code.
pub const STATES: [&str; 8] = ["UTO", "D", "FRA", "NLD", "ESP", "ITA", "POL", "SWE"];

impl State {
    /// Of an unknown code, the state that ICAO invented.
    pub(crate) fn of(code: &str) -> &'static Self {
        ALL.iter().find(|state| state.code == code).unwrap_or(&ALL[0])
    }

    /// Another state, for whoever lives or travels here.
    pub(crate) fn another(&self, seed: u64) -> &'static Self {
        let others: Vec<_> = ALL.iter().filter(|state| state.code != self.code).collect();
        others[Dice::new(seed, "another state").below(others.len() as u32) as usize]
    }

    /// Somebody's names: mostly ordinary ones, one in nine longer than some zone can hold.
    pub(crate) fn names(&self, dice: &mut Dice, sex: Sex) -> (String, String) {
        let given = if sex == Sex::Female { self.women } else { self.men };
        let mut surname = (*dice.pick(self.surnames)).to_owned();
        let mut given_names = (*dice.pick(given)).to_owned();
        match dice.below(9) {
            0 => {
                surname = format!("{surname}-{}", dice.pick(self.surnames));
                given_names = format!("{given_names} {} {}", dice.pick(given), dice.pick(given));
            }
            1..=3 => given_names = format!("{given_names} {}", dice.pick(given)),
            _ => {}
        }
        (surname, given_names)
    }

    /// A number as this state gives it to documents of a kind. One card in six has a number that overflows its field, where the
    /// state has not published that its numbers don't.
    pub(crate) fn document_number(&self, dice: &mut Dice, kind: Kind) -> String {
        let has_nine = kind == Kind::IdCard && matches!(self.code, "D" | "NLD");
        let pattern = match kind {
            Kind::FrenchLicence => State::of("FRA").licence_number,
            Kind::DrivingLicence => self.licence_number,
            Kind::IdCard | Kind::ResidencePermit if dice.below(6) == 0 && !has_nine => {
                dice.pick(&["AX##########", "##AA########", "AAA###########"])
            }
            _ => self.number,
        };
        pattern
            .chars()
            .map(|c| match c {
                'A' => char::from(b'A' + dice.below(26) as u8),
                '#' => char::from(b'0' + dice.below(10) as u8),
                // The Netherlands leave out the O.
                'N' => *dice.pick(&b"ABCDEFGHIJKLMNPQRSTUVWXYZ".map(char::from)),
                'X' => *dice.pick(&b"0123456789CFGHJKLMNPRTVWXYZ".map(char::from)),
                other => other,
            })
            .collect()
    }
}

const EVERY_STYLE: &[DateStyle] =
    &[DateStyle::Month, DateStyle::Bilingual, DateStyle::Dotted, DateStyle::Slashed, DateStyle::Iso];

static ALL: [State; 8] = [
    State {
        code: "UTO",
        languages: [Language::English, Language::French],
        number: "A########",
        licence_number: "A#########",
        dates: EVERY_STYLE,
        surnames: &[
            "Eriksson",
            "O'Connor",
            "Nguyen",
            "Smith-Jones",
            "Okafor",
            "Yılmaz",
            "Bernoulli",
            "Dhillon",
        ],
        women: &["Anna", "Noor", "Mei-Lin", "Chiamaka", "Zoë", "Grace"],
        men: &["Ivan", "Kwame", "Haruto", "Omar", "Peter", "Liam"],
        places: &["Zenith", "Port Utopia", "Amaurot"],
    },
    State {
        code: "D",
        languages: [Language::German, Language::English],
        number: "CXXXXXXXX",
        licence_number: "A###XXXXX##",
        dates: &[DateStyle::Dotted],
        surnames: &["Müller", "Strauß", "Schröder", "Jäger", "Weiß", "Köhler", "von der Heide", "Özdemir"],
        women: &["Käthe", "Jördis", "Änne", "Sabine", "Lieselotte"],
        men: &["Jürgen", "Götz", "Björn", "Karl-Heinz", "Matthias"],
        places: &["Köln", "Musterstadt", "Zwickau"],
    },
    State {
        code: "FRA",
        languages: [Language::French, Language::English],
        number: "##AA#####",
        licence_number: "##AA#####",
        dates: &[DateStyle::Slashed, DateStyle::Spaced, DateStyle::Dotted],
        surnames: &["Martin", "Lefèvre", "D'Aubigné", "Bœuf", "Gérard", "Saint-Exupéry", "Çelik", "Noël"],
        women: &["Zoé", "Hélène", "Marie-Thérèse", "Anaïs", "Françoise"],
        men: &["Jérôme", "Loïc", "François", "Jean-Noël", "Théo"],
        places: &["Orléans", "Bézu-le-Long", "Lyon"],
    },
    State {
        code: "NLD",
        languages: [Language::Dutch, Language::English],
        number: "NNXXXXXX#",
        licence_number: "##########",
        dates: &[DateStyle::Bilingual, DateStyle::Dashed],
        surnames: &["de Vries", "van den Berg", "Bruijn", "Daniël", "Molenaar", "IJsselstein"],
        women: &["Willeke", "Zoë", "Liselotte", "Noëlle"],
        men: &["Pieter", "Daniël", "Jan Willem", "Sjoerd"],
        places: &["Specimen", "'s-Gravenhage", "Zwolle"],
    },
    State {
        code: "ESP",
        languages: [Language::Spanish, Language::English],
        number: "AAA######",
        licence_number: "########A",
        dates: &[DateStyle::Spaced, DateStyle::Bilingual, DateStyle::Dashed],
        surnames: &["García López", "Núñez Peña", "Española Española", "Ibáñez Güell", "Muñoz Ordóñez"],
        women: &["Carmen", "María José", "Begoña", "Íñiga", "Lucía"],
        men: &["Íñigo", "José Ángel", "Raúl", "Martín", "Andrés"],
        places: &["Málaga", "La Coruña", "Logroño"],
    },
    State {
        code: "ITA",
        languages: [Language::Italian, Language::English],
        number: "AA#####AA",
        licence_number: "AA#######A",
        dates: &[DateStyle::Dotted, DateStyle::Bilingual],
        surnames: &["Rossi", "D'Angelo", "Niccolò", "Bianchi", "Cantù", "Sant'Agata", "De Luca"],
        women: &["Giulia", "Nicolò Maria", "Lucrezia", "Maria Pia"],
        men: &["Niccolò", "Cesare", "Gian Luca", "Ruggero"],
        places: &["Forlì", "Cantù", "Roma"],
    },
    State {
        code: "POL",
        languages: [Language::Polish, Language::English],
        number: "AA#######",
        licence_number: "#####/##/####",
        dates: &[DateStyle::Dotted, DateStyle::Bilingual, DateStyle::Iso],
        surnames: &["Łukasiewicz", "Wiśniewska", "Żółć", "Brzęczyszczykiewicz", "Kowalczyk", "Wąs", "Nowak"],
        women: &["Małgorzata", "Żaneta", "Świętosława", "Zofia"],
        men: &["Łukasz", "Grzegorz", "Wojciech", "Stanisław"],
        places: &["Łódź", "Szczecin", "Kraków"],
    },
    State {
        code: "SWE",
        languages: [Language::Swedish, Language::English],
        number: "########",
        licence_number: "######-####",
        dates: &[DateStyle::Iso, DateStyle::Bilingual],
        surnames: &["Åkesson", "Öberg", "Lindström", "Sjöström", "Ängström", "Björkqvist"],
        women: &["Åsa", "Ingrid", "Maj-Britt", "Märta"],
        men: &["Göran", "Nils", "Åke", "Sören", "Lars-Erik"],
        places: &["Malmö", "Växjö", "Örebro"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_name_to_print_and_a_number_that_its_passport_can_hold() {
        for (code, state) in STATES.iter().zip(&ALL) {
            assert_eq!(*code, state.code);
            assert!(mrz::country_name(code).is_some(), "{code}");
            let number = state.document_number(&mut Dice::new(1, code), Kind::Passport);
            assert!((8..=9).contains(&number.len()), "{code}: {number}");
        }
    }
}
