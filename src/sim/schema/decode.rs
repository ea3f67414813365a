//! Reading a document into a type, as Go would: unknown fields and nulls go, zero values are written or left out as the Go struct says.
//!
//! Not here: defaults that the server sets by code, and validation.

use std::collections::BTreeSet;

use super::parse::{Tree, parse};
use super::{Field, Omit, Shape, Type, of, quantity, time};
use crate::sim::json::{Map, Value, literal};

mod scalar;
mod whole;

/// What the request wants done about unknown and duplicate fields (`fieldValidation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    Ignore,
    Warn,
    Strict,
}

/// An object as its Go type holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    pub object: Value,
    /// `unknown field "spec.foo"`, `duplicate field "spec.replicas"`: in the order of the document.
    pub strict: Vec<String>,
}

/// What the server says of several strict errors at once.
pub fn strict_error(errors: &[String]) -> String {
    format!("strict decoding error: {}", errors.join(", "))
}

/// A document, and what it says that it is.
pub struct Head {
    pub tree: Tree,
    pub api_version: String,
    pub kind: String,
}

/// Reads a document as far as every kind is read.
///
/// # Errors
/// The text of a `BadRequest`.
pub fn head(kind: &str, document: &[u8]) -> Result<Head, String> {
    let interpret = |why: String| {
        format!("the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({})", summary(document))
    };
    let tree = parse(document).map_err(interpret)?;
    let text = |name: &str| match tree.get(name) {
        None | Some(Tree::Null) => Ok(String::new()),
        Some(Tree::String(text)) => Ok(text.clone()),
        Some(other) => Err(interpret(format!("json: cannot unmarshal {} into Go struct field .{name} of type string", other.go_name()))),
    };
    if !matches!(tree, Tree::Object(_) | Tree::Null) {
        return Err(interpret(format!(
            "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            tree.go_name()
        )));
    }
    let (api_version, own_kind) = (text("apiVersion")?, text("kind")?);
    Ok(Head { tree, api_version, kind: own_kind })
}

/// Reads the body of a create or update that expects this kind. The warnings are what the strictness lets pass.
///
/// # Errors
/// The text of a `BadRequest`.
///
/// # Source
/// `Decode` of apimachinery 0.36 `runtime/serializer/json` with `transformDecodeError` of the API server's handlers.
pub fn body(group: &str, version: &str, kind: &str, document: &[u8], strictness: Strictness) -> Result<Decoded, String> {
    let unrecognised = |why: &str| format!("the object provided is unrecognized (must be of type {kind}): {why} ({})", summary(document));
    let Head { tree, api_version, kind: own_kind } = head(kind, document)?;
    let (api_version, own_kind) = (api_version.as_str(), own_kind.as_str());
    let own_kind = if own_kind.is_empty() { kind } else { own_kind };
    let (own_group, own_version) = match api_version.split_once('/') {
        None if api_version.is_empty() => (group, version),
        None => ("", api_version),
        Some((_, rest)) if rest.contains('/') => return Err(unrecognised(&format!("unexpected GroupVersion string: {api_version}"))),
        Some(both) => both,
    };
    let refused = |why: &str| format!("{own_kind} in version {own_version:?} cannot be handled as a {kind}: {why}");
    let own_api_version = if own_group.is_empty() { own_version.to_owned() } else { format!("{own_group}/{own_version}") };
    let other_version = || {
        let expected = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        format!("the API version in the data ({own_api_version}) does not match the expected API version ({expected})")
    };
    if OLD_VERSIONS.contains(&own_api_version.as_str()) {
        return Err(other_version());
    }
    let Some(ty) = of(own_group, own_version, own_kind) else {
        return Err(refused(&format!("no kind {own_kind:?} is registered for version {own_api_version:?} in scheme \"pkg/runtime/scheme.go:111\"")));
    };
    let decoded = json(ty, &tree).map_err(|why| refused(&why))?;
    if strictness == Strictness::Strict && !decoded.strict.is_empty() {
        return Err(refused(&strict_error(&decoded.strict)));
    }
    if own_kind != kind {
        let internal = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or(group) };
        return Err(refused(&format!("converting ({}) to ({internal}.{kind}): unknown conversion", ty.go)));
    }
    if (own_group, own_version) != (group, version) {
        return Err(other_version());
    }
    let mut decoded = decoded;
    if strictness == Strictness::Ignore {
        decoded.strict.clear();
    }
    if let Value::Object(object) = &mut decoded.object {
        object.insert(literal!("apiVersion"), own_api_version.into());
        object.insert(literal!("kind"), own_kind.into());
    }
    Ok(decoded)
}

/// Versions that the server can still read but no longer serves.
const OLD_VERSIONS: &[&str] = &[
    "apps/v1beta1",
    "apps/v1beta2",
    "autoscaling/v2beta1",
    "autoscaling/v2beta2",
    "batch/v1beta1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1beta1",
];

/// A document's beginning, as Go's errors show it.
pub fn summary(document: &[u8]) -> String {
    const LONGEST: usize = 30;
    let (shown, more) = if document.len() > LONGEST { (&document[..LONGEST], " ...") } else { (document, "") };
    match document.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => format!("{}{more}", shown.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

/// Reads a document as Go's JSON decoder does.
///
/// # Errors
/// `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`, the first one only.
pub fn json(ty: &'static Type, tree: &Tree) -> Result<Decoded, String> {
    if ty.custom.is_some() {
        return Ok(Decoded { object: tree.to_value(), strict: Vec::new() });
    }
    Decoder::new(Words::Json).document(ty, tree)
}

/// Reads an object that was merged as a map, as the server does after a strategic merge. Its strict errors are sorted.
///
/// # Errors
/// `unrecognized type: int32` or `cannot restore struct from: string`: no field is named, as in the server.
pub fn unstructured(ty: &'static Type, object: &Value) -> Result<Decoded, String> {
    if ty.custom.is_some() {
        return Ok(Decoded { object: object.clone(), strict: Vec::new() });
    }
    let mut decoded = Decoder::new(Words::Unstructured).document(ty, &Tree::from(object))?;
    decoded.strict.sort();
    Ok(decoded)
}

/// The object without what its type does not know, zero values written as Go writes them; what has the wrong type is an error.
///
/// # Errors
/// As `json`.
pub fn typed(ty: &'static Type, object: &Value) -> Result<Value, String> {
    typed_like(ty, object.clone(), None)
}

/// `typed` of an object that is to replace `like`, which its type holds already: what both share is not looked at again.
///
/// # Errors
/// As `json`.
pub fn typed_like(ty: &'static Type, object: Value, like: Option<&Value>) -> Result<Value, String> {
    if whole::is_whole(ty, &object, like) {
        return Ok(object);
    }
    Ok(json(ty, &Tree::from(&object))?.object)
}

/// Which of the server's two decoders speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    Json,
    Unstructured,
}

/// A value as JSON has it, and whether it is Go's zero.
struct Coded {
    json: Value,
    zero: bool,
}

struct Decoder {
    words: Words,
    strict: Vec<String>,
    seen: BTreeSet<String>,
    /// Where strict errors are: `spec.containers[0]`.
    path: String,
    /// Where type errors are: the struct's Go name, and the fields from the root without indices.
    structure: &'static str,
    fields: Vec<&'static str>,
    /// The first type error; the decoder goes on for those that end it at once.
    saved: Option<String>,
}

/// The server reports no more strict errors than this.
const MAX_STRICT: usize = 100;

impl Decoder {
    fn new(words: Words) -> Self {
        Decoder { words, strict: Vec::new(), seen: BTreeSet::new(), path: String::new(), structure: "", fields: Vec::new(), saved: None }
    }

    fn document(mut self, ty: &'static Type, tree: &Tree) -> Result<Decoded, String> {
        let coded = self.value(ty, tree)?;
        match self.saved {
            Some(error) => Err(error),
            None => Ok(Decoded { object: coded.json, strict: self.strict }),
        }
    }

    fn strict(&mut self, what: &str, name: &str) {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let text = format!("{what} {path:?}");
        if self.strict.len() < MAX_STRICT && self.seen.insert(text.clone()) {
            self.strict.push(text);
        }
    }

    /// Notes that a value does not fit, and takes Go's zero for it.
    fn mismatch(&mut self, ty: &'static Type, value: &str, tree: &Tree) -> Result<Coded, String> {
        if self.words == Words::Unstructured {
            return Err(restore_error(ty, tree));
        }
        let error = self.in_context(value, &ty.go);
        self.saved.get_or_insert(error);
        Ok(zero(ty))
    }

    fn in_context(&self, value: &str, go: &str) -> String {
        if self.words == Words::Unstructured || (self.structure.is_empty() && self.fields.is_empty()) {
            return format!("json: cannot unmarshal {value} into Go value of type {go}");
        }
        format!("json: cannot unmarshal {value} into Go struct field {}.{} of type {go}", self.structure, self.fields.join("."))
    }

    fn value(&mut self, ty: &'static Type, tree: &Tree) -> Result<Coded, String> {
        if tree.is_null() {
            return Ok(zero(ty));
        }
        match (&ty.shape, tree) {
            (Shape::Struct(_), Tree::Object(members)) => self.structure(ty, members),
            (Shape::Map(link), Tree::Object(members)) => self.map(link.ty(), members),
            (Shape::List(list), Tree::Array(items)) => self.list(list.item.ty(), items),
            (Shape::Raw | Shape::Deduced, tree) => Ok(Coded { json: tree.to_value(), zero: false }),
            _ => self.scalar(ty, tree),
        }
    }

    fn structure(&mut self, ty: &'static Type, members: &[(String, Tree)]) -> Result<Coded, String> {
        let mut decoded: Vec<Option<Coded>> = ty.fields().iter().map(|_| None).collect();
        let outer = (self.path.len(), self.structure, self.fields.len());
        let mut known = BTreeSet::new();
        let mut found: Vec<(Option<usize>, &String, &Tree)> = members.iter().map(|(name, tree)| (ty.position(name), name, tree)).collect();
        // The second decoder goes by the struct's fields, the first by the document's.
        if self.words == Words::Unstructured {
            found.sort_by_key(|(at, ..)| at.unwrap_or(usize::MAX));
        }
        for (at, name, tree) in found {
            let Some(at) = at else {
                self.strict("unknown field", name);
                continue;
            };
            if !known.insert(at) {
                self.strict("duplicate field", name);
            }
            let field = &ty.fields()[at];
            self.enter(name);
            self.structure = ty.go_name();
            self.fields.extend(field.embedded.iter().map(String::as_str));
            self.fields.push(&field.name);
            let coded = if tree.is_null() { None } else { Some(self.value(field.ty(), tree)?) };
            self.path.truncate(outer.0);
            self.fields.truncate(outer.2);
            self.structure = outer.1;
            decoded[at] = coded;
        }
        Ok(assemble(ty, decoded))
    }

    fn map(&mut self, value_ty: &'static Type, members: &[(String, Tree)]) -> Result<Coded, String> {
        let mut map = Map::new();
        for (key, tree) in members {
            if map.contains_key(key) {
                self.strict("duplicate field", key);
            }
            let length = self.path.len();
            // The second decoder does not name the keys of maps.
            if self.words == Words::Json {
                self.enter(key);
            }
            let coded = self.value(value_ty, tree)?;
            self.path.truncate(length);
            map.insert(key.clone(), coded.json);
        }
        let zero = map.is_empty();
        Ok(Coded { json: Value::Object(map), zero })
    }

    fn list(&mut self, item_ty: &'static Type, items: &[Tree]) -> Result<Coded, String> {
        let mut list = Vec::with_capacity(items.len());
        for (at, tree) in items.iter().enumerate() {
            let length = self.path.len();
            self.path.push_str(&format!("[{at}]"));
            list.push(self.value(item_ty, tree)?.json);
            self.path.truncate(length);
        }
        // An empty list of managers is an order to forget them all, and no absent one.
        let zero = list.is_empty() && self.path != "metadata.managedFields";
        Ok(Coded { json: Value::from(list), zero })
    }

    fn enter(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }
}

/// Go's zero of a type that is no pointer.
fn zero(ty: &'static Type) -> Coded {
    let json = match &ty.shape {
        Shape::Struct(_) => return assemble(ty, ty.fields().iter().map(|_| None).collect()),
        Shape::Map(_) | Shape::List(_) | Shape::Bytes | Shape::Raw | Shape::Deduced | Shape::Time | Shape::MicroTime => Value::Null,
        Shape::String => Value::from(String::new()),
        Shape::Int32 | Shape::Int64 | Shape::Float | Shape::IntOrString => Value::from(0),
        Shape::Boolean => Value::Bool(false),
        Shape::Quantity => Value::from("0".to_owned()),
    };
    Coded { json, zero: true }
}

/// Writes a struct's fields as Go's encoder does; `None` is a field that is absent or null.
fn assemble(ty: &'static Type, decoded: Vec<Option<Coded>>) -> Coded {
    let mut map = Map::new();
    let mut all_zero = true;
    for (field, coded) in ty.fields().iter().zip(decoded) {
        if let Some((json, is_zero)) = written(field, coded) {
            all_zero &= is_zero;
            if let Some(json) = json {
                map.insert(field.name.clone(), json);
            }
        }
    }
    Coded { json: Value::Object(map), zero: all_zero }
}

/// What is written for a field, and whether the field is zero; `None` for a pointer that is nil and left out.
fn written(field: &Field, coded: Option<Coded>) -> Option<(Option<Value>, bool)> {
    if field.pointer {
        return match (coded, field.omit) {
            (Some(coded), _) => Some((Some(coded.json), false)),
            (None, Omit::Never) => Some((Some(Value::Null), true)),
            (None, _) => None,
        };
    }
    let coded = coded.unwrap_or_else(|| zero(field.ty()));
    let left_out = coded.zero && (field.omit == Omit::Zero || field.omit == Omit::Empty && !is_struct_in_go(field.ty()));
    // An empty list is stored as none at all, which a field that is always written shows as null.
    let json = if coded.zero && matches!(field.ty().shape, Shape::Map(_) | Shape::List(_)) { Value::Null } else { coded.json };
    Some(((!left_out).then_some(json), coded.zero))
}

/// Whether `omitempty` keeps even a zero of this type.
fn is_struct_in_go(ty: &Type) -> bool {
    !matches!(ty.shape, Shape::String | Shape::Int32 | Shape::Int64 | Shape::Float | Shape::Boolean | Shape::Map(_) | Shape::List(_) | Shape::Bytes)
}

/// What the decoder of merged maps says of a value that does not fit.
fn restore_error(ty: &Type, tree: &Tree) -> String {
    let kind = match tree {
        Tree::Null => "invalid",
        Tree::Bool(_) => "bool",
        Tree::Number(text) if text.contains(['.', 'e', 'E']) => "float64",
        Tree::Number(_) => "int64",
        Tree::String(_) => "string",
        Tree::Array(_) => "slice",
        Tree::Object(_) => "map",
    };
    match ty.go_kind() {
        "struct" => format!("cannot restore struct from: {kind}"),
        "map" => format!("cannot restore map from {kind}"),
        "slice" => format!("cannot restore slice from {kind}"),
        // Go converts whole numbers to text and fractions to whole numbers, which this decoder then refuses; other pairs it does not know.
        "string" if kind == "int64" => format!("cannot convert int64 to {}", ty.go),
        "int32" | "int64" if kind == "float64" => format!("cannot convert float64 to {}", ty.go),
        other => format!("unrecognized type: {other}"),
    }
}

#[cfg(test)]
mod tests;
