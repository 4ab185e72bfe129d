//! Who issues specimens: real ICAO codes, with the languages, forms of dates and shapes of numbers that are usual there.
//! The people are invented, and every page says SPECIMEN.

use crate::dice::Dice;
use crate::holder::{DateStyle, Sex};
use crate::kind::Kind;

/// A language in which labels are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    French,
    German,
    Dutch,
    Spanish,
    Italian,
    Polish,
    Swedish,
}

/// What is printed beside the facts.
pub(crate) struct Labels {
    pub passport: &'static str,
    pub id_card: &'static str,
    pub residence_permit: &'static str,
    pub visa: &'static str,
    pub driving_licence: &'static str,
    pub kind: &'static str,
    pub code: &'static str,
    pub passport_number: &'static str,
    pub card_number: &'static str,
    pub document_number: &'static str,
    pub surname: &'static str,
    pub given_names: &'static str,
    pub nationality: &'static str,
    pub personal_number: &'static str,
    pub birth_date: &'static str,
    pub sex: &'static str,
    pub birth_place: &'static str,
    pub issue_date: &'static str,
    pub authority: &'static str,
    pub expiry_date: &'static str,
    pub signature: &'static str,
    pub address: &'static str,
    /// Abbreviated, as passports print them.
    pub months: [&'static str; 12],
}

impl Language {
    pub(crate) fn labels(self) -> &'static Labels {
        match self {
            Self::English => &ENGLISH,
            Self::French => &FRENCH,
            Self::German => &GERMAN,
            Self::Dutch => &DUTCH,
            Self::Spanish => &SPANISH,
            Self::Italian => &ITALIAN,
            Self::Polish => &POLISH,
            Self::Swedish => &SWEDISH,
        }
    }
}

static ENGLISH: Labels = Labels {
    passport: "PASSPORT",
    id_card: "IDENTITY CARD",
    residence_permit: "RESIDENCE PERMIT",
    visa: "VISA",
    driving_licence: "DRIVING LICENCE",
    kind: "Type",
    code: "Code",
    passport_number: "Passport No.",
    card_number: "Card No.",
    document_number: "Document No.",
    surname: "Surname",
    given_names: "Given names",
    nationality: "Nationality",
    personal_number: "Personal No.",
    birth_date: "Date of birth",
    sex: "Sex",
    birth_place: "Place of birth",
    issue_date: "Date of issue",
    authority: "Authority",
    expiry_date: "Date of expiry",
    signature: "Signature",
    address: "Address",
    months: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};

static FRENCH: Labels = Labels {
    passport: "PASSEPORT",
    id_card: "CARTE D'IDENTITÉ",
    residence_permit: "TITRE DE SÉJOUR",
    visa: "VISA",
    driving_licence: "PERMIS DE CONDUIRE",
    kind: "Type",
    code: "Code",
    passport_number: "No du passeport",
    card_number: "No de la carte",
    document_number: "No du document",
    surname: "Nom",
    given_names: "Prénoms",
    nationality: "Nationalité",
    personal_number: "No personnel",
    birth_date: "Date de naissance",
    sex: "Sexe",
    birth_place: "Lieu de naissance",
    issue_date: "Date de délivrance",
    authority: "Autorité",
    expiry_date: "Date d'expiration",
    signature: "Signature",
    address: "Adresse",
    months: ["JAN", "FEV", "MARS", "AVR", "MAI", "JUIN", "JUIL", "AOUT", "SEPT", "OCT", "NOV", "DEC"],
};

static GERMAN: Labels = Labels {
    passport: "REISEPASS",
    id_card: "PERSONALAUSWEIS",
    residence_permit: "AUFENTHALTSTITEL",
    visa: "VISUM",
    driving_licence: "FÜHRERSCHEIN",
    kind: "Typ",
    code: "Kode",
    passport_number: "Pass-Nr.",
    card_number: "Ausweis-Nr.",
    document_number: "Dokument-Nr.",
    surname: "Name",
    given_names: "Vornamen",
    nationality: "Staatsangehörigkeit",
    personal_number: "Personennummer",
    birth_date: "Geburtsdatum",
    sex: "Geschlecht",
    birth_place: "Geburtsort",
    issue_date: "Ausstellungsdatum",
    authority: "Behörde",
    expiry_date: "Gültig bis",
    signature: "Unterschrift",
    address: "Anschrift",
    months: ["JAN", "FEB", "MÄR", "APR", "MAI", "JUN", "JUL", "AUG", "SEP", "OKT", "NOV", "DEZ"],
};

static DUTCH: Labels = Labels {
    passport: "PASPOORT",
    id_card: "IDENTITEITSKAART",
    residence_permit: "VERBLIJFSTITEL",
    visa: "VISUM",
    driving_licence: "RIJBEWIJS",
    kind: "Type",
    code: "Code",
    passport_number: "Paspoortnummer",
    card_number: "Documentnummer",
    document_number: "Documentnummer",
    surname: "Naam",
    given_names: "Voornamen",
    nationality: "Nationaliteit",
    personal_number: "Persoonsnummer",
    birth_date: "Geboortedatum",
    sex: "Geslacht",
    birth_place: "Geboorteplaats",
    issue_date: "Datum van afgifte",
    authority: "Autoriteit",
    expiry_date: "Geldig tot",
    signature: "Handtekening",
    address: "Adres",
    months: ["JAN", "FEB", "MRT", "APR", "MEI", "JUN", "JUL", "AUG", "SEP", "OKT", "NOV", "DEC"],
};

static SPANISH: Labels = Labels {
    passport: "PASAPORTE",
    id_card: "DOCUMENTO DE IDENTIDAD",
    residence_permit: "PERMISO DE RESIDENCIA",
    visa: "VISADO",
    driving_licence: "PERMISO DE CONDUCCIÓN",
    kind: "Tipo",
    code: "Código",
    passport_number: "Pasaporte Nº",
    card_number: "Núm. soporte",
    document_number: "Núm. documento",
    surname: "Apellidos",
    given_names: "Nombre",
    nationality: "Nacionalidad",
    personal_number: "Núm. personal",
    birth_date: "Fecha de nacimiento",
    sex: "Sexo",
    birth_place: "Lugar de nacimiento",
    issue_date: "Fecha de expedición",
    authority: "Autoridad",
    expiry_date: "Fecha de caducidad",
    signature: "Firma",
    address: "Domicilio",
    months: ["ENE", "FEB", "MAR", "ABR", "MAY", "JUN", "JUL", "AGO", "SEP", "OCT", "NOV", "DIC"],
};

static ITALIAN: Labels = Labels {
    passport: "PASSAPORTO",
    id_card: "CARTA D'IDENTITÀ",
    residence_permit: "PERMESSO DI SOGGIORNO",
    visa: "VISTO",
    driving_licence: "PATENTE DI GUIDA",
    kind: "Tipo",
    code: "Codice",
    passport_number: "Passaporto N.",
    card_number: "Carta N.",
    document_number: "Documento N.",
    surname: "Cognome",
    given_names: "Nome",
    nationality: "Cittadinanza",
    personal_number: "Codice personale",
    birth_date: "Data di nascita",
    sex: "Sesso",
    birth_place: "Luogo di nascita",
    issue_date: "Data di rilascio",
    authority: "Autorità",
    expiry_date: "Data di scadenza",
    signature: "Firma",
    address: "Indirizzo",
    months: ["GEN", "FEB", "MAR", "APR", "MAG", "GIU", "LUG", "AGO", "SET", "OTT", "NOV", "DIC"],
};

static POLISH: Labels = Labels {
    passport: "PASZPORT",
    id_card: "DOWÓD OSOBISTY",
    residence_permit: "KARTA POBYTU",
    visa: "WIZA",
    driving_licence: "PRAWO JAZDY",
    kind: "Typ",
    code: "Kod",
    passport_number: "Nr paszportu",
    card_number: "Nr dowodu",
    document_number: "Nr dokumentu",
    surname: "Nazwisko",
    given_names: "Imiona",
    nationality: "Obywatelstwo",
    personal_number: "Nr PESEL",
    birth_date: "Data urodzenia",
    sex: "Płeć",
    birth_place: "Miejsce urodzenia",
    issue_date: "Data wydania",
    authority: "Organ wydający",
    expiry_date: "Termin ważności",
    signature: "Podpis",
    address: "Adres",
    months: ["STY", "LUT", "MAR", "KWI", "MAJ", "CZE", "LIP", "SIE", "WRZ", "PAŹ", "LIS", "GRU"],
};

static SWEDISH: Labels = Labels {
    passport: "PASS",
    id_card: "IDENTITETSKORT",
    residence_permit: "UPPEHÅLLSTILLSTÅND",
    visa: "VISERING",
    driving_licence: "KÖRKORT",
    kind: "Typ",
    code: "Kod",
    passport_number: "Passnr",
    card_number: "Kortnr",
    document_number: "Dokumentnr",
    surname: "Efternamn",
    given_names: "Förnamn",
    nationality: "Medborgarskap",
    personal_number: "Personnr",
    birth_date: "Födelsedatum",
    sex: "Kön",
    birth_place: "Födelseort",
    issue_date: "Utfärdat",
    authority: "Myndighet",
    expiry_date: "Sista giltighetsdag",
    signature: "Namnteckning",
    address: "Adress",
    months: ["JAN", "FEB", "MAR", "APR", "MAJ", "JUN", "JUL", "AUG", "SEP", "OKT", "NOV", "DEC"],
};

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
