//! Owns the diagrams: horizontal bars in groups, written as SVG text.
//! Does not choose what is shown.

use std::fmt::Write;

/// One bar.
pub struct Bar {
    /// The engine; gives the colour and the entry of the legend.
    pub series: String,
    /// The length; not negative.
    pub value: f64,
    /// What stands at its end.
    pub label: String,
}

/// Bars under one heading.
pub struct Group {
    pub title: String,
    pub bars: Vec<Bar>,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 120.0;
const RIGHT: f64 = 170.0;
const BAR: f64 = 11.0;
const GAP: f64 = 9.0;
const TOP: f64 = 62.0;
/// Ours first, in the strongest colours; the rest in the order of appearance.
const OURS: [&str; 3] = ["#c2185b", "#e91e63", "#f48fb1"];
const OTHERS: [&str; 8] =
    ["#546e7a", "#1976d2", "#43a047", "#fb8c00", "#8e24aa", "#00897b", "#6d4c41", "#9e9d24"];

/// The diagram. Bars longer than `limit` are cut there and keep their label; a thin line marks `mark`, if there is one.
pub fn bars(title: &str, groups: &[Group], limit: f64, mark: Option<f64>) -> String {
    let series = series_of(groups);
    let rows: usize = groups.iter().map(|g| g.bars.len()).sum();
    let height = TOP + rows as f64 * BAR + groups.len() as f64 * GAP + 10.0;
    let longest = groups.iter().flat_map(|g| &g.bars).map(|b| b.value).fold(0.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / longest.min(limit).max(f64::MIN_POSITIVE);
    let mut svg = String::new();
    // Writing to a String cannot fail; the results below are dropped for that reason.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"10\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"20\" font-size=\"14\" font-weight=\"bold\">{}</text>",
        escape(title)
    );
    legend(&mut svg, &series);
    let mut y = TOP;
    for group in groups {
        let middle = y + (group.bars.len() as f64 * BAR) / 2.0 + 3.5;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            escape(&group.title)
        );
        for bar in &group.bars {
            let length = bar.value.min(limit) * scale;
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{}\" fill=\"{}\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"9\">{}</text>",
                BAR - 1.5,
                colour(&series, &bar.series),
                LEFT + length + 4.0,
                y + BAR - 3.0,
                escape(&bar.label)
            );
            y += BAR;
        }
        y += GAP;
    }
    if let Some(mark) = mark {
        let x = LEFT + mark * scale;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{:.1}\" stroke=\"black\" stroke-width=\"0.7\" stroke-dasharray=\"3 3\"/>",
            TOP - 6.0,
            y - GAP
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String, series: &[&str]) {
    let mut x = LEFT;
    for name in series {
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"34\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{:.1}\" y=\"43\">{}</text>",
            colour(series, name),
            x + 14.0,
            escape(name)
        );
        x += 30.0 + 6.5 * name.len() as f64;
    }
}

/// The names in the order of their first bars.
fn series_of(groups: &[Group]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for bar in groups.iter().flat_map(|g| &g.bars) {
        if !names.contains(&bar.series.as_str()) {
            names.push(&bar.series);
        }
    }
    names
}

fn colour(series: &[&str], name: &str) -> &'static str {
    let ours = |n: &&&str| n.starts_with("sterna") == name.starts_with("sterna");
    let index = series.iter().filter(ours).position(|n| *n == name).unwrap_or(0);
    let palette: &[&str] = if name.starts_with("sterna") { &OURS } else { &OTHERS };
    palette[index % palette.len()]
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(values: &[(&str, f64)]) -> Group {
        let bar = |&(series, value): &(&str, f64)| Bar {
            series: series.into(),
            value,
            label: "<l>".into(),
        };
        Group { title: "a & b".into(), bars: values.iter().map(bar).collect() }
    }

    #[test]
    fn bars_are_scaled_cut_and_escaped() {
        let svg = bars("t", &[group(&[("sterna", 1.0), ("x", 2.0), ("y", 9.0)])], 4.0, Some(1.0));
        let full = WIDTH - LEFT - RIGHT;
        assert!(svg.contains(&format!("width=\"{:.1}\"", full / 4.0)));
        assert!(svg.contains(&format!("width=\"{full:.1}\"")));
        assert!(svg.contains("a &amp; b") && svg.contains("&lt;l&gt;") && !svg.contains("<l>"));
    }

    #[test]
    fn colours_tell_engines_apart() {
        let series = ["sterna", "x", "sterna-interp", "y"];
        let all: std::collections::BTreeSet<_> =
            series.iter().map(|n| colour(&series, n)).collect();
        assert_eq!(all.len(), 4);
        assert_eq!(colour(&series, "sterna"), OURS[0]);
    }
}
