//! Work on all photos at once: threads that each own their networks, and somebody who sees how far it is.

use std::io::IsTerminal as _;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Does `work` on every item with so many threads, each with what `prepare` gave it, and returns the results in the items'
/// order. After the first error nothing more is begun.
///
/// # Errors
/// The first error of `prepare` or `work`.
pub fn in_parallel<T: Sync, S, R: Send, E: Send>(
    items: &[T],
    jobs: NonZero<usize>,
    progress: &Progress,
    prepare: impl Fn() -> Result<S, E> + Sync,
    work: impl Fn(&mut S, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results: Mutex<Vec<(usize, Result<R, E>)>> = Mutex::new(Vec::with_capacity(items.len()));
    let keep = |n, result: Result<R, E>| {
        if result.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((n, result));
    };
    let thread = || {
        let mut state = match prepare() {
            Ok(state) => state,
            Err(error) => return keep(0, Err(error)),
        };
        while !failed.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(n) else { break };
            let result = work(&mut state, item);
            if result.is_ok() {
                progress.step();
            }
            keep(n, result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.get().min(items.len()) {
            scope.spawn(thread);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(n, _)| *n);
    results.into_iter().map(|(_, result)| result).collect()
}

/// A bar on a terminal, a line for every tenth of the work elsewhere; both on standard error.
pub struct Progress {
    bar: ProgressBar,
    /// Of the lines; `None` on a terminal.
    lines: Option<(String, AtomicUsize, usize)>,
}

impl Progress {
    #[must_use]
    pub fn new(what: &str, of: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(of as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg:<12} [{bar:40}] {pos}/{len}  {per_sec}  still {eta}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what.to_owned());
        let lines = if std::io::stderr().is_terminal() {
            bar.enable_steady_tick(Duration::from_millis(500));
            None
        } else {
            Some((what.to_owned(), AtomicUsize::new(0), of))
        };
        Self { bar, lines }
    }

    fn step(&self) {
        self.bar.inc(1);
        if let Some((what, done, of)) = &self.lines {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done * 10 / of != (done - 1) * 10 / of {
                eprintln!("{what}: {done} of {of}");
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZero<usize> = NonZero::new(2).expect("two");

    #[test]
    fn results_come_in_the_order_of_the_items_whoever_did_them() {
        let items: Vec<u64> = (0..100).collect();
        let done =
            in_parallel(&items, TWO, &Progress::new("squares", 100), || Ok::<_, ()>(()), |(), n| Ok(n * n));
        assert_eq!(done.unwrap(), items.iter().map(|n| n * n).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_error_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let fail = |(): &mut (), n: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *n == 3 { Err("three") } else { Ok(()) }
        };
        let items: Vec<usize> = (0..10_000).collect();
        let failed =
            in_parallel(&items, NonZero::<usize>::MIN, &Progress::new("work", 10_000), || Ok(()), fail);
        assert_eq!((failed, begun.into_inner()), (Err("three"), 4));
    }
}
