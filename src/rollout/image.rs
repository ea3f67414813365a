//! `set_image`: new images for named containers.

use serde_json::json;

use super::change::Change;
use super::containers;
use super::workload::Workload;
use crate::error::{Error, Result};

/// Sets images by container name (`*`: all); init containers too.
///
/// # Errors
/// `invalid`: unknown container (the hint names those that there are), an empty list, `*` beside names.
///
/// # Source
/// kubectl 1.36 `set image`. Differs in this: with one unknown container nothing is changed, and the write is conditional.
pub fn set_image(workload: &Workload, images: &[(String, String)], change_cause: Option<&str>) -> Result<Change> {
    if images.is_empty() {
        return Err(Error::invalid("at least one image update is required").hint("write it as \"container=image\"").target(workload.target()));
    }
    let all = images.iter().find(|(container, _)| container == "*");
    if all.is_some() && images.len() > 1 {
        return Err(Error::invalid("all containers are already specified by *, but saw more than one container and image").target(workload.target()));
    }
    for (container, image) in images {
        if container != "*" {
            containers::must_exist(workload, container)?;
        }
        if !is_reference(image) {
            return Err(Error::invalid(format!("{image:?} is no image for container {container:?}")).hint(IMAGE).target(workload.target()));
        }
    }
    let change = containers::change("set_image", workload, "image updated", |container| {
        let wanted = images.iter().rev().find(|(name, _)| name == "*" || container["name"] == name.as_str());
        Ok(wanted.filter(|(_, image)| container["image"] != image.as_str()).map(|(_, image)| json!({"image": image})))
    })?;
    Ok(change.with_cause(change_cause))
}

const IMAGE: &str = "an image is REPOSITORY:TAG or REPOSITORY@DIGEST, the repository in lower case";

/// Whether a kubelet could make anything of it: what this refuses ends as InvalidImageName.
///
/// # Source
/// The grammar of `github.com/distribution/reference`, which the kubelet parses images with.
fn is_reference(image: &str) -> bool {
    let (named, digest) = image.split_once('@').map_or((image, None), |(named, digest)| (named, Some(digest)));
    let is_digest = |digest: &str| {
        digest.split_once(':').is_some_and(|(algorithm, hex)| {
            algorithm.starts_with(|c: char| c.is_ascii_alphabetic()) && hex.len() >= 32 && hex.chars().all(|c| c.is_ascii_hexdigit())
        })
    };
    let slash = named.rfind('/').map_or(0, |at| at + 1);
    let (repository, tag) = match named[slash..].find(':') {
        Some(at) => (&named[..slash + at], Some(&named[slash + at + 1..])),
        None => (named, None),
    };
    let is_tag = |tag: &str| {
        let starts = tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        starts && tag.len() <= 128 && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    let path = match repository.split_once('/') {
        // A first part that looks like a host is one, and a host may have capitals and a port.
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" || host.contains(|c: char| c.is_ascii_uppercase()) => {
            if !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')) {
                return false;
            }
            path
        }
        _ => repository,
    };
    digest.is_none_or(is_digest) && tag.is_none_or(is_tag) && path.split('/').all(is_component)
}

/// Lower-case letters and digits, with one dot, one or two underscores or any hyphens between them.
fn is_component(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ends = part.starts_with(is_word) && part.ends_with(is_word);
    let between = part.split(is_word).filter(|between| !between.is_empty());
    ends && between.into_iter().all(|it| matches!(it, "." | "_" | "__") || it.chars().all(|c| c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::change::{Precondition, Request};
    use crate::rollout::history::CHANGE_CAUSE;
    use crate::rollout::sample::{deployment, workload};

    /// Two containers and an init container.
    fn web() -> Workload {
        let mut object = deployment("shop/web:1");
        object["spec"]["template"]["spec"]["containers"] = json!([{"name": "web", "image": "shop/web:1"}, {"name": "proxy", "image": "shop/proxy:1"}]);
        object["spec"]["template"]["spec"]["initContainers"] = json!([{"name": "migrate", "image": "shop/web:1"}]);
        workload(object)
    }

    fn set(images: &[(&str, &str)], cause: Option<&str>) -> Result<Change> {
        let images: Vec<(String, String)> = images.iter().map(|(container, image)| ((*container).to_owned(), (*image).to_owned())).collect();
        set_image(&web(), &images, cause)
    }

    #[test]
    fn the_patch_is_kubectls() {
        let change = set(&[("web", "shop/web:2")], None).expect("a change");
        let body = json!({"spec": {"template": {"spec": {
            "$setElementOrder/containers": [{"name": "web"}, {"name": "proxy"}], "containers": [{"image": "shop/web:2", "name": "web"}]
        }}}});
        assert_eq!((change.request, change.done.as_str()), (Request::StrategicPatch(body), "deployment.apps/web image updated"));
        assert_eq!(change.precondition, Some(Precondition::of(web().object())));
    }

    #[test]
    fn the_change_cause_is_set_in_the_same_write() {
        let change = set(&[("web", "shop/web:2")], Some("try 2")).expect("a change");
        let after = change.predicted().expect("fits");
        assert_eq!(after["metadata"]["annotations"][CHANGE_CAUSE], "try 2");
        assert_eq!(
            after["spec"]["template"]["spec"]["containers"],
            json!([{"name": "web", "image": "shop/web:2"}, {"name": "proxy", "image": "shop/proxy:1"}])
        );
    }

    #[test]
    fn a_star_means_all_containers_and_init_containers() {
        let after = set(&[("*", "shop/web:2")], None).expect("a change").predicted().expect("fits");
        let images = crate::rollout::template::images(&after["spec"]["template"]);
        assert!(images.values().all(|image| image == "shop/web:2"), "{images:?}");
        assert_eq!(images.len(), 3);
    }

    #[test]
    fn what_a_kubelet_can_make_nothing_of_is_no_image() {
        let digest = format!("shop/web@sha256:{}", "a".repeat(64));
        for good in [
            "a",
            "nginx:1.27",
            "shop/web",
            "localhost/web",
            "localhost:5000/web:2",
            "registry.example.com:5000/team/a_b--c/web.x:v1.2_3-rc",
            "REGISTRY.example/web",
            "Host/web",
            "[::1]:5000/web",
            &digest,
            &format!("{}:2@{}", "shop/web", &digest[9..]),
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in [
            "",
            "Web",
            "shop/Web:1",
            "a b",
            "shop//web",
            "/web",
            "web/",
            "web:",
            "web:a:b",
            "web@sha256:1",
            "web@",
            "a..b",
            "-web",
            "we$b",
            "web:-1",
            "h_o.x/web",
        ] {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    #[test]
    fn the_same_image_is_nothing_to_do() {
        assert_eq!(set(&[("web", "shop/web:1"), ("migrate", "shop/web:1")], Some("why")).expect("nothing").request, Request::Nothing);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (images, message, hint) in [
            (&[("zz", "a:1")][..], "unable to find container named \"zz\" in deployment/web", "its containers: migrate, web, proxy"),
            (&[], "at least one image update is required", "write it as \"container=image\""),
            (&[("web", "a b")], "\"a b\" is no image for container \"web\"", IMAGE),
            (&[("web", "")], "\"\" is no image for container \"web\"", IMAGE),
        ] {
            let error = set(images, None).expect_err("refused");
            assert_eq!((error.kind().name(), error.message(), error.hints()[0].as_str()), ("invalid", message, hint));
        }
        let both = set(&[("*", "a:1"), ("web", "a:2")], None).expect_err("refused");
        assert!(both.message().starts_with("all containers are already specified by *"), "{both}");
        let half = set(&[("web", "a:2"), ("zz", "a:2")], None).expect_err("kubectl would change web");
        assert_eq!(half.kind().name(), "invalid");
    }
}
