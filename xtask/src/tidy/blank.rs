//! Owns the one scanner of tidy: it blanks strings and comments, so that checks see only code.
//! Does not parse Rust: braces and words are all that the checks need.

/// The source with every comment, string and character literal replaced by spaces.
/// Lines keep their number and characters their column.
pub fn blank(source: &str) -> String {
    let mut scanner = Scanner { rest: source, out: String::with_capacity(source.len()) };
    while let Some(c) = scanner.rest.chars().next() {
        let taken = scanner.literal_length(c);
        match taken {
            0 => scanner.keep(c),
            n => scanner.erase(n),
        }
    }
    scanner.out
}

struct Scanner<'a> {
    rest: &'a str,
    out: String,
}

impl Scanner<'_> {
    /// Bytes of the comment or literal that starts here; 0 when code starts here.
    fn literal_length(&self, first: char) -> usize {
        match first {
            '/' if self.rest.starts_with("//") => line_comment(self.rest),
            '/' if self.rest.starts_with("/*") => block_comment(self.rest),
            '"' => quoted(self.rest),
            'r' if !self.inside_word() => raw_string(self.rest),
            'b' | 'c' if !self.inside_word() => match raw_string(&self.rest[1..]) {
                0 => 0,
                n => n + 1,
            },
            '\'' => char_literal(self.rest),
            _ => 0,
        }
    }

    fn inside_word(&self) -> bool {
        self.out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn keep(&mut self, c: char) {
        self.out.push(c);
        self.rest = &self.rest[c.len_utf8()..];
    }

    fn erase(&mut self, bytes: usize) {
        let (erased, rest) = self.rest.split_at(bytes);
        self.out.extend(erased.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

fn line_comment(s: &str) -> usize {
    s.find('\n').unwrap_or(s.len())
}

fn block_comment(s: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < s.len() {
        let rest = &s.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    s.len()
}

fn quoted(s: &str) -> usize {
    let mut escaped = false;
    for (at, c) in s.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    s.len()
}

/// `r"…"`, `r#"…"#`; 0 for a raw identifier or an ordinary word.
fn raw_string(s: &str) -> usize {
    let Some(after) = s.strip_prefix('r') else { return 0 };
    let hashes = after.len() - after.trim_start_matches('#').len();
    if !after[hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let body = 1 + hashes + 1;
    s[body..].find(&end).map_or(s.len(), |at| body + at + end.len())
}

/// `'x'` or `'\n'`; 0 for a lifetime.
fn char_literal(s: &str) -> usize {
    let mut chars = s.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => s.get(3..).and_then(|s| s.find('\'')).map_or(0, |at| 3 + at + 1),
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn blanks_comments_and_literals_in_place() {
        assert_eq!(blank("a // {\nb"), "a     \nb");
        assert_eq!(blank("a /* { /* } */ */ b"), "a                 b");
        assert_eq!(
            blank(r#"f("{\"{", '{', '\'')"#),
            format!("f({}, {}, {})", " ".repeat(6), "   ", "    ")
        );
        assert_eq!(blank("r#\"{\"\"#;"), "       ;");
        assert_eq!(blank("br\"{\";b\"{\";"), "     ;b   ;");
    }

    #[test]
    fn keeps_lifetimes_and_raw_identifiers() {
        let code = "fn f<'a>(r#in: &'a str) {}";
        assert_eq!(blank(code), code);
    }

    #[test]
    fn unterminated_literals_end_with_the_file() {
        assert_eq!(blank("x \"abc"), "x     ");
        assert_eq!(blank("x /* a"), "x     ");
    }

    #[test]
    fn wide_characters_keep_their_column() {
        assert_eq!(blank("\"é\" {"), "    {");
    }
}
