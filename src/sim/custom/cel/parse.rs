//! The Common Expression Language from text to a tree.
//!
//! # Source
//! The grammar of cel-spec `doc/langdef.md`, with the optional fields of Kubernetes (`a.?b`, `a[?b]`).

use crate::sim::json::Value;

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    Literal(Value),
    /// A number with a fraction; whole ones are literals.
    Double(f64),
    Name {
        name: String,
        at: usize,
    },
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    /// A field; the place of its dot is for errors.
    Field {
        of: Box<Expr>,
        name: String,
        optional: bool,
        at: usize,
    },
    Index {
        of: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    Has {
        of: Box<Expr>,
        name: String,
        at: usize,
    },
    Call {
        on: Option<Box<Expr>>,
        name: String,
        arguments: Vec<Expr>,
        at: usize,
    },
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Binary {
        operator: &'static str,
        left: Box<Expr>,
        right: Box<Expr>,
        at: usize,
    },
    Choice {
        condition: Box<Expr>,
        yes: Box<Expr>,
        no: Box<Expr>,
    },
    /// `list.all(x, test)` and its kin; `map` may have a test before what it makes.
    Macro {
        name: &'static str,
        on: Box<Expr>,
        variable: String,
        second: Option<String>,
        body: Vec<Expr>,
    },
}

/// Where a text is no expression, and why.
#[derive(Clone, Debug)]
pub struct Broken {
    pub at: usize,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Number(String),
    Text(String),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 25] = ["&&", "||", "==", "!=", "<=", ">=", ".?", "[?", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",", "(", ")", "[", "]", "{"];

const MACROS: [&str; 7] = ["all", "exists", "exists_one", "existsOne", "filter", "map", "transformList"];

/// # Errors
/// Where it is no expression.
pub fn parse(text: &str) -> Result<Expr, Broken> {
    let tokens = lex(text)?;
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let expr = parser.choice()?;
    match parser.peek() {
        Token::End => Ok(expr),
        other => Err(parser.broken(&format!("Syntax error: extraneous input {} expecting <EOF>", shown(other)))),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Name(text) | Token::Number(text) | Token::Text(text) => format!("'{text}'"),
        Token::Sign(text) => format!("'{text}'"),
        Token::End => "'<EOF>'".to_owned(),
    }
}

fn lex(text: &str) -> Result<Vec<(Token, usize)>, Broken> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let first = rest.chars().next().unwrap_or(' ');
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some((token, length)) = string(rest).map_err(|why| Broken { at, why })? {
            tokens.push((token, at));
            at += length;
        } else if first.is_ascii_digit() || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
            let length = number(rest);
            tokens.push((Token::Number(rest[..length].to_owned()), at));
            at += length;
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push((Token::Name(rest[..length].to_owned()), at));
            at += length;
        } else if rest.starts_with('}') {
            tokens.push((Token::Sign("}"), at));
            at += 1;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push((Token::Sign(sign), at));
            at += sign.len();
        } else {
            return Err(Broken { at, why: format!("Syntax error: token recognition error at: '{first}'") });
        }
    }
    tokens.push((Token::End, text.len()));
    Ok(tokens)
}

/// The length of the number at the beginning.
fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    if text.starts_with("0x") || text.starts_with("0X") {
        return 2 + bytes[2..].iter().take_while(|it| it.is_ascii_hexdigit()).count();
    }
    let digits = |from: usize| bytes[from..].iter().take_while(|it| it.is_ascii_digit()).count();
    let mut at = digits(0);
    if bytes.get(at) == Some(&b'.') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
        at += 1 + digits(at + 1);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    at + usize::from(matches!(bytes.get(at), Some(b'u' | b'U')))
}

/// The text at the beginning, in quotes of any kind.
fn string(text: &str) -> Result<Option<(Token, usize)>, String> {
    let prefix = text.find(['"', '\'']).filter(|at| *at <= 2).unwrap_or(3);
    if prefix > 2 || !text[..prefix].chars().all(|c| "rRbB".contains(c)) {
        return Ok(None);
    }
    let raw = text[..prefix].contains(['r', 'R']);
    let rest = &text[prefix..];
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|it| rest.starts_with(*it)).unwrap_or("\"");
    let mut out = String::new();
    let mut at = prefix + quote.len();
    while let Some(c) = text[at..].chars().next() {
        if text[at..].starts_with(quote) {
            return Ok(Some((Token::Text(out), at + quote.len())));
        }
        at += c.len_utf8();
        if c != '\\' || raw {
            out.push(c);
            continue;
        }
        let Some(escape) = text[at..].chars().next() else { break };
        at += escape.len_utf8();
        let code = |length: usize| text.get(at..at + length).and_then(|it| u32::from_str_radix(it, 16).ok()).and_then(char::from_u32);
        let (found, length) = match escape {
            'n' => (Some('\n'), 0),
            't' => (Some('\t'), 0),
            'r' => (Some('\r'), 0),
            'a' => (Some('\u{7}'), 0),
            'b' => (Some('\u{8}'), 0),
            'f' => (Some('\u{c}'), 0),
            'v' => (Some('\u{b}'), 0),
            '\\' | '"' | '\'' | '`' | '?' => (Some(escape), 0),
            'x' | 'X' => (code(2), 2),
            'u' => (code(4), 4),
            'U' => (code(8), 8),
            _ => (None, 0),
        };
        out.push(found.ok_or_else(|| format!("Syntax error: invalid escape sequence \\{escape}"))?);
        at += length;
    }
    Err("Syntax error: token recognition error at: unterminated string".to_owned())
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
}

/// How deep expressions may be nested; they are walked by recursion.
const DEPTH_MOST: usize = 60;

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn place(&self) -> usize {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(it) if *it == sign);
        if found {
            self.next();
        }
        found
    }

    fn broken(&self, why: &str) -> Broken {
        Broken { at: self.place(), why: why.to_owned() }
    }

    fn wants(&mut self, sign: &str) -> Result<(), Broken> {
        if self.takes(sign) { Ok(()) } else { Err(self.broken(&format!("Syntax error: mismatched input {} expecting '{sign}'", shown(self.peek())))) }
    }

    fn choice(&mut self) -> Result<Expr, Broken> {
        self.depth += 1;
        if self.depth > DEPTH_MOST {
            return Err(self.broken("expression recursion limit exceeded"));
        }
        let condition = self.binary(0)?;
        let expr = if self.takes("?") {
            let yes = self.binary(0)?;
            self.wants(":")?;
            let no = self.choice()?;
            Expr::Choice { condition: Box::new(condition), yes: Box::new(yes), no: Box::new(no) }
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// Operators of at least this strength.
    fn binary(&mut self, least: usize) -> Result<Expr, Broken> {
        const OPERATORS: [&[&str]; 5] = [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">", "in"], &["+", "-"], &["*", "/", "%"]];
        let Some(operators) = OPERATORS.get(least) else { return self.unary() };
        let mut left = self.binary(least + 1)?;
        loop {
            let found = match self.peek() {
                Token::Sign(sign) => operators.iter().find(|it| *it == sign),
                Token::Name(name) if name == "in" => operators.iter().find(|it| **it == "in"),
                _ => None,
            };
            let Some(operator) = found else { return Ok(left) };
            let at = self.place();
            self.next();
            let right = self.binary(least + 1)?;
            left = Expr::Binary { operator, left: Box::new(left), right: Box::new(right), at };
        }
    }

    fn unary(&mut self) -> Result<Expr, Broken> {
        if self.takes("!") {
            return Ok(Expr::Not(Box::new(self.unary()?)));
        }
        if self.takes("-") {
            return Ok(Expr::Negative(Box::new(self.unary()?)));
        }
        let mut expr = self.primary()?;
        loop {
            let at = self.place();
            if self.takes(".?") {
                let name = self.name()?;
                expr = Expr::Field { of: Box::new(expr), name, optional: true, at };
            } else if self.takes(".") {
                let name = self.name()?;
                let paren = self.place();
                expr = if self.takes("(") { self.call(Some(expr), name, paren)? } else { Expr::Field { of: Box::new(expr), name, optional: false, at } };
            } else if self.takes("[?") || self.takes("[") {
                let optional = matches!(self.tokens[self.at - 1].0, Token::Sign("[?"));
                let index = self.choice()?;
                self.wants("]")?;
                expr = Expr::Index { of: Box::new(expr), index: Box::new(index), optional };
            } else {
                return Ok(expr);
            }
        }
    }

    fn name(&mut self) -> Result<String, Broken> {
        match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.next();
                Ok(name)
            }
            other => Err(self.broken(&format!("Syntax error: no viable alternative at input {}", shown(other)))),
        }
    }

    fn list(&mut self, end: &str) -> Result<Vec<Expr>, Broken> {
        let mut items = Vec::new();
        while !self.takes(end) {
            items.push(self.choice()?);
            if !self.takes(",") {
                self.wants(end)?;
                break;
            }
        }
        Ok(items)
    }

    fn call(&mut self, on: Option<Expr>, name: String, at: usize) -> Result<Expr, Broken> {
        let mut arguments = self.list(")")?;
        if name == "has" && on.is_none() {
            return match arguments.pop() {
                Some(Expr::Field { of, name, at, .. }) if arguments.is_empty() => Ok(Expr::Has { of, name, at }),
                _ => Err(Broken { at: at + 1, why: "invalid argument to has() macro".to_owned() }),
            };
        }
        if let (Some(on), Some(found)) = (&on, MACROS.iter().find(|it| **it == name)) {
            let mut rest = arguments.into_iter();
            let Some(Expr::Name { name: variable, .. }) = rest.next() else { return Err(Broken { at, why: "argument must be a simple name".to_owned() }) };
            let mut body: Vec<Expr> = rest.collect();
            // With two variables there is a test besides them.
            let second = match body.first() {
                Some(Expr::Name { name: second, .. }) if body.len() == 2 && *found != "map" => {
                    let second = second.clone();
                    body.remove(0);
                    Some(second)
                }
                _ => None,
            };
            let fits = body.len() == 1 || (body.len() == 2 && matches!(*found, "map" | "transformList"));
            if !fits {
                return Err(Broken { at, why: format!("found no matching overload for '{name}'") });
            }
            return Ok(Expr::Macro { name: found, on: Box::new(on.clone()), variable, second, body });
        }
        Ok(Expr::Call { on: on.map(Box::new), name, arguments, at })
    }

    fn primary(&mut self) -> Result<Expr, Broken> {
        let at = self.place();
        match self.next() {
            Token::Sign("(") => {
                let expr = self.choice()?;
                self.wants(")")?;
                Ok(expr)
            }
            Token::Sign("[") => Ok(Expr::List(self.list("]")?)),
            Token::Sign("{") => {
                let mut members = Vec::new();
                while !self.takes("}") {
                    let key = self.choice()?;
                    self.wants(":")?;
                    members.push((key, self.choice()?));
                    if !self.takes(",") {
                        self.wants("}")?;
                        break;
                    }
                }
                Ok(Expr::Map(members))
            }
            Token::Text(text) => Ok(Expr::Literal(text.into())),
            Token::Number(text) => literal(&text).ok_or_else(|| Broken { at, why: format!("invalid int literal {text}") }),
            Token::Name(name) => match name.as_str() {
                "true" => Ok(Expr::Literal(true.into())),
                "false" => Ok(Expr::Literal(false.into())),
                "null" => Ok(Expr::Literal(Value::Null)),
                _ => {
                    let paren = self.place();
                    if self.takes("(") { self.call(None, name, paren) } else { Ok(Expr::Name { name, at }) }
                }
            },
            other => Err(Broken {
                at,
                why: format!(
                    "Syntax error: mismatched input {} expecting {{'[', '{{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}}",
                    shown(&other)
                ),
            }),
        }
    }
}

fn literal(text: &str) -> Option<Expr> {
    let bare = text.trim_end_matches(['u', 'U']);
    if let Some(hex) = bare.strip_prefix("0x").or(bare.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok().map(|it| Expr::Literal(it.into()));
    }
    if bare.contains(['.', 'e', 'E']) { bare.parse().ok().map(Expr::Double) } else { bare.parse::<i64>().ok().map(|it| Expr::Literal(it.into())) }
}
