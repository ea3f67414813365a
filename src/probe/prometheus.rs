//! Instant queries to Prometheus, or to what speaks its API.

use std::collections::BTreeMap;

use serde_json::Value;

use super::http::{Answer, Request, http};
use crate::error::{Error, Result};

/// A query and where to send it.
#[derive(Clone)]
pub struct Query {
    pub query: String,
    /// URL, headers, time limit and permit; method and body are filled in. The URL is the server's, with or without `/api/v1/query`.
    pub request: Request,
}

/// What a query gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A scalar, or the one sample without labels that an aggregation such as `sum(...)` gives.
    Number(f64),
    Samples(Vec<Sample>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// Asks for the present value of a query.
///
/// # Errors
/// `invalid` with Prometheus' own words for a query that it does not take, and for one that gives a range;
/// otherwise as `http`, and `unreachable` for an answer that is not Prometheus'.
pub async fn prometheus(query: Query) -> Result<Reading> {
    let Query { query, mut request } = query;
    let base = request.url.trim_end_matches('/').trim_end_matches("/api/v1/query").to_owned();
    request.url = format!("{base}/api/v1/query");
    request.method = "POST".into();
    request.body = Some(format!("query={}", encoded(&query)).into_bytes());
    request.headers.insert("content-type".into(), "application/x-www-form-urlencoded".into());
    let url = request.url.clone();
    let answer = http(request).await?;
    read(&answer).map_err(|error| error.fact("query", query).fact("url", url))
}

fn read(answer: &Answer) -> Result<Reading> {
    let json = &answer.json;
    if json["status"] == "error" {
        let words = json["error"].as_str().unwrap_or("no reason is given");
        return Err(Error::invalid(format!("prometheus refuses the query: {words}")));
    }
    if json["status"] != "success" {
        return Err(Error::unreachable(format!("the answer ({}) is not prometheus'", answer.status)).hint("give the URL of the server itself, without /graph"));
    }
    let result = &json["data"]["result"];
    match json["data"]["resultType"].as_str() {
        Some("scalar") => Ok(Reading::Number(number(&result[1])?)),
        Some("vector") => {
            let samples = result.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(sample).collect::<Result<Vec<_>>>()?;
            Ok(match samples.as_slice() {
                [one] if one.labels.is_empty() => Reading::Number(one.value),
                _ => Reading::Samples(samples),
            })
        }
        other => {
            let what = other.unwrap_or("nothing");
            Err(Error::invalid(format!("the query gives a {what}, not numbers")).hint("aggregate it, as in `rate(x[5m])` or `max_over_time(x[5m])`"))
        }
    }
}

fn sample(value: &Value) -> Result<Sample> {
    let labels = value["metric"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    let labels = labels.collect();
    if value["value"].is_null() {
        return Err(Error::invalid("the query gives histograms, not numbers").hint("take a number out of them with `histogram_quantile` or `histogram_count`"));
    }
    Ok(Sample { labels, value: number(&value["value"][1])? })
}

/// Numbers come as text, so that `NaN` and `+Inf` can.
fn number(value: &Value) -> Result<f64> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| Error::unreachable(format!("prometheus gives {value} where a number belongs")))
}

fn encoded(text: &str) -> String {
    let mut all = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => all.push(char::from(byte)),
            other => all.push_str(&format!("%{other:02X}")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use serde_json::json;

    fn answer(json: Value) -> Result<Reading> {
        read(&Answer { status: 200, body: String::new(), json, headers: BTreeMap::new(), elapsed_s: 0.0 })
    }

    fn success(kind: &str, result: Value) -> Result<Reading> {
        answer(json!({ "status": "success", "data": { "resultType": kind, "result": result } }))
    }

    #[test]
    fn numbers_are_numbers_and_series_keep_their_labels() {
        assert_eq!(success("scalar", json!([1, "0.25"])).expect("a scalar"), Reading::Number(0.25));
        assert_eq!(success("vector", json!([{ "metric": {}, "value": [1, "3"] }])).expect("a sum"), Reading::Number(3.0));
        assert_eq!(success("vector", json!([])).expect("nothing"), Reading::Samples(vec![]));
        let labels = BTreeMap::from([("pod".to_owned(), "a".to_owned())]);
        let one = json!([{ "metric": { "pod": "a" }, "value": [1, "+Inf"] }]);
        assert_eq!(success("vector", one).expect("a series"), Reading::Samples(vec![Sample { labels, value: f64::INFINITY }]));
        assert!(matches!(success("scalar", json!([1, "NaN"])), Ok(Reading::Number(number)) if number.is_nan()));
    }

    #[test]
    fn what_is_no_number_is_told() {
        let kind = |result: Result<Reading>| result.expect_err("an error").kind();
        assert_eq!(kind(success("matrix", json!([]))), ErrorKind::Invalid);
        assert_eq!(kind(success("vector", json!([{ "metric": {}, "histogram": [] }]))), ErrorKind::Invalid);
        assert_eq!(kind(answer(json!({ "status": "error", "error": "parse error" }))), ErrorKind::Invalid);
        assert_eq!(kind(answer(Value::Null)), ErrorKind::Unreachable);
    }

    #[test]
    fn a_query_is_sent_as_a_form() {
        assert_eq!(encoded("sum(rate(x{a=\"b c\"}[5m]))"), "sum%28rate%28x%7Ba%3D%22b%20c%22%7D%5B5m%5D%29%29");
    }
}
