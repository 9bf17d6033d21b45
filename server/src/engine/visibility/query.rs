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

use super::tokens::{Placed, Token, Tokens, is_keyword};
use crate::engine::errors::Error;

/// Maximum nesting depth, above any meaningful query.
const DEPTH: usize = 200;

/// The selection of runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Selection {
    /// All of two or more. A list has no depth: a query of any length can be walked through.
    And(Vec<Selection>),
    /// One of two or more.
    Or(Vec<Selection>),
    Not(Box<Selection>),
    Condition(Condition),
    /// Valid in SQL, but not supported in lists, with the reason.
    Refused(String),
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
    /// `LIKE` or `REGEXP`: valid in SQL, but not supported in lists.
    Like(&'static str, Literal),
    IsNull,
    /// `IS TRUE` or `IS FALSE`: valid in SQL, but not supported in lists.
    IsBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// Valid in SQL, but not supported in lists.
    NullSafeEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    /// Not supported as a value in lists, with the reason.
    Refused(String),
}

/// A parsed query.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// `None` selects everything.
    pub(crate) selects: Option<Selection>,
    /// The names after GROUP BY.
    pub(crate) group_by: Vec<String>,
    /// The names after ORDER BY.
    pub(crate) order_by: Vec<String>,
    /// True if there is a LIMIT clause.
    pub(crate) limited: bool,
}

/// Parses a query.
pub(crate) fn parse(query: &str) -> Result<Written, Error> {
    let query = query.trim();
    let mut parser = Parser::new(query);
    let mut written = Written::default();
    if !parser.begins_with_clause() && parser.peek().is_some() {
        written.selects = Some(parser.or()?);
    }
    if parser.takes_keyword("GROUP") {
        written.group_by = parser.names()?;
    }
    if parser.takes_keyword("ORDER") {
        written.order_by = parser.names()?;
    }
    written.limited = parser.takes_keyword("LIMIT");
    if written.limited && !matches!(parser.operand()?, Operand::Value(Literal::Int(_))) {
        return Err(parser.malformed());
    }
    parser.takes_symbol(";");
    match parser.peek() {
        None => Ok(written),
        Some(_) => Err(parser.malformed()),
    }
}

/// Returns an error with the real server's wording.
pub(crate) fn invalid(text: impl std::fmt::Display) -> Error {
    Error::invalid_argument(format!("invalid query: {text}"))
}

struct Parser<'q> {
    query: &'q str,
    /// The tokens after the current one.
    tokens: Tokens<'q>,
    current: Option<Placed>,
    depth: usize,
}

/// One side of a comparison.
enum Operand {
    Column(String),
    Value(Literal),
    /// Anything else, with its type name in the real server's parser.
    Other(&'static str),
}

impl<'q> Parser<'q> {
    fn new(query: &'q str) -> Self {
        let mut tokens = Tokens::new(query);
        let current = tokens.next();
        Self { query, tokens, current, depth: 0 }
    }

    fn or(&mut self) -> Result<Selection, Error> {
        let mut all = vec![self.and()?];
        while self.takes_keyword("OR") || self.takes_symbol("||") {
            all.push(self.and()?);
        }
        Ok(joined(all, Selection::Or))
    }

    fn and(&mut self) -> Result<Selection, Error> {
        let mut all = vec![self.not()?];
        while self.takes_keyword("AND") || self.takes_symbol("&&") {
            all.push(self.not()?);
        }
        Ok(joined(all, Selection::And))
    }

    fn not(&mut self) -> Result<Selection, Error> {
        self.enter()?;
        let query = if self.takes_keyword("NOT") {
            Selection::Not(Box::new(self.not()?))
        } else if self.takes_symbol("(") {
            let inner = self.or()?;
            self.expect_symbol(")")?;
            if self.at_comparison() { self.comparison(Operand::Other("*sqlparser.ParenExpr"))? } else { inner }
        } else {
            let left = self.operand()?;
            if self.at_comparison() { self.comparison(left)? } else { Selection::Refused(alone(&left)) }
        };
        self.depth -= 1;
        Ok(query)
    }

    /// Reads the rest of a condition, after its left side.
    fn comparison(&mut self, left: Operand) -> Result<Selection, Error> {
        let (test, negated) = self.test()?;
        Ok(match left {
            Operand::Column(name) => Selection::Condition(Condition { name, test, negated }),
            Operand::Value(value) => not_a_column(kind_of(&value)),
            Operand::Other(kind) => not_a_column(kind),
        })
    }

    fn test(&mut self) -> Result<(Test, bool), Error> {
        if self.takes_keyword("IS") {
            let negated = self.takes_keyword("NOT");
            if self.takes_keyword("NULL") {
                return Ok((Test::IsNull, negated));
            }
            if self.takes_keyword("TRUE") || self.takes_keyword("FALSE") {
                return Ok((Test::IsBool, negated));
            }
            return Err(self.malformed());
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
            Test::Like("LIKE", self.value()?)
        } else if self.takes_keyword("REGEXP") || self.takes_keyword("RLIKE") {
            Test::Like("REGEXP", self.value()?)
        } else if negated {
            return Err(self.malformed());
        } else {
            Test::Compare(self.operator()?, self.value()?)
        };
        Ok((test, negated))
    }

    fn at_comparison(&self) -> bool {
        let words = ["IS", "NOT", "IN", "BETWEEN", "STARTS_WITH", "LIKE", "REGEXP", "RLIKE"];
        match self.peek() {
            Some(Token::Word(word)) => words.iter().any(|keyword| word.eq_ignore_ascii_case(keyword)),
            Some(Token::Symbol(symbol)) => operator_of(symbol).is_some(),
            Some(Token::Name(_) | Token::Value(_) | Token::Unfinished) | None => false,
        }
    }

    fn operator(&mut self) -> Result<Operator, Error> {
        let found = match self.peek() {
            Some(Token::Symbol(symbol)) => operator_of(symbol),
            Some(Token::Word(_) | Token::Name(_) | Token::Value(_) | Token::Unfinished) | None => None,
        };
        let operator = found.ok_or_else(|| self.malformed())?;
        self.advance();
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

    /// Reads the right side of a condition. If it is not a value, the error comes after the check of the name.
    fn value(&mut self) -> Result<Literal, Error> {
        Ok(match self.operand()? {
            Operand::Value(value) => value,
            Operand::Column(name) => Literal::Refused(format!(
                "operation is not supported: column name on the right side of comparison expression (did you forget to \
                 quote {name:?}?)"
            )),
            Operand::Other(refusal) if refusal.starts_with("operation") => Literal::Refused(refusal.to_owned()),
            Operand::Other(FUNCTION) => Literal::Refused("operation is not supported: nested func".to_owned()),
            Operand::Other(kind) => Literal::Refused(format!("invalid expression: unexpected value type {kind}")),
        })
    }

    /// Reads a name, a value, or arithmetic, which lists do not support.
    fn operand(&mut self) -> Result<Operand, Error> {
        let mut operand = self.signed()?;
        while self.takes_arithmetic() {
            self.signed()?;
            operand = Operand::Other("*sqlparser.BinaryExpr");
        }
        Ok(operand)
    }

    fn signed(&mut self) -> Result<Operand, Error> {
        self.enter()?;
        let operand = if self.takes_symbol("!") {
            self.signed()?;
            Operand::Other("operation is not supported: unary operator \"!\"")
        } else if self.takes_symbol("~") {
            self.signed()?;
            Operand::Other("operation is not supported: unary operator \"~\"")
        } else if self.takes_symbol("+") {
            self.signed()?
        } else if self.takes_symbol("-") {
            match self.signed()? {
                Operand::Value(Literal::Int(number)) => Operand::Value(Literal::Int(number.wrapping_neg())),
                Operand::Value(Literal::Double(number)) => Operand::Value(negated(number)),
                Operand::Value(_) | Operand::Column(_) | Operand::Other(_) => Operand::Other("*sqlparser.UnaryExpr"),
            }
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(operand)
    }

    fn primary(&mut self) -> Result<Operand, Error> {
        if self.takes_keyword("NULL") {
            return Ok(Operand::Other("*sqlparser.NullVal"));
        }
        if self.takes_symbol("(") {
            self.or()?;
            self.expect_symbol(")")?;
            return Ok(Operand::Other("*sqlparser.ParenExpr"));
        }
        let value = match self.peek() {
            Some(Token::Value(value)) => value.clone(),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("TRUE") => Literal::Bool(true),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("FALSE") => Literal::Bool(false),
            Some(Token::Word(_) | Token::Name(_) | Token::Symbol(_) | Token::Unfinished) | None => {
                let name = self.name()?;
                if self.takes_symbol("(") {
                    return self.function();
                }
                return Ok(Operand::Column(name));
            }
        };
        self.advance();
        Ok(Operand::Value(value))
    }

    /// Reads the arguments of a function, which lists do not support.
    fn function(&mut self) -> Result<Operand, Error> {
        if !self.takes_symbol(")") {
            self.operand()?;
            while self.takes_symbol(",") {
                self.operand()?;
            }
            self.expect_symbol(")")?;
        }
        Ok(Operand::Other(FUNCTION))
    }

    fn takes_arithmetic(&mut self) -> bool {
        let symbols = ["+", "-", "*", "/", "%", "&", "|", "<<", ">>", "->", "->>"];
        symbols.into_iter().any(|symbol| self.takes_symbol(symbol))
            || self.takes_keyword("DIV")
            || self.takes_keyword("MOD")
    }

    fn begins_with_clause(&self) -> bool {
        let begins =
            |clause: &str| self.query.get(..clause.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(clause));
        begins("ORDER BY") || begins("GROUP BY")
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

    /// Reads a name, which may be qualified: `a`, `b.a`, `c.b.a`.
    fn name(&mut self) -> Result<String, Error> {
        let mut name = self.single_name()?;
        for _ in 0..2 {
            if !self.takes_symbol(".") {
                break;
            }
            name = format!("{name}.{}", self.single_name()?);
        }
        Ok(name)
    }

    fn single_name(&mut self) -> Result<String, Error> {
        let name = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            // SQL knows this word, and so it has no case.
            Some(Token::Word(name)) if name.eq_ignore_ascii_case("status") => "status".to_owned(),
            Some(Token::Word(name)) if !is_keyword(name) => name.clone(),
            Some(Token::Word(_) | Token::Value(_) | Token::Symbol(_) | Token::Unfinished) | None => {
                return Err(self.malformed());
            }
        };
        self.advance();
        Ok(name)
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEPTH { Err(self.malformed()) } else { Ok(()) }
    }

    fn peek(&self) -> Option<&Token> {
        self.current.as_ref().map(|placed| &placed.token)
    }

    fn advance(&mut self) {
        self.current = self.tokens.next();
    }

    fn takes_keyword(&mut self, keyword: &str) -> bool {
        let takes = matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if takes {
            self.advance();
        }
        takes
    }

    fn takes_symbol(&mut self, symbol: &str) -> bool {
        let takes = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        if takes {
            self.advance();
        }
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
        let placed = self.current.as_ref();
        let end = placed.map_or(self.query.len(), |placed| placed.end);
        // The real server counts from the beginning of the statement that it makes of a query.
        let before = if self.begins_with_clause() { "select * from table1 " } else { "select * from table1 where " };
        let near = placed.and_then(|placed| placed.near.as_ref()).map(|near| format!(" near '{near}'"));
        let position = before.len() + end + 1;
        invalid(format!("malformed SQL query: syntax error at position {position}{}", near.unwrap_or_default()))
    }
}

const FUNCTION: &str = "*sqlparser.FuncExpr";

fn joined(mut all: Vec<Selection>, join: fn(Vec<Selection>) -> Selection) -> Selection {
    if all.len() == 1 { all.remove(0) } else { join(all) }
}

fn operator_of(symbol: &str) -> Option<Operator> {
    Some(match symbol {
        "=" => Operator::Equal,
        "<=>" => Operator::NullSafeEqual,
        "!=" | "<>" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        _ => return None,
    })
}

/// Negates a number. `-i64::MIN` does not fit `i64`, so it is read as a float first.
fn negated(number: f64) -> Literal {
    if number == 9_223_372_036_854_775_808.0 { Literal::Int(i64::MIN) } else { Literal::Double(-number) }
}

fn kind_of(value: &Literal) -> &'static str {
    match value {
        Literal::Text(_) | Literal::Int(_) | Literal::Double(_) | Literal::Refused(_) => "*sqlparser.SQLVal",
        Literal::Bool(_) => "sqlparser.BoolVal",
    }
}

fn not_a_column(kind: &str) -> Selection {
    let kind = if kind.starts_with("operation") { "*sqlparser.UnaryExpr" } else { kind };
    Selection::Refused(format!("invalid expression: must be a column name but was {kind}"))
}

/// Returns the error for an operand without a comparison.
fn alone(operand: &Operand) -> String {
    let kind = match operand {
        Operand::Column(_) => return "invalid expression: incomplete expression".to_owned(),
        Operand::Value(value) => kind_of(value),
        Operand::Other(kind) if kind.starts_with("operation") => "*sqlparser.UnaryExpr",
        Operand::Other(kind) => kind,
    };
    format!("operation is not supported: expression of type {kind}")
}

#[cfg(test)]
mod tests {
    use super::parse;

    /// Shows the query with all its parentheses.
    fn shown(query: &str) -> String {
        use super::{Literal, Selection, Test};
        fn literal(literal: &Literal) -> String {
            match literal {
                Literal::Text(text) => format!("{text:?}"),
                Literal::Int(number) => number.to_string(),
                Literal::Double(number) => format!("{number:?}"),
                Literal::Bool(value) => value.to_string(),
                Literal::Refused(reason) => format!("refused: {reason}"),
            }
        }
        fn show(query: &Selection) -> String {
            match query {
                Selection::And(all) => format!("({})", all.iter().map(show).collect::<Vec<_>>().join(" and ")),
                Selection::Or(all) => format!("({})", all.iter().map(show).collect::<Vec<_>>().join(" or ")),
                Selection::Not(inner) => format!("not {}", show(inner)),
                Selection::Refused(reason) => format!("refused: {reason}"),
                Selection::Condition(condition) => {
                    let test = match &condition.test {
                        Test::Compare(operator, value) => format!("{operator:?} {}", literal(value)),
                        Test::In(values) => format!("in {}", values.iter().map(literal).collect::<Vec<_>>().join(" ")),
                        Test::Between(from, to) => format!("between {} {}", literal(from), literal(to)),
                        Test::StartsWith(prefix) => format!("starts with {}", literal(prefix)),
                        Test::Like(name, pattern) => format!("{name} {}", literal(pattern)),
                        Test::IsNull => "is null".to_owned(),
                        Test::IsBool => "is bool".to_owned(),
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
            ("a = 1 or b = 2 or c = 3", "(a Equal 1 or b Equal 2 or c Equal 3)"),
            ("a = 1 and (b = 2 and c = 3)", "(a Equal 1 and (b Equal 2 and c Equal 3))"),
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
    fn numbers_signs_and_comments_are_those_of_sql() {
        for (query, expected) in [
            ("a = 1e3 && b = -1E-3", "(a Equal 1000.0 and b Equal -0.001)"),
            ("a = .5 || b = 5.", "(a Equal 0.5 or b Equal 5.0)"),
            ("a = - 1", "a Equal -1"),
            ("a = -9223372036854775808", "a Equal -9223372036854775808"),
            ("/* before */ a = 1 -- after", "a Equal 1"),
            ("a = 1 # one\n AND b = 2;", "(a Equal 1 and b Equal 2)"),
            ("a = 1 // one\n AND b = 2", "(a Equal 1 and b Equal 2)"),
            ("a = 1e999", "a Equal refused: invalid expression: unable to parse value \"1e999\""),
            ("a.b = 'x'", "a.b Equal \"x\""),
            ("a = 0x10", "a Equal refused: invalid expression: unable to parse value \"0x10\""),
            ("a = NULL", "a Equal refused: invalid expression: unexpected value type *sqlparser.NullVal"),
        ] {
            assert_eq!(shown(query), expected, "{query}");
        }
    }

    #[test]
    fn an_invalid_query_is_refused() {
        for (query, expected) in [
            ("A =", "invalid query: malformed SQL query: syntax error at position 31"),
            ("= 'x'", "invalid query: malformed SQL query: syntax error at position 29"),
            ("A = 'x", "invalid query: malformed SQL query: syntax error at position 34 near 'x'"),
            ("A = 'x' B = 'y'", "invalid query: malformed SQL query: syntax error at position 37 near 'B'"),
            ("(A = 'x'", "invalid query: malformed SQL query: syntax error at position 36"),
            ("A = 1AND B = 1", "invalid query: malformed SQL query: syntax error at position 33 near '1'"),
            ("A not = 'x'", "invalid query: malformed SQL query: syntax error at position 35"),
            ("A", "refused: invalid expression: incomplete expression"),
            (
                "A = b",
                "A Equal refused: operation is not supported: column name on the right side of comparison expression \
                 (did you forget to quote \"b\"?)",
            ),
            ("A = 'x' ORDER A", "invalid query: malformed SQL query: syntax error at position 43 near 'A'"),
            ("group by", "invalid query: malformed SQL query: syntax error at position 30"),
            ("A = 1 /* one", "invalid query: malformed SQL query: syntax error at position 40 near '/* one'"),
            ("`` = 1", "invalid query: malformed SQL query: syntax error at position 30"),
            ("A = '", "invalid query: malformed SQL query: syntax error at position 33"),
        ] {
            assert_eq!(shown(query), expected, "{query}");
        }
        assert!(shown(&"(".repeat(100_000)).contains("malformed"));
        assert!(shown(&"not ".repeat(100_000)).contains("malformed"));
        assert!(shown(&format!("a = {}", "- ".repeat(100_000))).contains("malformed"));
        assert!(shown(&"/* ".repeat(100_000)).contains("malformed"));
        assert!(shown("a\u{a0}= 1").contains("malformed"), "this is no blank of SQL");
    }
}
