#!/bin/sh
# Prints a Deployment (or, by the second word, another kind) of one container: NAME KIND IMAGE [LINE OF THE SPEC]...
name=$1 kind=$2 image=$3
shift 3
cat <<YAML
apiVersion: apps/v1
kind: $kind
metadata: {name: $name, labels: {app: $name}}
spec:
$(for line; do echo "  $line"; done)
  selector: {matchLabels: {app: $name}}
  template:
    metadata: {labels: {app: $name}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: app, image: "$image"}]
YAML
