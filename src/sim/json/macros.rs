//! The macro `json!`.
//!
//! # Source
//! `json!` of serde_json 1, for the values of this module; names that are literals are not copied.

/// Makes a value from what looks like JSON.
macro_rules! json {
    //////////////////////////////////////////////////////////////////////////
    // TT muncher for parsing the inside of an array [...]. Produces a vec![...]
    // of the elements.
    //
    // Must be invoked as: json!(@array [] $($tt)*)
    //////////////////////////////////////////////////////////////////////////

    // Done with trailing comma.
    (@array [$($elems:expr,)*]) => {
        vec![$($elems,)*]
    };

    // Done without trailing comma.
    (@array [$($elems:expr),*]) => {
        vec![$($elems),*]
    };

    // Next element is `null`.
    (@array [$($elems:expr,)*] null $($rest:tt)*) => {
        $crate::sim::json::json!(@array [$($elems,)* $crate::sim::json::json!(null)] $($rest)*)
    };

    // Next element is `true`.
    (@array [$($elems:expr,)*] true $($rest:tt)*) => {
        $crate::sim::json::json!(@array [$($elems,)* $crate::sim::json::json!(true)] $($rest)*)
    };

    // Next element is `false`.
    (@array [$($elems:expr,)*] false $($rest:tt)*) => {
        $crate::sim::json::json!(@array [$($elems,)* $crate::sim::json::json!(false)] $($rest)*)
    };

    // Next element is an array.
    (@array [$($elems:expr,)*] [$($array:tt)*] $($rest:tt)*) => {
        $crate::sim::json::json!(@array [$($elems,)* $crate::sim::json::json!([$($array)*])] $($rest)*)
    };

    // Next element is a map.
    (@array [$($elems:expr,)*] {$($map:tt)*} $($rest:tt)*) => {
        $crate::sim::json::json!(@array [$($elems,)* $crate::sim::json::json!({$($map)*})] $($rest)*)
    };

    // Next element is an expression followed by comma.
    (@array [$($elems:expr,)*] $next:expr, $($rest:tt)*) => {
        $crate::sim::json::json!(@array [$($elems,)* $crate::sim::json::json!($next),] $($rest)*)
    };

    // Last element is an expression with no trailing comma.
    (@array [$($elems:expr,)*] $last:expr) => {
        $crate::sim::json::json!(@array [$($elems,)* $crate::sim::json::json!($last)])
    };

    // Comma after the most recent element.
    (@array [$($elems:expr),*] , $($rest:tt)*) => {
        $crate::sim::json::json!(@array [$($elems,)*] $($rest)*)
    };

    //////////////////////////////////////////////////////////////////////////
    // TT muncher for parsing the inside of an object {...}. Each entry is
    // inserted into the given map variable.
    //
    // Must be invoked as: json!(@object $map () ($($tt)*) ($($tt)*))
    //
    // We require two copies of the input tokens so that we can match on one
    // copy and trigger errors on the other copy.
    //////////////////////////////////////////////////////////////////////////

    // Done.
    (@object $object:ident () () ()) => {};

    // A literal name costs nothing: it is never copied.
    (@object $object:ident [$key:literal] ($value:expr) , $($rest:tt)*) => {
        $object.push(($crate::sim::json::arcstr::literal!($key), $value));
        $crate::sim::json::json!(@object $object () ($($rest)*) ($($rest)*));
    };

    (@object $object:ident [$key:literal] ($value:expr)) => {
        $object.push(($crate::sim::json::arcstr::literal!($key), $value));
    };

    // Insert the current entry followed by trailing comma.
    (@object $object:ident [$($key:tt)+] ($value:expr) , $($rest:tt)*) => {
        $object.push((($($key)+).into(), $value));
        $crate::sim::json::json!(@object $object () ($($rest)*) ($($rest)*));
    };

    // Insert the last entry without trailing comma.
    (@object $object:ident [$($key:tt)+] ($value:expr)) => {
        $object.push((($($key)+).into(), $value));
    };

    // Next value is `null`.
    (@object $object:ident ($($key:tt)+) (: null $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object [$($key)+] ($crate::sim::json::json!(null)) $($rest)*);
    };

    // Next value is `true`.
    (@object $object:ident ($($key:tt)+) (: true $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object [$($key)+] ($crate::sim::json::json!(true)) $($rest)*);
    };

    // Next value is `false`.
    (@object $object:ident ($($key:tt)+) (: false $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object [$($key)+] ($crate::sim::json::json!(false)) $($rest)*);
    };

    // Next value is an array.
    (@object $object:ident ($($key:tt)+) (: [$($array:tt)*] $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object [$($key)+] ($crate::sim::json::json!([$($array)*])) $($rest)*);
    };

    // Next value is a map.
    (@object $object:ident ($($key:tt)+) (: {$($map:tt)*} $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object [$($key)+] ($crate::sim::json::json!({$($map)*})) $($rest)*);
    };

    // Next value is an expression followed by comma.
    (@object $object:ident ($($key:tt)+) (: $value:expr , $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object [$($key)+] ($crate::sim::json::json!($value)) , $($rest)*);
    };

    // Last value is an expression with no trailing comma.
    (@object $object:ident ($($key:tt)+) (: $value:expr) $copy:tt) => {
        $crate::sim::json::json!(@object $object [$($key)+] ($crate::sim::json::json!($value)));
    };

    // Key is fully parenthesized. This avoids clippy double_parens false
    // positives because the parenthesization may be necessary here.
    (@object $object:ident () (($key:expr) : $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object ($key) (: $($rest)*) (: $($rest)*));
    };

    // Munch a token into the current key.
    (@object $object:ident ($($key:tt)*) ($tt:tt $($rest:tt)*) $copy:tt) => {
        $crate::sim::json::json!(@object $object ($($key)* $tt) ($($rest)*) ($($rest)*));
    };

    //////////////////////////////////////////////////////////////////////////
    // The main implementation.
    //
    // Must be invoked as: json!($($json)+)
    //////////////////////////////////////////////////////////////////////////

    (null) => {
        $crate::sim::json::Value::Null
    };

    (true) => {
        $crate::sim::json::Value::Bool(true)
    };

    (false) => {
        $crate::sim::json::Value::Bool(false)
    };

    ([]) => {
        $crate::sim::json::Value::Array($crate::sim::json::Array::default())
    };

    ([ $($tt:tt)+ ]) => {
        $crate::sim::json::Value::Array($crate::sim::json::Array::from($crate::sim::json::json!(@array [] $($tt)+)))
    };

    ({}) => {
        $crate::sim::json::Value::Object($crate::sim::json::Map::new())
    };

    ({ $($tt:tt)+ }) => {
        $crate::sim::json::Value::Object({
            let mut object: Vec<($crate::sim::json::Text, $crate::sim::json::Value)> = Vec::with_capacity(8);
            $crate::sim::json::json!(@object object () ($($tt)+) ($($tt)+));
            $crate::sim::json::Map::from(object)
        })
    };

    // Any Serialize type: numbers, strings, struct literals, variables etc.
    // Must be below every other rule.
    ($other:expr) => {
        $crate::sim::json::ToJson::to_json(&$other)
    };
}

pub(crate) use json;
