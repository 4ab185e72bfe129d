//! The trace that a piece of work belongs to, as the W3C's `traceparent` says it (<https://www.w3.org/TR/trace-context/>). It goes with an
//! entry as a header, beside the value, so that no hash covers it and a log without headers loses nothing but the trace.

use std::{fmt, future::Future};

/// A `traceparent` of version 00: `00-TRACE-PARENT-FLAGS` in lower-case hex, 55 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Traceparent([u8; 55]);

/// The text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a traceparent is 00-TRACE-PARENT-FLAGS: 32, 16 and 2 lower-case hex digits, neither of the first two all zero"
)]
pub struct InvalidTraceparent;

impl Traceparent {
    /// Of a later version only the fields that version 00 has are kept, as the standard asks.
    ///
    /// # Errors
    /// [`InvalidTraceparent`].
    pub fn parse(text: &str) -> Result<Self, InvalidTraceparent> {
        let bytes = text.as_bytes();
        let (&known, rest) = bytes.split_first_chunk::<55>().ok_or(InvalidTraceparent)?;
        let version = &known[..2];
        let whole = match version {
            b"00" => rest.is_empty(),
            b"ff" => false,
            _ => rest.first().is_none_or(|next| *next == b'-'),
        };
        let hex = |range: &[u8]| range.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
        let some = |range: &[u8]| range.iter().any(|b| *b != b'0');
        let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let (trace, parent, flags) = (&known[3..35], &known[36..52], &known[53..]);
        let digits = hex(version) && hex(trace) && hex(parent) && hex(flags);
        if !(whole && dashes && digits && some(trace) && some(parent)) {
            return Err(InvalidTraceparent);
        }
        let mut kept = known;
        kept[..2].copy_from_slice(b"00");
        Ok(Self(kept))
    }

    /// Whether somebody records the trace: who was first in it decided so.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        // The lowest bit of the flags.
        matches!(self.0[54], b'1' | b'3' | b'5' | b'7' | b'9' | b'b' | b'd' | b'f')
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Traceparent({self})")
    }
}

tokio::task_local! {
    static CURRENT: Traceparent;
}

/// Runs `future` as a part of this trace: what it appends carries it. Tasks that it spawns do not inherit it.
pub async fn scope<F: Future>(traceparent: Traceparent, future: F) -> F::Output {
    CURRENT.scope(traceparent, future).await
}

/// The trace that the running task belongs to.
#[must_use]
pub fn current() -> Option<Traceparent> {
    CURRENT.try_with(|traceparent| *traceparent).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's own example.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_no_traceparent_is_refused() {
        assert_eq!(Traceparent::parse(EXAMPLE).unwrap().as_str(), EXAMPLE);
        let zeros = |n| "0".repeat(n);
        for bad in [
            "",
            "00",
            &EXAMPLE[..54],
            &format!("{EXAMPLE}-00"),
            &EXAMPLE.to_uppercase(),
            &EXAMPLE.replace('-', "_"),
            &EXAMPLE.replacen("00-", "ff-", 1),
            &EXAMPLE.replacen("00-", "0g-", 1),
            &format!("00-{}-00f067aa0ba902b7-01", zeros(32)),
            &format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", zeros(16)),
            &format!("{}é", &EXAMPLE[..54]),
        ] {
            assert_eq!(Traceparent::parse(bad), Err(InvalidTraceparent), "{bad}");
        }
    }

    #[test]
    fn of_a_later_version_the_known_fields_are_kept() {
        let later = EXAMPLE.replacen("00-", "cc-", 1);
        for text in [later.clone(), format!("{later}-what-comes-next")] {
            assert_eq!(Traceparent::parse(&text).unwrap().as_str(), EXAMPLE);
        }
        assert!(Traceparent::parse(&format!("{later}.")).is_err());
    }

    #[tokio::test]
    async fn the_trace_is_that_of_the_innermost_scope() {
        assert_eq!(current(), None);
        let outer = Traceparent::parse(EXAMPLE).unwrap();
        let inner = Traceparent::parse(&EXAMPLE.replace("-01", "-00")).unwrap();
        let seen =
            scope(outer, async { (current(), scope(inner, async { current() }).await, current()) }).await;
        assert_eq!(seen, (Some(outer), Some(inner), Some(outer)));
    }
}
