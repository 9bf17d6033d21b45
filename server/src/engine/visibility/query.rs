//! Parses the queries of lists and counts: `WorkflowType = 'Order' AND (StartTime > '2026-01-01T00:00:00Z' OR NOT Paid
//! = true)`.
//!
//! ```text
//! query      = [ or ] [ GROUP BY names ] [ ORDER BY names ]
//! or         = and { OR and }
//! and        = not { AND not }
//! not        = NOT not | '(' or ')' | condition
//! condition  = name ( ( = | != | < | <= | > | >= ) value | [NOT] IN '(' value {, value} ')'
//!            | [NOT] BETWEEN value AND value | [NOT] STARTS_WITH value | IS [NOT] NULL )
//! ```
//!
//! Keywords are case-insensitive; names may be in backquotes, texts are in single or double quotes.

use crate::engine::errors::Error;

/// Maximum nesting depth, above any meaningful query.
const DEPTH: usize = 200;

/// The selection of runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Query {
    And(Box<Query>, Box<Query>),
    Or(Box<Query>, Box<Query>),
    Not(Box<Query>),
    Condition(Condition),
}

/// The condition for one attribute of a run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) name: String,
    pub(crate) test: Test,
    /// True for the negated forms: NOT IN, NOT BETWEEN, NOT STARTS_WITH, IS NOT NULL.
    pub(crate) negated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Compare(Operator, Literal),
    In(Vec<Literal>),
    Between(Literal, Literal),
    StartsWith(Literal),
    /// Valid in SQL, but not supported in lists.
    Like(Literal),
    IsNull,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
}

/// A parsed query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// `None` selects everything.
    pub(crate) selects: Option<Query>,
    /// The names after GROUP BY.
    pub(crate) group_by: Vec<String>,
    /// The names after ORDER BY.
    pub(crate) order_by: Vec<String>,
}

/// Parses a query.
pub(crate) fn parse(query: &str) -> Result<Written, Error> {
    let mut parser = Parser { query, tokens: tokens(query)?, next: 0, depth: 0 };
    let mut written = Written::default();
    if !parser.at_clause() && parser.peek().is_some() {
        written.selects = Some(parser.or()?);
    }
    if parser.takes_keyword("GROUP") {
        written.group_by = parser.names()?;
    }
    if parser.takes_keyword("ORDER") {
        written.order_by = parser.names()?;
    }
    if parser.takes_keyword("LIMIT") {
        return Err(invalid("operation is not supported: 'LIMIT' clause"));
    }
    match parser.peek() {
        None => Ok(written),
        Some(_) => Err(parser.malformed()),
    }
}

/// Returns an error with the real server's wording.
pub(crate) fn invalid(text: impl std::fmt::Display) -> Error {
    Error::invalid_argument(format!("invalid query: {text}"))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name or a keyword.
    Word(String),
    /// A name in backquotes, never a keyword.
    Name(String),
    Value(Literal),
    Symbol(&'static str),
}

struct Parser<'q> {
    query: &'q str,
    /// With the byte position of each token's end.
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Query, Error> {
        let mut left = self.and()?;
        while self.takes_keyword("OR") {
            left = Query::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Query, Error> {
        let mut left = self.not()?;
        while self.takes_keyword("AND") {
            left = Query::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Query, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.malformed());
        }
        let query = if self.takes_keyword("NOT") {
            Query::Not(Box::new(self.not()?))
        } else if self.takes_symbol("(") {
            let inner = self.or()?;
            self.expect_symbol(")")?;
            inner
        } else {
            Query::Condition(self.condition()?)
        };
        self.depth -= 1;
        Ok(query)
    }

    fn condition(&mut self) -> Result<Condition, Error> {
        let name = self.name()?;
        if self.takes_keyword("IS") {
            let negated = self.takes_keyword("NOT");
            self.expect_keyword("NULL")?;
            return Ok(Condition { name, test: Test::IsNull, negated });
        }
        let negated = self.takes_keyword("NOT");
        let test = if self.takes_keyword("IN") {
            Test::In(self.values()?)
        } else if self.takes_keyword("BETWEEN") {
            let from = self.value()?;
            self.expect_keyword("AND")?;
            Test::Between(from, self.value()?)
        } else if self.takes_keyword("STARTS_WITH") {
            Test::StartsWith(self.value()?)
        } else if self.takes_keyword("LIKE") {
            Test::Like(self.value()?)
        } else if negated {
            return Err(self.malformed());
        } else {
            Test::Compare(self.operator()?, self.value()?)
        };
        Ok(Condition { name, test, negated })
    }

    fn operator(&mut self) -> Result<Operator, Error> {
        let operator = match self.peek() {
            Some(Token::Symbol("=")) => Operator::Equal,
            Some(Token::Symbol("!=" | "<>")) => Operator::NotEqual,
            Some(Token::Symbol("<")) => Operator::Less,
            Some(Token::Symbol("<=")) => Operator::LessOrEqual,
            Some(Token::Symbol(">")) => Operator::Greater,
            Some(Token::Symbol(">=")) => Operator::GreaterOrEqual,
            // The name has no operator.
            Some(Token::Symbol(")")) | None => return Err(incomplete()),
            Some(Token::Word(word)) if ["AND", "OR"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword)) => {
                return Err(incomplete());
            }
            Some(_) => return Err(self.malformed()),
        };
        self.next += 1;
        Ok(operator)
    }

    fn values(&mut self) -> Result<Vec<Literal>, Error> {
        self.expect_symbol("(")?;
        let mut values = vec![self.value()?];
        while self.takes_symbol(",") {
            values.push(self.value()?);
        }
        self.expect_symbol(")")?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Literal, Error> {
        let value = match self.peek() {
            Some(Token::Value(value)) => value.clone(),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("TRUE") => Literal::Bool(true),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("FALSE") => Literal::Bool(false),
            Some(Token::Word(word) | Token::Name(word)) if !is_keyword(word) => {
                return Err(invalid(format!(
                    "operation is not supported: column name on the right side of comparison expression (did you forget \
                     to quote {word:?}?)"
                )));
            }
            _ => return Err(self.malformed()),
        };
        self.next += 1;
        Ok(value)
    }

    /// Returns true if a clause after the conditions begins here.
    fn at_clause(&self) -> bool {
        let clauses = ["GROUP", "ORDER", "LIMIT"];
        matches!(self.peek(), Some(Token::Word(word)) if clauses.iter().any(|clause| word.eq_ignore_ascii_case(clause)))
    }

    /// `BY name [ASC | DESC] {, name [ASC | DESC]}`
    fn names(&mut self) -> Result<Vec<String>, Error> {
        self.expect_keyword("BY")?;
        let mut names = vec![self.name()?];
        let directed = |parser: &mut Self| parser.takes_keyword("ASC") || parser.takes_keyword("DESC");
        directed(self);
        while self.takes_symbol(",") {
            names.push(self.name()?);
            directed(self);
        }
        Ok(names)
    }

    fn name(&mut self) -> Result<String, Error> {
        let name = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            Some(Token::Word(name)) if !is_keyword(name) => name.clone(),
            _ => return Err(self.malformed()),
        };
        self.next += 1;
        Ok(name)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn takes_keyword(&mut self, keyword: &str) -> bool {
        let takes = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(takes);
        takes
    }

    fn takes_symbol(&mut self, symbol: &str) -> bool {
        let takes = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.next += usize::from(takes);
        takes
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<(), Error> {
        if self.takes_keyword(keyword) { Ok(()) } else { Err(self.malformed()) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), Error> {
        if self.takes_symbol(symbol) { Ok(()) } else { Err(self.malformed()) }
    }

    /// Returns the error for a token that is invalid at this position.
    fn malformed(&self) -> Error {
        let end = self.tokens.get(self.next).map_or(self.query.len(), |(_, end)| *end);
        malformed(&self.query[..end])
    }
}

fn incomplete() -> Error {
    invalid("invalid expression: incomplete expression")
}

fn malformed(read: &str) -> Error {
    invalid(format!("malformed SQL query: syntax error at the end of {read:?}"))
}

fn is_keyword(word: &str) -> bool {
    let keywords = [
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "IS",
        "NULL",
        "TRUE",
        "FALSE",
        "STARTS_WITH",
        "ORDER",
        "GROUP",
        "BY",
        "LIMIT",
        "LIKE",
    ];
    keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

fn tokens(query: &str) -> Result<Vec<(Token, usize)>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = query[at..].chars().next() {
        let rest = &query[at..];
        let (token, length) = match first {
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            '\'' | '"' | '`' => {
                let (text, length) = quoted(rest, first).ok_or_else(|| malformed(query))?;
                let token = if first == '`' { Token::Name(text) } else { Token::Value(Literal::Text(text)) };
                (token, length)
            }
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
            '0'..='9' | '-' | '+' | '.' => {
                let (number, length) = number(rest).ok_or_else(|| malformed(&query[..=at]))?;
                (Token::Value(number), length)
            }
            _ => {
                let symbols = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];
                let symbol = symbols.into_iter().find(|symbol| rest.starts_with(symbol));
                let symbol = symbol.ok_or_else(|| malformed(&query[..at + first.len_utf8()]))?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        at += length;
        tokens.push((token, at));
    }
    Ok(tokens)
}

/// Returns the text between quotes, and its length with the quotes. A quote within it is doubled or follows a
/// backslash.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?.1),
            _ if character == quote => match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                    text.push(quote);
                }
                _ => return Some((text, at + 1)),
            },
            _ => text.push(character),
        }
    }
    None
}

fn number(rest: &str) -> Option<(Literal, usize)> {
    let length = rest[1..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(rest.len(), |at| at + 1);
    let text = &rest[..length];
    let number = match text.parse::<i64>() {
        Ok(number) => Literal::Int(number),
        Err(_) => Literal::Double(text.parse().ok()?),
    };
    Some((number, length))
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// Shows the query with all its parentheses.
    fn shown(query: &str) -> String {
        use super::{Literal, Query, Test};
        fn literal(literal: &Literal) -> String {
            match literal {
                Literal::Text(text) => format!("{text:?}"),
                Literal::Int(number) => number.to_string(),
                Literal::Double(number) => format!("{number:?}"),
                Literal::Bool(value) => value.to_string(),
            }
        }
        fn show(query: &Query) -> String {
            match query {
                Query::And(left, right) => format!("({} and {})", show(left), show(right)),
                Query::Or(left, right) => format!("({} or {})", show(left), show(right)),
                Query::Not(inner) => format!("not {}", show(inner)),
                Query::Condition(condition) => {
                    let test = match &condition.test {
                        Test::Compare(operator, value) => format!("{operator:?} {}", literal(value)),
                        Test::In(values) => format!("in {}", values.iter().map(literal).collect::<Vec<_>>().join(" ")),
                        Test::Between(from, to) => format!("between {} {}", literal(from), literal(to)),
                        Test::StartsWith(prefix) => format!("starts with {}", literal(prefix)),
                        Test::Like(pattern) => format!("like {}", literal(pattern)),
                        Test::IsNull => "is null".to_owned(),
                    };
                    let negated = if condition.negated { " not" } else { "" };
                    format!("{}{negated} {test}", condition.name)
                }
            }
        }
        match parse(query) {
            Ok(written) => {
                let mut text = written.selects.as_ref().map_or_else(|| "everything".to_owned(), show);
                for (clause, names) in [("group", written.group_by), ("order", written.order_by)] {
                    text += &names.iter().map(|name| format!(" {clause} {name}")).collect::<String>();
                }
                text
            }
            Err(error) => error.message,
        }
    }

    #[test]
    fn queries_are_read_as_sql_reads_them() {
        for (query, expected) in [
            ("", "everything"),
            ("  ", "everything"),
            ("A = 'x'", "A Equal \"x\""),
            ("`A` != \"x\"", "A NotEqual \"x\""),
            ("a = 1 or b <> 2 AND c < 3", "(a Equal 1 or (b NotEqual 2 and c Less 3))"),
            ("(a = 1 or b <= -2) and not c >= 3.5", "((a Equal 1 or b LessOrEqual -2) and not c GreaterOrEqual 3.5)"),
            ("not not a > 0", "not not a Greater 0"),
            ("a in ('x', 'y') and b not in (1)", "(a in \"x\" \"y\" and b not in 1)"),
            ("a between 1 and 2 and b not between 3 and 4", "(a between 1 2 and b not between 3 4)"),
            ("a starts_with 'x' or b NOT STARTS_WITH 'y'", "(a starts with \"x\" or b not starts with \"y\")"),
            ("a is null and b is not null", "(a is null and b not is null)"),
            ("A = 'x' group by A, `B`", "A Equal \"x\" group A group B"),
            ("ORDER BY A DESC, B ASC", "everything order A order B"),
            ("a = true and b = FALSE", "(a Equal true and b Equal false)"),
            ("a = 'it''s' and b = 'a\\'b'", "(a Equal \"it's\" and b Equal \"a'b\")"),
        ] {
            assert_eq!(shown(query), expected, "{query}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        for (query, expected) in [
            ("A =", "invalid query: malformed SQL query: syntax error at the end of \"A =\""),
            ("= 'x'", "invalid query: malformed SQL query: syntax error at the end of \"=\""),
            ("A = 'x", "invalid query: malformed SQL query: syntax error at the end of \"A = 'x\""),
            ("A = 'x' B = 'y'", "invalid query: malformed SQL query: syntax error at the end of \"A = 'x' B\""),
            ("(A = 'x'", "invalid query: malformed SQL query: syntax error at the end of \"(A = 'x'\""),
            ("A ? 'x'", "invalid query: malformed SQL query: syntax error at the end of \"A ?\""),
            ("A not = 'x'", "invalid query: malformed SQL query: syntax error at the end of \"A not =\""),
            ("A", "invalid query: invalid expression: incomplete expression"),
            (
                "A = b",
                "invalid query: operation is not supported: column name on the right side of comparison expression (did \
                 you forget to quote \"b\"?)",
            ),
            ("A = 'x' ORDER A", "invalid query: malformed SQL query: syntax error at the end of \"A = 'x' ORDER A\""),
            ("group by", "invalid query: malformed SQL query: syntax error at the end of \"group by\""),
            ("A = 'x' limit 5", "invalid query: operation is not supported: 'LIMIT' clause"),
        ] {
            assert_eq!(shown(query), expected, "{query}");
        }
        assert!(shown(&"(".repeat(100_000)).contains("malformed"));
        assert!(shown(&"not ".repeat(100_000)).contains("malformed"));
    }
}
