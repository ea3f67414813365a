//! Which proxy a URL goes through: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, read as Go's `net/http` reads them, since kubectl does.
//!
//! Nothing here connects. The variables are an argument, so that two sessions of one process, and tests, may differ.

use std::net::IpAddr;

use http::Uri;

/// The proxy that the environment prescribes for `url`, as it is written there.
///
/// # Source
/// `golang.org/x/net/http/httpproxy`: loopback addresses and `localhost` never go through a proxy; upper-case names come first.
pub fn proxy_for(url: &Uri, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |upper: &str, lower: &str| variable(upper).filter(|it| !it.is_empty()).or_else(|| variable(lower).filter(|it| !it.is_empty()));
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let secure = url.scheme_str() == Some("https");
    let proxy = if secure { either("HTTPS_PROXY", "https_proxy") } else { either("HTTP_PROXY", "http_proxy") }?;
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let spared = is_loopback(&host) || either("NO_PROXY", "no_proxy").is_some_and(|list| list.split(',').any(|entry| spares(entry.trim(), &host, port)));
    (!spared).then(|| if proxy.contains("://") { proxy } else { format!("http://{proxy}") })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether one entry of `NO_PROXY` covers the host.
fn spares(entry: &str, host: &str, port: u16) -> bool {
    let entry = entry.to_lowercase();
    if entry == "*" {
        return true;
    }
    let address = host.parse::<IpAddr>().ok();
    if let Some((network, bits)) = entry.split_once('/') {
        return match (network.parse::<IpAddr>(), bits.parse::<u32>(), address) {
            (Ok(network), Ok(bits), Some(address)) => within(address, network, bits),
            _ => false,
        };
    }
    let (name, wanted) = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => match digits.parse::<u16>() {
            Ok(wanted) => (name, Some(wanted)),
            Err(_) => (entry.as_str(), None),
        },
        _ => (entry.as_str(), None),
    };
    if name.is_empty() || wanted.is_some_and(|wanted| wanted != port) {
        return false;
    }
    if let Ok(one) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return address == Some(one);
    }
    let suffix = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
    match suffix {
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, variables: &[(&str, &str)], expected: Option<&str>) {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(proxy_for(&url.parse().expect("a url"), find).as_deref(), expected, "{url} with {variables:?}");
    }

    #[test]
    fn the_scheme_picks_the_variable() {
        let both = [("HTTPS_PROXY", "http://secure:1"), ("http_proxy", "plain:2")];
        check("https://a.example", &both, Some("http://secure:1"));
        check("http://a.example", &both, Some("http://plain:2"));
        check("https://a.example", &[], None);
        check("https://a.example", &[("HTTPS_PROXY", "")], None);
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        for url in ["https://localhost:6443", "https://127.0.0.5:6443", "https://[::1]:6443"] {
            check(url, &[("HTTPS_PROXY", "http://p:1")], None);
        }
    }

    #[test]
    fn no_proxy_knows_names_ports_addresses_and_networks() {
        let spared = |url: &str, list: &str| check(url, &[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", list)], None);
        let proxied = |url: &str, list: &str| check(url, &[("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", list)], Some("http://p:1"));
        spared("https://api.corp.example:6443", "corp.example");
        spared("https://api.corp.example:6443", "x, .corp.example,");
        spared("https://api.corp.example:6443", "*.corp.example");
        spared("https://corp.example:6443", "corp.example:6443");
        spared("https://10.1.2.3", "10.0.0.0/8");
        spared("https://10.1.2.3", "10.1.2.3");
        spared("https://[fd00::1]:6443", "fd00::/8");
        spared("https://anything", "*");
        proxied("https://notcorp.example", "corp.example");
        proxied("https://corp.example", ".corp.example");
        proxied("https://corp.example", "corp.example:6443");
        proxied("https://11.1.2.3", "10.0.0.0/8");
        proxied("https://a.example", ",,");
    }
}
