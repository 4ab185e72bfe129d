//! Who may do what: the caller of a request, recognised by its key or token, and let through by its role. A permission is an extractor
//! in a handler's signature.

use std::future::{Ready, ready};
use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};

use crate::auth::{Caller, Role};
use crate::error::Problem;
use crate::service::Service;

/// The roles that may do something.
pub(crate) trait Permission {
    const ROLES: &'static [Role];
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident: $($role:ident)|+;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;
            impl Permission for $name {
                const ROLES: &'static [Role] = &[$(Role::$role),+];
            }
        )*
    };
}

permissions! {
    /// Enrols, locks, releases, starts.
    Manage: Backend;
    /// Reads accounts, lists and timelines.
    Inspect: Backend | Reviewer | Auditor;
    /// Gives proofs, for one reactivation or for the owner.
    Prove: Owner | Backend;
    /// Reads one reactivation.
    Follow: Owner | Backend | Reviewer | Auditor;
    /// Looks at evidence and decides.
    Judge: Reviewer;
}

/// A caller that has a permission: 401 without a key, 403 with one of another role.
pub(crate) struct Allowed<P> {
    pub(crate) caller: Caller,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequest for Allowed<P> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(recognise(request).and_then(|caller| {
            if P::ROLES.contains(&caller.role) {
                Ok(Self { caller, permission: PhantomData })
            } else {
                Err(Problem::forbidden())
            }
        }))
    }
}

fn recognise(request: &HttpRequest) -> Result<Caller, Problem> {
    let service = request.app_data::<web::Data<Service>>().ok_or_else(Problem::internal)?;
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = header.and_then(|h| h.split_once(' ')).ok_or_else(Problem::unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::unauthorized());
    }
    let token = token.trim();
    let caller = service.owner_tokens().find(token).or_else(|| service.keys().find(token));
    caller.ok_or_else(Problem::unauthorized)
}
