//! Where fillers stand on a row of names, by their shape. In a blurred picture a recogniser takes a `<` for a letter, here for a K and there
//! for an E, and is sure of it. But no name has a letter three times in a row, so what stands there many times in a row is the filler, and
//! what has its shape elsewhere is one too.

use ndarray::{Array2, ArrayView2, s};
use opencv::core::{MatTraitConst, MatTraitConstManual, ToInputArray};

use super::Error;
use super::line::grey_strip;
use super::text::Quad;

/// Characters of rows with names: passports and large visas, the smaller ones, cards.
const CHARACTERS: [f32; 3] = [44.0, 36.0, 30.0];
/// Characters alike that follow each other, from which they are fillers.
const FEWEST: usize = 5;
/// Half-characters before the end of the row in which the last filler is looked for.
const SEEDS: usize = 16;
/// Correlation from which two characters are alike.
const ALIKE: f32 = 0.88;
/// By how many pixels of a strip the next character may be off, aside and up or down: pitch and slope are found on the way.
const STRAY: [isize; 2] = [3, 2];
/// Share of a character's width that is compared: what stands beside it reaches into the rest.
const CORE: f32 = 0.8;
/// Rows of a strip above and below a character: as far as a row may run out of its box.
const RIM: usize = 8;
/// By how much less a shape correlates with what lies half a character further. What is alike everywhere, paper or a finger's shades, does
/// not tell one place from another.
const LEAST_DIP: f32 = 0.3;
/// Standard deviation of the correlations of a run with its mean shape, at most: above it something else is among them. Below
/// the least it is not believed.
const MOST_SPREAD: f32 = 0.05;
const LEAST_SPREAD: f32 = 0.02;
/// By how much less than fillers letters correlate with the shape of the fillers: mean and standard deviation of the 3,343 on 190 rows of
/// photos of `mrz-dev` taken again (tuning half). The nearest are some A's and K's, by 0.12 and 0.13.
const LETTERS: [f32; 2] = [0.55, 0.19];
/// The least density of that, for rows that are blurred more than those: chosen, not tuned.
const ANY_LETTER: f32 = 0.2;

/// Nats by which a filler rather than a letter stands at each of the places at equal distances from one end of the row to the other. Empty
/// where no fillers follow each other.
///
/// # Errors
/// OpenCV failed.
pub(super) fn measure(picture: &(impl MatTraitConst + ToInputArray), row: &Quad) -> Result<Vec<f32>, Error> {
    let strip = grey_strip(picture, row)?;
    let shape = (strip.rows() as usize, strip.cols() as usize);
    let levels = ArrayView2::from_shape(shape, strip.data_bytes()?).ok();
    Ok(levels.and_then(|levels| Strip(levels.mapv(f32::from)).nats()).unwrap_or_default())
}

/// Where a character begins, in pixels of a strip; `y` from where it stands in the middle.
#[derive(Clone, Copy)]
struct Place {
    x: isize,
    y: isize,
}

/// Characters alike, one after the other.
struct Run {
    /// From the last to the first.
    places: Vec<Place>,
    /// Pixels from one to the next.
    pitch: f32,
}

impl Run {
    /// The place at this column on the line through the first and the last of them.
    fn at(&self, x: isize) -> Place {
        let [last, .., first] = self.places[..] else { return Place { x, y: 0 } };
        let slope = (last.y - first.y) as f32 / (last.x - first.x) as f32;
        Place { x, y: first.y + (slope * (x - first.x) as f32).round() as isize }
    }
}

/// How much fillers correlate with their mean shape.
struct Likeness {
    mean: f32,
    spread: f32,
}

impl Likeness {
    /// Of a run, by the correlations of all columns. `None` where they do not show one shape that is found there and not between.
    fn of(run: &Run, like: &[f32]) -> Option<Self> {
        let at = |x: isize| usize::try_from(x).ok().and_then(|x| like.get(x)).copied();
        let nearest = |place: &Place| {
            (place.x - STRAY[0]..=place.x + STRAY[0]).filter_map(at).fold(f32::NEG_INFINITY, f32::max)
        };
        let (of_run, between): (Vec<f32>, Vec<f32>) = run.places[1..]
            .iter()
            .filter_map(|place| Some((nearest(place), at(place.x + (run.pitch / 2.0) as isize)?)))
            .unzip();
        let mean = |of: &[f32]| of.iter().sum::<f32>() / of.len() as f32;
        let dip = mean(&of_run) - mean(&between);
        let variance = mean(&of_run.iter().map(|like| (like - mean(&of_run)).powi(2)).collect::<Vec<_>>());
        let (mean, spread) = (mean(&of_run), variance.sqrt());
        (mean >= ALIKE && spread <= MOST_SPREAD && dip >= LEAST_DIP)
            .then_some(Self { mean, spread: spread.max(LEAST_SPREAD) })
    }

    /// Nats by which a correlation speaks for a filler rather than a letter.
    fn nats(&self, like: f32) -> f32 {
        let density = |x: f32, mean: f32, spread: f32| {
            (-((x - mean) / spread).powi(2) / 2.0).exp() / (spread * std::f32::consts::TAU.sqrt())
        };
        let of_letters = density(self.mean - like, LETTERS[0], LETTERS[1]).max(ANY_LETTER);
        (density(like, self.mean, self.spread) / of_letters).ln().max(0.0)
    }
}

/// A row of light levels.
struct Strip(Array2<f32>);

impl Strip {
    fn nats(&self) -> Option<Vec<f32>> {
        let run = self.longest_run()?;
        let width = core_width(run.pitch);
        let shape = normal(
            run.places.iter().filter_map(|place| self.core(*place, width)).reduce(|sum, core| sum + core)?,
        );
        let last = self.0.ncols() as isize - width as isize;
        let like: Vec<f32> = (0..last)
            .map(|x| self.best(&shape, run.at(x), [0, STRAY[1]]).map_or(0.0, |(like, _)| like))
            .collect();
        let fillers = Likeness::of(&run, &like)?;
        let mut nats = vec![0.0f32; self.0.ncols()];
        let rim = (run.pitch - width as f32) / 2.0;
        for (x, here) in like.iter().enumerate() {
            let around = &like[x.saturating_sub(width / 2)..(x + width / 2).min(like.len())];
            if around.iter().all(|other| other <= here) {
                let start = (x as f32 - rim).max(0.0) as usize;
                let end = ((x + width) as f32 + rim).ceil().min(nats.len() as f32) as usize;
                nats[start..end].iter_mut().for_each(|nats| *nats = nats.max(fillers.nats(*here)));
            }
        }
        Some(nats)
    }

    /// The most characters alike, up to one near the end of the row.
    fn longest_run(&self) -> Option<Run> {
        let width = self.0.ncols() as f32;
        let seeds = CHARACTERS
            .iter()
            .flat_map(|characters| (2..SEEDS + 2).map(move |half| (width / characters, half)));
        seeds
            .filter_map(|(pitch, half)| {
                self.run(Place { x: (width - pitch * half as f32 / 2.0) as isize, y: 0 }, pitch)
            })
            .max_by_key(|run| run.places.len())
            .filter(|run| run.places.len() >= FEWEST)
    }

    /// The characters like the one at `last` that stand before it.
    fn run(&self, last: Place, pitch: f32) -> Option<Run> {
        let shape = self.core(last, core_width(pitch))?;
        let mut run = Run { places: vec![last], pitch };
        loop {
            let steps = run.places.len();
            let y = run.places[steps - 1].y;
            let next = Place { x: last.x - (run.pitch * steps as f32).round() as isize, y };
            let before = run.places[steps - 1].x - core_width(run.pitch) as isize / 2;
            let Some((_, found)) =
                self.best(&shape, next, STRAY).filter(|(like, found)| *like >= ALIKE && found.x < before)
            else {
                return Some(run);
            };
            run.places.push(found);
            // Two are too near to say what the pitch is.
            if steps > 1 {
                run.pitch = (last.x - found.x) as f32 / steps as f32;
            }
        }
    }

    /// How much the character near a place that is most like this shape is like it, and where it begins.
    fn best(&self, shape: &Array2<f32>, near: Place, [aside, off]: [isize; 2]) -> Option<(f32, Place)> {
        let places =
            (-off..=off).flat_map(|y| (-aside..=aside).map(move |x| Place { x: near.x + x, y: near.y + y }));
        places
            .filter_map(|place| Some(((shape * &self.core(place, shape.ncols())?).sum(), place)))
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    /// The character that begins at a place. `None` beyond the strip.
    fn core(&self, place: Place, width: usize) -> Option<Array2<f32>> {
        let (top, left) = (usize::try_from(RIM as isize + place.y).ok()?, usize::try_from(place.x).ok()?);
        let bottom = (self.0.nrows() - RIM).checked_add_signed(place.y)?;
        let fits = bottom <= self.0.nrows() && left + width <= self.0.ncols();
        fits.then(|| normal(self.0.slice(s![top..bottom, left..left + width]).to_owned()))
    }
}

/// Pixels of a character that are compared.
fn core_width(pitch: f32) -> usize {
    (CORE * pitch).round() as usize
}

/// With a mean of zero and a norm of one.
fn normal(shape: Array2<f32>) -> Array2<f32> {
    let centred = &shape - shape.mean().unwrap_or_default();
    let norm = centred.mapv(|level| level * level).sum().sqrt().max(f32::EPSILON);
    centred / norm
}

#[cfg(test)]
mod tests {
    use super::*;

    const PITCH: usize = 18;

    /// A row of 44 characters in strokes of three pixels, 48 pixels high, that sinks by so many pixels towards its end.
    fn row(text: &str, sinks: f32) -> Strip {
        let mut levels = Array2::from_elem((48, PITCH * text.len()), 210.0);
        for (column, c) in text.chars().enumerate() {
            let top = 14.0 + sinks * (column as f32 / text.len() as f32 - 0.5);
            for (x, y) in (0..10).flat_map(|x| (0..20).map(move |y| (x, y))) {
                let (across, down) = (x as f32, y as f32);
                let is_ink = match c {
                    '<' => (across - (down - 9.5).abs()).abs() < 2.0,
                    'K' => across < 3.0 || (across - 2.0 - (down - 9.5).abs()).abs() < 2.0,
                    'E' => {
                        across < 3.0 || [0.0, 9.0, 17.0].iter().any(|bar| (0.0..3.0).contains(&(down - bar)))
                    }
                    _ => !(3.0..=6.0).contains(&across),
                };
                if is_ink {
                    levels[[(top + down).round() as usize, column * PITCH + 4 + x]] = 60.0;
                }
            }
        }
        Strip(levels)
    }

    /// Of each character whether its place speaks for a filler with 2 nats or more.
    fn fillers(strip: &Strip) -> Option<String> {
        let nats = strip.nats()?;
        Some(nats.chunks(PITCH).map(|cell| if cell[PITCH / 2] > 2.0 { '<' } else { '.' }).collect())
    }

    #[test]
    fn what_has_the_shape_of_those_that_follow_each_other_is_a_filler_however_the_row_leans() {
        for sinks in [0.0, 7.0, -7.0] {
            let found = fillers(&row("P<UKKEEHEK<<KEKEHK<EHEK<<<<<<<<<<<<<<<<<<<<<", sinks)).unwrap();
            assert_eq!(found, ".<........<<......<....<<<<<<<<<<<<<<<<<<<<<", "{sinks}");
        }
    }

    #[test]
    fn what_is_alike_everywhere_is_no_row_of_fillers_however_short() {
        for width in 1..200 {
            let waves =
                Array2::from_shape_fn((48, width), |(y, x)| (x as f32 / 9.0).sin() + (y as f32 / 7.0).cos());
            assert_eq!(Strip(waves).nats(), None, "{width}");
            assert_eq!(Strip(Array2::from_elem((48, width), 200.0)).nats(), None, "{width}");
        }
    }

    #[test]
    fn without_a_row_of_fillers_nothing_is_known() {
        assert_eq!(fillers(&row("P<UKKEEHEK<<KEKEHK<EHEKEKEHKEHEKEHHEKKEKEHK<", 0.0)), None);
    }

    #[test]
    fn a_finger_over_the_end_of_a_row_is_no_row_of_fillers() {
        let mut strip = row("P<UKKEEHEK<<KEKEHK<EHEKEKEHKEHEKEHHEKKEKEHKE", 0.0);
        let from = 24 * PITCH;
        for ((y, x), level) in strip.0.indexed_iter_mut().filter(|((_, x), _)| *x >= from) {
            *level = 130.0 + (x as f32 / 40.0).sin() * 8.0 + y as f32 / 3.0;
        }
        assert_eq!(fillers(&strip), None);
    }
}
