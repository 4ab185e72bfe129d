//! Identity documents.

use actix_multipart::Multipart;
use actix_web::{HttpRequest, HttpResponse, web};
use reinstate_domain::account::Command;
use reinstate_domain::account::decide::SubmittedDocument;
use reinstate_domain::document::DocumentType;
use reinstate_domain::policy::Kind;
use utoipa::ToSchema;

use super::hand_in;
use crate::error::{FieldError, Problem};
use crate::permission::{Allowed, Prove};
use crate::resource::Reactivation;
use crate::service::Service;
use crate::upload::{Form, Shape};

const SHAPE: Shape = Shape { texts: &["type", "country"], images: &[("front", 1), ("back", 1)] };

/// The parts of a document's form.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the form; the parts are read by hand, so that unknown and doubled ones are noticed"
)]
pub(crate) struct DocumentForm {
    /// `passport`, `id_card`, `driving_licence`, `residence_permit`.
    #[schema(rename = "type")]
    kind: String,
    /// ISO 3166 alpha-3 or an ICAO 9303 code such as `UTO` or `D`.
    country: String,
    #[schema(value_type = String, format = Binary)]
    front: Vec<u8>,
    #[schema(value_type = Option<String>, format = Binary)]
    back: Option<Vec<u8>>,
}

fn claim(form: &Form) -> Result<(DocumentType, String), Problem> {
    let mut errors = Vec::new();
    let mut fault = |pointer: &str, detail: &str| {
        errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
    };
    let document_type = match form.text("type") {
        Some("passport") => Some(DocumentType::Passport),
        Some("id_card") => Some(DocumentType::IdCard),
        Some("driving_licence") => Some(DocumentType::DrivingLicence),
        Some("residence_permit") => Some(DocumentType::ResidencePermit),
        Some(_) => {
            fault("type", "must be passport, id_card, driving_licence or residence_permit");
            None
        }
        None => {
            fault("type", "is missing");
            None
        }
    };
    let country = form.text("country").filter(|c| super::accounts::is_country(c));
    if country.is_none() {
        fault("country", "must be 1 to 3 capital letters: ISO 3166 alpha-3 or an ICAO 9303 code");
    }
    if form.images("front").is_empty() {
        fault("front", "is missing");
    }
    match (document_type, country) {
        (Some(document_type), Some(country)) if errors.is_empty() => Ok((document_type, country.to_owned())),
        _ => Err(Problem::invalid(errors)),
    }
}

/// Hands in an identity document.
#[utoipa::path(post, path = "/v1/reactivations/{id}/documents", tag = "proofs",
    request_body(content = DocumentForm, content_type = "multipart/form-data"),
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = Reactivation), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 422, body = Problem)), security(("key" = [])))]
pub(crate) async fn submit(
    allowed: Allowed<Prove>,
    service: web::Data<Service>,
    request: HttpRequest,
    path: web::Path<String>,
    payload: Multipart,
) -> Result<HttpResponse, Problem> {
    let row = service.find(&allowed.caller, &path).await?;
    let form = Form::read(payload, &SHAPE).await?;
    let (document_type, country) = claim(&form)?;
    let wanted = service.request(&request, &row.account, &allowed.caller, &form.content())?;
    let images = [form.images("front"), form.images("back")].concat();
    hand_in(&service, &wanted, &row, Kind::Document, &images, |case, evidence, kept| {
        let (&front, back) = kept.split_first()?;
        let back = back.first().copied();
        let submitted = SubmittedDocument { case, evidence, document_type, country, front, back };
        Some(Command::SubmitDocument(submitted))
    })
    .await
}
