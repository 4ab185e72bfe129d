//! JSON bodies: at most 64 KiB, no unknown fields, and an error that points at the field without echoing what stood there.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{FieldError, Problem};

mod strict;

use strict::ObjectsOnly;

/// The largest JSON body, in bytes (api.md §1).
const MAX: usize = 64 * 1024;

/// A body that was read and has the right shape.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_json =
            kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json"));
        let body = web::Bytes::from_request(request, payload);
        Box::pin(async move {
            let body = body.await.map_err(|e| unreadable(&e))?;
            if !is_json {
                let detail = "Send the body as Content-Type: application/json.";
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_media_type",
                    detail,
                ));
            }
            if body.len() > MAX {
                return Err(too_large());
            }
            parse(&body).map(Self)
        })
    }
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "A JSON body has at most 64 KiB.")
}

fn unreadable(error: &actix_web::Error) -> Problem {
    match error.as_response_error().status_code() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => {
            Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "The body ended before it was complete.")
        }
    }
}

/// What a body says, whatever the order of its fields and its spaces were: for fingerprints.
pub(crate) fn canonical(body: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(body).map_err(|_| Problem::internal())
}

/// Parses a body.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(ObjectsOnly(&mut reader)).map_err(|error| {
        let pointer = pointer(error.path());
        let inner = error.into_inner();
        if inner.is_data() {
            Problem::invalid(vec![FieldError { pointer, detail: explain(&inner.to_string()) }])
        } else {
            invalid_json()
        }
    })?;
    reader.end().map_err(|_| invalid_json())?;
    Ok(parsed)
}

fn invalid_json() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_json", "The body is not valid JSON, or too deeply nested.")
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// What serde expected, without what it found.
fn explain(message: &str) -> String {
    if message.starts_with("missing field") {
        return message.split(" at line").next().unwrap_or("a field is missing").to_owned();
    }
    if message.starts_with("unknown field") {
        return "unknown field".to_owned();
    }
    match message.split_once("expected ") {
        // The name of our struct says nothing to a caller.
        Some((_, expected)) if expected.starts_with("struct ") => "expected an object".to_owned(),
        Some((_, expected)) => format!("expected {}", expected.split(" at line").next().unwrap_or(expected)),
        None => "not as it must be".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the shape matters")]
    struct Outer {
        inner: Inner,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the shape matters")]
    struct Inner {
        number: u8,
    }

    fn problem(body: &str) -> Value {
        serde_json::to_value(parse::<Outer>(body.as_bytes()).err().unwrap()).unwrap()
    }

    #[test]
    fn a_bad_field_is_pointed_at_and_what_stood_there_is_not_repeated() {
        for body in [
            r#"{"inner":{"number":"secret"}}"#,
            r#"{"inner":{"number":1,"secret":2}}"#,
            r#"{"inner":{"number":-1}}"#,
        ] {
            let problem = problem(body);
            assert_eq!(problem["code"], "validation_failed");
            assert!(problem["errors"][0]["pointer"].as_str().unwrap().starts_with("/inner"), "{problem}");
            assert!(!problem["errors"][0]["detail"].as_str().unwrap().contains("secret"), "{problem}");
        }
        assert_eq!(problem(r#"{"inner":{}}"#)["errors"][0]["detail"], "missing field `number`");
    }

    #[test]
    fn an_array_of_its_values_is_no_object_at_any_depth() {
        for (body, place) in
            [("[[1]]", ""), ("[]", ""), (r#"{"inner":[1]}"#, "/inner"), (r#"{"inner":[]}"#, "/inner")]
        {
            let problem = problem(body);
            assert_eq!(problem["status"], json!(422), "{body}: {problem}");
            assert_eq!(
                problem["errors"],
                json!([{"pointer": place, "detail": "expected an object"}]),
                "{body}"
            );
        }
        assert!(parse::<Outer>(br#"{"inner":{"number":1}}"#).is_ok());
    }

    #[test]
    fn whatever_else_a_body_holds_is_read_as_it_was() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct All {
            list: Vec<Lettered>,
            map: std::collections::BTreeMap<String, Lettered>,
            pair: (i64, f64),
            some: Option<Lettered>,
            none: Option<Lettered>,
            kind: Kind,
            kinds: Vec<Kind>,
            any: Value,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct Lettered {
            letter: char,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Kind {
            Plain,
            Around(Lettered),
            Pair(u8, bool),
            Named { letter: char },
        }
        let text = r#"{"list":[{"letter":"a"}],"map":{"k":{"letter":"b"}},"pair":[-1,0.5],"some":{"letter":"c"},"none":null,
            "kind":"plain","kinds":[{"around":{"letter":"d"}},{"pair":[1,true]},{"named":{"letter":"e"}}],"any":[1,{"x":[]}]}"#;
        let all: All = parse(text.as_bytes()).ok().unwrap();
        let letter = |letter| Lettered { letter };
        let expected = All {
            list: vec![letter('a')],
            map: [("k".to_owned(), letter('b'))].into(),
            pair: (-1, 0.5),
            some: Some(letter('c')),
            none: None,
            kind: Kind::Plain,
            kinds: vec![Kind::Around(letter('d')), Kind::Pair(1, true), Kind::Named { letter: 'e' }],
            any: json!([1, {"x": []}]),
        };
        assert_eq!(all, expected);
        for array in [
            text.replace(r#"[{"letter":"a"}]"#, r#"[["a"]]"#),
            text.replace(r#"{"letter":"b"}"#, r#"["b"]"#),
            text.replace(r#"{"letter":"c"}"#, r#"["c"]"#),
            text.replace(r#"{"letter":"d"}"#, r#"["d"]"#),
            text.replace(r#"{"letter":"e"}"#, r#"["e"]"#),
        ] {
            assert_ne!(array, text);
            assert_eq!(
                parse::<All>(array.as_bytes()).err().unwrap().status(),
                StatusCode::UNPROCESSABLE_ENTITY,
                "{array}"
            );
        }
    }

    #[test]
    fn what_is_no_json_or_too_deep_or_followed_by_more_is_refused() {
        let deep = "[".repeat(10_000);
        for body in ["", "{", "nope", r#"{"inner":{"number":1}} {}"#] {
            assert_eq!(problem(body)["status"], json!(400), "{body}");
        }
        let nested = parse::<Value>(deep.as_bytes()).err().unwrap();
        assert_eq!(nested.status(), StatusCode::BAD_REQUEST);
    }
}
