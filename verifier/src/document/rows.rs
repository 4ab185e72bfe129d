//! Where the machine-readable zone is: the rows of text that look like one, completed by what the detector lost. Rows that
//! are mostly fillers come in pieces or not at all, but all rows of a zone begin and end alike and keep one distance.

use super::line::Line;
use super::mrz::alphabet::folded;
use super::text::Quad;
use crate::recognise::Point;

/// A row of a zone.
pub(crate) struct Row {
    pub(crate) quad: Quad,
    /// Text was found here; else this is only where a row would be.
    pub(crate) seen: bool,
    /// The line that is all of this row, when one is.
    pub(crate) line: Option<usize>,
}

/// Rows that may be a zone, from top to bottom.
pub(crate) struct Candidate {
    pub(crate) rows: Vec<Row>,
    /// Fillers on all of them. A zone without any is rare, a heading in capitals is not.
    pub(crate) fillers: usize,
    /// The text holds what the one line of a French driving licence begins with; other zones have more rows.
    pub(crate) one_line: bool,
}

/// Share of a row's width that a line must have to be all of it.
const ALL_OF_IT: f32 = 0.97;

/// Characters that are seen in one row at most: the longest has 44, and of fillers there may seem to be more. Two rows of the shortest
/// zone have 60.
const MOST_IN_A_ROW: usize = 54;

/// How much a line looks like a row of a zone.
#[derive(Clone, Copy)]
struct Likeness {
    /// Characters that a zone may hold.
    symbols: usize,
    fillers: usize,
    /// Share of the characters that a zone may hold.
    share: f32,
}

/// Each zone that there could be, the likeliest first.
pub(crate) fn find_rows(lines: &[Line]) -> Vec<Candidate> {
    let likeness: Vec<Likeness> = lines.iter().map(likeness).collect();
    let mut anchors: Vec<usize> = (0..lines.len()).filter(|i| is_anchor(likeness[*i])).collect();
    anchors.sort_by_key(|i| std::cmp::Reverse(likeness[*i].symbols + 2 * likeness[*i].fillers.min(20)));
    let mut used = vec![false; lines.len()];
    let mut found = Vec::new();
    for anchor in anchors {
        if !used[anchor] {
            found.push(around(anchor, lines, &likeness, &mut used));
        }
    }
    found
}

fn likeness(line: &Line) -> Likeness {
    let (mut symbols, mut fillers, mut others) = (0, 0, 0);
    for c in line.text.chars().filter(|c| !c.is_whitespace()) {
        match folded(c) {
            Some(true) => fillers += 1,
            Some(false) if !c.is_lowercase() => symbols += 1,
            _ => others += 1,
        }
    }
    let all = (symbols + fillers + others).max(1);
    Likeness { symbols: symbols + fillers, fillers, share: (symbols + fillers) as f32 / all as f32 }
}

fn is_anchor(line: Likeness) -> bool {
    line.share >= 0.8 && (line.symbols >= 20 || line.symbols >= 8 && line.fillers >= 2)
}

/// The zone that holds this line.
fn around(anchor: usize, lines: &[Line], likeness: &[Likeness], used: &mut [bool]) -> Candidate {
    let origin = lines[anchor].quad.centre();
    let direction = lines[anchor].quad.direction();
    let height = lines[anchor].quad.height();
    let place = |p: Point| {
        let [x, y] = [p[0] - origin[0], p[1] - origin[1]];
        [x * direction[0] + y * direction[1], y * direction[0] - x * direction[1]]
    };
    // Everything like a row that is near, by its distance from the anchor's axis.
    let reach = 6.0 * height;
    let width = lines[anchor].quad.width();
    let mut members: Vec<(f32, usize)> = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let [along, down] = place(line.quad.centre());
        let turned = line.quad.direction()[0] * direction[0] + line.quad.direction()[1] * direction[1];
        let ratio = line.quad.height() / height;
        let long = likeness[i].symbols >= 15 && line.quad.width() > 0.5 * width;
        let alike = likeness[i].share >= 0.7 && (long || likeness[i].fillers >= 2)
            || (likeness[i].share >= 0.8 && down.abs() < 0.5 * height);
        let near = down.abs() < reach && along.abs() < width * 1.2;
        // Beside the anchor and too long to be a piece of the same row: of another document.
        let apart = along.abs() > 0.9 * (width + line.quad.width()) / 2.0;
        let of_another = apart && likeness[i].symbols + likeness[anchor].symbols > MOST_IN_A_ROW;
        if i == anchor || alike && near && !of_another && turned > 0.97 && (0.4..2.5).contains(&ratio) {
            members.push((down, i));
            used[i] = true;
        }
    }
    members.sort_by(|a, b| a.0.total_cmp(&b.0));
    let clusters: Vec<Vec<usize>> = members
        .chunk_by(|a, b| b.0 - a.0 < 0.5 * height)
        .map(|chunk| chunk.iter().map(|(_, i)| *i).collect())
        .collect();

    let quads = || members.iter().map(|(_, i)| &lines[*i].quad);
    let left = quads().map(|q| place(q.ends().0)[0]).fold(f32::INFINITY, f32::min);
    let right = quads().map(|q| place(q.ends().1)[0]).fold(f32::NEG_INFINITY, f32::max);
    let mut heights: Vec<f32> = quads().map(Quad::height).collect();
    heights.sort_by(f32::total_cmp);
    let height = heights[heights.len() / 2];

    // In the anchor's frame each row is a straight line through the ends of its pieces.
    let axes: Vec<[f32; 4]> = clusters
        .iter()
        .map(|cluster| {
            let ends = |i: &usize| [lines[*i].quad.ends().0, lines[*i].quad.ends().1].map(place);
            let first = cluster.iter().map(|i| ends(i)[0]).min_by(|a, b| a[0].total_cmp(&b[0]));
            let last = cluster.iter().map(|i| ends(i)[1]).max_by(|a, b| a[0].total_cmp(&b[0]));
            let ([ax, ay], [bx, by]) = (first.unwrap_or_default(), last.unwrap_or_default());
            let slope = (by - ay) / (bx - ax).max(1.0);
            // A short piece says little about the slope of its row.
            let slope = if bx - ax < 0.6 * (right - left) { 0.0 } else { slope };
            let middle = [(ax + bx) / 2.0, (ay + by) / 2.0];
            [middle[0], middle[1], slope, bx - ax]
        })
        .collect();
    let at = |axis: &[f32; 4], x: f32| axis[1] + (x - axis[0]) * axis[2];
    let centre = (left + right) / 2.0;
    let levels: Vec<f32> = axes.iter().map(|axis| at(axis, centre)).collect();
    let gaps = levels.windows(2).map(|pair| pair[1] - pair[0]);
    // ICAO 9303-3: lines are 6.35 mm apart and characters 2.54 mm; of the formats, the passport has most of them.
    let pitch = gaps.reduce(f32::min).unwrap_or((right - left) / 44.0 * 2.5);

    let back = |[along, down]: Point| {
        [
            origin[0] + along * direction[0] - down * direction[1],
            origin[1] + along * direction[1] + down * direction[0],
        ]
    };
    let quad = |axis: &[f32; 4], shift: f32| {
        let half = height / 2.0;
        let (l, r) = (at(axis, left) + shift, at(axis, right) + shift);
        Quad { corners: [[left, l - half], [right, r - half], [right, r + half], [left, l + half]].map(back) }
    };
    let mut rows = Vec::new();
    if let (Some(first), Some(last)) = (axes.first(), axes.last()) {
        let unseen = |quad: Quad| Row { quad, seen: false, line: None };
        rows.push(unseen(quad(first, -pitch)));
        for (i, axis) in axes.iter().enumerate() {
            let line = match clusters[i][..] {
                [line] if axis[3] > ALL_OF_IT * (right - left) => Some(line),
                _ => None,
            };
            rows.push(Row { quad: quad(axis, 0.0), seen: true, line });
            let gap = levels.get(i + 1).map_or(0.0, |next| next - levels[i]);
            if gap > 1.6 * pitch {
                rows.push(unseen(quad(axis, gap / 2.0)));
            }
        }
        rows.push(unseen(quad(last, pitch)));
    }
    let of = |i: usize| &lines[i].text;
    Candidate {
        rows,
        fillers: members.iter().map(|(_, i)| likeness[*i].fillers).sum(),
        one_line: members.iter().any(|(_, i)| of(*i).contains("FRA") || of(*i).contains("D1")),
    }
}
