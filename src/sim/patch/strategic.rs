//! Strategic merge patches: lists merged by key, `$patch`, `$setElementOrder`, `$deleteFromPrimitiveList` and `$retainKeys`.
//!
//! Not here: making such patches, which is a client's work.

use std::collections::BTreeSet;

use super::{PatchFailure, REJECTED};
use crate::sim::json::{Map, Value};
use crate::sim::schema::{Field, Shape, Type};

mod order;

use order::{Index, normalize, partition};

const DIRECTIVE: &str = "$patch";
const DELETE_FROM_PRIMITIVE_LIST: &str = "$deleteFromPrimitiveList";
const SET_ELEMENT_ORDER: &str = "$setElementOrder";
const RETAIN_KEYS: &str = "$retainKeys";

type Object = Map;

/// Merges `patch` into `original` by the patch strategies of `ty`. What comes back may hold fields that the type does not have: decode it.
///
/// # Errors
/// `BadRequest` for a directive of the wrong form, `Unprocessable` for lists of lists, `Internal` for what the server does not foresee (an item without its merge key).
///
/// # Source
/// `StrategicMergeMapPatch` of apimachinery 0.36 `pkg/util/strategicpatch/patch.go`, its order rules included.
pub fn strategic(ty: &'static Type, original: &Value, patch: &Value) -> Result<Value, PatchFailure> {
    let original = as_map(original)?.clone();
    let patch = as_map(patch)?.clone();
    merge_map(original, patch, ty).map(Value::Object).map_err(Refusal::into_failure)
}

/// Why a merge stops.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    PrimitiveList,
    RetainKeys,
    SetElementOrder,
    ListOfLists,
    Other(String),
}

impl Refusal {
    fn into_failure(self) -> PatchFailure {
        match self {
            Refusal::PrimitiveList => PatchFailure::BadRequest("invalid patch format of primitive list".to_owned()),
            Refusal::RetainKeys => PatchFailure::BadRequest("invalid patch format of retainKeys".to_owned()),
            Refusal::SetElementOrder => PatchFailure::BadRequest("invalid patch format of setElementOrder list".to_owned()),
            Refusal::ListOfLists => PatchFailure::Unprocessable(REJECTED.to_owned()),
            Refusal::Other(text) => PatchFailure::Internal(text),
        }
    }

    fn no_merge_key(item: &Object, key: &str) -> Self {
        Refusal::Other(format!("map: {} does not contain declared merge key: {key}", go_print(&Value::Object(item.clone()))))
    }

    fn bad_type(expected: &str, actual: &Value) -> Self {
        Refusal::Other(format!("expected a {expected}, but received a {}", go_type(actual)))
    }
}

type Merged<T> = Result<T, Refusal>;

/// How a field is patched: the type of what stands in it, or of its items, with the strategy.
struct Meta {
    ty: &'static Type,
    strategy: String,
    merge_key: String,
}

fn lookup(ty: &'static Type, key: &str) -> Merged<&'static Field> {
    if ty.go_kind() != "struct" {
        return Err(Refusal::Other(format!("merging an object in json but data type is not struct, instead is: {}", ty.go_kind())));
    }
    let found = ty.field(key).or_else(|| ty.fields().iter().find(|field| field.name.eq_ignore_ascii_case(key)));
    found.ok_or_else(|| Refusal::Other(format!("unable to find api field in struct {} for the json field {key:?}", ty.go_name())))
}

impl Meta {
    fn of_map(ty: &'static Type, key: &str) -> Merged<Self> {
        let field = lookup(ty, key)?;
        Meta::new(field, field.ty())
    }

    fn of_list(ty: &'static Type, key: &str) -> Merged<Self> {
        let field = lookup(ty, key)?;
        match &field.ty().shape {
            Shape::List(list) if matches!(list.item.ty().shape, Shape::List(_)) => Err(Refusal::Other("unexpected slice of slice".to_owned())),
            Shape::List(list) => Meta::new(field, list.item.ty()),
            _ if field.pointer => Meta::new(field, field.ty()),
            _ => Err(Refusal::Other(format!("expected slice or array type, but got: {}", field.ty().go_kind()))),
        }
    }

    fn new(field: &Field, ty: &'static Type) -> Merged<Self> {
        let strategy = match field.strategies.as_slice() {
            [] => "",
            [only] if only == "retainKeys" => "",
            [only] => only.as_str(),
            [first, other] if first == "retainKeys" => other.as_str(),
            [other, second] if second == "retainKeys" => other.as_str(),
            other => return Err(Refusal::Other(format!("unexpected patch strategy: [{}]", other.join(" ")))),
        };
        Ok(Meta { ty, strategy: strategy.to_owned(), merge_key: field.merge_key.clone() })
    }
}

fn merge_map(mut original: Object, mut patch: Object, ty: &'static Type) -> Merged<Object> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(bad_patch_type(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    merge_ordered_lists(&mut original, &mut patch, ty)?;
    for (key, change) in patch {
        let (key, is_delete_list) = match delete_list_key(&key)? {
            Some(name) => (name.into(), true),
            None => (key, false),
        };
        if change.is_null() {
            original.remove(&key);
            continue;
        }
        match original.get_mut(&key) {
            Some(present) if go_type(present) == go_type(&change) => {
                let merged = match (std::mem::take(present), change) {
                    (Value::Object(present), Value::Object(change)) => {
                        let meta = Meta::of_map(ty, &key)?;
                        Some(Value::Object(if meta.strategy == "replace" { change } else { merge_map(present, change, meta.ty)? }))
                    }
                    (Value::Array(present), Value::Array(change)) => {
                        let meta = Meta::of_list(ty, &key)?;
                        Some(Value::from(merge_list_by_strategy(present.into(), change.into(), &meta, is_delete_list)?.list))
                    }
                    (_, change) => without_directives(change),
                };
                match merged {
                    Some(merged) => original.insert(key, merged),
                    None => original.remove(&key),
                };
            }
            _ if is_delete_list => {}
            _ => {
                match without_directives(without_nulls(change)) {
                    Some(taken) => original.insert(key, taken),
                    None => original.remove(&key),
                };
            }
        }
    }
    Ok(original)
}

fn bad_patch_type(directive: &Value, patch: &Object) -> Refusal {
    let shown = match directive {
        Value::String(text) => text.to_string(),
        other => format!("%!s({}={})", go_type(other), go_print(other)),
    };
    Refusal::Other(format!("unknown patch type: {shown} in map: {}", go_print(&Value::Object(patch.clone()))))
}

/// The list's name, if the key is one of a list of what to delete.
fn delete_list_key(key: &str) -> Merged<Option<String>> {
    if !key.starts_with(DELETE_FROM_PRIMITIVE_LIST) {
        return Ok(None);
    }
    match key.split_once('/') {
        Some((DELETE_FROM_PRIMITIVE_LIST, name)) if !name.is_empty() => Ok(Some(name.to_owned())),
        // Without a name the server keeps the key as it is.
        Some((DELETE_FROM_PRIMITIVE_LIST, _)) => Ok(Some(key.to_owned())),
        _ => Err(Refusal::PrimitiveList),
    }
}

/// Drops what the patch does not retain.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Merged<()> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(retained) = retained else { return Err(Refusal::RetainKeys) };
    let retained: BTreeSet<&str> = retained.iter().filter_map(Value::as_str).collect();
    for (key, change) in patch.iter() {
        let is_directive = key.starts_with(DELETE_FROM_PRIMITIVE_LIST) || key.starts_with(SET_ELEMENT_ORDER);
        if !change.is_null() && !is_directive && !retained.contains(key.as_str()) {
            return Err(Refusal::RetainKeys);
        }
    }
    original.retain(|key, _| retained.contains(key.as_str()));
    Ok(())
}

/// Merges the lists for which the patch sets the order, and takes both lists out of the patch.
fn merge_ordered_lists(original: &mut Object, patch: &mut Object, ty: &'static Type) -> Merged<()> {
    let keys: Vec<String> = patch.keys().filter(|key| key.starts_with(SET_ELEMENT_ORDER)).map(ToString::to_string).collect();
    for key in keys {
        let Some(order) = patch.remove(&key) else { continue };
        let Value::Array(order) = order else { return Err(Refusal::bad_type("[]interface {}", &order)) };
        let name = match key.split_once('/') {
            Some((SET_ELEMENT_ORDER, name)) => name.to_owned(),
            _ => return Err(Refusal::SetElementOrder),
        };
        let present = optional_list(original.get(&name))?;
        let change = optional_list(patch.get(&name))?;
        let meta = Meta::of_list(ty, &name)?;
        validate_order(change.as_deref().unwrap_or_default(), &order, &meta.merge_key)?;
        let element = element_type(&[present.as_deref().unwrap_or_default(), change.as_deref().unwrap_or_default()]);
        // The server looks the order of what only it has up in the list that the merge has just changed in place.
        let mut server_order = present.clone().unwrap_or_default();
        let merged = match (present, change) {
            (Some(present), None) => present,
            (None, Some(change)) => match without_directives(Value::from(change)) {
                Some(Value::Array(list)) => list.into(),
                _ => continue,
            },
            (Some(present), Some(change)) => {
                let outcome = merge_list_by_strategy(present, change, &meta, false)?;
                if let Some(visible) = outcome.in_place {
                    let length = server_order.len();
                    server_order = visible.into_iter().chain(server_order).take(length).collect();
                }
                outcome.list
            }
            (None, None) => continue,
        };
        let (in_patch, server_only) = partition(merged, &order, &meta.merge_key)?;
        let index = if element? == "map[string]interface {}" { Index::Key(&meta.merge_key) } else { Index::Item };
        original.insert(name.clone(), Value::from(normalize(in_patch, server_only, &order, &server_order, index)?));
        patch.remove(&name);
    }
    Ok(())
}

fn optional_list(value: Option<&Value>) -> Merged<Option<Vec<Value>>> {
    match value {
        None => Ok(None),
        Some(Value::Array(list)) => Ok(Some(list.to_vec())),
        Some(other) => Err(Refusal::bad_type("[]interface {}", other)),
    }
}

/// Checks that the patch's items stand in the order that it sets, all of them.
fn validate_order(change: &[Value], order: &[Value], merge_key: &str) -> Merged<()> {
    if order.is_empty() || change.is_empty() {
        return Ok(());
    }
    let kept: Vec<&Value> = if merge_key.is_empty() {
        change.iter().collect()
    } else {
        let mut kept = Vec::new();
        for item in change {
            let Value::Object(map) = item else { return Err(Refusal::bad_type("map[string]interface {}", item)) };
            if map.get(DIRECTIVE).and_then(Value::as_str) != Some("delete") {
                kept.push(item);
            }
        }
        kept
    };
    let (mut at, mut ordered) = (0, 0);
    while at < kept.len() && ordered < order.len() {
        if kept[at].get(DIRECTIVE).is_some() {
            at += 1;
            continue;
        }
        if same_key(kept[at], &order[ordered], merge_key)? {
            at += 1;
        }
        ordered += 1;
    }
    if at < kept.len() && ordered >= order.len() {
        return Err(Refusal::Other(format!(
            "The order in patch list:\n{}\n doesn't match {SET_ELEMENT_ORDER} list:\n{}\n",
            go_print(&Value::from(change.to_vec())),
            go_print(&Value::from(order.to_vec()))
        )));
    }
    Ok(())
}

fn same_key(left: &Value, right: &Value, merge_key: &str) -> Merged<bool> {
    if merge_key.is_empty() {
        return Ok(left == right);
    }
    Ok(key_of(left, merge_key)? == key_of(right, merge_key)?)
}

fn key_of<'a>(item: &'a Value, merge_key: &str) -> Merged<&'a Value> {
    let Value::Object(map) = item else { return Err(Refusal::bad_type("map[string]interface {}", item)) };
    map.get(merge_key).ok_or_else(|| Refusal::no_merge_key(map, merge_key))
}

/// A merged list, and what the original's own place holds after it.
struct MergedList {
    list: Vec<Value>,
    in_place: Option<Vec<Value>>,
}

impl From<Vec<Value>> for MergedList {
    fn from(list: Vec<Value>) -> Self {
        MergedList { list, in_place: None }
    }
}

fn merge_list_by_strategy(original: Vec<Value>, patch: Vec<Value>, meta: &Meta, is_delete_list: bool) -> Merged<MergedList> {
    if meta.strategy == "merge" || is_delete_list { merge_list(original, patch, meta, is_delete_list) } else { Ok(patch.into()) }
}

fn merge_list(original: Vec<Value>, patch: Vec<Value>, meta: &Meta, is_delete_list: bool) -> Merged<MergedList> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original.into());
    }
    let merge_key = meta.merge_key.as_str();
    if element_type(&[&original, &patch])? != "map[string]interface {}" {
        if is_delete_list {
            return Ok(original.into_iter().filter(|item| !patch.contains(item)).collect::<Vec<_>>().into());
        }
        let merged = deduplicate(original.iter().chain(&patch).cloned().collect());
        let (in_patch, server_only) = partition(merged, &patch, merge_key)?;
        return Ok(normalize(in_patch, server_only, &patch, &original, Index::Item)?.into());
    }
    if merge_key.is_empty() {
        return Err(Refusal::Other(format!("cannot merge lists without merge key for {}", meta.ty.go_kind())));
    }
    let (original, patch, replaced) = take_directives(original, patch, merge_key)?;
    let merged = merge_items(original.clone(), &patch, merge_key, meta.ty)?;
    let in_place = (!replaced).then(|| merged.clone());
    let (in_patch, server_only) = partition(merged, &patch, merge_key)?;
    let list = normalize(in_patch, server_only, &patch, &original, Index::Key(merge_key))?;
    Ok(MergedList { list, in_place })
}

/// Carries out the items of a patch that are directives: the original without what they delete, the patch without them, and whether the patch replaces all.
fn take_directives(mut original: Vec<Value>, patch: Vec<Value>, merge_key: &str) -> Merged<(Vec<Value>, Vec<Value>, bool)> {
    let mut plain = Vec::new();
    let mut replace = false;
    for item in patch {
        let Value::Object(map) = &item else { return Err(Refusal::bad_type("map[string]interface {}", &item)) };
        match map.get(DIRECTIVE).map(|directive| (directive, directive.as_str())) {
            None => plain.push(item),
            Some((_, Some("delete"))) => {
                let wanted = map.get(merge_key).ok_or_else(|| Refusal::no_merge_key(map, merge_key))?;
                while let Some(at) = find(&original, merge_key, wanted)? {
                    original.remove(at);
                }
            }
            Some((_, Some("replace"))) => replace = true,
            Some((_, Some("merge"))) => return Err(Refusal::Other("merging lists cannot yet be specified in the patch".to_owned())),
            Some((directive, _)) => return Err(bad_patch_type(directive, map)),
        }
    }
    Ok(if replace { (plain, Vec::new(), true) } else { (original, plain, false) })
}

fn merge_items(mut original: Vec<Value>, patch: &[Value], merge_key: &str, ty: &'static Type) -> Merged<Vec<Value>> {
    for item in patch {
        let Value::Object(change) = item else { return Err(Refusal::bad_type("map[string]interface {}", item)) };
        let wanted = change.get(merge_key).ok_or_else(|| Refusal::no_merge_key(change, merge_key))?;
        match find(&original, merge_key, wanted)? {
            Some(at) => {
                if let Value::Object(present) = std::mem::take(&mut original[at]) {
                    original[at] = Value::Object(merge_map(present, change.clone(), ty)?);
                }
            }
            None => original.push(item.clone()),
        }
    }
    Ok(original)
}

fn find(items: &[Value], key: &str, wanted: &Value) -> Merged<Option<usize>> {
    for (at, item) in items.iter().enumerate() {
        let Value::Object(map) = item else { return Err(Refusal::Other(format!("value for key {at} is not a map"))) };
        if map.get(key) == Some(wanted) {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// Go's name of the one type that all items have.
fn element_type(lists: &[&[Value]]) -> Merged<&'static str> {
    let mut seen = None;
    for item in lists.iter().copied().flatten() {
        let ty = go_type(item);
        match seen {
            None if ty == "[]interface {}" => return Err(Refusal::ListOfLists),
            None => seen = Some(ty),
            Some(first) if first != ty => {
                let all: Vec<String> = lists.iter().map(|list| go_print(&Value::from(list.to_vec()))).collect();
                return Err(Refusal::Other(format!("list element types are not identical: [{}]", all.join(" "))));
            }
            Some(_) => {}
        }
    }
    seen.ok_or_else(|| Refusal::Other("no elements in any of the given slices".to_owned()))
}

/// Drops repeated scalars; the last item takes the place of the one that goes, which shows in the order.
fn deduplicate(mut items: Vec<Value>) -> Vec<Value> {
    let mut at = 0;
    while at + 1 < items.len() {
        let mut other = at + 1;
        while other < items.len() {
            if items[at] == items[other] {
                items.swap_remove(other);
            } else {
                other += 1;
            }
        }
        at += 1;
    }
    items
}

/// Takes the directives out of what is stored as new; `None` if it is one itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(map.into_iter().filter_map(|(key, value)| Some((key, without_directives(value)?))).collect())),
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect()),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// What is left of a patch after it was merged: the server changes it in place, and shows that when it refuses the result. What items of lists lose is kept.
pub(super) fn left_of(patch: &Value, original: &Value) -> Value {
    let (Value::Object(patch), Value::Object(original)) = (patch, original) else { return patch.clone() };
    if patch.contains_key(DIRECTIVE) {
        return Value::Object(
            patch.iter().filter(|(key, value)| *key != DIRECTIVE || **value != "replace").map(|(key, value)| (key.clone(), value.clone())).collect(),
        );
    }
    // A value that is a directive itself is dropped from what is merged, and stays here.
    let taken = |change: &Value| without_directives(without_nulls(change.clone())).unwrap_or_else(|| change.clone());
    let is_merged = |key: &str| patch.contains_key(&format!("{SET_ELEMENT_ORDER}/{key}"));
    let left = patch.iter().filter(|(key, _)| *key != RETAIN_KEYS && !key.starts_with(SET_ELEMENT_ORDER) && !is_merged(key)).map(|(key, change)| {
        let left = match (original.get(key), change) {
            (Some(present @ Value::Object(_)), Value::Object(_)) => left_of(change, present),
            (Some(Value::Array(_)), Value::Array(_)) => change.clone(),
            (_, Value::Array(items)) => Value::Array(items.iter().map(taken).collect()),
            (_, change) => taken(change),
        };
        (key.clone(), left)
    });
    Value::Object(left.collect())
}

fn as_map(value: &Value) -> Result<&Object, PatchFailure> {
    value.as_object().ok_or_else(|| {
        PatchFailure::BadRequest(format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", super::operations::go_name(value)))
    })
}

/// Go's type of a decoded JSON value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go's `%v` prints it.
pub(crate) fn go_print(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_print).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => format!("map[{}]", map.iter().map(|(key, value)| format!("{key}:{}", go_print(value))).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::schema;

    /// Upstream's test cases, and random patches made by upstream's code, with the answers of upstream's code.
    #[test]
    fn patches_merge_as_upstreams_code_merges_them() {
        let cases: Vec<Value> = serde_json::from_str(include_str!("../data/test-strategic.json")).unwrap();
        let ty = schema::named("test.MergeItem").unwrap();
        let mut failed = Vec::new();
        for case in &cases {
            let actual = strategic(ty, &case["original"], &case["patch"]);
            let same = match (&actual, case.get("error").and_then(Value::as_str)) {
                (Ok(actual), None) => *actual == case["result"],
                (Err(actual), Some(expected)) => actual.message() == *expected,
                _ => false,
            };
            if !same {
                failed.push(format!(
                    "{}\n  original {}\n  patch {}\n  expected {}{}\n  actual {actual:?}",
                    case["name"], case["original"], case["patch"], case["result"], case["error"]
                ));
            }
        }
        assert!(failed.is_empty(), "{} of {} differ:\n{}", failed.len(), cases.len(), failed.join("\n"));
    }
}
