//! `set_image`: new images for named containers.

use super::change::Change;
use super::workload::Workload;
use crate::error::Result;

/// Sets images by container name (`*`: all); init containers too.
///
/// # Errors
/// `invalid`: unknown container (the hint names those that there are), an empty list, `*` beside names.
pub fn set_image(_workload: &Workload, _images: &[(String, String)], _change_cause: Option<&str>) -> Result<Change> {
    todo!()
}
