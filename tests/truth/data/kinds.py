#!/usr/bin/env python3
"""Writes what src/sim/data knows of the served kinds, from a real control plane without CustomResourceDefinitions of its own.

    kinds.py ADMIN_PKI_FOLDER https://127.0.0.1:16443 [GOTYPES_JSON]

`ADMIN_PKI_FOLDER` has ca.crt, admin.crt and admin.key. It writes discovery.json (the aggregated form), schemas.json (the types of /openapi/v3 without
prose), tables.json (the columns of each collection) and openapi.zst (the documents of /openapi/v3 and /openapi/v2 as they are, needs the program `zstd`).
GOTYPES_JSON is what gotypes.go printed: in a module whose go.mod requires k8s.io/kubernetes at the same version,
`go run gotypes.go $(kubectl api-versions)`.
"""
import json
import pathlib
import ssl
import subprocess
import sys
import urllib.request

DATA = pathlib.Path(__file__).resolve().parents[3] / "src/sim/data"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
# Types that code reads by their Go shape alone, and what no list of a served version reaches.
OWN_SHAPES = ("k8s.io/apimachinery/pkg/api/resource.", "k8s.io/apimachinery/pkg/runtime.", "k8s.io/apimachinery/pkg/util/intstr.")


def main(pki, server, gotypes=None):
    context = ssl.create_default_context(cafile=f"{pki}/ca.crt")
    context.load_cert_chain(f"{pki}/admin.crt", f"{pki}/admin.key")

    def get(path, accept="application/json"):
        request = urllib.request.Request(server + path, headers={"Accept": accept})
        return urllib.request.urlopen(request, context=context).read()

    def write(name, value):
        (DATA / name).write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")

    groups = json.loads(get("/api", AGGREGATED))["items"] + json.loads(get("/apis", AGGREGATED))["items"]
    for group in groups:
        group["metadata"].pop("creationTimestamp", None)
    version = json.loads(get("/version"))["gitVersion"]
    write("discovery.json", {"v": version, "groups": groups})

    tables = {}
    for group in groups:
        name = group["metadata"].get("name", "")
        for version_ in group["versions"]:
            root = f"/apis/{name}/{version_['version']}" if name else f"/api/{version_['version']}"
            for resource in version_["resources"]:
                if "list" in resource["verbs"]:
                    path = f"{root}/{resource['resource']}"
                    columns = json.loads(get(path + "?limit=1", TABLE))["columnDefinitions"]
                    tables[path] = [column(it) for it in columns]
    write("tables.json", dict(sorted(tables.items())))

    index = json.loads(get("/openapi/v3"))["paths"]
    documents = {path: get(entry["serverRelativeURL"]) for path, entry in index.items()}
    schemas = {}
    for path in sorted(documents):
        for name, schema in json.loads(documents[path]).get("components", {}).get("schemas", {}).items():
            # The answer of /version is nothing that is stored.
            if name == "io.k8s.apimachinery.pkg.version.Info":
                continue
            bare = without_prose(schema)
            # Types that every group has list those groups' kinds: the shortest is as good as any.
            if name not in schemas or len(json.dumps(bare)) < len(json.dumps(schemas[name])):
                schemas[name] = bare
    write("schemas.json", {"schemas": dict(sorted(schemas.items())), "version": version})
    archive(get, index, documents)

    if gotypes:
        types = json.loads(pathlib.Path(gotypes).read_text())
        # These write themselves as one of several things.
        for name in ("OrArray", "OrBool", "OrStringArray"):
            types[f"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaProps{name}"] = []
        write("gotypes.json", {name: rows for name, rows in sorted(types.items()) if not name.startswith(OWN_SHAPES)})


def column(column):
    # Descriptions of columns are not kept: no client shows them.
    return {key: column[key] for key in ("format", "name", "priority", "type") if column.get(key) not in ("", None)}


def without_prose(schema):
    if isinstance(schema, list):
        return [without_prose(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str):
            continue
        if key == "$ref" and isinstance(value, str):
            out["$ref"] = value.rsplit("/", 1)[1]
        elif key == "allOf" and len(value) == 1 and set(value[0]) == {"$ref"}:
            out["$ref"] = value[0]["$ref"].rsplit("/", 1)[1]
        else:
            out[key] = without_prose(value)
    return dict(sorted(out.items()))


def archive(get, index, documents):
    """Lines `path hash length`, an empty line, and the documents one after the other; v2 is first, since most of v3 is in it."""
    v2 = get("/openapi/v2")
    request_hash = json.loads(get("/openapi/v3"))["paths"]
    entries = [("v2", etag_of_v2(v2), v2), ("v2.pb", etag_of_v2(v2), get("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"))]
    for path in sorted(index):
        entries.append((path, request_hash[path]["serverRelativeURL"].rsplit("hash=", 1)[1], documents[path]))
    head = "".join(f"{path} {digest} {len(text)}\n" for path, digest, text in entries) + "\n"
    whole = head.encode() + b"".join(text for _, _, text in entries)
    packed = subprocess.run(["zstd", "--ultra", "-22", "--long=24", "-c", "-q"], input=whole, capture_output=True, check=True).stdout
    (DATA / "openapi.zst").write_bytes(packed)


def etag_of_v2(text):
    import hashlib

    return hashlib.sha512(text).hexdigest().upper()


if __name__ == "__main__":
    main(*sys.argv[1:])
