//! Which address answers which method with what. `/openapi.json` describes the same, and a test compares the two.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, Route, web};

use super::{
    accounts, cases, codes, documents, erasure, faces, health, locks, portraits, questions, reactivations,
    reviews, timelines,
};
use crate::error::Problem;
use crate::openapi;

struct Endpoint {
    method: Method,
    path: &'static str,
    route: fn() -> Route,
}

const fn at(method: Method, path: &'static str, route: fn() -> Route) -> Endpoint {
    Endpoint { method, path, route }
}

/// Endpoints of one path stand together.
static ENDPOINTS: [Endpoint; 25] = [
    at(Method::GET, "/livez", || web::to(health::live)),
    at(Method::GET, "/readyz", || web::to(health::ready)),
    at(Method::GET, "/openapi.json", || web::to(openapi::serve)),
    at(Method::GET, "/v1/accounts", || web::to(accounts::list)),
    at(Method::PUT, "/v1/accounts/{account}", || web::to(accounts::enrol)),
    at(Method::GET, "/v1/accounts/{account}", || web::to(accounts::read)),
    at(Method::PUT, "/v1/accounts/{account}/portrait", || web::to(portraits::put)),
    at(Method::POST, "/v1/accounts/{account}/locks", || web::to(locks::lock)),
    at(Method::POST, "/v1/accounts/{account}/releases", || web::to(locks::release)),
    at(Method::POST, "/v1/accounts/{account}/reactivations", || web::to(reactivations::start)),
    at(Method::GET, "/v1/accounts/{account}/timeline", || web::to(timelines::read)),
    at(Method::DELETE, "/v1/accounts/{account}/personal-data", || web::to(erasure::erase)),
    at(Method::GET, "/v1/reactivations", || web::to(reactivations::list)),
    at(Method::GET, "/v1/reactivations/{id}", || web::to(reactivations::read)),
    at(Method::POST, "/v1/reactivations/{id}/reminder", || web::to(cases::reminder)),
    at(Method::POST, "/v1/reactivations/{id}/codes", || web::to(codes::send)),
    at(Method::POST, "/v1/reactivations/{id}/verify", || web::to(codes::verify)),
    at(Method::POST, "/v1/reactivations/{id}/answers", || web::to(questions::answer)),
    at(Method::POST, "/v1/reactivations/{id}/documents", || web::to(documents::submit)),
    at(Method::POST, "/v1/reactivations/{id}/face-challenges", || web::to(faces::challenge)),
    at(Method::POST, "/v1/reactivations/{id}/faces", || web::to(faces::submit)),
    at(Method::POST, "/v1/reactivations/{id}/submit", || web::to(cases::submit)),
    at(Method::POST, "/v1/reactivations/{id}/cancel", || web::to(cases::cancel)),
    at(Method::POST, "/v1/reactivations/{id}/review", || web::to(reviews::decide)),
    at(Method::GET, "/v1/reactivations/{id}/evidence/{evidence}/{part}", || web::to(reviews::evidence)),
];

/// The path of the endpoint that answers a request, with the names of its parameters in their places: for lines and metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pattern(pub(crate) &'static str);

/// Registers them all. Another method at a known path is answered 405 with a problem.
pub(crate) fn register(config: &mut web::ServiceConfig) {
    for endpoints in ENDPOINTS.chunk_by(|a, b| a.path == b.path) {
        let Some(first) = endpoints.first() else { continue };
        let resource = web::resource(first.path).app_data(Pattern(first.path));
        let resource = endpoints.iter().fold(resource, |resource, endpoint| {
            resource.route((endpoint.route)().method(endpoint.method.clone()))
        });
        config.service(resource.default_service(web::to(|| async {
            let detail = "This address does not know the method.";
            Err::<HttpResponse, _>(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail))
        })));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_described_is_served_and_what_is_served_is_described() {
        let document: serde_json::Value = serde_json::from_str(&openapi::document().unwrap()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let described: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let served: BTreeSet<(String, String)> =
            ENDPOINTS.iter().map(|e| (e.path.to_owned(), e.method.to_string())).collect();
        assert_eq!(described, served);
        assert_eq!(served.len(), ENDPOINTS.len(), "an endpoint stands twice");
    }

    #[test]
    fn endpoints_of_a_path_stand_together_so_that_none_hides_another() {
        let groups = ENDPOINTS.chunk_by(|a, b| a.path == b.path);
        let paths: Vec<&str> = groups.filter_map(|group| group.first()).map(|e| e.path).collect();
        let distinct: BTreeSet<&str> = paths.iter().copied().collect();
        assert_eq!(paths.len(), distinct.len());
    }
}
