//! The words that documents print beside a field, and where the field's value stands.

use crate::document::line::Line;
use crate::document::text::{Quad, distance};
use crate::recognise::Point;

/// A field of the visual zone that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Number,
    Surname,
    GivenNames,
    BirthDate,
    ExpiryDate,
    IssueDate,
    Sex,
}

/// Words without accents: whole ones, beginnings (`NAISS-`) and ends (`-NUMMER`). Given names come before surnames: `GIVEN
/// NAME` holds `NAME`.
const LABELS: [(Field, &[&str]); 7] = [
    (
        Field::BirthDate,
        &[
            "BIRTH-",
            "NAISS-",
            "GEBURT-",
            "NACIM-",
            "NASC-",
            "URODZ-",
            "ROJST-",
            "NAROZ-",
            "GEBOORTE-",
            "FODSEL-",
            "FOEDSEL-",
            "FODEL-",
            "SYNTYM-",
            "DOGUM-",
            "GIMIM-",
            "DZIMS-",
            "SYND-",
            "SZULET-",
            "NASTERII",
            "RODEN-",
            "SUNDIM-",
            "GIMIMO",
        ],
    ),
    (
        Field::ExpiryDate,
        &[
            "EXPIR-", "EXPIRY", "GULTIG-", "GUELTIG-", "ABLAUF-", "CADUC-", "SCAD-", "VALID-", "VALAB-",
            "WAZN-", "VELJA-", "VAZENJA", "PLATN-", "GELDIG-", "GILTIG-", "UTLOP-", "VOIMASS-", "GECER-",
            "GALIOJ-", "DERIG-", "KEHTIV-", "LEJAR-", "ERVENY-", "VRIJEDI-", "VALJAN-", "UDLOB-", "GYLDIG-",
            "VERLOOP-", "VERVAL-",
        ],
    ),
    (
        Field::IssueDate,
        &[
            "ISSUE",
            "DELIVR-",
            "AUSSTELL-",
            "EXPEDIC-",
            "RILASC-",
            "EMISS-",
            "EMIS-",
            "AFGIFTE",
            "WYDAN-",
            "VYDAN-",
            "VYDAJ-",
            "UTFARD-",
            "UDSTED-",
            "UTSTED-",
            "MYONT-",
            "KIALLIT-",
            "ELIBER-",
            "VERILIS-",
            "IZDAN-",
            "IZDAJ-",
            "VALJAAND-",
            "ISDAV-",
        ],
    ),
    (
        Field::Sex,
        &[
            "SEX",
            "SEXE",
            "SEXO",
            "SESSO",
            "GESCHLECHT",
            "GESLACHT",
            "PLEC",
            "POHLAVI",
            "POHLAVIE",
            "KON",
            "KJONN",
            "KJOENN",
            "KOEN",
            "SUKUPUOLI",
            "CINSIYETI",
            "CINSIYET",
            "SPOL",
            "LYTIS",
            "DZIMUMS",
            "SUGU",
        ],
    ),
    (
        Field::GivenNames,
        &[
            "GIVEN",
            "FORENAME-",
            "FIRST",
            "PRENOM-",
            "VORNAM-",
            "NOMBRE-",
            "NOME",
            "NOMI",
            "IMIE-",
            "IMIONA",
            "IME",
            "JMENO",
            "VOORNA-",
            "FORNAMN",
            "FORNAVN",
            "ETUNIM-",
            "ADI",
            "VARDAS",
            "VARDS",
            "EESNIMI",
            "PRENUME-",
            "UTONEV",
        ],
    ),
    (
        Field::Surname,
        &[
            "SURNAME-",
            "NOM",
            "NACHNAME",
            "NAME",
            "APELLIDO-",
            "COGNOME",
            "NAZWISKO",
            "PRIIMEK",
            "PREZIME",
            "PRIJMEN-",
            "PRIEZVISKO",
            "ACHTERNAAM",
            "NAAM",
            "EFTERNAM-",
            "EFTERNAVN",
            "ETTERNAVN",
            "SUKUNIM-",
            "APELIDO-",
            "SOYADI",
            "FAMILY",
            "FAMILIEN-",
            "PAVARDE",
            "UZVARDS",
            "PEREKONNANIMI",
            "NUME",
            "CSALADI",
        ],
    ),
    (
        Field::Number,
        &[
            "NO", "NR", "NUM", "NRO", "NUMBER", "NUMERO", "NUMMER", "NUMER", "-NUMMER", "-NR", "SZAM",
            "-SZAM", "-NUMERO", "STEVILKA", "CISLO", "BROJ",
        ],
    ),
];

/// What a document calls itself, beside which a lone `N` stands for its number (`Carta N.`, `Pasaporte N°`). Alone it may be
/// somebody's initial.
const DOCUMENTS: [&str; 9] =
    ["CARTA", "CARTE", "CARD", "DOC", "PASS", "PASAPORTE", "PATENTE", "PERMI", "VIS"];

/// Which field a line is the label of.
pub(crate) fn label(text: &str) -> Option<Field> {
    let ascii = mrz::transliterate(text, mrz::TransliterationStyle::Simple);
    let words: Vec<&str> =
        ascii.split(|c: char| !c.is_ascii_alphabetic()).filter(|w| !w.is_empty()).collect();
    let is = |word: &&str, name: &str| match (name.strip_suffix('-'), name.strip_prefix('-')) {
        (Some(beginning), _) => word.starts_with(beginning),
        (_, Some(end)) => word.ends_with(end),
        _ => *word == name,
    };
    // A person's number is not the document's, in some languages it is called a birth number.
    let persons = |word: &&str| {
        word.starts_with("PERSON")
            || word.starts_with("RODN")
            || ((word.starts_with("FOD") || word.starts_with("FOED"))
                && (word.ends_with("NUMMER") || word.ends_with("NR")))
    };
    if words.iter().any(persons) {
        return None;
    }
    let documents_n = || {
        let names_it = |word: &&str| DOCUMENTS.iter().any(|name| word.starts_with(name));
        words.contains(&"N") && words.iter().any(names_it)
    };
    LABELS
        .iter()
        .find(|(_, names)| words.iter().any(|word| names.iter().any(|name| is(word, name))))
        .map(|l| l.0)
        .or_else(|| documents_n().then_some(Field::Number))
}

/// Heights of a label from its end up to which its value may stand: typed forms have their values in a column, as far to the
/// right as the longest label needs.
const COLUMN: f32 = 16.0;

/// Another line than the label.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Other {
    pub(crate) line: usize,
    pub(crate) quad: Quad,
    pub(crate) is_label: bool,
}

/// Which of the lines holds the value of a label: the nearest below it that begins near its beginning, else the nearest to
/// the right of it, with no other label between.
pub(crate) fn value_of(label: &Quad, others: &[Other]) -> Option<usize> {
    let direction = label.direction();
    let origin = label.ends().0;
    let height = label.height();
    let place = |p: Point| {
        let [x, y] = [p[0] - origin[0], p[1] - origin[1]];
        [x * direction[0] + y * direction[1], y * direction[0] - x * direction[1]]
    };
    let places = || others.iter().map(|other| (other, place(other.quad.ends().0)));
    let below = places()
        .filter(|(other, [along, down])| {
            let between = (height + other.quad.height()) / 2.0;
            !other.is_label && (0.4 * height..2.2 * between).contains(down) && along.abs() < 2.5 * height
        })
        .min_by(|a, b| a.1[1].total_cmp(&b.1[1]));
    let right = || {
        places()
            .filter(|(_, [along, down])| {
                down.abs() < 0.5 * height
                    && *along > 0.8 * label.width()
                    && *along < label.width() + COLUMN * height
            })
            .min_by(|a, b| a.1[0].total_cmp(&b.1[0]))
            .filter(|(other, _)| !other.is_label)
    };
    below.or_else(right).map(|(other, _)| other.line)
}

/// Heights of a line up to which something that belongs to it may stand to the right of it.
const REACH: f32 = 6.0;

/// The nearest line to the right of another one.
pub(super) fn beside(line: usize, lines: &[Line]) -> Option<usize> {
    let quad = &lines[line].quad;
    let (_, end) = quad.ends();
    let [dx, dy] = quad.direction();
    let place = |other: &Line| {
        let (start, _) = other.quad.ends();
        let [x, y] = [start[0] - end[0], start[1] - end[1]];
        (x * dx + y * dy, (y * dx - x * dy).abs(), distance(start, end))
    };
    lines
        .iter()
        .enumerate()
        .filter(|(i, _)| *i != line)
        .map(|(i, other)| (i, place(other)))
        .filter(|(_, (along, off, _))| {
            *along > -0.5 * quad.height() && *along < REACH * quad.height() && *off < 0.6 * quad.height()
        })
        .min_by(|a, b| a.1.2.total_cmp(&b.1.2))
        .map(|(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_known_in_the_languages_of_documents() {
        for (text, field) in [
            ("Surname/ Nom", Field::Surname),
            ("Given names/ Prénoms", Field::GivenNames),
            ("Vornamen/Given names/Prénoms", Field::GivenNames),
            ("Name/Surname/Nom", Field::Surname),
            ("Date of birth/Date de naissance", Field::BirthDate),
            ("Geburtsdatum", Field::BirthDate),
            ("Gültig bis/Date of expiry", Field::ExpiryDate),
            ("Passport No./Nº du passeport", Field::Number),
            ("NAZWISKO/SURNAME", Field::Surname),
            ("Date of issue/Date de délivrance", Field::IssueDate),
            ("Sex/Sexe/Geschlecht", Field::Sex),
            ("Ausweisnummer", Field::Number),
            ("Núm. soporte", Field::Number),
            ("Carta N.:", Field::Number),
            ("Pasaporte N°", Field::Number),
            ("Érvényességi idő", Field::ExpiryDate),
            ("Születési idő", Field::BirthDate),
        ] {
            assert_eq!(label(text), Some(field), "{text}");
        }
        for text in ["ERIKSSON", "UTOPIA", "MARIA N.", "12 AUG 1974", "Personal No.", "Fødselsnummer", ""] {
            assert_eq!(label(text), None, "{text}");
        }
    }

    fn value(label: Quad, others: &[(f32, f32, bool)]) -> Option<usize> {
        let others: Vec<Other> = others
            .iter()
            .enumerate()
            .map(|(line, &(x, y, is_label))| Other { line, quad: at(x, y), is_label })
            .collect();
        value_of(&label, &others)
    }

    fn at(x: f32, y: f32) -> Quad {
        Quad::new([x + 50.0, y], [1.0, 0.0], 100.0, 20.0)
    }

    #[test]
    fn a_value_stands_below_its_label_or_to_the_right_of_it() {
        let label = at(0.0, 0.0);
        assert_eq!(value(label, &[(200.0, 24.0, false), (4.0, 24.0, false), (4.0, 60.0, false)]), Some(1));
        assert_eq!(value(label, &[(110.0, 2.0, false), (0.0, 90.0, false)]), Some(0));
        assert_eq!(value(label, &[(4.0, -24.0, false)]), None);
    }

    #[test]
    fn the_values_of_a_typed_form_stand_in_a_column_and_each_belongs_to_the_label_before_it() {
        let label = at(0.0, 0.0);
        assert_eq!(value(label, &[(0.0, 40.0, true), (380.0, 0.0, false), (380.0, 40.0, false)]), Some(1));
        assert_eq!(value(label, &[(140.0, 0.0, true), (380.0, 0.0, false)]), None, "the other label's");
        assert_eq!(value(label, &[(440.0, 0.0, false)]), None, "too far");
    }
}
