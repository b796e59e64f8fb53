//! Owns the flame graph of a profile: an SVG that any browser shows, with names and shares under the pointer.
//! Does not depend on scripts: it is one static picture.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use sterna::GuestProfile;

/// Width of the picture and height of a row, in pixels.
const WIDTH: f64 = 1200.0;
const ROW: f64 = 17.0;
/// Narrower boxes are left out, and narrower ones have no text.
const NARROWEST: f64 = 0.3;
const TEXT: f64 = 30.0;
/// Width of a character.
const CHARACTER: f64 = 6.6;
/// Deeper rows are left out.
const DEEPEST: usize = 400;

/// A function in the place where it was called.
#[derive(Default)]
struct Node {
    total: Duration,
    /// How much of it the function spent in each [`CodeTier`].
    tiers: [Duration; 3],
    callees: BTreeMap<String, Node>,
}

/// The picture.
pub fn draw(title: &str, profile: &GuestProfile) -> String {
    let root = tree(profile);
    let depth = depth(&root).min(DEEPEST);
    let height = (depth as f64 + 3.0) * ROW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"4\" y=\"13\">{} \u{2013} {:.3} s, {} samples; orange: interpreter, yellow: baseline, green: optimized</text>\n",
        escaped(title),
        root.total.as_secs_f64(),
        profile.samples.len()
    );
    let mut drawing = Drawing { svg: &mut svg, all: root.total, bottom: height - ROW };
    drawing.node("all", &root, 0.0, 0);
    svg.push_str("</svg>\n");
    svg
}

fn tree(profile: &GuestProfile) -> Node {
    let mut root = Node::default();
    for sample in &profile.samples {
        root.total += sample.weight;
        let mut node = &mut root;
        for &at in sample.stack.iter().take(DEEPEST) {
            let function = &profile.functions[at as usize];
            node = node.callees.entry(function.name.clone()).or_default();
            node.total += sample.weight;
            node.tiers[function.tier as usize] += sample.weight;
        }
    }
    root
}

fn depth(node: &Node) -> usize {
    1 + node.callees.values().map(depth).max().unwrap_or(0)
}

struct Drawing<'a> {
    svg: &'a mut String,
    all: Duration,
    bottom: f64,
}

impl Drawing<'_> {
    /// Draws a node at `x`, and what it called above it.
    fn node(&mut self, name: &str, node: &Node, x: f64, depth: usize) {
        let share = match self.all.is_zero() {
            true => 0.0,
            false => node.total.as_secs_f64() / self.all.as_secs_f64(),
        };
        let width = share * WIDTH;
        if width < NARROWEST || depth > DEEPEST {
            return;
        }
        let y = self.bottom - depth as f64 * ROW;
        let name = escaped(name);
        let [interp, baseline, opt] = node.tiers.map(|part| match node.total.is_zero() {
            true => 0.0,
            false => part.as_secs_f64() / node.total.as_secs_f64(),
        });
        // From orange over yellow to green.
        let color = if depth == 0 {
            "#ddd".to_owned()
        } else {
            format!("hsl({:.0},75%,68%)", 28.0 + 28.0 * baseline + 92.0 * opt)
        };
        write!(
            self.svg,
            "<g><title>{name}: {:.2} %, {:.1} ms, {:.0} % of it interpreted, {:.0} % baseline, {:.0} % optimized</title>\
             <rect x=\"{x:.2}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{:.1}\" fill=\"{color}\" stroke=\"#fff\" stroke-width=\"0.5\"/>",
            share * 100.0,
            node.total.as_secs_f64() * 1e3,
            interp * 100.0,
            baseline * 100.0,
            opt * 100.0,
            ROW - 1.0
        )
        .expect("a string takes everything");
        if width >= TEXT {
            let text = shortened(&name, ((width - 6.0) / CHARACTER) as usize);
            write!(self.svg, "<text x=\"{:.2}\" y=\"{:.1}\">{text}</text>", x + 3.0, y + 12.0)
                .expect("a string takes everything");
        }
        self.svg.push_str("</g>\n");
        let mut x = x;
        for (name, callee) in &node.callees {
            self.node(name, callee, x, depth + 1);
            x += callee.total.as_secs_f64() / self.all.as_secs_f64() * WIDTH;
        }
    }
}

/// At most so many characters; an entity counts as what it is written with, and is not cut.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(2)).collect();
    if let Some(start) = short.rfind('&')
        && !short[start..].contains(';')
    {
        short.truncate(start);
    }
    short + ".."
}

/// Text for XML, which has no control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sterna::{CodeTier, ProfiledFunction, ProfiledSample};

    #[test]
    fn boxes_are_as_wide_as_their_time() {
        let function = |name: &str, tier| ProfiledFunction { name: name.into(), index: 0, tier };
        let sample = |weight, stack: &[u32]| ProfiledSample {
            time: Duration::ZERO,
            weight: Duration::from_millis(weight),
            stack: stack.into(),
        };
        let profile = GuestProfile {
            functions: vec![
                function("main", CodeTier::Interp),
                function("a<b>&\u{1}", CodeTier::Opt),
            ],
            samples: vec![sample(250, &[0, 1]), sample(750, &[0])],
        };
        let svg = draw("x & y", &profile);
        assert!(svg.contains("x &amp; y \u{2013} 1.000 s, 2 samples"), "{svg}");
        assert!(
            svg.contains("<title>main: 100.00 %, 1000.0 ms, 100 % of it interpreted, 0 % baseline, 0 % optimized</title>"),
            "{svg}"
        );
        let inner = "<title>a&lt;b&gt;&amp;\u{fffd}: 25.00 %, 250.0 ms, 0 % of it interpreted, 0 % baseline, 100 % optimized</title><rect x=\"0.00\" y=";
        assert!(svg.contains(inner) && svg.contains("width=\"300.00\""), "{svg}");
        assert!(draw("", &GuestProfile::default()).ends_with("</svg>\n"));
    }

    #[test]
    fn entities_are_not_cut() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcd..");
        assert_eq!(shortened("a&amp;bcdef", 6), "a..");
    }
}
