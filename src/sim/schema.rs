//! What the API server knows about the types it serves: fields, defaults, merge keys, list types and their Go shapes, parsed once from data.
//!
//! Not here: what is checked beyond a type's shape (validation, admission), and defaults that the server sets by code and the schema does not carry.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::sim::json::{Text, Value, json};

pub mod decode;
pub mod parse;
pub mod quantity;
pub mod time;

/// The schemas of the types, as the server publishes them, without prose.
const SCHEMAS: &str = include_str!("data/schemas.json");
/// The Go structs behind the types: per struct a list of `[field, json name, type, options, what is behind a named type]`; options are
/// `e` omitempty, `z` omitzero, `i` inlined, `-` not in JSON.
const GO_TYPES: &str = include_str!("data/gotypes.json");

/// A type: a kind, a part of one, or what stands in a field.
#[derive(Debug)]
pub struct Type {
    /// The definition's name such as `io.k8s.api.apps.v1.Deployment`; empty for a list, a map or a scalar that stands in a field.
    pub name: String,
    pub shape: Shape,
    pub required: Vec<String>,
    pub enums: Vec<String>,
    /// A map or struct that is owned and replaced as a whole.
    pub atomic: bool,
    /// The type's name in Go, `v1.DeploymentSpec` or `[]v1.Container`, which the server's errors show.
    pub go: String,
    /// Set for a custom kind, which no Go type holds: its objects stay as they are sent.
    pub custom: Option<CustomFacts>,
    /// Go's zero of the type, once it was asked for.
    pub(in crate::sim) zero: OnceLock<Value>,
}

/// What is to be known of the type of a custom kind besides its shape.
#[derive(Clone, Copy, Debug)]
pub struct CustomFacts {
    /// Whether the status is written through a part of its own.
    pub has_status: bool,
}

/// What values of a type look like.
#[derive(Debug)]
pub enum Shape {
    Struct(Struct),
    Map(Link),
    List(List),
    String,
    Bytes,
    Int32,
    Int64,
    Float,
    Boolean,
    IntOrString,
    Quantity,
    Time,
    MicroTime,
    /// Anything, kept as it is (RawExtension).
    Raw,
    /// Anything, a map of such things if it is a map.
    Deduced,
}

/// The fields of a struct in Go's order.
#[derive(Debug, Default)]
pub struct Struct {
    pub fields: Vec<Field>,
    /// The places of the fields in the order of their names.
    sorted: Vec<usize>,
    /// What members that are no fields are, where there can be such.
    pub rest: Option<Link>,
}

impl Struct {
    pub fn new(fields: Vec<Field>, rest: Option<Link>) -> Self {
        let mut sorted: Vec<usize> = (0..fields.len()).collect();
        sorted.sort_by(|left, right| fields[*left].name.cmp(&fields[*right].name));
        Self { fields, sorted, rest }
    }

    /// The places of the fields in the order of their names.
    pub fn sorted(&self) -> &[usize] {
        &self.sorted
    }
}

/// A list's items and how lists of this type are merged by server-side apply.
#[derive(Debug)]
pub struct List {
    pub item: Link,
    pub kind: ListKind,
    /// The keys of an item of a `ListKind::Map`, in the order of the schema.
    pub keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    Atomic,
    Set,
    Map,
}

/// A reference to a type; types refer to each other in circles.
#[derive(Clone, Copy, Debug)]
pub struct Link(Target);

#[derive(Clone, Copy, Debug)]
enum Target {
    /// A place in the table of the types that every server has.
    Table(usize),
    Custom(&'static Type),
}

impl Link {
    /// A link to a type that is not in the table.
    pub const fn to(ty: &'static Type) -> Self {
        Self(Target::Custom(ty))
    }

    pub fn ty(self) -> &'static Type {
        match self.0 {
            Target::Table(at) => &schemas().types[at],
            Target::Custom(ty) => ty,
        }
    }
}

/// When a field is left out of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omit {
    Never,
    /// Zero scalars, absent pointers, empty lists and maps; structs are always written.
    Empty,
    /// Structs too, if all of them is zero.
    Zero,
}

#[derive(Debug)]
pub struct Field {
    /// Every object that has the field shares its name.
    pub name: Text,
    /// The name as FieldsV1 has it: `f:spec`.
    pub key: Text,
    pub link: Link,
    pub default: Option<Value>,
    /// `x-kubernetes-patch-merge-key`
    pub merge_key: String,
    /// `x-kubernetes-patch-strategy`, split
    pub strategies: Vec<String>,
    /// The field's own word on whether its struct or map is owned as a whole; `None`: the type's.
    atomic: Option<bool>,
    pub omit: Omit,
    /// A Go pointer: absent and zero are different.
    pub pointer: bool,
    /// The embedded structs that the field comes from, by their Go names, which the server's errors show.
    pub embedded: Vec<String>,
}

impl Field {
    /// A field of a custom kind.
    pub fn custom(name: &str, link: Link, default: Option<Value>) -> Self {
        Self {
            name: name.into(),
            key: format!("f:{name}").into(),
            link,
            default,
            merge_key: String::new(),
            strategies: Vec::new(),
            atomic: None,
            omit: Omit::Never,
            pointer: false,
            embedded: Vec::new(),
        }
    }

    pub fn ty(&self) -> &'static Type {
        self.link.ty()
    }

    /// Is what stands here owned and replaced as a whole?
    pub fn atomic(&self) -> bool {
        self.atomic.unwrap_or(self.ty().atomic)
    }
}

/// One field of a Go struct, in declaration order: what hashes and errors of the server depend on.
#[derive(Debug)]
pub struct GoField {
    pub name: String,
    pub json: String,
    /// As reflection prints it: `*int32`, `[]v1.Container`, `v1.ResourceList`.
    pub ty: String,
    pub omit: Omit,
    pub inline: bool,
    pub skipped: bool,
    /// What a named type is: the struct's path, `string`, `map[v1.ResourceName]resource.Quantity`; empty for types without a name of their own.
    pub behind: String,
}

impl Type {
    /// The field of this name, if the type is a struct that has one.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.position(name).map(|at| &self.fields()[at])
    }

    /// The place of a field among the others.
    pub fn position(&self, name: &str) -> Option<usize> {
        let Shape::Struct(fields) = &self.shape else { return None };
        let found = fields.sorted.binary_search_by(|at| fields.fields[*at].name.as_str().cmp(name)).ok()?;
        Some(fields.sorted[found])
    }

    pub fn fields(&self) -> &[Field] {
        match &self.shape {
            Shape::Struct(fields) => &fields.fields,
            _ => &[],
        }
    }

    /// The type of a list's items or of a map's values.
    pub fn item(&self) -> Option<&'static Type> {
        match &self.shape {
            Shape::List(list) => Some(list.item.ty()),
            Shape::Map(link) => Some(link.ty()),
            _ => None,
        }
    }

    /// The type of what stands at a path of field names, through lists and maps (`*` for a map's key); `None` when there is no such field.
    pub fn at(&'static self, path: &[&str]) -> Option<&'static Type> {
        let mut ty = self;
        for name in path {
            while let Shape::List(list) = &ty.shape {
                ty = list.item.ty();
            }
            ty = match &ty.shape {
                Shape::Map(link) => link.ty(),
                _ => ty.field(name)?.ty(),
            };
        }
        Some(ty)
    }

    /// What a document without members is read as.
    pub fn zero(&'static self) -> &'static Value {
        self.zero.get_or_init(|| decode::typed(self, &json!({})).unwrap_or_else(|_| json!({})))
    }

    /// Go's word for the kind of this type, as reflection prints it.
    pub fn go_kind(&self) -> &'static str {
        match self.shape {
            Shape::Struct(_) | Shape::IntOrString | Shape::Quantity | Shape::Time | Shape::MicroTime | Shape::Raw | Shape::Deduced => "struct",
            Shape::Map(_) => "map",
            Shape::List(_) | Shape::Bytes => "slice",
            Shape::String => "string",
            Shape::Int32 => "int32",
            Shape::Int64 => "int64",
            Shape::Float => "float64",
            Shape::Boolean => "bool",
        }
    }

    /// The name of the Go type without its package: `DeploymentSpec`.
    pub fn go_name(&self) -> &str {
        self.go.rsplit('.').next().unwrap_or(&self.go)
    }
}

/// The type of a kind. `group` is empty for the core group.
pub fn of(group: &str, version: &str, kind: &str) -> Option<&'static Type> {
    let all = schemas();
    all.by_kind.get(&(group.to_owned(), version.to_owned(), kind.to_owned())).map(|&at| &all.types[at])
}

/// The type of a kind by the object's own `apiVersion` and `kind`.
pub fn of_object(object: &Value) -> Option<&'static Type> {
    let api_version = object.get("apiVersion")?.as_str()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    of(group, version, object.get("kind")?.as_str()?)
}

/// The type of this definition name, as in a `$ref`: `io.k8s.api.core.v1.PodTemplateSpec`.
pub fn named(name: &str) -> Option<&'static Type> {
    let all = schemas();
    all.by_name.get(name).map(|&at| &all.types[at])
}

/// The fields of a Go struct by its path, `k8s.io/api/core/v1.PodTemplateSpec`.
pub fn go_struct(path: &str) -> Option<&'static [GoField]> {
    schemas().go.get(path).map(Vec::as_slice)
}

struct Schemas {
    types: Vec<Type>,
    by_name: BTreeMap<String, usize>,
    by_kind: BTreeMap<(String, String, String), usize>,
    go: BTreeMap<String, Vec<GoField>>,
}

/// Read-only after the first use, so two sessions of the library share nothing that either could change.
fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(Schemas::read)
}

impl Schemas {
    fn read() -> Self {
        // The data is part of the program; a test reads it whole.
        let document: Value = serde_json::from_str(SCHEMAS).expect("the schemas are JSON");
        let definitions = document["schemas"].as_object().expect("the schemas are a map").clone();
        let mut all = Schemas { types: Vec::new(), by_name: BTreeMap::new(), by_kind: BTreeMap::new(), go: read_go(GO_TYPES) };
        #[cfg(test)]
        let definitions = {
            let (more, go) = tests::more_types();
            all.go.extend(read_go(&go));
            definitions.into_iter().chain(more).collect::<crate::sim::json::Map>()
        };
        for name in definitions.keys() {
            all.by_name.insert(name.to_string(), all.types.len());
            all.types.push(Type::of_shape(Shape::Raw));
        }
        for (name, definition) in &definitions {
            let at = all.by_name[name.as_str()];
            let path = go_path(name);
            let go = path.rsplit('/').next().unwrap_or_default().to_owned();
            let mut ty = all.build(definition, &go, "", Some(&path));
            name.as_str().clone_into(&mut ty.name);
            all.types[at] = ty;
            for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
                let part = |key: &str| kind[key].as_str().unwrap_or_default().to_owned();
                all.by_kind.insert((part("group"), part("version"), part("kind")), at);
            }
        }
        all
    }

    fn link(&mut self, schema: &Value, go: &str, behind: &str) -> Link {
        if let Some(at) = schema["$ref"].as_str().and_then(|name| self.by_name.get(name)) {
            return Link(Target::Table(*at));
        }
        let ty = self.build(schema, go, behind, None);
        self.types.push(ty);
        Link(Target::Table(self.types.len() - 1))
    }

    fn build(&mut self, schema: &Value, go: &str, behind: &str, path: Option<&str>) -> Type {
        let shape = match (schema["type"].as_str().unwrap_or_default(), schema["format"].as_str().unwrap_or_default()) {
            (_, "int-or-string") => Shape::IntOrString,
            ("string", "date-time") if go.ends_with("MicroTime") => Shape::MicroTime,
            ("string", "date-time") => Shape::Time,
            ("string", "byte") => Shape::Bytes,
            ("string", _) => Shape::String,
            ("integer", "int32") => Shape::Int32,
            ("integer", _) => Shape::Int64,
            ("number", _) => Shape::Float,
            ("boolean", _) => Shape::Boolean,
            ("array", _) => {
                let inner = if behind.starts_with("[]") { behind } else { go };
                let item_go = inner.trim_start_matches("[]").trim_start_matches('*').to_owned();
                let kind = match schema["x-kubernetes-list-type"].as_str() {
                    Some("map") => ListKind::Map,
                    Some("set") => ListKind::Set,
                    _ => ListKind::Atomic,
                };
                Shape::List(List { item: self.link(&schema["items"], &item_go, ""), kind, keys: strings(&schema["x-kubernetes-list-map-keys"]) })
            }
            ("object", _) if schema.get("properties").is_some() => Shape::Struct(self.fields(schema, path.unwrap_or_default())),
            ("object", _) if schema.get("additionalProperties").is_some() => {
                let inner = if behind.starts_with("map[") { behind } else { go };
                let value_go = inner.split_once(']').map_or("", |(_, value)| value).trim_start_matches('*').to_owned();
                Shape::Map(self.link(&schema["additionalProperties"], &value_go, ""))
            }
            _ if schema.get("oneOf").is_some() => Shape::Quantity,
            _ => Shape::Raw,
        };
        let atomic = schema["x-kubernetes-map-type"] == "atomic";
        Type {
            name: String::new(),
            shape,
            required: strings(&schema["required"]),
            enums: strings(&schema["enum"]),
            atomic,
            go: go.to_owned(),
            custom: None,
            zero: OnceLock::new(),
        }
    }

    fn fields(&mut self, schema: &Value, path: &str) -> Struct {
        let mut fields = Struct::default();
        let mut order = Vec::new();
        self.flatten(path, &[], &mut order);
        let properties = schema["properties"].as_object();
        // A property that Go's struct does not have: an alias kept for old clients. It comes last.
        for name in properties.into_iter().flat_map(|properties| properties.keys()) {
            if !order.iter().any(|(_, json, ..)| json == name) {
                order.push((Vec::new(), name.to_string(), String::new(), Omit::Empty, String::new()));
            }
        }
        for (embedded, name, go, omit, behind) in order {
            let Some(property) = properties.and_then(|properties| properties.get(&name)) else { continue };
            let field = Field {
                link: self.link(property, go.trim_start_matches('*'), &behind),
                default: property.get("default").cloned(),
                merge_key: property["x-kubernetes-patch-merge-key"].as_str().unwrap_or_default().to_owned(),
                strategies: property["x-kubernetes-patch-strategy"].as_str().map(|all| all.split(',').map(str::to_owned).collect()).unwrap_or_default(),
                atomic: property["x-kubernetes-map-type"].as_str().map(|kind| kind == "atomic"),
                omit,
                pointer: go.starts_with('*'),
                embedded,
                key: format!("f:{name}").into(),
                name: name.into(),
            };
            fields.fields.push(field);
        }
        fields.sorted = (0..fields.fields.len()).collect();
        fields.sorted.sort_by(|left, right| fields.fields[*left].name.cmp(&fields.fields[*right].name));
        fields
    }

    /// The JSON fields of a Go struct, those of inlined structs in their place.
    fn flatten(&self, path: &str, embedded: &[String], into: &mut Vec<(Vec<String>, String, String, Omit, String)>) {
        for field in self.go.get(path).into_iter().flatten() {
            if field.inline {
                self.flatten(&field.behind, &[embedded, std::slice::from_ref(&field.name)].concat(), into);
            } else if !field.skipped {
                into.push((embedded.to_vec(), field.json.clone(), field.ty.clone(), field.omit, field.behind.clone()));
            }
        }
    }
}

impl Type {
    pub const fn of_shape(shape: Shape) -> Self {
        Type { name: String::new(), shape, required: Vec::new(), enums: Vec::new(), atomic: false, go: String::new(), custom: None, zero: OnceLock::new() }
    }
}

fn read_go(text: &str) -> BTreeMap<String, Vec<GoField>> {
    let rows: BTreeMap<String, Vec<Vec<String>>> = serde_json::from_str(text).expect("the Go types are JSON");
    let field = |row: Vec<String>| {
        let mut row = row.into_iter();
        let mut next = || row.next().unwrap_or_default();
        let (name, json, ty, options, behind) = (next(), next(), next(), next(), next());
        let omit = match () {
            () if options.contains('z') => Omit::Zero,
            () if options.contains('e') => Omit::Empty,
            () => Omit::Never,
        };
        GoField { name, json, ty, omit, inline: options.contains('i'), skipped: options.contains('-'), behind }
    };
    rows.into_iter().map(|(path, rows)| (path, rows.into_iter().map(field).collect())).collect()
}

/// `io.k8s.api.apps.v1.Deployment` is `k8s.io/api/apps/v1.Deployment` in Go.
fn go_path(name: &str) -> String {
    let Some((package, ty)) = name.rsplit_once('.') else { return name.to_owned() };
    format!("{}.{ty}", package.replacen("io.k8s.", "k8s.io/", 1).replace("k8s.io/", "\u{0}").replace('.', "/").replace('\u{0}', "k8s.io/"))
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The types of upstream's own tests of strategic merges.
    pub(super) fn more_types() -> (crate::sim::json::Map, String) {
        let mut more: Value = serde_json::from_str(include_str!("data/test-schemas.json")).unwrap();
        let Value::Object(schemas) = more["schemas"].take() else { panic!("no schemas") };
        (schemas, more["go"].to_string())
    }

    #[test]
    fn every_struct_of_the_schemas_has_its_go_shape() {
        let all = schemas();
        let without: Vec<&str> = all
            .by_name
            .keys()
            .filter(|name| matches!(named(name).unwrap().shape, Shape::Struct(_)) && go_struct(&go_path(name)).is_none())
            .map(String::as_str)
            .collect();
        assert_eq!(without, Vec::<&str>::new());
        for ty in &all.types {
            for field in ty.fields() {
                assert!(!field.ty().go.is_empty(), "{}.{} has no Go type", ty.name, field.name);
            }
        }
    }

    #[test]
    fn types_are_found_by_kind_by_name_and_by_path() {
        let deployment = of("apps", "v1", "Deployment").unwrap();
        assert_eq!(deployment.name, "io.k8s.api.apps.v1.Deployment");
        assert_eq!(deployment.go, "v1.Deployment");
        let ports = deployment.at(&["spec", "template", "spec", "containers", "ports"]).unwrap();
        let Shape::List(list) = &ports.shape else { panic!("ports is {:?}", ports.shape) };
        assert_eq!((list.kind, list.keys.as_slice()), (ListKind::Map, ["containerPort".to_owned(), "protocol".to_owned()].as_slice()));
        assert_eq!(ports.go, "[]v1.ContainerPort");
        assert_eq!(ports.at(&["protocol"]).unwrap().go, "v1.Protocol");
        let limits = deployment.at(&["spec", "template", "spec", "containers", "resources", "limits"]).unwrap();
        assert_eq!((limits.go.as_str(), limits.item().unwrap().go.as_str()), ("v1.ResourceList", "resource.Quantity"));
        let strategy = deployment.at(&["spec"]).unwrap().field("strategy").unwrap();
        assert_eq!((strategy.strategies.as_slice(), strategy.omit, strategy.pointer), (["retainKeys".to_owned()].as_slice(), Omit::Empty, false));
        assert!(deployment.at(&["spec", "selector"]).unwrap().atomic);
        assert!(of("apps", "v1", "Nothing").is_none());
    }
}
