//! Owns the units a person types: durations (`500ms`) and byte sizes (`64MiB`).
//! Does not accept a bare duration: its unit would be a guess.

use std::time::Duration;

/// A duration with its unit: `ns`, `us`, `ms`, `s`, `m`, `h`. Fractions are allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds_per_unit = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a number with a unit, such as `500ms`, `1.5s` or `2m`".into()),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
    Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|e| e.to_string())
}

/// A number of bytes: bare, or with `KiB`, `MiB`, `GiB`, `TiB` (binary) or `kB`, `MB`, `GB`, `TB` (decimal).
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let bytes_per_unit: u64 = match unit {
        "" | "B" => 1,
        "K" | "k" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        "kB" => 1000,
        "MB" => 1000_u64.pow(2),
        "GB" => 1000_u64.pow(3),
        "TB" => 1000_u64.pow(4),
        _ => return Err("expected a size such as `65536`, `64MiB` or `1GB`".into()),
    };
    let number: u64 = number.parse().map_err(|_| format!("`{number}` is not a whole number"))?;
    number.checked_mul(bytes_per_unit).ok_or_else(|| "more than 16 EiB".into())
}

/// A size as a person reads it: `17 B`, `2.6 KiB`.
pub fn show_size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0
        && let Some(larger) = units.next()
    {
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(parse_duration("1.5ms"), Ok(Duration::from_micros(1500)));
        assert!(parse_duration("10").is_err());
        assert!(
            parse_duration("-1s").is_err()
                && parse_duration("s").is_err()
                && parse_duration("").is_err()
        );
        assert!(parse_duration("99999999999999999999999h").is_err());
    }

    #[test]
    fn sizes_are_binary_or_decimal() {
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("1 GB"), Ok(1_000_000_000));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(
            parse_size("1.5MiB").is_err()
                && parse_size("99999999TiB").is_err()
                && parse_size("x").is_err()
        );
    }

    #[test]
    fn sizes_are_shown_with_one_decimal() {
        assert_eq!(
            (show_size(17), show_size(2662), show_size(1 << 20)),
            ("17 B".into(), "2.6 KiB".into(), "1.0 MiB".into())
        );
    }
}
