//! What a CustomResourceDefinition may say: its defaults, and the rules that the server has for it, in its words.
//!
//! The server keeps what all versions have in common in one place, and so do the fields that its errors name: `spec.validation` and not
//! `spec.versions[0].schema` where the versions agree.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/apis/apiextensions/{v1/defaults.go,validation/validation.go}`.

use crate::sim::json::{Value, json};

use super::openapi_rules;
use super::path::Path;
use super::schema::{Schema, knows_format};
use super::structural;
use crate::sim::failure::{FieldError, Rule};
use crate::sim::names;
use crate::sim::schema::{self, decode};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_default()
}

/// Fills in what a definition leaves out.
pub fn set_defaults(definition: &mut Value) {
    let Some(spec) = definition.get_mut("spec").filter(|it| it.is_object()) else { return };
    let kind = text(&spec["names"], "kind").to_owned();
    if spec["names"].is_object() {
        if text(&spec["names"], "singular").is_empty() && !kind.is_empty() {
            spec["names"]["singular"] = kind.to_lowercase().into();
        }
        if text(&spec["names"], "listKind").is_empty() && !kind.is_empty() {
            spec["names"]["listKind"] = format!("{kind}List").into();
        }
    }
    if spec["conversion"].is_null() {
        spec["conversion"] = json!({ "strategy": "None" });
    }
    let service = &mut spec["conversion"]["webhook"];
    if service["clientConfig"]["service"].is_object() && service["clientConfig"]["service"]["port"].is_null() {
        service["clientConfig"]["service"]["port"] = json!(443);
    } else if service.is_null()
        && let Some(conversion) = spec["conversion"].as_object_mut()
    {
        conversion.remove("webhook");
    }
    for version in spec["versions"].as_array_mut().into_iter().flatten() {
        if let Some(schema) = version.get_mut("schema").and_then(|it| it.get_mut("openAPIV3Schema")) {
            settle(schema);
        }
    }
    store_version(definition);
}

/// What may be a schema or something else is read by the server as it likes it; here it is read as a schema where it is one.
fn settle(schema: &mut Value) {
    let ty = schema::named("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
    for key in ["items", "additionalProperties"] {
        let Some(inner) = schema.get_mut(key).filter(|it| it.is_object()) else { continue };
        if let Some(read) = ty.and_then(|ty| decode::typed(ty, inner).ok()) {
            *inner = read;
        }
        settle(inner);
    }
    for key in ["properties", "definitions"] {
        schema.get_mut(key).and_then(Value::as_object_mut).into_iter().flat_map(|it| it.iter_mut()).for_each(|(_, inner)| settle(inner));
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        schema.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().for_each(settle);
    }
    if let Some(inner) = schema.get_mut("not").filter(|it| it.is_object()) {
        settle(inner);
    }
}

/// Remembers that objects are kept in the version that is stored.
pub fn store_version(definition: &mut Value) {
    let storage = items(&definition["spec"]["versions"]).iter().find(|it| it["storage"] == true).map(|it| it["name"].clone());
    let Some(storage) = storage.filter(|it| !items(&definition["status"]["storedVersions"]).contains(it)) else { return };
    let mut stored = items(&definition["status"]["storedVersions"]).to_vec();
    stored.push(storage);
    definition["status"]["storedVersions"] = Value::from(stored);
}

/// Where the parts of versions stand in the server's own form.
struct Places {
    /// Whether all versions have the same.
    schema: bool,
    subresources: bool,
    columns: bool,
    selectable: bool,
}

impl Places {
    fn of(versions: &[Value]) -> Self {
        let same = |key: &str| versions.windows(2).all(|pair| pair[0].get(key) == pair[1].get(key)) && !versions.is_empty();
        Self { schema: same("schema"), subresources: same("subresources"), columns: same("additionalPrinterColumns"), selectable: same("selectableFields") }
    }
}

/// The errors, as they are gathered.
#[derive(Default)]
pub struct Errors(pub Vec<FieldError>);

impl Errors {
    pub fn required(&mut self, field: impl Into<String>, detail: &str) {
        self.0.push(FieldError::required(field, detail));
    }

    pub fn invalid(&mut self, field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) {
        self.0.push(FieldError::invalid(field, value, detail));
    }

    pub fn forbidden(&mut self, field: impl Into<String>, detail: &str) {
        self.0.push(FieldError::forbidden(field, detail));
    }

    pub fn unsupported(&mut self, field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) {
        self.0.push(FieldError::not_supported(field, value, supported));
    }

    fn label(&mut self, field: impl Into<String>, value: &str, prefix: &str) {
        let shown = if prefix.is_empty() { value.to_owned() } else { value.to_lowercase() };
        let broken = names::dns_1035_label(&shown);
        if !value.is_empty() && !broken.is_empty() {
            self.invalid(field, value, format!("{prefix}{}", broken.join(",")));
        }
    }

    fn choice(&mut self, field: &str, value: &str, supported: &[&str]) {
        if value.is_empty() {
            self.required(field, "");
        } else if !supported.contains(&value) {
            self.unsupported(field, value, supported);
        }
    }
}

/// The name that a definition must have.
pub fn wanted_name(definition: &Value) -> String {
    format!("{}.{}", text(&definition["spec"]["names"], "plural"), text(&definition["spec"], "group"))
}

/// All that is wrong with a definition besides its metadata; `old` is what it replaces.
pub fn check(definition: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    spec(&mut errors, &definition["spec"]);
    if let Some(old) = old {
        immutable(&mut errors, definition, old);
    }
    names_of(&mut errors, &definition["status"]["acceptedNames"], "status.acceptedNames");
    stored_versions(&mut errors, definition);
    approval(&mut errors, definition, old);
    if definition["spec"]["preserveUnknownFields"] == true && old.is_none_or(|old| old["spec"]["preserveUnknownFields"] != true) {
        let words = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        errors.invalid("spec.preserveUnknownFields", true, words);
    }
    errors.0
}

/// What is wrong with the status of a definition.
pub fn check_status(definition: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    names_of(&mut errors, &definition["status"]["acceptedNames"], "status.acceptedNames");
    errors.0
}

fn spec(errors: &mut Errors, spec: &Value) {
    let group = text(spec, "group");
    let broken = names::dns_subdomain(group);
    if group.is_empty() {
        errors.required("spec.group", "");
    } else if !broken.is_empty() {
        errors.invalid("spec.group", group, broken.join(","));
    } else if !group.contains('.') {
        errors.invalid("spec.group", group, "should be a domain with at least one dot");
    }
    errors.choice("spec.scope", text(spec, "scope"), &["Cluster", "Namespaced"]);
    let versions = items(&spec["versions"]);
    let places = Places::of(versions);
    for (at, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            errors.required(format!("spec.versions[{at}].schema.openAPIV3Schema"), "");
        }
    }
    for (at, version) in versions.iter().enumerate() {
        let field = format!("spec.versions[{at}]");
        errors.label(format!("{field}.name"), text(version, "name"), "");
        if text(version, "name").is_empty() {
            errors.invalid(format!("{field}.name"), "", names::dns_1035_label("").join(","));
        }
        deprecation(errors, version, &field);
        if !places.schema {
            schema(errors, version, &format!("{field}.schema"));
        }
        if !places.subresources {
            subresources(errors, &version["subresources"], &format!("{field}.subresources"));
        }
        if !places.columns {
            columns(errors, &version["additionalPrinterColumns"], &format!("{field}.additionalPrinterColumns"));
        }
        if !places.selectable {
            selectable(errors, version, &format!("{field}.selectableFields"));
        }
    }
    let shown = shown_versions(versions, &places);
    let mut seen: Vec<&str> = Vec::new();
    if versions.iter().any(|it| {
        let known = seen.contains(&text(it, "name"));
        seen.push(text(it, "name"));
        known
    }) {
        errors.0.push(FieldError::literal(Rule::Invalid, "spec.versions", shown.clone(), "must contain unique version names"));
    }
    if versions.iter().filter(|it| it["storage"] == true).count() != 1 {
        errors.0.push(FieldError::literal(Rule::Invalid, "spec.versions", shown, "must have exactly one version marked as storage version"));
    }
    if let Some(first) = versions.first() {
        errors.label("spec.version", text(first, "name"), "");
    }
    for key in ["plural", "singular", "kind", "listKind"] {
        if text(&spec["names"], key).is_empty() {
            errors.required(format!("spec.names.{key}"), "");
        }
    }
    names_of(errors, &spec["names"], "spec.names");
    if let Some(first) = versions.first() {
        if places.schema {
            schema(errors, first, "spec.validation");
        }
        if places.subresources {
            subresources(errors, &first["subresources"], "spec.subresources");
        }
        if places.columns {
            columns(errors, &first["additionalPrinterColumns"], "spec.additionalPrinterColumns");
        }
        if places.selectable {
            selectable(errors, first, "spec.selectableFields");
        }
    }
    conversion(errors, &spec["conversion"]);
}

/// The versions as the server's own type prints them.
fn shown_versions(versions: &[Value], places: &Places) -> String {
    let part = |version: &Value, key: &str, common: bool| if common { "null".to_owned() } else { version[key].to_string() };
    let one = |it: &Value| {
        format!(
            r#"{{"Name":{},"Served":{},"Storage":{},"Deprecated":{},"DeprecationWarning":{},"Schema":{},"Subresources":{},"AdditionalPrinterColumns":{},"SelectableFields":{}}}"#,
            it["name"],
            it["served"],
            it["storage"],
            it["deprecated"] == true,
            it["deprecationWarning"],
            part(it, "schema", places.schema),
            part(it, "subresources", places.subresources),
            part(it, "additionalPrinterColumns", places.columns),
            part(it, "selectableFields", places.selectable),
        )
    };
    format!("[{}]", versions.iter().map(one).collect::<Vec<_>>().join(","))
}

fn deprecation(errors: &mut Errors, version: &Value, field: &str) {
    let Some(warning) = version["deprecationWarning"].as_str() else { return };
    let field = format!("{field}.deprecationWarning");
    if version["deprecated"] != true {
        errors.invalid(field, warning, "can only be set for deprecated versions");
        return;
    }
    if warning.len() > 256 {
        errors.invalid(field.clone(), warning, "must be <= 256 characters long");
    }
    if warning.is_empty() {
        errors.invalid(field.clone(), warning, "must not be an empty string");
    }
    if let Some((at, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
        errors.invalid(field, warning, format!("must only contain printable UTF-8 characters; non-printable character found at index {at}"));
    }
}

fn schema(errors: &mut Errors, version: &Value, field: &str) {
    let source = &version["schema"]["openAPIV3Schema"];
    if !source.is_object() {
        return;
    }
    let field = format!("{field}.openAPIV3Schema");
    let before = errors.0.len();
    if version["subresources"]["status"].is_object() {
        root_with_status(errors, source, &field);
    }
    if source["nullable"] == true {
        errors.forbidden(format!("{field}.nullable"), "nullable cannot be true at the root");
    }
    let unsupported = structural::unsupported(source);
    let read = Schema::read(source);
    let mut sound = false;
    if unsupported.is_none() {
        let found = structural::check(source, &field);
        if found.is_empty() {
            let found = structural::check_defaults(&read, &field);
            sound = found.is_empty();
            errors.0.extend(found);
        } else {
            errors.0.extend(found);
        }
    }
    openapi_rules::check(errors, source, &field, sound);
    if let Some(why) = unsupported.filter(|_| errors.0.len() == before) {
        errors.invalid(field, "", why);
    }
}

/// The fields that the root of a schema may have beside a status that is written through a part of its own.
const AT_ROOT: [(&str, &str); 22] = [
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("x-kubernetes-validations", "XValidations"),
];

fn root_with_status(errors: &mut Errors, source: &Value, field: &str) {
    let Some(map) = source.as_object() else { return };
    if map.contains_key("type") && source["type"] != "object" {
        let words = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        errors.invalid(format!("{field}.type"), source["type"].clone(), words);
    } else if map.keys().any(|key| !AT_ROOT.iter().any(|(known, _)| known == key)) {
        let known: Vec<&str> = AT_ROOT.iter().map(|it| it.1).collect();
        let words = format!("only [{}] fields are allowed at the root of the schema if the status subresource is enabled", known.join(" "));
        errors.invalid(field, source.clone(), words);
    }
}

fn names_of(errors: &mut Errors, names: &Value, field: &str) {
    const MIXED: &str = "may have mixed case, but should otherwise match: ";
    errors.label(format!("{field}.plural"), text(names, "plural"), "");
    errors.label(format!("{field}.singular"), text(names, "singular"), "");
    errors.label(format!("{field}.kind"), text(names, "kind"), MIXED);
    errors.label(format!("{field}.listKind"), text(names, "listKind"), MIXED);
    for (at, name) in items(&names["shortNames"]).iter().enumerate() {
        errors.label(format!("{field}.shortNames[{at}]"), name.as_str().unwrap_or_default(), "");
    }
    let kind = text(names, "kind");
    if !kind.is_empty() && kind == text(names, "listKind") {
        errors.invalid(format!("{field}.listKind"), kind, "kind and listKind may not be the same");
    }
    for (at, name) in items(&names["categories"]).iter().enumerate() {
        errors.label(format!("{field}.categories[{at}]"), name.as_str().unwrap_or_default(), "");
    }
}

/// Whether a path is one, as far as the server looks.
fn simple_path(errors: &mut Errors, path: &str, field: &str) -> bool {
    if path.starts_with('.') {
        return true;
    }
    errors.invalid(field, path, "must be a simple json path starting with .");
    false
}

fn subresources(errors: &mut Errors, subresources: &Value, field: &str) {
    let scale = &subresources["scale"];
    if !scale.is_object() {
        return;
    }
    for (key, root) in [("specReplicasPath", "spec"), ("statusReplicasPath", "status")] {
        let (path, field) = (text(scale, key), format!("{field}.scale.{key}"));
        if path.is_empty() {
            errors.required(field, "");
        } else if simple_path(errors, path, &field) && !path.starts_with(&format!(".{root}.")) {
            errors.invalid(field, path, format!("should be a json path under .{root}"));
        }
    }
    let (path, field) = (text(scale, "labelSelectorPath"), format!("{field}.scale.labelSelectorPath"));
    if !path.is_empty() && simple_path(errors, path, &field) && !path.starts_with(".spec.") && !path.starts_with(".status.") {
        errors.invalid(field, path, "should be a json path under either .spec or .status");
    }
}

fn columns(errors: &mut Errors, columns: &Value, field: &str) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
    for (at, column) in items(columns).iter().enumerate() {
        let field = format!("{field}[{at}]");
        if text(column, "name").is_empty() {
            errors.required(format!("{field}.name"), "");
        }
        let (ty, format, path) = (text(column, "type"), text(column, "format"), text(column, "jsonPath"));
        let among = |list: &[&str]| format!("must be one of {}", list.join(","));
        if ty.is_empty() {
            errors.required(format!("{field}.type"), &among(&TYPES));
        } else if !TYPES.contains(&ty) {
            errors.invalid(format!("{field}.type"), ty, among(&TYPES));
        }
        if !format.is_empty() && !FORMATS.contains(&format) {
            errors.invalid(format!("{field}.format"), format, among(&FORMATS));
        }
        if path.is_empty() {
            errors.required(format!("{field}.JSONPath"), "");
        } else {
            simple_path(errors, path, &format!("{field}.JSONPath"));
        }
    }
}

/// How many fields of a kind can be selected by.
const SELECTABLE_MOST: usize = 8;

fn selectable(errors: &mut Errors, version: &Value, field: &str) {
    let read = Schema::read(&version["schema"]["openAPIV3Schema"]);
    let mut seen: Vec<&str> = Vec::new();
    for (at, it) in items(&version["selectableFields"]).iter().enumerate() {
        let (path, field) = (text(it, "jsonPath"), format!("{field}[{at}].jsonPath"));
        if path.is_empty() {
            errors.required(field, "");
            continue;
        }
        let found = if Path::parse(path).is_ok() { structural::at(&read, path) } else { Err(format!("expected [ or . but got: {path}")) };
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                errors.invalid(field, path, format!("is an invalid path: {why}"));
                continue;
            }
        };
        if path.starts_with(".metadata.") {
            errors.invalid(field.clone(), path, "must not point to fields in metadata");
        }
        if !matches!(found.ty.as_str(), "string" | "boolean" | "integer") {
            let words = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.invalid(field.clone(), path, words);
        }
        if seen.contains(&path) {
            errors.0.push(FieldError::duplicate(field, path));
        }
        seen.push(path);
    }
    seen.sort_unstable();
    seen.dedup();
    if seen.len() > SELECTABLE_MOST {
        errors.0.push(FieldError::new(Rule::TooMany, field, seen.len(), format!("must have at most {SELECTABLE_MOST} items")));
    }
}

fn conversion(errors: &mut Errors, conversion: &Value) {
    if !conversion.is_object() {
        return;
    }
    const FIELD: &str = "spec.conversion.webhookClientConfig";
    const VERSIONS: &str = "spec.conversion.conversionReviewVersions";
    let strategy = text(conversion, "strategy");
    errors.choice("spec.conversion.strategy", strategy, &["None", "Webhook"]);
    let webhook = &conversion["webhook"];
    let (config, versions) = (&webhook["clientConfig"], items(&webhook["conversionReviewVersions"]));
    if strategy != "Webhook" {
        if config.is_object() {
            errors.forbidden(FIELD, "should not be set when strategy is not set to Webhook");
        }
        if !versions.is_empty() {
            errors.forbidden(VERSIONS, "should not be set when strategy is not set to Webhook");
        }
        return;
    }
    if config.is_object() {
        let (url, service) = (config["url"].as_str(), &config["service"]);
        match url {
            Some(_) if service.is_object() => errors.required(FIELD, "exactly one of url or service is required"),
            None if !service.is_object() => errors.required(FIELD, "exactly one of url or service is required"),
            Some(url) if !url.starts_with("https://") => {
                let scheme = url.split(':').next().unwrap_or_default();
                errors.invalid(format!("{FIELD}.url"), scheme, "'https' is the only allowed URL scheme; desired format: https://host[/path]");
            }
            Some(_) => {}
            None => {
                for key in ["name", "namespace"] {
                    if text(service, key).is_empty() {
                        errors.required(format!("{FIELD}.service.{key}"), &format!("service {key} is required"));
                    }
                }
            }
        }
    } else {
        errors.required(FIELD, "required when strategy is set to Webhook");
    }
    if versions.is_empty() {
        errors.required(VERSIONS, "");
    } else if !versions.iter().any(|it| it == "v1" || it == "v1beta1") {
        errors.invalid(VERSIONS, webhook["conversionReviewVersions"].clone(), "must include at least one of v1, v1beta1");
    }
}

fn immutable(errors: &mut Errors, new: &Value, old: &Value) {
    let mut same = |pointer: &str| {
        let (new, old) = (new.pointer(pointer), old.pointer(pointer));
        if new != old {
            errors.invalid(pointer.trim_start_matches('/').replace('/', "."), new.cloned().unwrap_or_default(), "field is immutable");
        }
    };
    if super::is_true(old, "Established") {
        same("/spec/scope");
        same("/spec/names/kind");
    }
    same("/spec/group");
    same("/spec/names/plural");
}

fn stored_versions(errors: &mut Errors, definition: &Value) {
    let (stored, versions) = (&definition["status"]["storedVersions"], items(&definition["spec"]["versions"]));
    if items(stored).is_empty() {
        errors.invalid("status.storedVersions", Value::Null, "must have at least one stored version");
        return;
    }
    for version in versions.iter().filter(|it| it["storage"] == true && !items(stored).contains(&it["name"])) {
        errors.invalid("status.storedVersions", stored.clone(), format!("must have the storage version {}", text(version, "name")));
    }
    for (at, name) in items(stored).iter().enumerate().filter(|(_, name)| !versions.iter().any(|it| it["name"] == **name)) {
        let shown = name.as_str().unwrap_or_default();
        let words = format!(
            "missing from spec.versions; {shown} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {shown} and removes {shown} from status.storedVersions"
        );
        errors.invalid(format!("status.storedVersions[{at}]"), name.clone(), words);
    }
}

/// The groups of Kubernetes' own community need somebody's approval.
fn approval(errors: &mut Errors, definition: &Value, old: Option<&Value>) {
    const ANNOTATION: &str = "api-approved.kubernetes.io";
    let group = text(&definition["spec"], "group");
    let own = ["k8s.io", "kubernetes.io"].iter().any(|it| group == *it || group.ends_with(&format!(".{it}")));
    let given = |object: &Value| object["metadata"]["annotations"][ANNOTATION].as_str().unwrap_or_default().to_owned();
    if !own || old.is_some_and(|old| given(old) == given(definition)) {
        return;
    }
    let field = format!("metadata.annotations[{ANNOTATION}]");
    match given(definition) {
        it if it.is_empty() => {
            let words = format!("protected groups must have approval annotation \"{ANNOTATION}\", see https://github.com/kubernetes/enhancements/pull/1111");
            errors.required(field, &words);
        }
        it if it.starts_with("unapproved") || it.starts_with("https://") || it.starts_with("http://") => {}
        it => {
            let words = format!(
                "protected groups must have approval annotation \"{ANNOTATION}\" with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111"
            );
            errors.invalid(field, it, words);
        }
    }
}

/// What the server warns of: formats that it does not look at. Those of an old definition are known already.
pub fn warnings(definition: &Value, old: Option<&Value>) -> Vec<String> {
    let formats = |definition: &Value| {
        let mut found = Vec::new();
        for version in items(&definition["spec"]["versions"]) {
            unknown_formats(&version["schema"]["openAPIV3Schema"], &mut found);
        }
        found
    };
    let known = old.map(formats).unwrap_or_default();
    formats(definition).into_iter().filter(|it| !known.contains(it)).map(|it| format!("unrecognized format {it:?}")).collect()
}

fn unknown_formats(schema: &Value, found: &mut Vec<String>) {
    let format = text(schema, "format");
    if !format.is_empty() && !knows_format(text(schema, "type"), format) && !found.iter().any(|it| it == format) {
        found.push(format.to_owned());
    }
    for key in ["items", "additionalProperties", "not"] {
        if schema[key].is_object() {
            unknown_formats(&schema[key], found);
        }
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        items(&schema[key]).iter().for_each(|it| unknown_formats(it, found));
    }
    schema["properties"].as_object().into_iter().flatten().for_each(|(_, it)| unknown_formats(it, found));
}
