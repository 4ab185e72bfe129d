//! What goes where, in mm. Every value keeps clear of every other, however long it is: longer text is set narrower.

use super::page::{Page, Sides};
use super::sheet::{Paper, Sheet, country, nationality};
use crate::date::Unknown;
use crate::fonts::Fonts;
use crate::format::Format;
use crate::holder::{Holder, Issue};
use crate::kind::Kind;
use crate::state::State;
use crate::tamper::Contents;
use crate::truth::Side;

/// The lowest two lines of passports, visas and cards of size ID-2: centre lines 15.75 and 9.4 mm above the edge
/// (ICAO 9303-4 appendix B), so baselines this far above it.
const TWO_LINES: [f32; 2] = [14.55, 8.2];

pub(super) fn draw(kind: Kind, holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents) -> Sides {
    let front = |front| Sides { front, back: None };
    match kind {
        Kind::Passport => front(passport(holder, issue, fonts, contents)),
        Kind::IdCard | Kind::ResidencePermit => {
            let (front, back) = card(holder, issue, fonts, contents);
            Sides { front, back: Some(back) }
        }
        Kind::Td2Card => front(td2_card(holder, issue, fonts, contents)),
        Kind::VisaA => front(visa(holder, issue, fonts, contents, (120.0, 80.0))),
        Kind::VisaB => front(visa(holder, issue, fonts, contents, (105.0, 74.0))),
        Kind::DrivingLicence | Kind::FrenchLicence => front(licence(holder, issue, fonts, contents)),
        Kind::PaperCard => front(paper_card(holder, issue, fonts, contents)),
    }
}

pub(super) fn passport(holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents) -> Page {
    let mut sheet = Sheet::new(fonts, contents, Paper::passport());
    sheet.heading(6.0, 8.6, 2.0, 37.0, &sheet.label(|l| l.passport));
    sheet.heading(45.0, 8.6, 2.6, 45.0, &country(&issue.issuer));
    sheet.specimen(93.0, 8.8, 3.0);
    sheet.portrait(6.0, 14.0, 35.0, 45.0);

    let (left, middle, right) = (45.0, 62.0, 88.0);
    let row = |n: f32| 13.8 + 6.3 * n;
    let visual = &contents.visual;
    sheet.value(&sheet.label(|l| l.kind), "P", left, row(0.0), 12.0);
    sheet.value(&sheet.label(|l| l.code), &issue.issuer, middle, row(0.0), 20.0);
    sheet.fact("number", |l| l.passport_number, &visual.number, right, row(0.0), 33.0);
    sheet.fact("surname", |l| l.surname, &visual.surname, left, row(1.0), 76.0);
    sheet.fact("given_names", |l| l.given_names, &visual.given_names, left, row(2.0), 76.0);
    sheet.value(&sheet.label(|l| l.nationality), &nationality(holder), left, row(3.0), 40.0);
    if let Some(number) = &issue.personal_number {
        sheet.value(&sheet.label(|l| l.personal_number), number, right, row(3.0), 33.0);
    }
    sheet.fact("birth_date", |l| l.birth_date, &contents.birth_date, left, row(4.0), 40.0);
    sheet.value(&sheet.label(|l| l.sex), holder.sex.printed(), left, row(5.0), 12.0);
    sheet.value(&sheet.label(|l| l.birth_place), &holder.birth_place.to_uppercase(), middle, row(5.0), 58.0);
    sheet.value(&sheet.label(|l| l.issue_date), &issued(issue), left, row(6.0), 40.0);
    sheet.value(&sheet.label(|l| l.authority), "PASSPORT OFFICE", right, row(6.0), 33.0);
    sheet.fact("expiry_date", |l| l.expiry_date, &contents.expiry_date, left, row(7.0), 40.0);
    sheet.signature(right, row(7.0), 24.0);
    sheet.zone(6.6, &TWO_LINES);
    sheet.finish(Side::DataPage)
}

/// Front and back of a card of size ID-1.
pub(super) fn card(holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents) -> (Page, Page) {
    (card_front(holder, issue, fonts, contents), card_back(issue, fonts, contents))
}

fn card_front(holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents) -> Page {
    let mut sheet = Sheet::new(fonts, contents, Paper::card());
    sheet.heading(4.0, 6.2, 2.2, 26.0, &country(&issue.issuer));
    let heading = if contents.kind == Kind::ResidencePermit {
        sheet.label(|l| l.residence_permit)
    } else {
        sheet.label(|l| l.id_card)
    };
    sheet.heading(32.5, 6.0, 1.6, 50.0, &heading);
    sheet.portrait(4.0, 10.0, 26.0, 33.4);
    let (left, right) = (33.0, 60.0);
    let row = |n: f32| 10.8 + 5.9 * n;
    let visual = &contents.visual;
    sheet.fact("number", |l| l.card_number, &visual.number, left, row(0.0), 48.0);
    sheet.fact("surname", |l| l.surname, &visual.surname, left, row(1.0), 48.0);
    sheet.fact("given_names", |l| l.given_names, &visual.given_names, left, row(2.0), 48.0);
    sheet.fact("birth_date", |l| l.birth_date, &contents.birth_date, left, row(3.0), 25.0);
    sheet.value(&sheet.label(|l| l.sex), holder.sex.printed(), right, row(3.0), 8.0);
    sheet.value(&sheet.label(|l| l.nationality), &nationality(holder), left, row(4.0), 25.0);
    sheet.value(&sheet.label(|l| l.birth_place), &holder.birth_place.to_uppercase(), right, row(4.0), 23.0);
    sheet.fact("expiry_date", |l| l.expiry_date, &contents.expiry_date, left, row(5.0), 25.0);
    sheet.signature(5.0, 46.0, 20.0);
    sheet.specimen(52.0, 50.5, 2.6);
    sheet.finish(Side::Front)
}

fn card_back(issue: &Issue, fonts: &Fonts, contents: &Contents) -> Page {
    let mut sheet = Sheet::new(fonts, contents, Paper::card_back());
    sheet.value(&sheet.label(|l| l.authority), "CITY OF ZENITH", 5.0, 5.0, 34.0);
    sheet.value(&sheet.label(|l| l.issue_date), &issued(issue), 5.0, 11.4, 34.0);
    sheet.value(&sheet.label(|l| l.address), "17 HARBOUR ROAD, ZENITH", 44.0, 5.0, 38.0);
    if let Some(number) = &issue.personal_number {
        sheet.value(&sheet.label(|l| l.personal_number), number, 44.0, 11.4, 38.0);
    }
    sheet.specimen(31.0, 27.0, 2.6);
    // Six lines to the inch, the lowest centre line 6.8 mm above the edge, as on issued cards.
    sheet.zone(4.9, &[14.07, 9.83, 5.6]);
    sheet.finish(Side::Back)
}

fn td2_card(holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents) -> Page {
    let mut sheet = Sheet::new(fonts, contents, Paper::td2());
    sheet.heading(5.0, 7.0, 2.2, 40.0, &country(&issue.issuer));
    sheet.heading(48.0, 7.0, 1.8, 34.0, &sheet.label(|l| l.id_card));
    sheet.specimen(83.0, 7.0, 2.2);
    sheet.portrait(5.0, 11.0, 31.0, 40.0);
    let (left, right) = (40.0, 74.0);
    let row = |n: f32| 11.6 + 5.9 * n;
    let visual = &contents.visual;
    sheet.fact("surname", |l| l.surname, &visual.surname, left, row(0.0), 60.0);
    sheet.fact("given_names", |l| l.given_names, &visual.given_names, left, row(1.0), 60.0);
    sheet.fact("birth_date", |l| l.birth_date, &contents.birth_date, left, row(2.0), 32.0);
    sheet.value(&sheet.label(|l| l.sex), holder.sex.printed(), right, row(2.0), 10.0);
    sheet.value(&sheet.label(|l| l.nationality), &nationality(holder), left, row(3.0), 32.0);
    sheet.value(&sheet.label(|l| l.birth_place), &holder.birth_place.to_uppercase(), right, row(3.0), 27.0);
    sheet.fact("number", |l| l.card_number, &visual.number, left, row(4.0), 32.0);
    if let Some(number) = &issue.personal_number {
        sheet.value(&sheet.label(|l| l.personal_number), number, right, row(4.0), 27.0);
    }
    sheet.fact("expiry_date", |l| l.expiry_date, &contents.expiry_date, left, row(5.0), 32.0);
    sheet.value(&sheet.label(|l| l.issue_date), &issued(issue), right, row(5.0), 27.0);
    sheet.signature(left, row(6.0), 24.0);
    sheet.zone(6.6, &TWO_LINES);
    sheet.finish(Side::Front)
}

fn visa(holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents, size: (f32, f32)) -> Page {
    let mut sheet = Sheet::new(fonts, contents, Paper::visa(size));
    sheet.heading(5.0, 7.4, 2.6, 34.0, &sheet.label(|l| l.visa));
    sheet.heading(42.0, 7.4, 2.0, 38.0, &country(&issue.issuer));
    sheet.specimen(84.0, 7.4, 2.2);
    sheet.portrait(5.0, 12.0, 28.0, 36.0);
    let (left, right) = (37.0, 72.0);
    let row = |n: f32| 12.2 + 6.0 * n;
    let visual = &contents.visual;
    sheet.value(&sheet.label(|l| l.issue_date), &issued(issue), left, row(0.0), 32.0);
    sheet.fact("expiry_date", |l| l.expiry_date, &contents.expiry_date, right, row(0.0), 30.0);
    sheet.fact("number", |l| l.document_number, &visual.number, left, row(1.0), 32.0);
    sheet.value(&sheet.label(|l| l.kind), "C", right, row(1.0), 12.0);
    sheet.fact("surname", |l| l.surname, &visual.surname, left, row(2.0), 64.0);
    sheet.fact("given_names", |l| l.given_names, &visual.given_names, left, row(3.0), 64.0);
    sheet.fact("birth_date", |l| l.birth_date, &contents.birth_date, left, row(4.0), 32.0);
    sheet.value(&sheet.label(|l| l.nationality), &nationality(holder), right, row(4.0), 30.0);
    sheet.value(&sheet.label(|l| l.sex), holder.sex.printed(), left, row(5.0), 12.0);
    sheet.value(&sheet.label(|l| l.authority), "EMBASSY AT ZENITH", right, row(5.0), 30.0);
    let across = contents.lines.first().map_or(0, String::len) as f32 * 2.54;
    sheet.zone((size.0 - across) / 2.0, &TWO_LINES);
    sheet.finish(Side::Front)
}

/// Fields 1, 2, 3, 4a, 4b, 4c, 5 and 9 of the European model, without labels but for their numbers.
fn licence(holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents) -> Page {
    let with_zone = contents.format == Format::D1;
    let mut sheet = Sheet::new(fonts, contents, Paper::licence());
    sheet.heading(30.0, 6.2, 2.0, 34.0, &sheet.local(|l| l.driving_licence));
    sheet.heading(5.0, 6.4, 2.6, 12.0, &issue.issuer);
    sheet.specimen(66.0, 6.2, 2.0);
    sheet.portrait(4.0, 10.0, 22.0, 28.4);
    let (left, right) = (29.0, 56.0);
    let row = |n: f32| 13.2 + if with_zone { 4.2 } else { 4.7 } * n;
    let visual = &contents.visual;
    sheet.numbered("surname", "1.", &visual.surname, left, row(0.0), 50.0);
    sheet.numbered("given_names", "2.", &visual.given_names, left, row(1.0), 50.0);
    sheet.numbered("birth_date", "3.", &contents.birth_date, left, row(2.0), 22.0);
    sheet.plain(&holder.birth_place.to_uppercase(), right, row(2.0), 26.0);
    sheet.numbered("issue_date", "4a.", &issued(issue), left, row(3.0), 22.0);
    sheet.numbered("authority", "4c.", "CITY OF ZENITH", right, row(3.0), 22.0);
    sheet.numbered("expiry_date", "4b.", &contents.expiry_date, left, row(4.0), 22.0);
    sheet.numbered("number", "5.", &visual.number, left, row(5.0), 40.0);
    sheet.numbered("categories", "9.", "AM/B", left, row(6.0), 30.0);
    if with_zone {
        sheet.zone(4.7, &[4.4]);
    } else {
        sheet.scribble(5.0, 44.0, 20.0);
    }
    sheet.finish(Side::Front)
}

/// Typed on beige paper, with the labels of one language and a colon.
fn paper_card(holder: &Holder, issue: &Issue, fonts: &Fonts, contents: &Contents) -> Page {
    let mut sheet = Sheet::new(fonts, contents, Paper::typed());
    sheet.heading(6.0, 8.0, 2.4, 40.0, &sheet.local(|l| l.id_card));
    sheet.heading(50.0, 8.0, 2.0, 28.0, &country(&issue.issuer));
    sheet.specimen(82.0, 8.0, 2.2);
    sheet.portrait(6.0, 14.0, 30.0, 38.6);
    let (label, value) = (40.0, 66.0);
    let row = |n: f32| 17.0 + 6.6 * n;
    let visual = &contents.visual;
    sheet.typed("surname", |l| l.surname, &visual.surname, [label, value], row(0.0));
    sheet.typed("given_names", |l| l.given_names, &visual.given_names, [label, value], row(1.0));
    sheet.typed("birth_date", |l| l.birth_date, &contents.birth_date, [label, value], row(2.0));
    sheet.typed(
        "birth_place",
        |l| l.birth_place,
        &holder.birth_place.to_uppercase(),
        [label, value],
        row(3.0),
    );
    sheet.typed("nationality", |l| l.nationality, &nationality(holder), [label, value], row(4.0));
    sheet.typed("number", |l| l.card_number, &visual.number, [label, value], row(5.0));
    sheet.typed("issue_date", |l| l.issue_date, &issued(issue), [label, value], row(6.0));
    sheet.typed("expiry_date", |l| l.expiry_date, &contents.expiry_date, [label, value], row(7.0));
    sheet.scribble(8.0, 62.0, 24.0);
    sheet.finish(Side::Front)
}

fn issued(issue: &Issue) -> String {
    issue.date_style.print(issue.issued, Unknown::Nothing, State::of(&issue.issuer).languages)
}
