//! A straight line through measurements that some do not fit.

use super::quality::median;

/// Share of what is measured below which its spread is not believed.
const LEAST_SPREAD: f32 = 0.004;

/// What a straight line through points, that some do not fit, has at `x`, and the spread of those that do: least squares, each
/// weighed by Cauchy's function of how far off it is. `None` where that is not above zero: nothing that is measured here is.
pub(super) fn trend(points: &[(f32, f32)], x: f32) -> Option<(f32, f32)> {
    let mut weights = vec![1.0f32; points.len()];
    let mut ended = None;
    for _ in 0..6 {
        let sum = |of: &dyn Fn(f32, f32) -> f32| -> f32 {
            points.iter().zip(&weights).map(|((x, y), weight)| weight * of(*x, *y)).sum()
        };
        let all = sum(&|_, _| 1.0);
        let (mean_x, mean_y) = (sum(&|x, _| x) / all, sum(&|_, y| y) / all);
        let along = sum(&|x, _| (x - mean_x).powi(2));
        let slope = sum(&|x, y| (x - mean_x) * (y - mean_y)) / along.max(f32::EPSILON);
        let at = |x: f32| mean_y + slope * (x - mean_x);
        let off = |(x, y): &(f32, f32)| (y - at(*x)).abs();
        let typical = median(points.iter().map(|(_, y)| *y).collect());
        // 1.48 makes a standard deviation of a median of deviations, if they are normal.
        let spread = (1.48 * median(points.iter().map(off).collect())).max(LEAST_SPREAD * typical);
        ended = Some((at(x), spread));
        weights = points.iter().map(|point| 1.0 / (1.0 + (off(point) / (2.0 * spread)).powi(2))).collect();
    }
    ended.filter(|(value, _)| *value > 0.0)
}
