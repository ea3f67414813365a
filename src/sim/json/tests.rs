use super::{Map, Value, json};

#[test]
fn values_are_what_serde_json_makes_of_the_same_text() {
    let text = r#"{"a":[1,-2,2.5,18446744073709551615,true,null,"x\n\"é"],"b":{"z":{},"y":[]},"":"e"}"#;
    let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
    let ours: Value = serde_json::from_str(text).unwrap();
    assert_eq!(ours.to_string(), theirs.to_string());
    assert_eq!(format!("{ours:#}"), format!("{theirs:#}"));
    assert_eq!(Value::from(&theirs), ours);
    assert_eq!(serde_json::Value::from(&ours), theirs);
}

#[test]
fn a_change_of_a_copy_leaves_the_original() {
    let original = json!({ "spec": { "list": [{ "a": 1 }], "other": {} } });
    let mut copy = original.clone();
    copy["spec"]["list"][0]["a"] = 2.into();
    copy["status"]["phase"] = "new".into();
    assert_eq!(original, json!({ "spec": { "list": [{ "a": 1 }], "other": {} } }));
    assert_eq!(copy, json!({ "spec": { "list": [{ "a": 2 }], "other": {} }, "status": { "phase": "new" } }));
    assert!(copy["spec"]["other"].is_same(&original["spec"]["other"]));
}

#[test]
fn members_are_sorted_however_they_come() {
    let mut map = Map::new();
    for name in ["b", "a", "c", "a"] {
        map.insert(name, name.into());
    }
    assert_eq!(map.keys().map(|it| it.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(map.remove("b"), Some("b".into()));
    map.entry("b").or_insert(1.into());
    map.entry("b").or_insert(2.into());
    assert_eq!(Value::Object(map), json!({ "a": "a", "b": 1, "c": "c" }));
}

#[test]
fn pointers_lead_where_those_of_json_do() {
    let value = json!({ "a": { "b/c": [1, { "~": 2 }] } });
    assert_eq!(value.pointer("/a/b~1c/1/~0"), Some(&json!(2)));
    assert_eq!(value.pointer("/a/b~1c/01"), None);
    assert_eq!(value.pointer(""), Some(&value));
    assert_eq!(value.pointer("a"), None);
}

#[test]
fn what_two_values_have_in_common_is_kept_once() {
    let like = json!({ "same": { "x": [1, 2, { "y": "z" }] }, "part": { "deep": { "a": "b" }, "n": 1 }, "list": ["p", "q"], "gone": 1 });
    let mut value = json!({ "same": { "x": [1, 2, { "y": "z" }] }, "part": { "deep": { "a": "b" }, "n": 2 }, "list": ["p", "r", "s"], "new": 1 });
    let before = value.to_string();
    value.share_with(&like);
    assert_eq!(value.to_string(), before);
    assert!(value["same"].is_same(&like["same"]));
    assert!(value["part"]["deep"].is_same(&like["part"]["deep"]));
    let text = |value: &Value| value["list"][0].as_str().map(str::as_ptr);
    assert_eq!(text(&value), text(&like));
    let mut equal: Value = serde_json::from_str(&like.to_string()).unwrap();
    equal.share_with(&like);
    assert!(equal.is_same(&like));
}
