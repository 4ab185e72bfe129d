//! How documents are read: each photo by itself, then in groups.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use reinstate_domain::document::{DocumentThresholds, VisualFields, is_same_but_for_marks, judge};
use reinstate_domain::evidence::Decision;
use reinstate_domain::reason::ReasonCode;
use serde::{Deserialize, Serialize};

use super::manifest::{Document, Visual};
use super::statistics::{Rate, quantile};
use crate::document::{self, DocumentReader};

/// How the machine-readable zone of one photo came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every line is exactly what is printed.
    Exact,
    /// Nothing was reported as valid.
    Nothing,
    /// Its digits fail as printed, and it was refused for that.
    Refused,
    /// Something was reported as valid that is not what is printed.
    Wrong,
    /// No zone is printed, and none was reported.
    NoZone,
}

/// How one field of the visual zone came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOutcome {
    /// As printed; of names the letters, whatever their marks.
    Right,
    Missing,
    Wrong,
}

/// One photo, with nothing that is on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub id: String,
    pub format: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub half: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disturbance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strength: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amount: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tampering: Option<String>,
    pub outcome: Outcome,
    /// Of the fields whose truth is labelled.
    pub fields: BTreeMap<String, FieldOutcome>,
    pub decision: Decision,
    pub reasons: Vec<ReasonCode>,
    /// Characters that were repaired so that all digits agree.
    pub repairs: usize,
    /// CPU time of each stage in milliseconds.
    pub cpu_ms: BTreeMap<String, f64>,
    pub wall_ms: f64,
    /// What is printed and what was read: in no file unless it is asked for.
    #[serde(skip)]
    pub text: Text,
}

/// The zone's lines, for a person to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    pub printed: Vec<String>,
    pub read: Vec<String>,
}

/// Reads one photo, judges it without an identity on file, and compares it with its label.
///
/// # Errors
/// The reader failed. A photo that can't be read is an outcome.
pub fn score(
    reader: &mut DocumentReader,
    label: &Document,
    front: &[u8],
    back: Option<&[u8]>,
    thresholds: &DocumentThresholds,
    today: Date,
) -> Result<Row, document::Error> {
    let examination = reader.examine(front, back, today)?;
    let observation = examination.observation;
    let verdict = judge(&observation, thresholds, &label.claim(), None, today);
    let fields = label.viz.as_ref().map(|truth| compare(truth, &observation.visual)).unwrap_or_default();
    let mrz = observation.mrz;
    let outcome = match &mrz {
        Some(mrz) if mrz.valid && mrz.lines == label.mrz => Outcome::Exact,
        Some(mrz) if mrz.valid => Outcome::Wrong,
        _ if label.mrz.is_empty() => Outcome::NoZone,
        Some(mrz) if !label.check_digits_failing_as_printed.is_empty() && mrz.read == label.mrz => {
            Outcome::Refused
        }
        _ => Outcome::Nothing,
    };
    let ms = |time: Duration| (time.as_secs_f64() * 1e4).round() / 10.0;
    Ok(Row {
        id: label.id.clone(),
        format: label.format.clone(),
        kind: label.kind.clone(),
        issuer: label.issuer(),
        half: label.half.clone(),
        disturbance: label.disturbance.clone(),
        strength: label.strength,
        amount: label.amount,
        unit: label.unit.clone(),
        tampering: label.tampering.clone(),
        outcome,
        fields,
        decision: verdict.decision,
        reasons: verdict.reasons,
        repairs: mrz.as_ref().map_or(0, |mrz| mrz.repairs.len()),
        cpu_ms: examination
            .timings
            .stages()
            .map(|(stage, spent)| (stage.to_owned(), ms(spent.cpu)))
            .collect(),
        wall_ms: ms(examination.timings.stages().map(|(_, spent)| spent.wall).sum()),
        text: Text {
            printed: label.mrz.clone(),
            read: mrz.map(|mrz| if mrz.valid { mrz.lines } else { mrz.read }).unwrap_or_default(),
        },
    })
}

fn compare(truth: &Visual, read: &VisualFields) -> BTreeMap<String, FieldOutcome> {
    let letters = |text: &str| {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect::<String>()
    };
    let text = |truth: &str, read: &Option<String>, of_names: bool| match read {
        None => FieldOutcome::Missing,
        Some(read) if letters(read) == letters(truth) => FieldOutcome::Right,
        Some(read) if of_names && is_same_but_for_marks(read, truth) => FieldOutcome::Right,
        Some(_) => FieldOutcome::Wrong,
    };
    let day = |truth: &Date, read: &Option<Date>| match read {
        None => FieldOutcome::Missing,
        Some(read) if read == truth => FieldOutcome::Right,
        Some(_) => FieldOutcome::Wrong,
    };
    // A date of which a part isn't known can't be read as a day, so nothing is asked of it.
    let known = |date: &Option<String>| date.as_ref().and_then(|date| date.parse::<Date>().ok());
    let mut fields = BTreeMap::new();
    let mut put = |name: &str, outcome: Option<FieldOutcome>| {
        fields.extend(outcome.map(|outcome| (name.to_owned(), outcome)));
    };
    put("surname", truth.surname.as_ref().map(|name| text(name, &read.surname, true)));
    put("given_names", truth.given.as_ref().map(|name| text(name, &read.given_names, true)));
    put("number", truth.number.as_ref().map(|number| text(number, &read.number, false)));
    put("birth_date", known(&truth.dob).map(|truth| day(&truth, &read.birth_date)));
    put("expiry_date", known(&truth.expiry).map(|truth| day(&truth, &read.expiry_date)));
    fields
}

/// All photos, in groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub all: Group,
    pub by_format: Vec<Group>,
    pub by_kind: Vec<Group>,
    pub by_issuer: Vec<Group>,
    pub by_half: Vec<Group>,
    pub by_disturbance: Vec<Group>,
    pub curves: Vec<Curve>,
    pub tampering: Vec<Tampering>,
    /// How often each reason was given, the commonest first.
    pub reasons: Vec<(String, usize)>,
    pub stages: Vec<Stage>,
    pub cpu_ms: Times,
    pub wall_ms: Times,
    pub rows: Vec<Row>,
}

/// Photos that have something in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub photos: usize,
    /// Of the photos with a zone whose digits agree as printed.
    pub exact: Rate,
    /// Of all photos.
    pub wrong: Rate,
    pub nothing: usize,
    pub refused: usize,
    pub fields: BTreeMap<String, FieldRates>,
}

/// Of the photos on which the field is labelled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FieldRates {
    pub right: Rate,
    pub wrong: Rate,
}

/// Exact reading and valid-but-wrong against the strength of one disturbance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    pub disturbance: String,
    pub unit: String,
    pub points: Vec<CurvePoint>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    pub strength: f32,
    /// In the curve's unit.
    pub amount: f32,
    pub exact: Rate,
    pub wrong: Rate,
}

/// What became of documents that were forged in one way; of genuine ones, where anything found is a false alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tampering {
    pub name: String,
    /// Something was said against the document itself.
    pub found: Rate,
    /// Only the picture was found wanting, so nothing was said of the document.
    pub retake: usize,
    pub passed: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub name: String,
    pub cpu_ms: Times,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    pub median: f64,
    pub p95: f64,
}

impl Times {
    fn of(values: &[f64]) -> Self {
        let at = |share| quantile(values, share).unwrap_or_default();
        Self { median: at(0.5), p95: at(0.95) }
    }
}

/// Reasons that blame the picture, or that are no sign of tampering.
const NOT_ABOUT_FORGERY: [&str; 14] = [
    "image_unsupported",
    "image_corrupt",
    "image_too_large",
    "image_too_small",
    "document_not_found",
    "document_blurred",
    "document_glare",
    "document_cropped",
    "document_dark",
    "document_unreadable",
    "document_expired",
    "document_not_accepted",
    "document_type_mismatch",
    "document_portrait_missing",
];

impl Summary {
    #[must_use]
    pub fn of(rows: Vec<Row>) -> Self {
        let by = |key: fn(&Row) -> Option<&str>| groups(&rows, key);
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        let mut stages: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for row in &rows {
            for reason in &row.reasons {
                *reasons.entry(reason.as_str()).or_default() += 1;
            }
            for (stage, ms) in &row.cpu_ms {
                stages.entry(stage).or_default().push(*ms);
            }
        }
        let mut reasons: Vec<_> = reasons.into_iter().map(|(code, count)| (code.to_owned(), count)).collect();
        reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let cpu: Vec<f64> = rows.iter().map(|row| row.cpu_ms.values().sum()).collect();
        let wall: Vec<f64> = rows.iter().map(|row| row.wall_ms).collect();
        Self {
            all: group("all".into(), &rows.iter().collect::<Vec<_>>()),
            by_format: by(|row| Some(&row.format)),
            by_kind: by(|row| row.kind.as_deref()),
            by_issuer: by(|row| row.issuer.as_deref()),
            by_half: by(|row| row.half.as_deref()),
            by_disturbance: by(|row| row.disturbance.as_deref()),
            curves: curves(&rows),
            tampering: tampering(&rows),
            reasons,
            stages: stages
                .into_iter()
                .map(|(name, ms)| Stage { name: name.to_owned(), cpu_ms: Times::of(&ms) })
                .collect(),
            cpu_ms: Times::of(&cpu),
            wall_ms: Times::of(&wall),
            rows,
        }
    }

    /// Those that a person should look at first: wrong, then forged and passed, then unread though nothing disturbs much.
    #[must_use]
    pub fn worst(&self, most: usize) -> Vec<&Row> {
        let passed = |row: &Row| row.tampering.is_some() && row.decision == Decision::Pass;
        let is_bad = |row: &&Row| matches!(row.outcome, Outcome::Wrong | Outcome::Nothing) || passed(row);
        let mut worst: Vec<&Row> = self.rows.iter().filter(is_bad).collect();
        worst.sort_by(|a, b| {
            let rank = |row: &Row| (row.outcome != Outcome::Wrong, !passed(row));
            let strength = |row: &Row| row.strength.unwrap_or_default();
            rank(a).cmp(&rank(b)).then(strength(a).total_cmp(&strength(b))).then_with(|| a.id.cmp(&b.id))
        });
        worst.truncate(most);
        worst
    }
}

fn groups(rows: &[Row], key: fn(&Row) -> Option<&str>) -> Vec<Group> {
    let mut members: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Some(name) = key(row) {
            members.entry(name).or_default().push(row);
        }
    }
    members.into_iter().map(|(name, rows)| group(name.to_owned(), &rows)).collect()
}

fn group(name: String, rows: &[&Row]) -> Group {
    let count = |outcome| rows.iter().filter(|row| row.outcome == outcome).count();
    let mut fields: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for (field, outcome) in rows.iter().flat_map(|row| &row.fields) {
        let [all, right, wrong] = fields.entry(field.clone()).or_default();
        *all += 1;
        *right += usize::from(*outcome == FieldOutcome::Right);
        *wrong += usize::from(*outcome == FieldOutcome::Wrong);
    }
    let rates = |[all, right, wrong]: [usize; 3]| FieldRates {
        right: Rate::wilson(right, all),
        wrong: Rate::exact(wrong, all),
    };
    Group {
        name,
        photos: rows.len(),
        exact: exact(rows),
        wrong: Rate::exact(count(Outcome::Wrong), rows.len()),
        nothing: count(Outcome::Nothing),
        refused: count(Outcome::Refused),
        fields: fields.into_iter().map(|(name, counts)| (name, rates(counts))).collect(),
    }
}

fn exact(rows: &[&Row]) -> Rate {
    let readable =
        |row: &&&Row| !matches!(row.outcome, Outcome::NoZone | Outcome::Refused) && row.format != "none";
    let exact = rows.iter().filter(|row| row.outcome == Outcome::Exact).count();
    Rate::wilson(exact, rows.iter().filter(readable).count())
}

fn curves(rows: &[Row]) -> Vec<Curve> {
    // By strength in thousandths: labels are written with few digits.
    let mut curves: BTreeMap<&str, BTreeMap<u32, Vec<&Row>>> = BTreeMap::new();
    for row in rows {
        if let (Some(disturbance), Some(strength)) = (&row.disturbance, row.strength) {
            let step = (strength * 1000.0).round() as u32;
            curves.entry(disturbance).or_default().entry(step).or_default().push(row);
        }
    }
    let point = |rows: &Vec<&Row>| {
        let wrong = rows.iter().filter(|row| row.outcome == Outcome::Wrong).count();
        let strength = rows[0].strength.unwrap_or_default();
        CurvePoint {
            strength,
            amount: rows[0].amount.unwrap_or(strength),
            exact: exact(rows),
            wrong: Rate::exact(wrong, rows.len()),
        }
    };
    curves
        .into_iter()
        .map(|(disturbance, steps)| Curve {
            disturbance: disturbance.to_owned(),
            unit: steps
                .values()
                .flatten()
                .find_map(|row| row.unit.clone())
                .unwrap_or_else(|| "strength".into()),
            points: steps.values().map(point).collect(),
        })
        .collect()
}

/// Only when something is labelled as tampered; `genuine` then are the others.
fn tampering(rows: &[Row]) -> Vec<Tampering> {
    let mut ways: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        ways.entry(row.tampering.as_deref().unwrap_or("genuine")).or_default().push(row);
    }
    if ways.keys().all(|way| *way == "genuine") {
        return Vec::new();
    }
    let accuses =
        |row: &&&Row| row.reasons.iter().any(|reason| !NOT_ABOUT_FORGERY.contains(&reason.as_str()));
    ways.into_iter()
        .map(|(name, rows)| {
            let found = rows.iter().filter(accuses).count();
            let passed = rows.iter().filter(|row| row.decision == Decision::Pass).count();
            Tampering {
                name: name.to_owned(),
                found: Rate::wilson(found, rows.len()),
                retake: rows.iter().filter(|row| row.decision != Decision::Pass && !accuses(row)).count(),
                passed,
            }
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::civil::date;

    use super::*;

    pub(in crate::evaluate) fn row(id: &str, outcome: Outcome) -> Row {
        Row {
            id: id.into(),
            format: "TD3".into(),
            kind: None,
            issuer: None,
            half: None,
            disturbance: None,
            strength: None,
            amount: None,
            unit: None,
            tampering: None,
            outcome,
            fields: BTreeMap::new(),
            decision: Decision::Pass,
            reasons: Vec::new(),
            repairs: 0,
            cpu_ms: BTreeMap::from([("read_mrz".into(), 100.0)]),
            wall_ms: 110.0,
            text: Text::default(),
        }
    }

    #[test]
    fn a_field_is_right_whatever_its_marks_and_spaces_and_an_unknown_day_is_not_asked_for() {
        let truth = Visual {
            surname: Some("ÅKESSON".into()),
            given: Some("LARS-ERIK".into()),
            number: Some("L 898902C3".into()),
            dob: Some("1974-08-XX".into()),
            expiry: Some("2030-01-31".into()),
        };
        let read = VisualFields {
            surname: Some("AKESSON".into()),
            given_names: None,
            number: Some("L898902C3".into()),
            birth_date: Some(date(1974, 8, 12)),
            expiry_date: Some(date(2030, 1, 30)),
            ..VisualFields::default()
        };
        let expected = [
            ("expiry_date", FieldOutcome::Wrong),
            ("given_names", FieldOutcome::Missing),
            ("number", FieldOutcome::Right),
            ("surname", FieldOutcome::Right),
        ];
        assert_eq!(compare(&truth, &read), expected.map(|(name, outcome)| (name.to_owned(), outcome)).into());
    }

    #[test]
    fn documents_without_a_zone_do_not_count_as_unread() {
        let none = Row { format: "none".into(), ..row("c", Outcome::NoZone) };
        let summary = Summary::of(vec![row("a", Outcome::Exact), row("b", Outcome::Nothing), none]);
        assert_eq!((summary.all.exact.count, summary.all.exact.of, summary.all.wrong.of), (1, 2, 3));
    }

    #[test]
    fn a_curve_has_a_point_for_each_strength() {
        let at = |id, strength, outcome| Row {
            disturbance: Some("glare".into()),
            strength: Some(strength),
            amount: Some(strength * 10.0),
            ..row(id, outcome)
        };
        let rows =
            vec![at("a", 0.0, Outcome::Exact), at("b", 0.5, Outcome::Exact), at("c", 0.5, Outcome::Wrong)];
        let curve = &Summary::of(rows).curves[0];
        let points: Vec<_> = curve.points.iter().map(|p| (p.amount, p.exact.rate, p.wrong.count)).collect();
        assert_eq!(points, [(0.0, 1.0, 0), (5.0, 0.5, 1)]);
    }

    #[test]
    fn a_forgery_is_found_by_what_is_said_of_the_document_and_not_of_its_picture() {
        let forged = |id, decision, reasons| Row {
            tampering: Some("mrz-mended:number".into()),
            decision,
            reasons,
            ..row(id, Outcome::Exact)
        };
        let rows = vec![
            row("genuine", Outcome::Exact),
            forged("found", Decision::Fail, vec![ReasonCode::DocumentFieldsDisagree]),
            forged("retake", Decision::Fail, vec![ReasonCode::DocumentBlurred]),
            forged("passed", Decision::Pass, vec![]),
        ];
        let summary = Summary::of(rows);
        let [genuine, mended] = &summary.tampering[..] else { panic!("{:?}", summary.tampering) };
        assert_eq!((genuine.found.count, genuine.passed), (0, 1));
        assert_eq!((mended.found.count, mended.retake, mended.passed), (1, 1, 1));
    }

    #[test]
    fn the_worst_are_the_wrong_ones_then_the_forged_that_passed() {
        let forged = Row { tampering: Some("zone".into()), ..row("b", Outcome::Exact) };
        let rows =
            vec![row("a", Outcome::Nothing), forged, row("c", Outcome::Wrong), row("d", Outcome::Exact)];
        let summary = Summary::of(rows);
        assert_eq!(summary.worst(9).iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["c", "b", "a"]);
    }
}
