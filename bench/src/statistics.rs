//! Owns the few statistics that reports use: median, extremes, geometric mean.
//! Does not know what the numbers mean.

/// The middle value; of an even count, the mean of the two in the middle. `None` for no samples.
pub fn median(samples: &[u64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let (low, high) =
        (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((*low as f64 + *high as f64) / 2.0)
}

/// The smallest and the largest sample.
pub fn extremes(samples: &[u64]) -> Option<(u64, u64)> {
    Some((*samples.iter().min()?, *samples.iter().max()?))
}

/// The geometric mean of positive ratios; `None` for none.
pub fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    if ratios.is_empty() {
        return None;
    }
    Some((ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), Some(7.0));
        assert_eq!(median(&[9, 1, 5]), Some(5.0));
        assert_eq!(median(&[9, 1, 5, 6]), Some(5.5));
    }

    #[test]
    fn means_and_extremes() {
        assert_eq!(geometric_mean(&[]), None);
        assert!((geometric_mean(&[0.5, 2.0, 8.0]).unwrap() - 2.0).abs() < 1e-12);
        assert_eq!(extremes(&[3, 1, 2]), Some((1, 3)));
    }
}
