//! One side of a comparison: callers that each wait for their answer before they go on, in one run or in several.

use std::time::Duration;

/// What the callers of some runs saw.
#[derive(Debug, Default)]
pub(crate) struct Arm {
    /// Sorted.
    waits: Vec<Duration>,
    time: Duration,
    /// Answers a second, of each run.
    rates: Vec<f64>,
}

impl Arm {
    /// Prints what the columns of [`Arm::report`] are.
    pub(crate) fn head() {
        println!(
            "{:<14} {:>7} {:>12} {:>9} {:>9}   each run",
            "", "callers", "per second", "p50 ms", "p99 ms"
        );
    }

    /// Adds a run of this length with the time until each answer.
    pub(crate) fn add(&mut self, time: Duration, waits: Vec<Duration>) {
        self.rates.push(per_second(waits.len(), time));
        self.time += time;
        self.waits.extend(waits);
        self.waits.sort_unstable();
    }

    /// Answers a second, of all runs.
    pub(crate) fn rate(&self) -> f64 {
        per_second(self.waits.len(), self.time)
    }

    pub(crate) fn answers(&self) -> usize {
        self.waits.len()
    }

    /// The wait in milliseconds that this share of the answers, in thousandths, did not exceed.
    pub(crate) fn wait(&self, thousandths: usize) -> f64 {
        let wait = self.waits.get(self.waits.len() * thousandths / 1000);
        wait.map_or(f64::NAN, |wait| wait.as_secs_f64() * 1e3)
    }

    pub(crate) fn report(&self, what: &str, callers: usize) {
        let rates: Vec<String> = self.rates.iter().map(|rate| format!("{rate:.0}")).collect();
        println!(
            "{what:<14} {callers:>7} {:>12.0} {:>9.2} {:>9.2}   {}",
            self.rate(),
            self.wait(500),
            self.wait(990),
            rates.join(" ")
        );
    }

    /// Prints how this arm compares with the other one, which does the least that there is to do.
    pub(crate) fn compare(&self, bare: &Self) {
        println!(
            "{:<14} {:>7} {:>11.0}% {:>+9.2} {:>+9.2}",
            "  beside bare",
            "",
            self.rate() / bare.rate() * 100.0,
            self.wait(500) - bare.wait(500),
            self.wait(990) - bare.wait(990)
        );
    }
}

fn per_second(answers: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let answers = answers as f64;
    answers / time.as_secs_f64()
}
