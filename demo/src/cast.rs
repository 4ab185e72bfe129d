//! Who plays. Everybody here is made up: names, contacts, documents and answers belong to nobody.

use jiff::civil::{Date, date};
use jiff::{ToSpan, Zoned};
use reinstate_specimen::{DateStyle, Holder, Issue, Sex, Unknown};
use serde_json::{Value, json};

/// An account's owner, with everything that the exchange has on file.
#[derive(Debug, Clone)]
pub struct Person {
    pub holder: Holder,
    pub issue: Issue,
    phone: String,
    email: String,
}

/// Given names, surname, birth date and passport number of the six owners.
const PEOPLE: [(&str, &str, Date, &str); 6] = [
    ("Jonas Emil", "Lindqvist", date(1969, 3, 14), "K47302916"),
    ("Mateo", "Ferreira", date(1972, 11, 2), "T60418357"),
    ("Henrik", "Vandamme", date(1966, 7, 21), "N31574802"),
    ("Samuel", "Adeyemi", date(1970, 1, 30), "H82640731"),
    ("Tomas", "Havelka", date(1963, 9, 8), "R50713964"),
    ("Aron", "Weissman", date(1968, 5, 17), "E94261075"),
];

impl Person {
    /// The owner of a story, by its number from 0.
    #[must_use]
    pub fn number(index: usize) -> Self {
        let index = index % PEOPLE.len();
        let (given_names, surname, birth_date, number) = PEOPLE[index];
        let today = Zoned::now().date();
        Self {
            holder: Holder {
                surname: surname.to_owned(),
                given_names: given_names.to_owned(),
                birth_date,
                birth_place: "Zenith".to_owned(),
                sex: Sex::Male,
                nationality: "UTO".to_owned(),
                birth_unknown: Unknown::Nothing,
            },
            issue: Issue {
                issuer: "UTO".to_owned(),
                number: number.to_owned(),
                // Never about to expire, whenever the demo is played.
                issued: today.saturating_sub(2.years()),
                expires: today.saturating_add(8.years()),
                personal_number: None,
                filler_for_unused_digit: false,
                date_style: DateStyle::Month,
            },
            // A range of numbers that Ofcom keeps for drama.
            phone: format!("+44770090012{index}"),
            email: format!("{}@example.org", surname.to_lowercase()),
        }
    }

    /// The body that enrols this person.
    #[must_use]
    pub fn enrolment(&self) -> Value {
        json!({
            "contacts": {"phone": self.phone, "email": self.email},
            "identity": {
                "given_names": self.holder.given_names,
                "surname": self.holder.surname,
                "birth_date": self.holder.birth_date,
                "nationality": self.holder.nationality,
            },
            "questions": [
                {"id": "boat", "prompt": "What was the name of your first boat?", "answer": "Albatross"},
                {"id": "street", "prompt": "In which street did you learn to ride a bicycle?", "answer": "Harbour Road"},
            ],
            "attributes": {"country": "UTO", "risk": "high"},
        })
    }

    /// The answers, as a person types them: neither case nor spaces count.
    #[must_use]
    pub fn answers(&self) -> Value {
        json!({"answers": {"boat": "albatross", "street": " harbour road "}})
    }
}
