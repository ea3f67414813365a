#!/usr/bin/env python3
"""Writes src/sim/data/messages.txt: the protobuf messages of the served types, from the `generated.proto` files of the Go modules.

    messages.py MODCACHE/k8s.io VERSION        (for example ~/go/pkg/mod/k8s.io 0.36.3)
"""
import pathlib
import re
import sys

DATA = pathlib.Path(__file__).resolve().parents[3] / "src/sim/data"
# The groups in the order of the file: the area in a message's name, and where its proto file is.
AREAS = [
    "admissionregistration.v1", "apiextensions.v1", "apiregistration.v1", "apps.v1", "authentication.v1", "authorization.v1", "autoscaling.v1",
    "autoscaling.v2", "batch.v1", "certificates.v1", "coordination.v1", "core.v1", "discovery.v1", "events.v1", "flowcontrol.v1", "m", "networking.v1",
    "node.v1", "policy.v1", "rbac.v1", "resource.v1", "scheduling.v1", "storage.v1",
]
ELSEWHERE = {
    "apiextensions.v1": ("apiextensions-apiserver", "pkg/apis/apiextensions/v1"),
    "apiregistration.v1": ("kube-aggregator", "pkg/apis/apiregistration/v1"),
    "m": ("apimachinery", "pkg/apis/meta/v1"),
}
# What is read in a way of its own, and what no request carries.
OPAQUE = re.compile(r"^@m\.(Time|MicroTime|Duration|Verbs|FieldsV1|Timestamp|API.*|.*Options|.*List|.*Kind|.*Resource|.*Version.*|LabelSelector.*|Group.*|List|Patch|RootPaths|ServerAddress.*|Table.*|TypeMeta|PartialObject.*)$")
KEPT = {"@m.DeleteOptions", "@m.LabelSelector", "@m.LabelSelectorRequirement"}
# A part of a message whose fields stand in the message itself.
INLINE = {("admissionregistration.v1", "RuleWithOperations", "rule"), ("admissionregistration.v1", "NamedRuleWithOperations", "ruleWithOperations")}
# Fields whose names in JSON are not those in protobuf.
RENAMED = {
    ("authentication.v1", "uID"): "uid",
    ("networking.v1", "aPIGroup"): "apiGroup",
    ("apiextensions.v1", "ref"): "$ref",
    ("apiextensions.v1", "xKubernetesPreserveUnknownFields"): "x-kubernetes-preserve-unknown-fields",
    ("apiextensions.v1", "xKubernetesEmbeddedResource"): "x-kubernetes-embedded-resource",
    ("apiextensions.v1", "xKubernetesIntOrString"): "x-kubernetes-int-or-string",
    ("apiextensions.v1", "xKubernetesListMapKeys"): "x-kubernetes-list-map-keys",
    ("apiextensions.v1", "xKubernetesListType"): "x-kubernetes-list-type",
    ("apiextensions.v1", "xKubernetesMapType"): "x-kubernetes-map-type",
    ("apiextensions.v1", "xKubernetesValidations"): "x-kubernetes-validations",
}
SCALARS = {"string": "s", "bool": "b", "int32": "i", "int64": "i", "double": "d", "bytes": "B"}


def main(modules, version):
    old = {line.split(" ")[0]: line for line in (DATA / "messages.txt").read_text().splitlines()}
    lines = {}
    for area in AREAS:
        module, folder = ELSEWHERE.get(area, ("api", area.replace(".", "/")))
        text = (pathlib.Path(modules) / f"{module}@v{version}" / folder / "generated.proto").read_text()
        text = re.sub(r"//[^\n]*", "", text)
        for name, body in re.findall(r"message (\w+) \{(.*?)\n\}", text, re.S):
            key = f"@{area}.{name}"
            if area == "m" and OPAQUE.match(key) and key not in KEPT or name.endswith("List") and area != "m":
                continue
            fields = []
            for repeated, map_value, ty, field, number in re.findall(
                r"^\s*(?:(repeated|optional)\s+)?(?:map<string,\s*([\w.]+)>|([\w.]+))\s+(\w+)\s*=\s*(\d+);", body, re.M
            ):
                kind = SCALARS.get(map_value or ty) or reference(area, map_value or ty)
                mark = "{" if map_value else "*" if repeated == "repeated" else ""
                json_name = RENAMED.get((area, field), field[0].lower() + field[1:] if area == "admissionregistration.v1" else field)
                if (area, name, field) == ("apiextensions.v1", "JSONSchemaProps", "schema"):
                    json_name = "$schema"
                if (area, name, field) in INLINE or old_inline(old.get(key, ""), number):
                    mark = "~"
                fields.append(f"{number}:{json_name}:{mark}{kind}")
            lines[key] = " ".join([key, *fields])
    for key, line in old.items():
        if lines.get(key) != line:
            print(f"differs:\n- {line}\n+ {lines.get(key)}", file=sys.stderr)
            lines.setdefault(key, line)
    (DATA / "messages.txt").write_text("".join(f"{line}\n" for _, line in sorted(lines.items())))


def reference(area, ty):
    for prefix, short in (
        ("k8s.io.api.", ""), ("k8s.io.apiextensions_apiserver.pkg.apis.", ""), ("k8s.io.kube_aggregator.pkg.apis.", ""), ("k8s.io.apimachinery.pkg.apis.meta.v1.", "m."),
        ("k8s.io.apimachinery.pkg.", "a."),
    ):
        if ty.startswith("." + prefix) or ty.startswith(prefix):
            return "@" + short + ty.lstrip(".")[len(prefix):]
    return f"@{area}.{ty}"


def old_inline(line, number):
    return any(word.startswith(f"{number}:") and ":~@" in word for word in line.split(" "))


if __name__ == "__main__":
    main(*sys.argv[1:])
