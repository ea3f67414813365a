//! What the HTTP face and the controllers call: reads, and writes with all rules that the API server has for them.
//!
//! A write goes the way of the real server's: read into its type, defaults, admission, preparation by kind, managed fields, validation, the store.
//! Not here: HTTP, deletion (`delete`), and what happens after a write (`controllers`).

use std::sync::{Arc, LazyLock};

use super::admission;
use super::apply;
use super::base64;
use super::defaults;
use super::failure::{Failure, FieldError, Result, quoted};
use super::kinds::Kind;
use super::manage::{self, Applied, Entries};
use super::patch::PatchFailure;
use super::patch::request::{self, PatchKind};
use super::schema::decode::{self, Decoded, Strictness};
use super::schema::{self, Type};
use super::strategy;
use super::validate;
use super::views;
use super::warn;
use super::world::World;
use crate::sim::json::{Value, json};

/// Who writes, and how.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The field manager that the write is attributed to.
    pub manager: String,
    pub user: String,
    pub groups: Vec<String>,
    pub dry_run: bool,
    /// What is done about unknown and duplicate fields of a patch.
    pub strictness: Strictness,
}

impl Caller {
    /// A component of the cluster, which writes under its own name.
    pub fn component(name: &str) -> Self {
        Self { manager: name.to_owned(), user: format!("system:{name}"), groups: Vec::new(), dry_run: false, strictness: Strictness::Ignore }
    }
}

/// Which face of an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    Main,
    Status,
    Scale,
    /// Pods: sizes of containers.
    Resize,
    EphemeralContainers,
    /// Namespaces: the finalizers of the spec.
    Finalize,
    /// Certificate requests: whether they are granted.
    Approval,
}

impl Subresource {
    /// The name in the path, and in managed fields.
    pub const fn name(self) -> &'static str {
        match self {
            Subresource::Main => "",
            Subresource::Status => "status",
            Subresource::Scale => "scale",
            Subresource::Resize => "resize",
            Subresource::EphemeralContainers => "ephemeralcontainers",
            Subresource::Finalize => "finalize",
            Subresource::Approval => "approval",
        }
    }
}

/// A patch as it is sent: its bytes, by its media type.
#[derive(Clone, Debug)]
pub enum Patch {
    Json(Vec<u8>),
    Merge(Vec<u8>),
    Strategic(Vec<u8>),
    /// YAML or JSON.
    Apply {
        body: Vec<u8>,
        force: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub grace_s: Option<i64>,
    pub propagation: Option<Propagation>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// A deletion that was accepted.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The last state, or the present one with its deletion timestamp.
    pub object: Arc<Value>,
    /// Whether the object is gone already; else finalizers or a grace period keep it.
    pub gone: bool,
}

/// What is said to a strategic merge of a kind that no Go type tells how to merge.
const NO_STRATEGIC: &str = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// How often a generated name is tried.
const NAME_TRIES: usize = 8;

/// The longest base that a generated name keeps: 63 less five letters.
const NAME_BASE: usize = 58;

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Puts a metadata field back to what it was.
fn restore(object: &mut Value, old: &Value, field: &str) {
    let Some(metadata) = object["metadata"].as_object_mut() else { return };
    match old["metadata"].get(field) {
        Some(value) => metadata.insert(field.to_owned(), value.clone()),
        None => metadata.remove(field),
    };
}

/// Whether an object cannot lack defaults, since it shares all that has some with the one that it replaces.
fn has_defaults(kind: Kind, object: &Value, old: &Value) -> bool {
    let rest = |object: &Value| object.as_object().map_or(0, |it| it.len() - usize::from(it.contains_key("status")));
    // Of these the status has some too.
    !matches!(kind, Kind::NODES | Kind::PERSISTENTVOLUMECLAIMS)
        && rest(object) == rest(old)
        && object.as_object().is_some_and(|it| it.iter().all(|(name, value)| *name == "status" || value.is_same(&old[name])))
}

/// What a Secret is given as texts is kept as bytes.
fn fold_string_data(secret: &mut Value) {
    let Some(texts) = secret.as_object_mut().and_then(|it| it.remove("stringData")) else { return };
    for (key, text) in texts.as_object().into_iter().flatten() {
        secret["data"][key] = base64::encode(text.as_str().unwrap_or_default().as_bytes()).into();
    }
}

pub(super) fn type_of(kind: Kind) -> Option<&'static Type> {
    static TYPES: LazyLock<Vec<Option<&'static Type>>> =
        LazyLock::new(|| Kind::all().map(|kind| schema::of(kind.group(), kind.version(), kind.kind())).collect());
    TYPES.get(kind.index()).copied().flatten()
}

impl World {
    /// The type of a kind that this cluster serves.
    pub(super) fn type_of(&self, kind: Kind) -> Option<&'static Type> {
        self.customs.get(kind).map_or_else(|| type_of(kind), |custom| Some(custom.ty))
    }

    /// A stored object as the kind shows it.
    pub(super) fn view(&self, kind: Kind, object: &Arc<Value>) -> Arc<Value> {
        self.customs.get(kind).map_or_else(|| views::of(kind, object), |custom| custom.view(object))
    }

    /// The kind under which a write is decided: that of the store, of a custom one the version that was asked for.
    fn written(&self, kind: Kind) -> Kind {
        self.customs.get(kind).map_or_else(|| kind.stored(), |custom| custom.kind)
    }

    /// Stores an object of any version of its kind.
    fn keep(&mut self, kind: Kind, object: Value) -> Arc<Value> {
        let object = match self.customs.storage(kind).filter(|_| kind.is_custom()) {
            Some(storage) => storage.to_stored(object),
            None => object,
        };
        self.put(kind.stored(), object)
    }

    /// # Errors
    /// `NotFound`.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Arc<Value>> {
        self.find(kind, namespace, name).cloned().ok_or_else(|| Failure::not_found(kind, name))
    }

    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.store.get(kind.stored(), if kind.namespaced() { namespace } else { "" }, name)
    }

    /// The objects of a kind in the order of a list, of one namespace or of all.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Value>> {
        self.store.list(kind.stored(), namespace)
    }

    /// Whatever names this uid among its owners.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = (Kind, &Arc<Value>)> {
        self.store.owned_by(uid)
    }

    /// Creates an object; its namespace and name (or `generateName`) are those in its metadata.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound` and `Forbidden` for the namespace, `Invalid`.
    pub fn create(&mut self, kind: Kind, object: Value, caller: &Caller) -> Result<Arc<Value>> {
        self.make(kind, object, caller, Entries::ToFind)
    }

    /// `create`, and where an apply makes the object: with the managed fields that it decided.
    pub(super) fn make(&mut self, kind: Kind, object: Value, caller: &Caller, entries: Entries) -> Result<Arc<Value>> {
        let mut object = self.read(kind, object, None)?;
        let kind = self.written(kind);
        let custom = self.customs.get(kind).cloned();
        let namespace = text(&object, "namespace").to_owned();
        if custom.as_ref().is_some_and(|it| it.terminating) {
            return Err(Failure::forbidden(kind, text(&object, "name"), "create not allowed while custom resource definition is terminating"));
        }
        admission::check_namespace(self, kind, &namespace, text(&object, "name"))?;
        let name = self.name(kind, &namespace, &object)?;
        let metadata = &mut object["metadata"];
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("deletionTimestamp");
            metadata.remove("deletionGracePeriodSeconds");
            metadata.remove("selfLink");
        }
        if !name.is_empty() {
            metadata["name"] = name.as_str().into();
        }
        metadata["uid"] = self.uid().into();
        let now = self.stamp();
        metadata["creationTimestamp"] = now.as_str().into();
        defaults::set(kind, &mut object);
        if entries == Entries::ToFind {
            object = manage::note(self, kind, object, None, Subresource::Main, caller);
        }
        admission::admit_create(self, kind, &mut object)?;
        let errors = match &custom {
            Some(custom) => {
                custom.prepare_create(&mut object);
                custom.check(&object, None, Subresource::Main)
            }
            None => {
                strategy::prepare_create(kind, &mut object, &now);
                if kind == Kind::CERTIFICATESIGNINGREQUESTS {
                    // Who asks is not for the request to say.
                    object["spec"]["username"] = caller.user.as_str().into();
                    object["spec"]["groups"] = json!(caller.groups);
                    for field in ["uid", "extra"] {
                        object["spec"].as_object_mut().and_then(|it| it.remove(field));
                    }
                }
                validate::create(kind, &object)
            }
        };
        if !errors.is_empty() {
            return Err(Failure::invalid_kind(kind.group(), object["kind"].as_str().unwrap_or(kind.kind()), &name, errors));
        }
        self.warnings.extend(custom.as_ref().map_or_else(|| warn::create(kind, &object), |it| it.warnings(&object, None)));
        admission::check_create(self, kind, &object, caller.dry_run)?;
        // Only who stores it looks at its version, and passes over what is none.
        if !caller.dry_run && text(&object, "resourceVersion").parse::<u64>().is_ok_and(|it| it != 0) {
            return Err(Failure::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        if self.find(kind, &namespace, &name).is_some() {
            return Err(Failure::already_exists(kind, &name));
        }
        Ok(if caller.dry_run { Arc::new(object) } else { self.keep(kind, object) })
    }

    /// An object as its type holds it, in the form in which it is stored; `like` is the stored one that it is to replace.
    pub(super) fn read(&self, kind: Kind, object: Value, like: Option<&Value>) -> Result<Value> {
        if let Some(custom) = self.customs.get(kind) {
            let mut object = object;
            for (key, own) in [("apiVersion", custom.api_version.as_str()), ("kind", custom.kind.kind())] {
                if object[key].as_str().is_none_or(str::is_empty) || key == "apiVersion" {
                    object[key] = own.into();
                }
            }
            let kind = custom.kind;
            let why = |why: String| format!("{} in version {:?} cannot be handled as a {}: {why}", kind.kind(), kind.version(), kind.kind());
            let mut object = custom.read(object).map_err(|it| Failure::bad_request(why(it)))?.object;
            if !object["metadata"].is_object() {
                object["metadata"] = json!({});
            }
            return Ok(object);
        }
        let mut object = match type_of(kind) {
            Some(ty) => decode::typed_like(ty, object, like.filter(|_| kind == kind.stored())).map_err(|why| {
                Failure::bad_request(format!("{} in version {:?} cannot be handled as a {}: {why}", kind.kind(), kind.version(), kind.kind()))
            })?,
            None => object,
        };
        let api_version = kind.api_version();
        if object["apiVersion"] != api_version || object["kind"] != kind.kind() {
            object["apiVersion"] = api_version.into();
            object["kind"] = kind.kind().into();
        }
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        if kind == Kind::SECRETS {
            fold_string_data(&mut object);
        }
        Ok(views::to_stored(kind, object))
    }

    fn name(&mut self, kind: Kind, namespace: &str, object: &Value) -> Result<String> {
        let (name, base) = (text(object, "name"), text(object, "generateName"));
        if !name.is_empty() || base.is_empty() {
            return Ok(name.to_owned());
        }
        let cut = base.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= NAME_BASE).last().unwrap_or(0);
        let mut name = String::new();
        for _ in 0..NAME_TRIES {
            name = format!("{}{}", &base[..cut], self.random_letters(5));
            if self.find(kind, namespace, &name).is_none() {
                return Ok(name);
            }
        }
        Err(Failure::generate_name_conflict(kind, &name))
    }

    /// Replaces one face of the object that `object` names; with a resource version in its metadata only where that is the present one.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`.
    pub fn update(&mut self, kind: Kind, object: Value, part: Subresource, caller: &Caller) -> Result<Arc<Value>> {
        let like = self.find(kind, text(&object, "namespace"), text(&object, "name")).cloned();
        let object = self.read(kind, object, like.as_deref())?;
        let (namespace, name) = (text(&object, "namespace"), text(&object, "name"));
        let is_named_so = |it: &Arc<Value>| text(it, "namespace") == namespace && text(it, "name") == name;
        let Some(old) = like.filter(is_named_so).or_else(|| self.find(kind, namespace, name).cloned()) else {
            if part == Subresource::Main && !kind.is_custom() && strategy::allows_create_on_update(kind) {
                return self.make(kind.stored(), object, caller, Entries::ToFind);
            }
            return Err(Failure::not_found(kind, name));
        };
        let (given, present) = (text(&object, "uid"), text(&old, "uid"));
        if !given.is_empty() && given != present {
            let key = super::store::key(namespace, name);
            // A trial does not reach the store, which is what adds the prefix.
            let prefix = if caller.dry_run { "" } else { "/registry" };
            return Err(Failure::conflict(
                kind,
                name,
                &format!(
                    "StorageError: invalid object, Code: 4, Key: {prefix}/{}/{key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {present}",
                    kind.plural()
                ),
            ));
        }
        self.replace(kind, &old, object, part, caller, Entries::ToFind)
    }

    /// Puts `object`, which is in the form that `read` gives, in place of `old`.
    pub(super) fn replace(
        &mut self,
        kind: Kind,
        old: &Arc<Value>,
        mut object: Value,
        part: Subresource,
        caller: &Caller,
        entries: Entries,
    ) -> Result<Arc<Value>> {
        let kind = self.written(kind);
        let custom = self.customs.get(kind).cloned();
        let shown = custom.as_ref().map(|it| it.view(old));
        let old = shown.as_ref().unwrap_or(old);
        let name = text(old, "name").to_owned();
        let now = self.stamp();
        if !has_defaults(kind, &object, old) {
            defaults::set(kind, &mut object);
        }
        if entries == Entries::ToFind {
            object = manage::note(self, kind, object, Some(old), part, caller);
        }
        if part == Subresource::Main {
            admission::admit_update(self, kind, &mut object, old)?;
        }
        let version = text(&object, "resourceVersion");
        if !version.is_empty() && version.parse::<u64>().is_err() {
            return Err(Failure::new(500, "", format!("strconv.ParseUint: parsing {}: invalid syntax", quoted(version))));
        }
        match version {
            "" | "0" if custom.is_none() && strategy::allows_unconditional_update(kind) => {}
            "" | "0" => {
                let error = FieldError::invalid("metadata.resourceVersion", 0, "must be specified for an update");
                return Err(Failure::invalid_kind(kind.group(), kind.plural(), &name, vec![error]));
            }
            version if version == text(old, "resourceVersion") => {}
            _ => return Err(Failure::modified(kind, &name)),
        }
        restore(&mut object, old, "resourceVersion");
        match &custom {
            Some(custom) => custom.prepare_update(&mut object, old, part),
            None => strategy::prepare_update(kind, &mut object, old, part, &now),
        }
        if text(&object, "uid").is_empty() {
            restore(&mut object, old, "uid");
        }
        restore(&mut object, old, "creationTimestamp");
        if !caller.dry_run {
            // It is dropped on the way into the store.
            object["metadata"].as_object_mut().map(|it| it.remove("selfLink"));
        }
        if !old["metadata"]["deletionTimestamp"].is_null() {
            restore(&mut object, old, "deletionTimestamp");
        }
        if !old["metadata"]["deletionGracePeriodSeconds"].is_null() && object["metadata"]["deletionGracePeriodSeconds"].is_null() {
            restore(&mut object, old, "deletionGracePeriodSeconds");
        }
        apply::keep_times(old, &mut object);
        let errors = custom.as_ref().map_or_else(|| validate::update(kind, &object, old, part), |it| it.check(&object, Some(old), part));
        if !errors.is_empty() {
            return Err(Failure::invalid_kind(kind.group(), object["kind"].as_str().unwrap_or(kind.kind()), &name, errors));
        }
        match &custom {
            Some(custom) if part != Subresource::Status => self.warnings.extend(custom.warnings(&object, Some(old))),
            None if matches!(part, Subresource::Main | Subresource::Scale) => self.warnings.extend(warn::update(kind, &object, old)),
            _ => {}
        }
        admission::check_update(self, kind, part, &object, old, caller.dry_run)?;
        if object == **old {
            return Ok(Arc::clone(old));
        }
        let finished = !object["metadata"]["deletionTimestamp"].is_null()
            && object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
            && object["metadata"]["finalizers"].as_array().is_none_or(<[Value]>::is_empty)
            && (kind != Kind::NAMESPACES || object["spec"]["finalizers"].as_array().is_none_or(<[Value]>::is_empty));
        if caller.dry_run {
            return Ok(Arc::new(object));
        }
        if finished {
            // The last finalizer is gone, and the object with it.
            self.remove(kind.stored(), text(old, "namespace"), &name, Some(object.clone()));
            return Ok(Arc::new(object));
        }
        Ok(self.keep(kind, object))
    }

    /// Changes a part of an object; an apply makes it where it is not there.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`, `BadRequest`, `UnsupportedMediaType`.
    pub fn patch(&mut self, kind: Kind, namespace: &str, name: &str, patch: &Patch, part: Subresource, caller: &Caller) -> Result<Arc<Value>> {
        let (how, body) = match patch {
            Patch::Json(body) => (PatchKind::Json, body),
            Patch::Merge(body) => (PatchKind::Merge, body),
            Patch::Strategic(body) => (PatchKind::Strategic, body),
            Patch::Apply { body, force } => return self.apply(kind, namespace, name, &Applied { body, force: *force, part }, caller),
        };
        let custom = self.customs.get(kind).cloned();
        if custom.is_some() && how == PatchKind::Strategic {
            return Err(Failure::unsupported_media_type(NO_STRATEGIC));
        }
        let old = self.get(kind, namespace, name)?;
        let live = self.view(kind, &old);
        if let Some(custom) = custom {
            let read = |object| {
                custom.read(object).map(|it| Decoded { object: it.object, strict: it.unknown.iter().map(|field| format!("unknown field {field:?}")).collect() })
            };
            let patched = request::custom(how, &live, body, caller.strictness, read).map_err(patch_failure)?;
            self.warnings.extend(patched.warnings);
            return self.put_patched(kind, &old, patched.object, part, caller);
        }
        let Some(ty) = type_of(kind) else { return self.patch_untyped(kind, &old, how, body, part, caller) };
        let patched = request::request(ty, how, &live, body, caller.strictness).map_err(patch_failure)?;
        self.warnings.extend(patched.warnings);
        self.put_patched(kind, &old, patched.object, part, caller)
    }

    fn put_patched(&mut self, kind: Kind, old: &Arc<Value>, patched: Value, part: Subresource, caller: &Caller) -> Result<Arc<Value>> {
        let name = text(old, "name");
        let patched_name = text(&patched, "name");
        if patched_name != name {
            return Err(Failure::bad_request(if patched_name.is_empty() {
                format!("the name of the object ({name} based on URL) was undeterminable: name must be provided")
            } else {
                format!("the name of the object ({patched_name}) does not match the name on the URL ({name})")
            }));
        }
        if text(&patched, "namespace") != text(old, "namespace") {
            return Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
        }
        let object = self.read(kind, patched, Some(old))?;
        self.replace(kind, old, object, part, caller, Entries::ToFind)
    }

    /// A patch of a kind whose type is not known here: by JSON alone.
    fn patch_untyped(&mut self, kind: Kind, old: &Arc<Value>, how: PatchKind, body: &[u8], part: Subresource, caller: &Caller) -> Result<Arc<Value>> {
        let patch: Value = serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
        let patched = match how {
            PatchKind::Json => super::patch::json(old, &patch),
            PatchKind::Merge => super::patch::merge(old, &patch),
            PatchKind::Strategic => {
                return Err(Failure::unsupported_media_type(NO_STRATEGIC));
            }
        };
        let patched = patched.map_err(patch_failure)?;
        self.put_patched(kind, old, patched, part, caller)
    }

    /// Puts a pod on a node: what the scheduler does through `pods/binding`.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it has a node already or is being deleted.
    pub fn bind(&mut self, namespace: &str, pod: &str, node: &str, caller: &Caller) -> Result<Arc<Value>> {
        let old = self.get(Kind::PODS, namespace, pod)?;
        if !old["metadata"]["deletionTimestamp"].is_null() {
            return Err(Failure::conflict(Kind::PODS, pod, &format!("pod {pod} is being deleted, cannot be assigned to a host")));
        }
        if let Some(bound) = old["spec"]["nodeName"].as_str().filter(|it| !it.is_empty()) {
            return Err(Failure::conflict(Kind::PODS, pod, &format!("pod {pod} is already assigned to node {}", super::failure::quoted(bound))));
        }
        let mut object = Value::clone(&old);
        object["spec"]["nodeName"] = node.into();
        let now = self.stamp();
        let mut conditions = object["status"]["conditions"].as_array().unwrap_or_default().to_vec();
        let was = conditions.iter().position(|it| it["type"] == "PodScheduled").map(|at| conditions.remove(at));
        let since = was.filter(|it| it["status"] == "True").map_or(json!(now), |it| it["lastTransitionTime"].clone());
        conditions.push(json!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": since }));
        object["status"]["conditions"] = Value::from(conditions);
        Ok(if caller.dry_run { Arc::new(object) } else { self.put(Kind::PODS, object) })
    }
}

/// A patch's failure as the server answers it.
pub(super) fn patch_failure(failure: PatchFailure) -> Failure {
    match failure {
        PatchFailure::BadRequest(why) => Failure::bad_request(why),
        PatchFailure::TooLarge(why) => Failure::too_large(&why),
        PatchFailure::Unprocessable(why) => Failure::new(422, "Invalid", why),
        // What the server did not foresee it passes on as it is.
        PatchFailure::Internal(why) => Failure::new(500, "", why),
        PatchFailure::Invalid { value, detail } => Failure::invalid_kind("", "", "", vec![FieldError::invalid("patch", value, detail)]),
    }
}

#[cfg(test)]
mod tests;
