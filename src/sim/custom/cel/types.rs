//! What can be told of an expression before it runs: fields that are not there, operators and functions that do not fit what they are given.
//!
//! # Limits
//! Where a type cannot be told, nothing is said: the expression then fails when it runs, if it does.

use super::functions;
use super::parse::{Broken, Expr};
use crate::sim::custom::schema::{Additional, Schema};

/// The type of an expression.
#[derive(Clone, Debug)]
pub enum Type<'a> {
    /// Anything.
    Dyn,
    Null,
    Bool,
    Int,
    Double,
    Text,
    Duration,
    Time,
    List(Box<Type<'a>>),
    Map(Box<Type<'a>>),
    /// An object with the fields of a schema; the root has the metadata of an object besides.
    Object {
        schema: &'a Schema,
        is_root: bool,
    },
}

impl<'a> Type<'a> {
    /// The type of what a schema describes.
    pub fn of(schema: &'a Schema) -> Self {
        let inner = |schema: Option<&'a Schema>| Box::new(schema.map_or(Self::Dyn, Self::of));
        match schema.ty.as_str() {
            "boolean" => Self::Bool,
            "integer" => Self::Int,
            "number" => Self::Double,
            "string" => match schema.checks.format.as_str() {
                "" => Self::Text,
                "date" | "date-time" | "datetime" => Self::Time,
                "duration" => Self::Duration,
                "byte" => Self::Dyn,
                _ => Self::Text,
            },
            "array" => Self::List(inner(schema.items.as_deref())),
            "object" => match &schema.additional {
                Some(Additional::Schema(value)) => Self::Map(inner(Some(value))),
                None if !schema.properties.is_empty() && !schema.embedded => Self::Object { schema, is_root: false },
                _ => Self::Dyn,
            },
            _ => Self::Dyn,
        }
    }

    /// Its name in errors; `None` for what is not judged.
    fn name(&self) -> Option<String> {
        Some(match self {
            Self::Null => "null".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Int => "int".to_owned(),
            Self::Double => "double".to_owned(),
            Self::Text => "string".to_owned(),
            Self::Duration => "google.protobuf.Duration".to_owned(),
            Self::Time => "google.protobuf.Timestamp".to_owned(),
            Self::List(inner) => format!("list({})", inner.name()?),
            Self::Map(inner) => format!("map(string, {})", inner.name()?),
            Self::Dyn | Self::Object { .. } => return None,
        })
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }
}

/// Tells the type of an expression, and all that is wrong with it.
pub struct Checker<'a> {
    /// The names that are known, the innermost last.
    pub names: Vec<(String, Type<'a>)>,
    pub broken: Vec<Broken>,
}

impl<'a> Checker<'a> {
    fn say(&mut self, at: usize, why: String) {
        self.broken.push(Broken { at, why });
    }

    fn no_overload(&mut self, at: usize, name: &str, on: Option<&Type<'a>>, arguments: &[Type<'a>]) {
        let names: Option<Vec<String>> = arguments.iter().map(Type::name).collect();
        let (Some(names), Some(on)) = (names, on.map_or(Some(String::new()), |it| it.name().map(|it| format!("{it}.")))) else { return };
        self.say(at, format!("found no matching overload for '{name}' applied to '{on}({})'", names.join(", ")));
    }

    pub fn check(&mut self, expr: &Expr) -> Type<'a> {
        match expr {
            Expr::Literal(value) => match value {
                _ if value.is_null() => Type::Null,
                _ if value.is_boolean() => Type::Bool,
                _ if value.is_string() => Type::Text,
                _ => Type::Int,
            },
            Expr::Double(_) => Type::Double,
            Expr::Name { name, at } => match self.names.iter().rev().find(|(it, _)| it == name) {
                Some((_, ty)) => ty.clone(),
                None => {
                    if functions::type_named(name).is_none() {
                        self.say(*at, format!("undeclared reference to '{name}' (in container '')"));
                    }
                    Type::Dyn
                }
            },
            Expr::List(items) => {
                let mut types: Vec<Type<'a>> = items.iter().map(|it| self.check(it)).collect();
                Type::List(Box::new(if types.is_empty() { Type::Dyn } else { types.swap_remove(0) }))
            }
            Expr::Map(members) => {
                members.iter().for_each(|(key, value)| {
                    self.check(key);
                    self.check(value);
                });
                Type::Dyn
            }
            Expr::Field { of, name, optional, at } => {
                let of = self.check(of);
                let found = self.field(&of, name, *at);
                if *optional { Type::Dyn } else { found }
            }
            Expr::Has { of, name, at } => {
                let of = self.check(of);
                self.field(&of, name, *at);
                Type::Bool
            }
            Expr::Index { of, index, optional } => {
                let of = self.check(of);
                self.check(index);
                match of {
                    Type::List(inner) | Type::Map(inner) if !optional => *inner,
                    _ => Type::Dyn,
                }
            }
            Expr::Not(inner) => {
                self.check(inner);
                Type::Bool
            }
            Expr::Negative(inner) => self.check(inner),
            Expr::Choice { condition, yes, no } => {
                self.check(condition);
                let yes = self.check(yes);
                self.check(no);
                yes
            }
            Expr::Binary { operator, left, right, at } => self.binary(operator, left, right, *at),
            Expr::Macro { name, on, variable, second, body } => self.each(name, on, variable, second.as_deref(), body),
            Expr::Call { on, name, arguments, at } => self.call(on.as_deref(), name, arguments, *at),
        }
    }

    fn field(&mut self, of: &Type<'a>, name: &str, at: usize) -> Type<'a> {
        match of {
            Type::Map(inner) => (**inner).clone(),
            Type::Object { is_root: true, .. } if matches!(name, "apiVersion" | "kind" | "metadata") => Type::Dyn,
            Type::Object { schema, .. } => match schema.properties.iter().find(|(key, _)| super::escaped(key) == name) {
                Some((_, inner)) => Type::of(inner),
                None => {
                    self.say(at, format!("undefined field '{name}'"));
                    Type::Dyn
                }
            },
            _ => Type::Dyn,
        }
    }

    fn binary(&mut self, operator: &str, left: &Expr, right: &Expr, at: usize) -> Type<'a> {
        let (left, right) = (self.check(left), self.check(right));
        let same = left.name().zip(right.name()).is_none_or(|(left, right)| left == right);
        let numbers = left.is_number() && right.is_number();
        let shown = format!("_{operator}_");
        let truth = |ty: &Type<'a>| matches!(ty, Type::Bool | Type::Dyn | Type::Object { .. });
        let fits = match operator {
            "==" | "!=" => same,
            "<" | "<=" | ">" | ">=" => same || numbers,
            "&&" | "||" => truth(&left) && truth(&right),
            "in" => true,
            _ => same || matches!((&left, &right), (Type::Time, Type::Duration) | (Type::Duration, Type::Time) | (Type::List(_), Type::List(_))),
        };
        if !fits {
            self.no_overload(at, &shown, None, &[left.clone(), right.clone()]);
        }
        match operator {
            "+" | "-" | "*" | "/" | "%" if same && !matches!(left, Type::Time) => left,
            "+" | "-" | "*" | "/" | "%" => Type::Dyn,
            _ => Type::Bool,
        }
    }

    fn each(&mut self, name: &str, on: &Expr, variable: &str, second: Option<&str>, body: &[Expr]) -> Type<'a> {
        let on = self.check(on);
        let (first, value) = match (&on, second) {
            (Type::List(inner), None) => ((**inner).clone(), Type::Dyn),
            (Type::List(inner), Some(_)) => (Type::Int, (**inner).clone()),
            (Type::Map(inner), _) => (Type::Text, (**inner).clone()),
            _ => (Type::Dyn, Type::Dyn),
        };
        let length = self.names.len();
        self.names.push((variable.to_owned(), first));
        self.names.extend(second.map(|it| (it.to_owned(), value)));
        let mut last = Type::Dyn;
        for expr in body {
            last = self.check(expr);
        }
        self.names.truncate(length);
        match name {
            "all" | "exists" | "exists_one" | "existsOne" => Type::Bool,
            "filter" if matches!(on, Type::List(_)) => on,
            "map" | "transformList" => Type::List(Box::new(last)),
            _ => Type::Dyn,
        }
    }

    fn call(&mut self, on: Option<&Expr>, name: &str, arguments: &[Expr], at: usize) -> Type<'a> {
        let space = match on {
            Some(Expr::Name { name, .. }) if functions::is_space(name) && !self.names.iter().any(|(it, _)| it == name) => Some(name.as_str()),
            _ => None,
        };
        let full = space.map_or_else(|| name.to_owned(), |space| format!("{space}.{name}"));
        if !functions::knows(&full) {
            self.say(at, format!("the simulated cluster does not implement the function {full:?} of validation rules"));
        }
        let on = if space.is_some() { None } else { on.map(|it| self.check(it)) };
        let arguments: Vec<Type<'a>> = arguments.iter().map(|it| self.check(it)).collect();
        let first = on.as_ref().or(arguments.first());
        let fits = match name {
            "startsWith" | "endsWith" | "contains" | "matches" => {
                let text = |ty: &Type<'a>| matches!(ty, Type::Text | Type::Dyn | Type::Object { .. });
                first.is_none_or(text) && arguments.iter().all(text)
            }
            "size" => first.is_none_or(|it| matches!(it, Type::Text | Type::List(_) | Type::Map(_) | Type::Dyn)),
            _ => true,
        };
        if !fits {
            self.no_overload(at, name, on.as_ref(), &arguments);
        }
        match full.as_str() {
            "size" | "int" | "indexOf" | "lastIndexOf" => Type::Int,
            "string" | "lowerAscii" | "upperAscii" | "replace" | "trim" | "substring" | "join" | "charAt" | "find" => Type::Text,
            "double" => Type::Double,
            "duration" => Type::Duration,
            "timestamp" => Type::Time,
            "startsWith" | "endsWith" | "contains" | "matches" | "hasValue" | "isSorted" | "isURL" | "isIP" | "isCIDR" | "isQuantity" | "bool"
            | "isGreaterThan" | "isLessThan" => Type::Bool,
            "split" | "findAll" => Type::List(Box::new(Type::Text)),
            _ => Type::Dyn,
        }
    }
}
