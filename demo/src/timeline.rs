//! An account's timeline, laid out for a person: when, where in the log, who, what, and the few data that matter.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, Error};

/// Entries asked for at a time.
const PAGE: usize = 100;

/// One entry: one decision.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    pub position: String,
    pub version: u64,
    pub time: String,
    pub actor: Actor,
    pub events: Vec<Event>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Actor {
    pub role: String,
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Event {
    #[serde(rename = "type")]
    pub kind: String,
    pub data: Value,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<Entry>,
    next: Option<String>,
}

/// Reads the whole timeline of an account, with what this caller's role may see. `after` is a position to wait for.
///
/// # Errors
/// When a page can't be had.
pub fn read(client: &Client, account: &str, after: Option<&str>) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    let headers: Vec<_> = after.map(|position| ("Reinstate-After", position)).into_iter().collect();
    loop {
        let path = format!("/v1/accounts/{account}/timeline?limit={PAGE}{cursor}");
        let answer = client.send(ureq::http::Method::GET, &path, crate::client::Body::Nothing, &headers)?;
        let page: Page = answer.read_as()?;
        entries.extend(page.data);
        match page.next {
            Some(next) => cursor = format!("&after={next}"),
            None => return Ok(entries),
        }
    }
}

/// The table, one line for each event, each ended by a line break.
#[must_use]
pub fn render(entries: &[Entry]) -> String {
    let mut rows = vec![["time (UTC)", "position", "actor", "event", ""].map(str::to_owned)];
    for entry in entries {
        let actor = match &entry.actor.name {
            Some(name) => format!("{} {name}", entry.actor.role),
            None => entry.actor.role.clone(),
        };
        let mut columns = [clock(&entry.time), entry.position.clone(), actor];
        for event in &entry.events {
            let [time, position, actor] = std::mem::take(&mut columns);
            rows.push([time, position, actor, event.kind.clone(), detail(&event.kind, &event.data)]);
        }
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let mut table = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        line.push_str(&row[4]);
        table.push_str("    ");
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

/// The time of day of an RFC 3339 time, to the millisecond.
fn clock(time: &str) -> String {
    let day = time.split('T').nth(1).unwrap_or(time).trim_end_matches('Z');
    match day.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{:0<3.3}", fraction),
        None => format!("{day}.000"),
    }
}

/// What a person wants to know of an event.
fn detail(kind: &str, data: &Value) -> String {
    match kind {
        "AccountEnrolled" => enrolled(data),
        "AccountLocked" => format!("{}, at {}", text(data, "reason"), text(data, "at")),
        "AccountReleased" => text(data, "reason"),
        "ReactivationRefused" => format!("{}, until {}", text(data, "reason"), text(data, "until")),
        "RequirementsSet" => {
            let kinds = list(&data["requirements"], |asked| text(asked, "kind"));
            format!("{} v{}: {kinds}", text(&data["policy"], "name"), data["policy"]["version"])
        }
        "CodeIssued" => format!("{}, number {}", text(data, "channel"), data["issue"]),
        "CodeAccepted" => text(data, "channel"),
        "CodeRejected" => {
            format!(
                "{}: {}, {} attempts left",
                text(data, "channel"),
                text(data, "reason"),
                data["attempts_left"]
            )
        }
        "AnswersRejected" => format!("{} attempts left", data["attempts_left"]),
        "DocumentSubmitted" => format!("{} of {}", text(data, "document_type"), text(data, "country")),
        "FaceChallengeIssued" => list(&data["actions"], plain),
        "FaceSubmitted" => format!("{} frame(s)", data["frames"].as_array().map_or(0, Vec::len)),
        "DocumentExamined" | "FaceExamined" => finding(&data["finding"]),
        "ReviewRequested" => list(&data["reasons"], plain),
        "EvidenceViewed" => text(data, "part"),
        "ReviewDecided" => text(data, "decision"),
        "ReactivationDenied" => {
            let after = data["retry_after"].as_str().map(|at| format!(", after {at}")).unwrap_or_default();
            format!("{}; retry: {}{after}", list(&data["reasons"], plain), text(data, "retry"))
        }
        "CaseCancelled" => format!("by {}", text(data, "by")),
        _ => String::new(),
    }
}

fn enrolled(data: &Value) -> String {
    let mut parts: Vec<String> = ["phone", "email", "identity"]
        .into_iter()
        .filter(|part| data[part] == true)
        .map(str::to_owned)
        .collect();
    if let Some(questions) = data["questions"].as_u64().filter(|n| *n > 0) {
        parts.push(format!("{questions} questions"));
    }
    if let Some(risk) = data["attributes"]["risk"].as_str() {
        parts.push(format!("risk {risk}"));
    }
    parts.join(", ")
}

/// The scores of a finding that are worth a look, how they are shown, and the bounds that they were compared with.
const SCORES: [(&str, &str, &[&str]); 4] = [
    ("similarity_document", "similarity", &["review_at", "match_at"]),
    ("similarity_on_file", "similarity on file", &["review_at", "match_at"]),
    ("liveness", "liveness", &["live_at"]),
    ("mrz_certainty", "certainty", &[]),
];

/// The decision, its reasons, and for staff each score that was compared, beside its bound.
fn finding(finding: &Value) -> String {
    let mut line = text(finding, "decision");
    let reasons = list(&finding["reasons"], plain);
    if !reasons.is_empty() {
        let _ = write!(line, ": {reasons}");
    }
    for (name, shown, bounds) in SCORES {
        let Some(score) = finding["scores"][name].as_f64() else { continue };
        let _ = write!(line, "  {shown} {score:.3}");
        let bounds = bounds.iter().filter_map(|bound| Some((bound, finding["thresholds"][bound].as_f64()?)));
        let bounds: Vec<_> = bounds.map(|(bound, least)| format!("{bound} {least:.2}")).collect();
        if !bounds.is_empty() {
            let _ = write!(line, " ({})", bounds.join(", "));
        }
    }
    line
}

fn text(data: &Value, field: &str) -> String {
    plain(&data[field])
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(values: &Value, item: impl Fn(&Value) -> String) -> String {
    let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
    values.iter().map(item).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entries(json: Value) -> Vec<Entry> {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn each_event_is_a_line_and_an_entrys_columns_stand_once() {
        let entries = entries(json!([
            {"position": "0:7", "id": "x", "version": 1, "time": "2026-03-04T05:06:07.1Z",
             "actor": {"role": "backend", "name": "demo"},
             "events": [{"type": "AccountLocked", "data": {"reason": "suspicious_login", "at": "2026-03-04T02:06:07Z"}}]},
            {"position": "0:12", "id": "y", "version": 2, "time": "2026-03-04T05:06:08.123456Z",
             "actor": {"role": "verifier"},
             "events": [
                {"type": "FaceExamined", "data": {"finding": {"decision": "fail", "reasons": ["face_mismatch"],
                    "scores": {"similarity_document": -0.0152, "liveness": 0.9}, "thresholds": {"review_at": 0.3}}}},
                {"type": "ReactivationDenied", "data": {"reasons": ["face_mismatch", "attempts_exhausted"], "retry": "never",
                    "retry_after": null}}
             ]},
        ]));
        assert_eq!(
            render(&entries),
            concat!(
                "    time (UTC)    position  actor         event\n",
                "    05:06:07.100  0:7       backend demo  AccountLocked       suspicious_login, at 2026-03-04T02:06:07Z\n",
                "    05:06:08.123  0:12      verifier      FaceExamined        fail: face_mismatch  similarity -0.015 (review_at 0.30)  liveness 0.900\n",
                "                                          ReactivationDenied  face_mismatch, attempts_exhausted; retry: never\n",
            )
        );
    }

    #[test]
    fn an_event_that_a_newer_server_writes_is_shown_by_its_name() {
        let entries = entries(json!([{"position": "0:1", "version": 1, "time": "2026-03-04T05:06:07Z",
            "actor": {"role": "robot"}, "events": [{"type": "SomethingNew", "data": {"a": 1}}]}]));
        assert!(render(&entries).ends_with("05:06:07.000  0:1       robot  SomethingNew\n"));
    }

    #[test]
    fn an_enrolment_says_what_is_on_file() {
        let data = json!({"phone": true, "email": false, "identity": true, "questions": 2, "attributes": {"risk": "high"}});
        assert_eq!(detail("AccountEnrolled", &data), "phone, identity, 2 questions, risk high");
    }
}
