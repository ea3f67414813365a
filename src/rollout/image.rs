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
        if image.is_empty() || image.contains(char::is_whitespace) {
            return Err(Error::invalid(format!("{image:?} is no image for container {container:?}"))
                .hint("an image is REPOSITORY:TAG or REPOSITORY@DIGEST")
                .target(workload.target()));
        }
    }
    let change = containers::change("set_image", workload, "image updated", |container| {
        let wanted = images.iter().rev().find(|(name, _)| name == "*" || container["name"] == name.as_str());
        Ok(wanted.filter(|(_, image)| container["image"] != image.as_str()).map(|(_, image)| json!({"image": image})))
    })?;
    Ok(change.with_cause(change_cause))
}
