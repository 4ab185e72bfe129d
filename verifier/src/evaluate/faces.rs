//! How faces are found, told apart and told from pictures of faces.

use std::collections::BTreeMap;

use reinstate_domain::face::{Action, FaceThresholds, judge};
use reinstate_domain::reason::ReasonCode;
use serde::{Deserialize, Serialize};

use super::manifest::Face;
use super::statistics::{CalibrationPoint, DetPoint, OperatingPoint, Rate, Scores};
use crate::face::{FaceMatcher, Frame};
use crate::models;
use crate::timing::Timings;

/// One photo. Whose face it is stays in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attack: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub half: Option<String>,
    /// Faces that are to be found, and those that were.
    pub expected: Option<usize>,
    pub found: usize,
    /// Why the photo alone would be refused as a frame; empty for a good one.
    pub reasons: Vec<ReasonCode>,
    pub liveness: Option<f32>,
    pub cpu_ms: f64,
}

/// Two photos that were compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub id: String,
    pub genuine: bool,
    /// Both photos are good: a frame of either kind passes the gates of quality.
    pub good: bool,
    /// `None` when one of the photos shows no face.
    pub similarity: Option<f32>,
}

/// What one photo gave, with what is needed to compare it.
pub(super) struct Seen {
    pub row: Row,
    pub vector: Option<Vec<f32>>,
    pub person: Option<String>,
}

/// Looks at one photo.
///
/// # Errors
/// A network failed. A photo that can't be used is an outcome.
pub(super) fn look(
    matcher: &mut FaceMatcher,
    label: &Face,
    image: &[u8],
    thresholds: &FaceThresholds,
) -> Result<Seen, models::Error> {
    let mut timings = Timings::default();
    let examination = matcher.examine(&[Frame { action: Action::LookAhead, image }], &[])?;
    let vector = matcher.represent(image, &mut timings)?.ok();
    let observation = examination.observation;
    let found = observation.frames.first().map_or(0, |frame| frame.faces.len());
    // Without a reference nobody matches, which is no fault of the photo.
    let of_the_photo =
        |reason: &ReasonCode| !matches!(reason, ReasonCode::FaceUncertain | ReasonCode::FaceNotLive);
    let reasons = judge(&observation, thresholds).reasons.into_iter().filter(of_the_photo).collect();
    let cpu: f64 = examination.timings.stages().map(|(_, spent)| spent.cpu.as_secs_f64()).sum();
    Ok(Seen {
        row: Row {
            id: label.id.clone(),
            kind: label.kind.clone(),
            attack: label.attack.clone(),
            half: label.half.clone(),
            expected: label.faces,
            found,
            reasons,
            liveness: observation.liveness,
            cpu_ms: (cpu * 1e4).round() / 10.0,
        },
        vector,
        person: label.person.clone(),
    })
}

/// Every photo of a known person with every other, but those that don't show a whole live face.
pub(super) fn all_pairs(seen: &[Seen]) -> Vec<Pair> {
    let usable: Vec<&Seen> = seen
        .iter()
        .filter(|seen| seen.person.is_some() && seen.row.expected.is_none_or(|faces| faces == 1))
        .filter(|seen| seen.row.kind.as_deref().is_none_or(|kind| kind == "live"))
        .collect();
    let mut pairs = Vec::with_capacity(usable.len() * usable.len().saturating_sub(1) / 2);
    for (n, one) in usable.iter().enumerate() {
        for other in &usable[n + 1..] {
            let similarity = one.vector.as_ref().zip(other.vector.as_ref()).map(|(a, b)| cosine(a, b));
            pairs.push(Pair {
                id: format!("{} {}", one.row.id, other.row.id),
                genuine: one.person == other.person,
                good: one.row.reasons.is_empty() && other.row.reasons.is_empty(),
                similarity,
            });
        }
    }
    pairs
}

/// Of vectors of length 1.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub photos: usize,
    /// Photos on which as many faces were found as are there, of those that say how many there are.
    pub counted: Rate,
    /// Of all comparisons.
    pub matching: Matching,
    /// Of those whose photos both pass the gates of quality: what owners' selfies are held to.
    pub good: Matching,
    /// At the bundle's thresholds.
    pub shipped: Shipped,
    pub attacks: Vec<Attack>,
    /// Live photos that the liveness threshold of the bundle refuses: the bona fide classification error rate.
    pub bona_fide_refused: Rate,
    /// How often each reason was given, the commonest first.
    pub reasons: Vec<(String, usize)>,
    pub rows: Vec<Row>,
    /// Genuine ones, and of the impostors those with the highest similarities.
    pub pairs: Vec<Pair>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Matching {
    pub genuine: usize,
    pub impostor: usize,
    /// Comparisons without a result, because a photo shows no face: failures to acquire. They are in no rate.
    pub failed: usize,
    pub equal_error_rate: Option<f64>,
    pub points: Vec<OperatingPoint>,
    pub det: Vec<DetPoint>,
    pub calibration: Vec<CalibrationPoint>,
    /// Of each kind how many lie in each twentieth from -1 to 1.
    pub histogram: [Vec<usize>; 2],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shipped {
    pub match_at: f32,
    pub review_at: f32,
    pub live_at: f32,
    /// At or above `match_at`.
    pub false_match: Rate,
    /// Of good photos, below `match_at`: a person looks, or it fails.
    pub false_non_match: Rate,
    /// Of good photos, below `review_at`: refused without anybody looking.
    pub refused: Rate,
    /// Impostors between the two: a person looks.
    pub impostors_reviewed: Rate,
}

/// Presentation attacks of one kind (ISO/IEC 30107-3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    pub kind: String,
    /// Taken for live: the attack presentation classification error rate, of those that gave a score.
    pub accepted: Rate,
    /// No face was found, so there was nothing to classify.
    pub no_response: usize,
}

/// The rates that are reported.
const TARGETS: [f64; 3] = [1e-2, 1e-3, 1e-4];
/// Impostor pairs that are kept in the report.
const KEPT_IMPOSTORS: usize = 2000;

impl Summary {
    #[must_use]
    pub fn of(rows: Vec<Row>, mut pairs: Vec<Pair>, thresholds: &FaceThresholds) -> Self {
        let matching = Matching::of(&pairs, |_| true);
        let good = Matching::of(&pairs, |pair| pair.good);
        let (scores, good_scores) = (scores(&pairs, |_| true), self::scores(&pairs, |pair| pair.good));
        let let_in = scores.false_matches(thresholds.match_at).count;
        let not_refused = scores.false_matches(thresholds.review_at).count;
        let shipped = Shipped {
            match_at: thresholds.match_at,
            review_at: thresholds.review_at,
            live_at: thresholds.live_at,
            false_match: scores.false_matches(thresholds.match_at),
            false_non_match: good_scores.false_non_matches(thresholds.match_at),
            refused: good_scores.false_non_matches(thresholds.review_at),
            impostors_reviewed: Rate::exact(not_refused - let_in, scores.impostor().len()),
        };
        let counted: Vec<_> = rows.iter().filter_map(|row| Some((row.expected?, row.found))).collect();
        let right = counted.iter().filter(|(expected, found)| expected == found).count();
        let live: Vec<f32> = rows
            .iter()
            .filter(|row| row.kind.as_deref() == Some("live") && row.expected == Some(1))
            .filter_map(|row| row.liveness)
            .collect();
        let refused = live.iter().filter(|score| **score < thresholds.live_at).count();
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for reason in rows.iter().flat_map(|row| &row.reasons) {
            *reasons.entry(reason.as_str()).or_default() += 1;
        }
        let mut reasons: Vec<_> = reasons.into_iter().map(|(code, count)| (code.to_owned(), count)).collect();
        reasons.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        pairs.sort_by(|a, b| {
            let score = |pair: &Pair| pair.similarity.unwrap_or(f32::MIN);
            b.genuine.cmp(&a.genuine).then(score(b).total_cmp(&score(a))).then_with(|| a.id.cmp(&b.id))
        });
        let genuine = pairs.iter().filter(|pair| pair.genuine).count();
        pairs.truncate(genuine + KEPT_IMPOSTORS);
        Self {
            photos: rows.len(),
            counted: Rate::wilson(right, counted.len()),
            matching,
            good,
            shipped,
            attacks: attacks(&rows, thresholds.live_at),
            bona_fide_refused: Rate::exact(refused, live.len()),
            reasons,
            rows,
            pairs,
        }
    }

    /// Impostor pairs at or above the threshold at which the bundle takes them for one person.
    pub fn false_matches(&self) -> impl Iterator<Item = &Pair> {
        self.pairs
            .iter()
            .filter(|pair| !pair.genuine && pair.similarity.is_some_and(|s| s >= self.shipped.match_at))
    }

    /// The impostors who are most alike, and the genuine ones who are least.
    #[must_use]
    pub fn worst(&self, most: usize) -> (Vec<&Pair>, Vec<&Pair>) {
        let impostors =
            self.pairs.iter().filter(|pair| !pair.genuine && pair.similarity.is_some()).take(most).collect();
        let genuine = self.pairs.iter().rev().filter(|pair| pair.genuine).take(most).collect();
        (impostors, genuine)
    }
}

impl Matching {
    fn of(pairs: &[Pair], which: impl Fn(&Pair) -> bool) -> Self {
        let scores = scores(pairs, &which);
        let histogram = [scores.genuine(), scores.impostor()].map(|scores| {
            let mut bins = vec![0; 40];
            for score in scores {
                bins[(((score + 1.0) * 20.0) as usize).min(39)] += 1;
            }
            bins
        });
        Self {
            genuine: scores.genuine().len(),
            impostor: scores.impostor().len(),
            failed: pairs.iter().filter(|pair| which(pair) && pair.similarity.is_none()).count(),
            equal_error_rate: scores.equal_error_rate(),
            points: TARGETS.map(|target| scores.at(target)).to_vec(),
            det: scores.det(),
            calibration: scores.calibration(),
            histogram,
        }
    }
}

fn scores(pairs: &[Pair], which: impl Fn(&Pair) -> bool) -> Scores {
    let of = |genuine| {
        let wanted = pairs.iter().filter(|pair| pair.genuine == genuine && which(pair));
        wanted.filter_map(|pair| pair.similarity).collect()
    };
    Scores::new(of(true), of(false))
}

fn attacks(rows: &[Row], live_at: f32) -> Vec<Attack> {
    let mut kinds: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.kind.as_deref() == Some("attack")) {
        kinds.entry(row.attack.as_deref().unwrap_or("of no stated kind")).or_default().push(row);
    }
    kinds
        .into_iter()
        .map(|(kind, rows)| {
            let scores: Vec<f32> = rows.iter().filter_map(|row| row.liveness).collect();
            Attack {
                kind: kind.to_owned(),
                accepted: Rate::exact(scores.iter().filter(|score| **score >= live_at).count(), scores.len()),
                no_response: rows.len() - scores.len(),
            }
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::evaluate) const THRESHOLDS: FaceThresholds = FaceThresholds {
        match_at: 0.42,
        review_at: 0.3,
        same_person_at: 0.4,
        live_at: 0.9,
        not_live_below: 0.5,
        second_face_area: 0.3,
        min_size: 60.0,
        min_visible: 0.9,
        min_sharpness: 0.1,
        min_brightness: 0.2,
        max_yaw: 30.0,
        max_pitch: 30.0,
        max_roll: 30.0,
        max_overexposed: None,
        max_side_light: None,
        min_eyes_open: None,
        max_misfit: None,
        review_pattern_above: None,
        challenge: None,
    };

    pub(in crate::evaluate) fn pair(id: &str, genuine: bool, similarity: f32) -> Pair {
        Pair { id: id.into(), genuine, good: true, similarity: Some(similarity) }
    }

    fn row(id: &str, kind: &str, liveness: Option<f32>) -> Row {
        Row {
            id: id.into(),
            kind: Some(kind.into()),
            attack: (kind == "attack").then(|| "print".into()),
            half: None,
            expected: Some(1),
            found: usize::from(liveness.is_some()),
            reasons: Vec::new(),
            liveness,
            cpu_ms: 10.0,
        }
    }

    fn seen(id: &str, person: &str, kind: &str, vector: [f32; 2]) -> Seen {
        Seen { row: row(id, kind, Some(1.0)), vector: Some(vector.to_vec()), person: Some(person.into()) }
    }

    #[test]
    fn everybody_is_compared_with_everybody_but_half_faces_and_attacks() {
        let seen = [
            seen("a", "p1", "live", [1.0, 0.0]),
            seen("b", "p1", "live", [0.6, 0.8]),
            seen("c", "p2", "live", [0.0, 1.0]),
            seen("d", "p2", "partial", [0.0, 1.0]),
            seen("e", "p1", "attack", [1.0, 0.0]),
        ];
        let pairs: Vec<_> =
            all_pairs(&seen).into_iter().map(|pair| (pair.id, pair.genuine, pair.similarity)).collect();
        let expected = [("a b", true, 0.6), ("a c", false, 0.0), ("b c", false, 0.8)];
        assert_eq!(pairs, expected.map(|(id, genuine, score)| (id.to_owned(), genuine, Some(score))));
    }

    #[test]
    fn the_shipped_thresholds_are_counted_on_both_sides() {
        let bad = Pair { good: false, ..pair("bad", true, 0.1) };
        let pairs = vec![
            pair("same", true, 0.7),
            pair("doubtful", true, 0.35),
            bad,
            pair("alike", false, 0.5),
            pair("near", false, 0.31),
            pair("far", false, 0.0),
        ];
        let summary = Summary::of(Vec::new(), pairs, &THRESHOLDS);
        let shipped = &summary.shipped;
        assert_eq!(
            (shipped.false_match.count, shipped.impostors_reviewed.count, shipped.false_match.of),
            (1, 1, 3)
        );
        assert_eq!(
            (shipped.false_non_match.count, shipped.false_non_match.of, shipped.refused.count),
            (1, 2, 0)
        );
        assert_eq!(summary.false_matches().map(|pair| pair.id.as_str()).collect::<Vec<_>>(), ["alike"]);
        assert!(
            summary.matching.points.iter().all(|point| !point.supported),
            "three impostors support no rate"
        );
    }

    #[test]
    fn an_attack_is_accepted_refused_or_not_answered() {
        let rows = vec![
            row("a", "attack", Some(0.95)),
            row("b", "attack", Some(0.2)),
            row("c", "attack", None),
            row("d", "live", Some(0.8)),
            row("e", "live", Some(0.99)),
        ];
        let summary = Summary::of(rows, Vec::new(), &THRESHOLDS);
        let [print] = &summary.attacks[..] else { panic!("{:?}", summary.attacks) };
        assert_eq!((print.accepted.count, print.accepted.of, print.no_response), (1, 2, 1));
        assert_eq!((summary.bona_fide_refused.count, summary.bona_fide_refused.of), (1, 2));
    }
}
