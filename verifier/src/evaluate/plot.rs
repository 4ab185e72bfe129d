//! Plots as SVG, to stand in a page as they are.

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use super::documents::Curve;
use super::faces::Matching;

type Failed = DrawingAreaErrorKind<std::io::Error>;
type Plotted = Result<String, Failed>;

const SIZE: (u32, u32) = (460, 300);
const GOOD: RGBColor = RGBColor(31, 119, 180);
const BAD: RGBColor = RGBColor(200, 40, 40);
/// Below this nothing is told from zero on logarithmic axes.
const LEAST: f64 = 1e-5;

/// A line, or single marks.
struct Series<'a> {
    name: &'a str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
    /// An interval around each point.
    bounds: Vec<(f64, f64, f64)>,
}

struct Axes<'a> {
    title: &'a str,
    x: &'a str,
    y: &'a str,
    /// Where the lines leave room; without it the page says what the colours are.
    legend: Option<SeriesLabelPosition>,
}

/// Exact reading and valid-but-wrong against one disturbance, with 95 % intervals.
pub(super) fn curve(curve: &Curve) -> Plotted {
    let xs = curve.points.iter().map(|point| f64::from(point.amount));
    let (low, high) = xs.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let margin = ((high - low) * 0.04).max(1e-3);
    let series = |name, colour, of: fn(&super::documents::CurvePoint) -> super::statistics::Rate| Series {
        name,
        colour,
        points: curve.points.iter().map(|p| (f64::from(p.amount), of(p).rate * 100.0)).collect(),
        bounds: curve
            .points
            .iter()
            .map(|p| (f64::from(p.amount), of(p).low * 100.0, of(p).high * 100.0))
            .collect(),
    };
    let axes = Axes { title: &curve.disturbance, x: &curve.unit, y: "% of photos", legend: None };
    let all = [series("exact", GOOD, |p| p.exact), series("valid but wrong", BAD, |p| p.wrong)];
    draw(&axes, low - margin..high + margin, 0.0..101.0, &all, &|x| short(*x), &|y| format!("{y:.0}"))
}

/// The detection error trade-off on logarithmic axes.
pub(super) fn det(matching: &Matching) -> Plotted {
    let points =
        matching.det.iter().map(|p| (p.false_match.max(LEAST), p.false_non_match.max(LEAST))).collect();
    let series = Series { name: "detection error trade-off", colour: GOOD, points, bounds: Vec::new() };
    let axes = Axes {
        title: "Detection error trade-off",
        x: "false match rate",
        y: "false non-match rate",
        legend: Some(SeriesLabelPosition::UpperRight),
    };
    let range = || (LEAST..1.0).log_scale();
    draw(&axes, range(), range(), &[series], &|x| power(*x), &|y| power(*y))
}

/// From similarity to the rate of false matches.
pub(super) fn calibration(matching: &Matching) -> Plotted {
    let line = |of: fn(&super::statistics::CalibrationPoint) -> f64| {
        matching.calibration.iter().map(|p| (f64::from(p.similarity), of(p).max(LEAST))).collect()
    };
    let series = [
        Series { name: "seen", colour: GOOD, points: line(|p| p.false_match), bounds: Vec::new() },
        Series { name: "at most, 95 %", colour: BAD, points: line(|p| p.at_most), bounds: Vec::new() },
    ];
    let axes = Axes {
        title: "Calibration",
        x: "similarity, cosine",
        y: "false match rate",
        legend: Some(SeriesLabelPosition::UpperRight),
    };
    draw(&axes, 0.0..1.0, (LEAST..1.0).log_scale(), &series, &|x| format!("{x:.1}"), &|y| power(*y))
}

/// How many comparisons lie where.
pub(super) fn histogram(matching: &Matching, match_at: f32) -> Plotted {
    let share = |bins: &[usize]| {
        let all = bins.iter().sum::<usize>().max(1) as f64;
        let steps = bins.iter().enumerate().flat_map(|(n, count)| {
            let (left, height) = (n as f64 / 20.0 - 1.0, *count as f64 / all * 100.0);
            [(left, height), (left + 0.05, height)]
        });
        steps.collect::<Vec<_>>()
    };
    let [genuine, impostor] = [share(&matching.histogram[0]), share(&matching.histogram[1])];
    let highest = genuine.iter().chain(&impostor).map(|point| point.1).fold(1.0, f64::max);
    let at = f64::from(match_at);
    let series = [
        Series { name: "same person", colour: GOOD, points: genuine, bounds: Vec::new() },
        Series { name: "different people", colour: BAD, points: impostor, bounds: Vec::new() },
        Series {
            name: "match",
            colour: RGBColor(90, 90, 90),
            points: vec![(at, 0.0), (at, highest)],
            bounds: Vec::new(),
        },
    ];
    let axes = Axes {
        title: "Similarities",
        x: "similarity, cosine",
        y: "% of comparisons",
        legend: Some(SeriesLabelPosition::UpperRight),
    };
    draw(&axes, -0.4..1.0, 0.0..highest * 1.05, &series, &|x| format!("{x:.1}"), &|y| format!("{y:.0}"))
}

fn draw<X, Y>(
    axes: &Axes,
    x: X,
    y: Y,
    all: &[Series],
    x_label: &dyn Fn(&f64) -> String,
    y_label: &dyn Fn(&f64) -> String,
) -> Plotted
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let text = ("sans-serif", 12);
        let mut chart = ChartBuilder::on(&area)
            .caption(axes.title, ("sans-serif", 15))
            .margin(8)
            .x_label_area_size(38)
            .y_label_area_size(52)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(axes.x)
            .y_desc(axes.y)
            .axis_desc_style(text)
            .label_style(("sans-serif", 11))
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .x_label_formatter(x_label)
            .y_label_formatter(y_label)
            .draw()?;
        for series in all {
            let colour = series.colour;
            for (x, low, high) in &series.bounds {
                chart.draw_series(LineSeries::new(
                    [(*x, *low), (*x, *high)],
                    colour.mix(0.45).stroke_width(2),
                ))?;
            }
            chart
                .draw_series(LineSeries::new(series.points.iter().copied(), colour.stroke_width(2)))?
                .label(series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
            if !series.bounds.is_empty() {
                chart
                    .draw_series(series.points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
            }
        }
        if let Some(position) = &axes.legend
            && all.len() > 1
        {
            chart
                .configure_series_labels()
                .position(position.clone())
                .background_style(WHITE.mix(0.8))
                .label_font(text)
                .draw()?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn short(value: f64) -> String {
    if value.abs() >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn power(value: f64) -> String {
    if value > 0.0 { format!("1e{:.0}", value.log10()) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::documents::CurvePoint;
    use super::super::statistics::Rate;
    use super::*;

    #[test]
    fn a_curve_names_its_axes_and_marks_each_point() {
        let point = |amount: f32, exact| CurvePoint {
            strength: amount / 40.0,
            amount,
            exact: Rate::wilson(exact, 10),
            wrong: Rate::exact(0, 10),
        };
        let points = vec![point(0.0, 10), point(20.0, 9), point(40.0, 2)];
        let svg =
            curve(&Curve { disturbance: "perspective".into(), unit: "degrees".into(), points }).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("perspective") && svg.contains("degrees"));
        assert_eq!(svg.matches("<circle").count(), 6);
    }
}
