"""The Python client's watch on Deployments, ReplicaSets and Pods, listed and watched as its documentation says. For each line on standard input it prints
what it holds: one JSON object from kind/namespace/name to resource version."""

import json
import sys
import threading

from kubernetes import client, config, watch

held = {}
lock = threading.Lock()


def follow(kind, list_all):
    def name(object):
        return f"{kind}/{object.metadata.namespace}/{object.metadata.name}"

    while True:
        try:
            found = list_all()
            with lock:
                for key in [key for key in held if key.startswith(kind + "/")]:
                    del held[key]
                held.update({name(object): object.metadata.resource_version for object in found.items})
            version = found.metadata.resource_version
            while True:
                watched = watch.Watch()
                for event in watched.stream(list_all, resource_version=version, timeout_seconds=60):
                    object = event["object"]
                    version = object.metadata.resource_version
                    with lock:
                        if event["type"] == "DELETED":
                            held.pop(name(object), None)
                        else:
                            held[name(object)] = version
                version = watched.resource_version or version
        except client.ApiException as error:
            # The version is too old: from the beginning.
            if error.status != 410:
                print(error, file=sys.stderr)
        except Exception as error:  # a cut connection has many names
            print(type(error).__name__, file=sys.stderr)


config.load_kube_config(sys.argv[1])
apps, core = client.AppsV1Api(), client.CoreV1Api()
for kind, list_all in [
    ("Deployment", apps.list_deployment_for_all_namespaces),
    ("ReplicaSet", apps.list_replica_set_for_all_namespaces),
    ("Pod", core.list_pod_for_all_namespaces),
]:
    threading.Thread(target=follow, args=(kind, list_all), daemon=True).start()

for _ in sys.stdin:
    with lock:
        print(json.dumps(held), flush=True)
