//! Reading a line of known length: which symbol stands in which cell, given everything that the recogniser saw.
//!
//! CTC (Graves et al. 2006, <https://www.cs.toronto.edu/~graves/icml_2006.pdf>) collapses repeats, so a run of fillers
//! has no length of its own. But the length of the whole line is known. The lattice holds exactly the texts of that length
//! that the layout's grammar allows, with all their alignments, and forward-backward over it gives for each cell the
//! probability of each symbol. That is a certainty, which the best path alone has not.

use super::alphabet::{BLANK, Frames, SYMBOLS, Symbol};
use super::layout::{Cell, Class, STATES, State, follow};

/// One line, read under a layout.
#[derive(Clone)]
pub(crate) struct LineReading {
    /// Per cell the probability of each symbol; each sums to one.
    pub(crate) cells: Vec<[f32; SYMBOLS]>,
    /// Log-probability of the frames under this layout, in nats. Comparable between layouts of the same frames.
    pub(crate) fit: f32,
}

/// What the recogniser saw, as the classes of cells see it.
struct Seen<'a> {
    any: &'a [Row],
    letters: &'a [Row],
    digits: &'a [Row],
}

impl Seen<'_> {
    fn at(&self, frame: usize, node: &Node) -> f64 {
        let rows = match node.class {
            Class::Any => self.any,
            Class::Letters => self.letters,
            Class::Digits => self.digits,
        };
        f64::from(rows[frame][usize::from(node.symbol)])
    }

    fn blank(&self, frame: usize) -> f64 {
        f64::from(self.any[frame][BLANK])
    }
}

/// A symbol in a cell, with the grammar's state after it.
struct Node {
    symbol: Symbol,
    class: Class,
    state: State,
    /// States before it, and in each the node of the previous cell that holds the same symbol, if there is one: between
    /// those two the CTC needs a blank.
    from: Vec<(State, Option<usize>)>,
    /// The node of the next cell that repeats the symbol.
    repeated: Option<usize>,
}

/// `None` when the frames are too few for the line.
pub(crate) fn read_line(frames: &Frames, line: &[Cell]) -> Option<LineReading> {
    let rows = frames.rows();
    if rows.len() < line.len() || line.is_empty() {
        return None;
    }
    let (letters, digits) = (frames.only(true), frames.only(false));
    let seen = Seen { any: rows, letters: letters.rows(), digits: digits.rows() };
    let lattice = Lattice::new(line);
    let (cells, frames) = (line.len(), rows.len());
    // The characters of OCR-B stand at equal distances. The first pass finds the pace, the second keeps it. Where the first
    // begins decides what it finds when much is missing, so there are two beginnings. The better one counts; when neither
    // is clearly better, what they disagree on is as uncertain as that looks.
    let free = Pace::free(cells, frames);
    let (forward, log_probability) = lattice.forward(&seen, &free)?;
    let (unbiased, a) = lattice.keep_pace(&seen, &forward, &free)?;
    let even = Pace::even(cells, frames);
    let (forward, _) = lattice.forward(&seen, &even)?;
    let (spread, b) = lattice.keep_pace(&seen, &forward, &even)?;
    let mean = |(a, b): (&[f32; SYMBOLS], &[f32; SYMBOLS])| std::array::from_fn(|s| (a[s] + b[s]) / 2.0);
    let cells = match a - b {
        better if better > CLEARLY => unbiased,
        worse if worse < -CLEARLY => spread,
        _ => unbiased.iter().zip(&spread).map(mean).collect(),
    };
    Some(LineReading { cells, fit: log_probability as f32 })
}

/// Cells by which a character may stray from where evenly spread ones stand: the margins of a row are a few characters wide.
const STRAY: usize = 10;

/// Difference in log-probability, in nats, from which one pace is clearly better than another.
const CLEARLY: f64 = 3.0;

/// How well a character fits at a frame, from where its neighbours stand: a factor per cell and frame.
struct Pace {
    factors: Vec<f64>,
    frames: usize,
}

impl Pace {
    /// Standard deviation of a character's place, in characters.
    const SPREAD: f64 = 0.5;
    /// The same before the pace is known: what a row's margins may shift it by.
    const MARGIN: f64 = 1.5;
    /// What a character costs at most for standing anywhere else: a crease may bend a line.
    const FLOOR: f64 = 1e-3;

    /// Characters may stand anywhere.
    fn free(cells: usize, frames: usize) -> Self {
        Self { factors: vec![1.0; cells * frames], frames }
    }

    /// The row was cut out from end to end, so its characters are spread over the frames, give or take its margins.
    fn even(cells: usize, frames: usize) -> Self {
        let pitch = frames as f64 / cells as f64;
        Self::along(cells, frames, pitch / 2.0, pitch, Self::MARGIN)
    }

    /// A straight line through the expected places of the cells, by least squares over those nearest to it.
    fn through(places: &[f64], frames: usize) -> Self {
        let mut weights = vec![1.0; places.len()];
        let (mut first, mut pitch) = (0.0, 1.0);
        for _ in 0..4 {
            let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                places.iter().zip(&weights).enumerate().map(|(i, (place, w))| w * f(i as f64, *place)).sum()
            };
            let (n, x, y) = (sum(&|_, _| 1.0), sum(&|i, _| i), sum(&|_, t| t));
            let (xx, xy) = (sum(&|i, _| i * i), sum(&|i, t| i * t));
            let spread = n * xx - x * x;
            if spread <= f64::EPSILON {
                break;
            }
            pitch = (n * xy - x * y) / spread;
            first = (y - pitch * x) / n;
            for (i, (place, weight)) in places.iter().zip(&mut weights).enumerate() {
                let off = (place - first - pitch * i as f64) / pitch.abs().max(1.0);
                *weight = 1.0 / (1.0 + off * off);
            }
        }
        Self::along(places.len(), frames, first, pitch, Self::SPREAD)
    }

    fn along(cells: usize, frames: usize, first: f64, pitch: f64, spread: f64) -> Self {
        let spread = spread * pitch.abs().max(1.0);
        let factor = |cell: usize, frame: usize| {
            let off = (frame as f64 - first - pitch * cell as f64) / spread;
            (-0.5 * off * off).exp().max(Self::FLOOR)
        };
        let factors = (0..cells).flat_map(|cell| (0..frames).map(move |t| factor(cell, t))).collect();
        Self { factors, frames }
    }

    fn factor(&self, cell: usize, frame: usize) -> f64 {
        self.factors[cell * self.frames + frame]
    }
}

struct Lattice {
    nodes: Vec<Node>,
    /// Nodes of cell i are `first[i]..first[i + 1]`.
    first: Vec<usize>,
}

/// Scaled probabilities of everything seen up to a frame. One row per frame.
struct Forward {
    /// Ending in a node whose symbol the frame shows.
    symbol: Vec<f64>,
    /// The same, but entered at this very frame.
    entry: Vec<f64>,
    /// Ending in a blank after a cell, by the state there.
    blank: Vec<f64>,
    /// Ending in a blank before the first cell.
    start: Vec<f64>,
}

type Row = [f32; SYMBOLS + 1];

impl Lattice {
    fn new(line: &[Cell]) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        let mut first = vec![0];
        let mut before: std::ops::Range<usize> = 0..0;
        for (place, &cell) in line.iter().enumerate() {
            let mut states = [false; STATES];
            if place == 0 {
                states[0] = true;
            }
            for node in &nodes[before.clone()] {
                states[usize::from(node.state)] = true;
            }
            let begin = nodes.len();
            for state in (0..STATES as State).filter(|s| states[usize::from(*s)]) {
                for symbol in 0..SYMBOLS as Symbol {
                    let Some(next) = follow(cell, state, symbol) else { continue };
                    let same =
                        before.clone().find(|m| nodes[*m].state == state && nodes[*m].symbol == symbol);
                    let link = (state, same);
                    let known =
                        (begin..nodes.len()).find(|n| (nodes[*n].symbol, nodes[*n].state) == (symbol, next));
                    let node = known.unwrap_or(nodes.len());
                    match known {
                        Some(node) => nodes[node].from.push(link),
                        None => nodes.push(Node {
                            symbol,
                            class: cell.class(),
                            state: next,
                            from: vec![link],
                            repeated: None,
                        }),
                    }
                    if let Some(same) = same {
                        nodes[same].repeated = Some(node);
                    }
                }
            }
            before = begin..nodes.len();
            first.push(nodes.len());
        }
        Self { nodes, first }
    }

    fn cells(&self) -> usize {
        self.first.len() - 1
    }

    fn nodes_of(&self, cell: usize) -> std::ops::Range<usize> {
        self.first[cell]..self.first[cell + 1]
    }

    /// The cells that a path can be in at this frame: none before it could have been reached or after the rest could no
    /// longer be, and none far from where evenly spread characters would be, because a row is cut out from end to end.
    fn reachable(&self, frame: usize, frames: usize) -> std::ops::Range<usize> {
        let even = frame * self.cells() / frames.max(1);
        let last = self.cells().min(frame + 1).min(even + STRAY + 1);
        let first = (self.cells() + frame).saturating_sub(frames).max(even.saturating_sub(STRAY));
        first.min(last)..last
    }

    fn forward(&self, seen: &Seen<'_>, pace: &Pace) -> Option<(Forward, f64)> {
        let (frames, nodes, blanks) = (seen.any.len(), self.nodes.len(), self.cells() * STATES);
        let mut f = Forward {
            symbol: vec![0.0; frames * nodes],
            entry: vec![0.0; frames * nodes],
            blank: vec![0.0; frames * blanks],
            start: vec![0.0; frames],
        };
        let mut log_scale = 0.0;
        // Sums of the previous frame's symbol probabilities by cell and state.
        let mut ended = vec![0.0; blanks];
        for t in 0..frames {
            let (past, now) = f.symbol.split_at_mut(t * nodes);
            let past = &past[t.saturating_sub(1) * nodes..];
            let (blank_past, blank_now) = f.blank.split_at_mut(t * blanks);
            let blank_past = &blank_past[t.saturating_sub(1) * blanks..];
            let start_past = if t == 0 { 1.0 } else { f.start[t - 1] };
            let empty = seen.blank(t);
            f.start[t] = start_past * empty;
            let mut sum = f.start[t];
            for cell in self.reachable(t, frames) {
                for n in self.nodes_of(cell) {
                    let node = &self.nodes[n];
                    let into = if cell == 0 {
                        start_past
                    } else if t == 0 {
                        0.0
                    } else {
                        let of = (cell - 1) * STATES;
                        node.from.iter().fold(0.0, |sum, &(state, same)| {
                            let at = of + usize::from(state);
                            sum + blank_past[at] + ended[at] - same.map_or(0.0, |m| past[m])
                        })
                    };
                    let p = seen.at(t, node);
                    // The subtraction above can leave a rounding error below zero.
                    let entry = p * into.max(0.0) * pace.factor(cell, t);
                    f.entry[t * nodes + n] = entry;
                    now[n] = entry + if t == 0 { 0.0 } else { p * past[n] };
                    sum += now[n];
                }
                if t > 0 {
                    for at in cell * STATES..(cell + 1) * STATES {
                        blank_now[at] = empty * (blank_past[at] + ended[at]);
                        sum += blank_now[at];
                    }
                }
            }
            if sum <= 0.0 || !sum.is_finite() {
                return None;
            }
            log_scale += sum.ln();
            let scale = 1.0 / sum;
            f.start[t] *= scale;
            ended.fill(0.0);
            for cell in self.reachable(t, frames) {
                for n in self.nodes_of(cell) {
                    now[n] *= scale;
                    f.entry[t * nodes + n] *= scale;
                    ended[cell * STATES + usize::from(self.nodes[n].state)] += now[n];
                }
                for b in &mut blank_now[cell * STATES..(cell + 1) * STATES] {
                    *b *= scale;
                }
            }
        }
        let last = self.cells() - 1;
        let end = (frames - 1) * nodes;
        let blank_end = (frames - 1) * blanks;
        let whole = self.nodes_of(last).map(|n| f.symbol[end + n]).sum::<f64>()
            + f.blank[blank_end + last * STATES..blank_end + blanks].iter().sum::<f64>();
        (whole > 0.0).then(|| (f, log_scale + whole.ln()))
    }

    /// The second pass: at the pace that the first one found. Also the log-probability of the frames at that pace.
    fn keep_pace(&self, seen: &Seen<'_>, first: &Forward, pace: &Pace) -> Option<(Vec<[f32; SYMBOLS]>, f64)> {
        let (_, places) = self.posteriors(seen, first, pace);
        let pace = Pace::through(&places, seen.any.len());
        let (forward, log_probability) = self.forward(seen, &pace)?;
        Some((self.posteriors(seen, &forward, &pace).0, log_probability))
    }

    /// Runs backward through the frames and collects, where each path enters a node, what it contributes.
    /// Also the expected frame of each cell.
    fn posteriors(&self, seen: &Seen<'_>, f: &Forward, pace: &Pace) -> (Vec<[f32; SYMBOLS]>, Vec<f64>) {
        let (frames, nodes, blanks) = (seen.any.len(), self.nodes.len(), self.cells() * STATES);
        let mut later = Backward::at_end(self);
        let mut sums = vec![[0.0f64; SYMBOLS]; self.cells()];
        let mut places = vec![(0.0, f64::MIN_POSITIVE); self.cells()];
        for t in (0..frames).rev() {
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let total = product(&f.symbol[t * nodes..(t + 1) * nodes], &later.symbol)
                + product(&f.blank[t * blanks..(t + 1) * blanks], &later.blank)
                + f.start[t] * later.start;
            for cell in self.reachable(t, frames) {
                for n in self.nodes_of(cell) {
                    let p = f.entry[t * nodes + n] * later.symbol[n];
                    if p > 0.0 && total > 0.0 {
                        let p = p / total;
                        sums[cell][usize::from(self.nodes[n].symbol)] += p;
                        places[cell].0 += p * t as f64;
                        places[cell].1 += p;
                    }
                }
            }
            later.step(self, seen, t, pace);
        }
        let normal = |cell: &[f64; SYMBOLS]| {
            let sum = cell.iter().sum::<f64>().max(f64::MIN_POSITIVE);
            cell.map(|p| (p / sum) as f32)
        };
        (sums.iter().map(normal).collect(), places.iter().map(|(sum, weight)| sum / weight).collect())
    }
}

/// Scaled probabilities of everything after a frame, given where the path is at it.
struct Backward {
    symbol: Vec<f64>,
    blank: Vec<f64>,
    start: f64,
}

impl Backward {
    fn at_end(lattice: &Lattice) -> Self {
        let last = lattice.cells() - 1;
        let mut symbol = vec![0.0; lattice.nodes.len()];
        symbol[lattice.nodes_of(last)].fill(1.0);
        let mut blank = vec![0.0; lattice.cells() * STATES];
        blank[last * STATES..].fill(1.0);
        Self { symbol, blank, start: 0.0 }
    }

    /// From frame `t` to the one before it.
    fn step(&mut self, lattice: &Lattice, seen: &Seen<'_>, t: usize, pace: &Pace) {
        let p = |node: &Node| seen.at(t, node);
        let empty = seen.blank(t);
        let mut largest = 0.0f64;
        let onward: f64 = lattice.nodes_of(0).map(|n| p(&lattice.nodes[n]) * self.symbol[n]).sum::<f64>()
            * pace.factor(0, t);
        self.start = empty * self.start + onward;
        let frames = seen.any.len();
        let (now, before) = (lattice.reachable(t, frames), lattice.reachable(t.saturating_sub(1), frames));
        // Cells ascend, so that the next cell still holds the later frame's values.
        for cell in before.clone() {
            let mut flow = [0.0; STATES];
            let mut entering = 0.0;
            if now.contains(&(cell + 1)) {
                entering = pace.factor(cell + 1, t);
                for m in lattice.nodes_of(cell + 1) {
                    let node = &lattice.nodes[m];
                    for &(state, _) in &node.from {
                        flow[usize::from(state)] += p(node) * self.symbol[m] * entering;
                    }
                }
            }
            for n in lattice.nodes_of(cell) {
                let node = &lattice.nodes[n];
                let repeated =
                    node.repeated.map_or(0.0, |m| p(&lattice.nodes[m]) * self.symbol[m] * entering);
                self.symbol[n] = p(node) * self.symbol[n]
                    + empty * self.blank[cell * STATES + usize::from(node.state)]
                    + (flow[usize::from(node.state)] - repeated).max(0.0);
                largest = largest.max(self.symbol[n]);
            }
            for (state, flow) in flow.iter().enumerate() {
                let blank = &mut self.blank[cell * STATES + state];
                *blank = empty * *blank + flow;
                largest = largest.max(*blank);
            }
        }
        for cell in now.filter(|cell| !before.contains(cell)) {
            self.symbol[lattice.nodes_of(cell)].fill(0.0);
            self.blank[cell * STATES..(cell + 1) * STATES].fill(0.0);
        }
        let scale = 1.0 / largest.max(self.start).max(f64::MIN_POSITIVE);
        for cell in before {
            let nodes = &mut self.symbol[lattice.nodes_of(cell)];
            let blanks = &mut self.blank[cell * STATES..(cell + 1) * STATES];
            nodes.iter_mut().chain(blanks).for_each(|value| *value *= scale);
        }
        self.start *= scale;
    }
}

#[cfg(test)]
mod tests {
    use super::super::alphabet::symbol;
    use super::super::layout::Layout;
    use super::super::testing::{Noise, frames_of};
    use super::*;
    use reinstate_domain::document::MrzFormat;

    fn best(reading: &LineReading) -> String {
        let of = |cell: &[f32; SYMBOLS]| (0..SYMBOLS).max_by(|a, b| cell[*a].total_cmp(&cell[*b])).unwrap();
        reading.cells.iter().map(|cell| super::super::alphabet::character(of(cell) as u8)).collect()
    }

    #[test]
    fn a_run_of_fillers_has_the_length_that_the_line_leaves_for_it() {
        let text = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<";
        let layout = Layout::of(MrzFormat::Td3);
        for swallow in [0, 2, 3, 5] {
            let frames = frames_of(text, &Noise { swallow, ..Noise::none() });
            assert_eq!(frames.greedy().len() < text.len(), swallow > 0);
            let reading = read_line(&frames, layout.line(0)).unwrap();
            assert_eq!(best(&reading), text);
        }
    }

    #[test]
    fn a_letter_in_a_cell_of_digits_is_read_as_the_next_best_digit() {
        let layout = Layout::of(MrzFormat::Td3);
        let mut frames = frames_of("L898902C36UTO74O8122F1204159ZE184226B<<<<<10", &Noise::none());
        let mut rows = frames.rows().to_vec();
        let at = rows.iter().position(|row| row[usize::from(symbol('O').unwrap())] > 0.5).unwrap();
        assert!(at < 40, "that is the O of UTO");
        for row in &mut rows[at + 1..] {
            if row[usize::from(symbol('O').unwrap())] > 0.5 {
                row[0] = 0.2;
            }
        }
        frames = Frames::new(rows);
        assert_eq!(
            best(&read_line(&frames, layout.line(1)).unwrap()),
            "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
        );
    }

    #[test]
    fn a_line_of_another_length_fits_worse() {
        let td2 = frames_of("D231458907UTO7408122F1204159<<<<<<<6", &Noise::none());
        let fit = |format| read_line(&td2, Layout::of(format).line(1)).unwrap().fit;
        assert!(fit(MrzFormat::Td2) > fit(MrzFormat::Td3) + 0.1);
    }

    #[test]
    fn fewer_frames_than_cells_are_no_reading() {
        let frames = frames_of("P<UTO", &Noise::none());
        assert!(read_line(&frames, Layout::of(MrzFormat::Td3).line(0)).is_none());
    }
}
