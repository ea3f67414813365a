//! `/metrics`: what this server counts, under the names that the real one uses. Most of the real one's metrics tell of parts that are not here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::kinds::Kind;
use super::world::World;

pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// The metrics in the text format of Prometheus.
pub fn text(world: &World) -> String {
    let mut objects: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for kind in Kind::all().filter(|it| it.stored() == *it && it.has_verb("list")) {
        objects.insert((kind.group(), kind.plural()), world.list(kind, None).count());
    }
    let mut text = String::from(
        "# HELP apiserver_resource_objects [ALPHA] Number of stored objects at the time of last check split by kind.\n# TYPE apiserver_resource_objects gauge\n",
    );
    for ((group, resource), count) in objects {
        let _ = writeln!(text, "apiserver_resource_objects{{group={group:?},resource={resource:?}}} {count}");
    }
    text.push_str("# HELP kubernetes_build_info [ALPHA] A metric with a constant '1' value labeled by version.\n# TYPE kubernetes_build_info gauge\n");
    let _ = writeln!(text, "kubernetes_build_info{{git_version={:?},major=\"1\",minor=\"36\",platform=\"linux/amd64\"}} 1", super::VERSION);
    text
}
