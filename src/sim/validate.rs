//! Which objects the server refuses, and in which words.
//!
//! The order of the errors is the server's, repetitions included: a message shows each text once, the causes show them all.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/apis/*/validation/validation.go`, apimachinery `pkg/api/validation`.

use super::api::Subresource;
use super::custom::definition;
use super::failure::{FieldError, Rule};
use super::kinds::Kind;
use super::names;
use crate::sim::json::{Map, Text, Value};

mod config;
mod limits;
mod network;
mod pod;
mod policy;
mod registry;
mod service;
mod workload;

/// The largest size of all annotations together, and of the data of a ConfigMap or Secret.
const ANNOTATIONS_MOST: usize = 256 * 1024;

/// The errors of one object, as they are gathered.
#[derive(Default)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    /// Takes back what was found at a field.
    fn forget(&mut self, field: &str) {
        self.0.retain(|error| error.field != field);
    }

    fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    fn required(&mut self, field: impl Into<String>, detail: &str) {
        self.push(FieldError::required(field, detail));
    }

    fn invalid(&mut self, field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) {
        self.push(FieldError::invalid(field, value, detail));
    }

    fn forbidden(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.push(FieldError::forbidden(field, detail));
    }

    fn unsupported(&mut self, field: impl Into<String>, value: &Value, supported: &[&str]) {
        self.push(FieldError::not_supported(field, value.clone(), supported));
    }

    /// What a check of names says about `value`.
    fn check(&mut self, field: &str, value: &str, check: names::Check) {
        for broken in check(value) {
            self.invalid(field, value, broken);
        }
    }

    /// An absent number is fine.
    fn not_negative(&mut self, field: impl Into<String>, value: &Value) {
        if value.as_i64().is_some_and(|it| it < 0) {
            self.invalid(field, value.clone(), "must be greater than or equal to 0");
        }
    }

    fn immutable(&mut self, field: &str, new: &Value, old: &Value) {
        if new != old {
            self.invalid(field, new.clone(), "field is immutable");
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_default()
}

fn entries(value: &Value) -> impl Iterator<Item = (&Text, &Value)> {
    value.as_object().into_iter().flatten()
}

/// How the objects of a kind may be named.
fn name_check(kind: Kind) -> names::Check {
    match kind {
        Kind::NAMESPACES | Kind::STATEFULSETS | Kind::SERVICES => names::dns_label,
        Kind::ROLES | Kind::ROLEBINDINGS | Kind::CLUSTERROLES | Kind::CLUSTERROLEBINDINGS => names::path_segment,
        Kind::IPADDRESSES => names::address,
        _ => names::dns_subdomain,
    }
}

/// What is wrong with the metadata of an object of a custom kind that is about to be made, or to replace one with `old`.
pub fn custom_metadata(kind: Kind, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata(&mut errors, kind, new, old);
    if let Some(old) = old {
        metadata_update(&mut errors, new, old);
    }
    errors.0
}

/// What is wrong with the metadata of an object inside of another one, which need not have a name.
pub fn embedded_metadata(metadata: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if !text(metadata, "name").is_empty() {
        errors.check("metadata.name", text(metadata, "name"), names::path_segment);
    }
    if !text(metadata, "namespace").is_empty() {
        errors.check("metadata.namespace", text(metadata, "namespace"), names::dns_label);
    }
    common_metadata(&mut errors, metadata, None);
    finalizers(&mut errors, &metadata["finalizers"]);
    errors.0
}

/// What is wrong with a definition of a custom kind, whose name says what it defines.
fn custom_definition(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    metadata(errors, Kind::CUSTOMRESOURCEDEFINITIONS, &object["metadata"], old.map(|it| &it["metadata"]));
    let name = text(&object["metadata"], "name");
    if old.is_none() && !name.is_empty() && name != definition::wanted_name(object) {
        errors.invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
    }
    if let Some(old) = old {
        metadata_update(errors, &object["metadata"], &old["metadata"]);
    }
    own_finalizers(errors, &object["metadata"]);
    errors.0.extend(definition::check(object, old));
}

/// What is wrong with an object that is about to be made; nothing when it is good.
pub fn create(kind: Kind, object: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if kind == Kind::CUSTOMRESOURCEDEFINITIONS {
        custom_definition(&mut errors, object, None);
        return errors.0;
    }
    metadata(&mut errors, kind, &object["metadata"], None);
    own_finalizers(&mut errors, &object["metadata"]);
    content(&mut errors, kind, object, None);
    if errors.0.is_empty() {
        match kind {
            Kind::PODS => pod::only_on_create(&mut errors, object),
            // Its Jobs' names are longer by the minute of their start.
            Kind::CRONJOBS if text(&object["metadata"], "name").len() > 52 => {
                errors.invalid("metadata.name", text(&object["metadata"], "name"), "must be no more than 52 characters");
            }
            Kind::CONTROLLERREVISIONS => config::revision_data(&mut errors, object),
            _ => {}
        }
    }
    errors.0
}

/// What is wrong with an object that is about to replace `old`.
pub fn update(kind: Kind, object: &Value, old: &Value, part: Subresource) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if kind == Kind::CUSTOMRESOURCEDEFINITIONS && part != Subresource::Status {
        custom_definition(&mut errors, object, Some(old));
        return errors.0;
    }
    metadata(&mut errors, kind, &object["metadata"], Some(&old["metadata"]));
    metadata_update(&mut errors, &object["metadata"], &old["metadata"]);
    metadata_update(&mut errors, &object["metadata"], &old["metadata"]);
    own_finalizers(&mut errors, &object["metadata"]);
    // Some kinds judge the whole object once more, its metadata included.
    if part == Subresource::Main && matches!(kind, Kind::PODS | Kind::CONFIGMAPS | Kind::SECRETS | Kind::SERVICES | Kind::CONTROLLERREVISIONS) {
        metadata(&mut errors, kind, &object["metadata"], Some(&old["metadata"]));
        own_finalizers(&mut errors, &object["metadata"]);
    }
    match part {
        Subresource::Status if kind == Kind::CUSTOMRESOURCEDEFINITIONS => errors.0.extend(definition::check_status(object)),
        Subresource::Status => workload::status(&mut errors, kind, object, old),
        Subresource::Finalize | Subresource::EphemeralContainers | Subresource::Approval => {}
        Subresource::Main | Subresource::Scale | Subresource::Resize => {
            if kind == Kind::DAEMONSETS {
                workload::update(&mut errors, kind, object, old);
            }
            content(&mut errors, kind, object, Some(old));
            match kind {
                Kind::DAEMONSETS => {}
                Kind::PODS if part == Subresource::Main => pod::update(&mut errors, object, old),
                _ => workload::update(&mut errors, kind, object, old),
            }
        }
    }
    errors.0
}

fn content(errors: &mut Errors, kind: Kind, object: &Value, old: Option<&Value>) {
    match kind {
        Kind::PODS => pod::pod(errors, object),
        Kind::PODTEMPLATES => pod::template(errors, "template", &object["template"]),
        Kind::DEPLOYMENTS | Kind::REPLICASETS | Kind::STATEFULSETS | Kind::DAEMONSETS | Kind::REPLICATIONCONTROLLERS | Kind::JOBS | Kind::CRONJOBS => {
            workload::content(errors, kind, object);
        }
        Kind::SERVICES => service::content(errors, object, old),
        Kind::CONFIGMAPS | Kind::SECRETS | Kind::CONTROLLERREVISIONS | Kind::PERSISTENTVOLUMECLAIMS | Kind::NODES | Kind::LEASES | Kind::EVENTS => {
            config::content(errors, kind, object, old);
        }
        Kind::PODDISRUPTIONBUDGETS | Kind::HORIZONTALPODAUTOSCALERS | Kind::ROLES | Kind::CLUSTERROLES | Kind::ROLEBINDINGS | Kind::CLUSTERROLEBINDINGS => {
            policy::content(errors, kind, object, old);
        }
        Kind::INGRESSES | Kind::NETWORKPOLICIES => network::content(errors, kind, object),
        Kind::LIMITRANGES | Kind::RESOURCEQUOTAS => limits::content(errors, kind, object, old),
        kind => registry::content(errors, kind, object, old),
    }
}

fn metadata(errors: &mut Errors, kind: Kind, metadata: &Value, old: Option<&Value>) {
    let check = name_check(kind);
    let (name, base) = (text(metadata, "name"), text(metadata, "generateName"));
    if !base.is_empty() {
        // A base may end in a dash, since letters follow.
        let masked = base.strip_suffix('-').map_or(base.to_owned(), |it| format!("{it}a"));
        for broken in check(&masked) {
            errors.invalid("metadata.generateName", base, broken);
        }
    }
    if name.is_empty() {
        errors.required("metadata.name", "name or generateName is required");
    } else {
        errors.check("metadata.name", name, check);
    }
    if kind.namespaced() {
        match text(metadata, "namespace") {
            "" => errors.required("metadata.namespace", ""),
            namespace => errors.check("metadata.namespace", namespace, names::dns_label),
        }
    } else if !text(metadata, "namespace").is_empty() {
        errors.forbidden("metadata.namespace", "not allowed on this type");
    }
    errors.not_negative("metadata.generation", &metadata["generation"]);
    common_metadata(errors, metadata, old);
    finalizers(errors, &metadata["finalizers"]);
}

/// What is the same as in `old` was judged when it came there.
fn common_metadata(errors: &mut Errors, metadata: &Value, old: Option<&Value>) {
    let fresh = |field: &str| old.is_none_or(|old| !metadata[field].is_same(&old[field])).then(|| &metadata[field]);
    fresh("labels").into_iter().for_each(|it| labels(errors, "metadata.labels", it));
    fresh("annotations").into_iter().for_each(|it| annotations(errors, "metadata.annotations", it));
    fresh("ownerReferences").into_iter().for_each(|it| owner_references(errors, it));
}

fn labels(errors: &mut Errors, field: &str, labels: &Value) {
    for (key, value) in entries(labels) {
        errors.check(field, key, names::label_key);
        errors.check(field, value.as_str().unwrap_or_default(), names::label_value);
    }
}

fn annotations(errors: &mut Errors, field: &str, annotations: &Value) {
    let mut size = 0;
    for (key, value) in entries(annotations) {
        // Case does not matter here, unlike in labels.
        for broken in names::label_key(&key.to_lowercase()) {
            errors.invalid(field, key.as_str(), broken);
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_MOST {
        errors.push(FieldError::too_long(field, ANNOTATIONS_MOST));
    }
}

fn owner_references(errors: &mut Errors, references: &Value) {
    let field = "metadata.ownerReferences";
    let mut controller = String::new();
    for reference in items(references) {
        for (key, detail) in
            [("apiVersion", "version must not be empty"), ("kind", "must not be empty"), ("name", "must not be empty"), ("uid", "must not be empty")]
        {
            if text(reference, key).is_empty() {
                errors.invalid(format!("{field}.{key}"), "", detail);
            }
        }
        if reference["apiVersion"] == "v1" && reference["kind"] == "Event" {
            errors.invalid(field, reference.clone(), "/v1, Kind=Event is disallowed from being an owner");
        }
        if reference["controller"] == true {
            let name = format!("{}/{}", text(reference, "kind"), text(reference, "name"));
            if controller.is_empty() {
                controller = name;
            } else {
                let detail = format!("Only one reference can have Controller set to true. Found \"true\" in references for {controller} and {name}");
                errors.push(FieldError::literal(Rule::Invalid, field, references_text(references), detail));
            }
        }
    }
}

/// Owners as Go writes them: members in the order of the struct.
fn references_text(references: &Value) -> String {
    let one = |reference: &Value| {
        let members = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
        let members: Vec<String> = members.iter().filter(|name| !reference[**name].is_null()).map(|name| format!("{name:?}:{}", reference[*name])).collect();
        format!("{{{}}}", members.join(","))
    };
    format!("[{}]", items(references).iter().map(one).collect::<Vec<_>>().join(","))
}

fn finalizers(errors: &mut Errors, finalizers: &Value) {
    let field = "metadata.finalizers";
    for finalizer in items(finalizers).iter().filter_map(Value::as_str) {
        errors.check(field, finalizer, names::label_key);
    }
    let has = |name: &str| items(finalizers).iter().any(|it| it == name);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid(field, finalizers.clone(), "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// Finalizers without a domain are Kubernetes' own.
fn own_finalizers(errors: &mut Errors, metadata: &Value) {
    for (at, finalizer) in items(&metadata["finalizers"]).iter().filter_map(Value::as_str).enumerate() {
        if !finalizer.contains('/') && !["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer) {
            errors.invalid(format!("metadata.finalizers[{at}]"), finalizer, "name is neither a standard finalizer name nor is it fully qualified");
        }
    }
}

fn metadata_update(errors: &mut Errors, new: &Value, old: &Value) {
    if !old["deletionTimestamp"].is_null() {
        let added: Vec<String> = items(&new["finalizers"]).iter().filter(|it| !items(&old["finalizers"]).contains(it)).map(Value::to_string).collect();
        if !added.is_empty() {
            let detail = format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}", added.join(", "));
            errors.forbidden("metadata.finalizers", detail);
        }
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        errors.immutable(&format!("metadata.{field}"), &new[field], &old[field]);
    }
    common_metadata(errors, new, Some(old));
}

/// A `metav1.LabelSelector`.
fn label_selector(errors: &mut Errors, field: &str, selector: &Value) {
    labels(errors, &format!("{field}.matchLabels"), &selector["matchLabels"]);
    for (at, expression) in items(&selector["matchExpressions"]).iter().enumerate() {
        let field = format!("{field}.matchExpressions[{at}]");
        let values = items(&expression["values"]);
        match text(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(format!("{field}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.forbidden(format!("{field}.values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(format!("{field}.operator"), other, "not a valid selector operator"),
        }
        errors.check(&format!("{field}.key"), text(expression, "key"), names::label_key);
        for (at, value) in values.iter().enumerate() {
            errors.check(&format!("{field}.values[{at}]"), value.as_str().unwrap_or_default(), names::label_value);
        }
    }
}

/// Whether a selector can be turned into one that selects: its faults are told apart from this.
fn is_usable_selector(selector: &Value) -> bool {
    let good_pair = |key: &str, value: &str| names::label_key(key).is_empty() && names::label_value(value).is_empty();
    let good = |expression: &Value| {
        let values = items(&expression["values"]);
        let counted = match text(expression, "operator") {
            "In" | "NotIn" => !values.is_empty(),
            "Exists" | "DoesNotExist" => values.is_empty(),
            _ => false,
        };
        counted && names::label_key(text(expression, "key")).is_empty() && values.iter().all(|it| good_pair("a", it.as_str().unwrap_or_default()))
    };
    entries(&selector["matchLabels"]).all(|(key, value)| good_pair(key, value.as_str().unwrap_or_default()))
        && items(&selector["matchExpressions"]).iter().all(good)
}

/// A selector as the server's own type prints it.
fn shown_selector(selector: &Value) -> String {
    let mut members = Vec::new();
    if !selector["matchLabels"].is_null() {
        members.push(format!("\"matchLabels\":{}", selector["matchLabels"]));
    }
    let expression = |it: &Value| {
        let values = if items(&it["values"]).is_empty() { String::new() } else { format!(",\"values\":{}", it["values"]) };
        format!("{{\"key\":{},\"operator\":{}{values}}}", it["key"], it["operator"])
    };
    if !items(&selector["matchExpressions"]).is_empty() {
        let all: Vec<String> = items(&selector["matchExpressions"]).iter().map(expression).collect();
        members.push(format!("\"matchExpressions\":[{}]", all.join(",")));
    }
    if selector.is_null() { "null".to_owned() } else { format!("{{{}}}", members.join(",")) }
}

fn bad_selector(errors: &mut Errors, field: &str, selector: &Value, detail: impl Into<String>) {
    errors.push(FieldError::literal(Rule::Invalid, field, shown_selector(selector), detail));
}

fn is_empty_selector(selector: &Value) -> bool {
    selector["matchLabels"].as_object().is_none_or(Map::is_empty) && items(&selector["matchExpressions"]).is_empty()
}

/// A count or a percentage that is not negative.
fn count_or_percent(errors: &mut Errors, field: &str, value: &Value) {
    match value {
        Value::String(text) => {
            for broken in names::percent(text) {
                errors.invalid(field, text.as_str(), broken);
            }
        }
        value => errors.not_negative(field, value),
    }
}

/// A percentage without its sign, or the count itself; 0 for what is neither.
fn amount(value: &Value) -> i64 {
    match value {
        Value::String(text) => text.strip_suffix('%').and_then(|it| it.parse().ok()).unwrap_or(0),
        value => value.as_i64().unwrap_or(0),
    }
}

fn not_over_all(errors: &mut Errors, field: &str, value: &Value) {
    if value.is_string() && amount(value) > 100 {
        errors.invalid(field, value.clone(), "must not be greater than 100%");
    }
}

#[cfg(test)]
mod tests;
