//! One row, seen several times: by both recognisers, or cut out a little higher and lower. What they disagree on is as
//! uncertain as that looks, however sure each of them is.

use super::Looks;
use super::alphabet::SYMBOLS;
use super::lattice::{self, LineReading};
use super::layout::{Cell, Class};

/// Nats of fit that make one look e times as credible as another. Frames that lie beside each other are not independent, so a
/// nat of fit is worth less than one of evidence; a row that was cut out badly is ten to thirty nats behind.
const TEMPER: f32 = 3.0;

/// What a look that did not see a symbol at all may say against it, as a probability.
const FLOOR: f32 = 2e-4;

/// A row, read.
pub(super) struct RowReading {
    /// Per cell the probability of each symbol; each sums to one.
    pub(super) cells: Vec<[f32; SYMBOLS]>,
    /// Log-probability of the frames of the look that fits best, in nats.
    pub(super) fit: f32,
    /// The frames of that look.
    pub(super) frames: usize,
}

/// The logarithmic mean of what the looks show (a logarithmic opinion pool: Genest and Zidek 1986,
/// <https://doi.org/10.1214/ss/1177013825>), each weighed by how well the line explains it. `None` when none has frames enough.
///
/// The means that were compared are in decision 0107.
pub(super) fn read_line(looks: &Looks<'_>, line: &[Cell]) -> Option<RowReading> {
    // In a number as many zeros may follow each other.
    let of_letters = line.iter().all(|cell| cell.class() == Class::Letters);
    let readings: Vec<(LineReading, usize)> = looks
        .frames
        .iter()
        .filter_map(|frames| {
            let frames = if of_letters { &frames.with_fillers(looks.fillers) } else { *frames };
            Some((lattice::read_line(frames, line)?, frames.rows().len()))
        })
        .collect();
    let (best, frames) = readings.iter().max_by(|(a, _), (b, _)| a.fit.total_cmp(&b.fit))?;
    let weight = |reading: &LineReading| ((reading.fit - best.fit) / TEMPER).exp();
    let all: f32 = readings.iter().map(|(reading, _)| weight(reading)).sum();
    let pooled = |cell: usize| {
        let mut logs = [0.0f32; SYMBOLS];
        for (reading, _) in &readings {
            let share = weight(reading) / all;
            let seen = reading.cells[cell].iter();
            logs.iter_mut().zip(seen).for_each(|(log, p)| *log += share * p.max(FLOOR).ln());
        }
        let sum: f32 = logs.iter().map(|log| log.exp()).sum();
        logs.map(|log: f32| log.exp() / sum)
    };
    Some(RowReading { cells: (0..line.len()).map(pooled).collect(), fit: best.fit, frames: *frames })
}
