//! The tokens of a query, as in SQL. Comments are skipped: `/* .. */`, `-- ..`, `// ..`, `# ..`.

use super::query::Literal;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword.
    Word(String),
    /// A name in backquotes, never a keyword.
    Name(String),
    Value(Literal),
    Symbol(&'static str),
    /// An incomplete or invalid value.
    Unfinished,
}

/// A token with its position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// Byte position of the token's end.
    pub(super) end: usize,
    /// Text of the token in an error. Symbols have none.
    pub(super) near: Option<String>,
}

const SYMBOLS: [&str; 28] = [
    "<=>", "->>", "!=", "<>", "<=", ">=", "&&", "||", "<<", ">>", "->", "=", "<", ">", "(", ")", ",", ".", ";", "!",
    "+", "-", "*", "/", "%", "&", "|", "~",
];

/// The tokens of a query, read one by one. An invalid token is the last one, so that the parser reports it.
pub(super) struct Tokens<'q> {
    query: &'q str,
    at: usize,
    ended: bool,
}

impl<'q> Tokens<'q> {
    pub(super) fn new(query: &'q str) -> Self {
        Self { query, at: 0, ended: false }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Placed;

    fn next(&mut self) -> Option<Placed> {
        while !self.ended {
            let rest = &self.query[self.at..];
            let first = rest.chars().next()?;
            if let Some(length) = skipped(rest, first) {
                self.at += length;
                continue;
            }
            let (token, length, near) = read(rest, first);
            self.at += length;
            self.ended = token == Token::Unfinished;
            let near = near.filter(|near| !near.is_empty());
            return Some(Placed { token, end: self.at, near });
        }
        None
    }
}

/// Reads a token: the token, its length, and its text in an error.
fn read(rest: &str, first: char) -> (Token, usize, Option<String>) {
    match first {
        '\'' | '"' | '`' => quoted(rest, first),
        '/' if rest.starts_with("/*") => (Token::Unfinished, rest.len(), Some(rest.to_owned())),
        '0'..='9' => number(rest),
        '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => number(rest),
        letter if is_letter(letter) => {
            let length = rest.find(|c: char| !is_letter(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
            let word = &rest[..length];
            let near = if is_keyword(word) { word.to_ascii_lowercase() } else { word.to_owned() };
            (Token::Word(word.to_owned()), length, Some(near))
        }
        other => match SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            Some(symbol) => (Token::Symbol(symbol), symbol.len(), None),
            None => (Token::Unfinished, other.len_utf8(), None),
        },
    }
}

/// Returns the length of the whitespace or comment at the beginning, if there is any.
fn skipped(rest: &str, first: char) -> Option<usize> {
    if matches!(first, ' ' | '\n' | '\r' | '\t') {
        return Some(1);
    }
    if rest.starts_with("--") || rest.starts_with("//") || first == '#' {
        return Some(rest.find('\n').map_or(rest.len(), |at| at + 1));
    }
    let inner = rest.strip_prefix("/*")?;
    inner.find("*/").map(|at| at + 4)
}

fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || matches!(character, '_' | '@')
}

/// Reads a quoted text. A quote within it is doubled or follows a backslash.
fn quoted(rest: &str, quote: char) -> (Token, usize, Option<String>) {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quote != '`' => match characters.next() {
                Some((_, escaped)) => text.push(unescaped(escaped)),
                None => break,
            },
            _ if character == quote => match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                    text.push(quote);
                }
                _ => {
                    let near = Some(text.clone());
                    let token = match quote {
                        '`' if text.is_empty() => Token::Unfinished,
                        '`' => Token::Name(text),
                        _ => Token::Value(Literal::Text(text)),
                    };
                    return (token, at + 1, near);
                }
            },
            _ => text.push(character),
        }
    }
    (Token::Unfinished, rest.len(), Some(text))
}

fn unescaped(character: char) -> char {
    match character {
        '0' => '\0',
        'b' => '\u{8}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'Z' => '\u{1a}',
        other => other,
    }
}

fn number(rest: &str) -> (Token, usize, Option<String>) {
    let digits = |from: usize| from + rest[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - from);
    let hex = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"));
    let end = if let Some(hex) = hex {
        2 + hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len())
    } else {
        let mut end = digits(0);
        if rest[end..].starts_with('.') {
            end = digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            end = digits(end + 1 + sign);
        }
        end
    };
    let text = &rest[..end];
    if rest[end..].starts_with(is_letter) {
        return (Token::Unfinished, end, Some(text.to_owned()));
    }
    let value = match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(number), _) => Literal::Int(number),
        (Err(_), Ok(number)) if number.is_finite() => Literal::Double(number),
        (Err(_), _) => Literal::Refused(format!("invalid expression: unable to parse value {text:?}")),
    };
    (Token::Value(value), end, Some(text.to_owned()))
}

/// Returns true for a word that is a name only in backquotes.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Reserved words of SQL.
const KEYWORDS: [&str; 90] = [
    "AND",
    "AS",
    "ASC",
    "AUTO_INCREMENT",
    "BETWEEN",
    "BINARY",
    "BY",
    "CASE",
    "COLLATE",
    "CONVERT",
    "CREATE",
    "CROSS",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "DATABASE",
    "DATABASES",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "DIV",
    "DROP",
    "ELSE",
    "END",
    "ESCAPE",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FOR",
    "FORCE",
    "FROM",
    "GROUP",
    "HAVING",
    "IF",
    "IGNORE",
    "IN",
    "INDEX",
    "INNER",
    "INSERT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIMIT",
    "LOCK",
    "MATCH",
    "MAXVALUE",
    "MOD",
    "NATURAL",
    "NEXT",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "REGEXP",
    "RENAME",
    "REPLACE",
    "RIGHT",
    "RLIKE",
    "SCHEMA",
    "SELECT",
    "SEPARATOR",
    "SET",
    "SHOW",
    "STARTS_WITH",
    "STRAIGHT_JOIN",
    "TABLE",
    "TABLES",
    "THEN",
    "TO",
    "TRUE",
    "UNION",
    "UNIQUE",
    "UPDATE",
    "USE",
    "USING",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
    "VALUES",
    "WHEN",
    "WHERE",
    "XOR",
];
