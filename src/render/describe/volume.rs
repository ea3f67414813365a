//! Volumes: one table of all kinds, each a line of what it is and its fields.

use serde_json::Value;

use super::page::{Page, shortened};
use super::storage;
use super::value::{go, int_or_string, list, number, strings, text};

/// How a field is printed.
#[derive(Clone, Copy)]
enum As {
    Text,
    Number,
    Bool,
    /// A list of strings, as Go prints it.
    Words,
    /// A list of strings, with commas.
    Listed,
    /// A reference, as Go prints a pointer to one.
    Reference,
    /// A text that says `<none>` when absent.
    OrNone,
    /// A number that says `<none>` when absent.
    NumberOrNone,
    /// A size that says `<unset>` when absent or zero.
    Size,
    Map,
}

use As::{Bool, Listed, Map, NumberOrNone, OrNone, Reference, Size, Text, Words};

/// A kind of volume: its field in the spec, what it is, and its own fields as label, name and form.
type Kind = (&'static str, &'static str, &'static [(&'static str, &'static str, As)]);

/// In the order in which kubectl asks; the kinds printed otherwise stand in `source`.
static KINDS: &[Kind] = &[
    ("hostPath", "HostPath (bare host directory volume)", &[("Path:", "path", Text), ("HostPathType:", "type", OrNone)]),
    ("emptyDir", "EmptyDir (a temporary directory that shares a pod's lifetime)", &[("Medium:", "medium", Text), ("SizeLimit:", "sizeLimit", Size)]),
    (
        "gcePersistentDisk",
        "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        &[("PDName:", "pdName", Text), ("FSType:", "fsType", Text), ("Partition:", "partition", As::Number), ("ReadOnly:", "readOnly", Bool)],
    ),
    (
        "awsElasticBlockStore",
        "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        &[("VolumeID:", "volumeID", Text), ("FSType:", "fsType", Text), ("Partition:", "partition", As::Number), ("ReadOnly:", "readOnly", Bool)],
    ),
    ("gitRepo", "GitRepo (a volume that is pulled from git when the pod is created)", &[("Repository:", "repository", Text), ("Revision:", "revision", Text)]),
    ("secret", "Secret (a volume populated by a Secret)", &[("SecretName:", "secretName", Text), ("Optional:", "optional", Bool)]),
    ("configMap", "ConfigMap (a volume populated by a ConfigMap)", &[("Name:", "name", Text), ("Optional:", "optional", Bool)]),
    ("nfs", "NFS (an NFS mount that lasts the lifetime of a pod)", &[("Server:", "server", Text), ("Path:", "path", Text), ("ReadOnly:", "readOnly", Bool)]),
    (
        "iscsi",
        "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
        &[
            ("TargetPortal:", "targetPortal", Text),
            ("IQN:", "iqn", Text),
            ("Lun:", "lun", As::Number),
            // Upstream's own label lacks the colon.
            ("ISCSIInterface", "iscsiInterface", Text),
            ("FSType:", "fsType", Text),
            ("ReadOnly:", "readOnly", Bool),
            ("Portals:", "portals", Words),
            ("DiscoveryCHAPAuth:", "chapAuthDiscovery", Bool),
            ("SessionCHAPAuth:", "chapAuthSession", Bool),
            ("SecretRef:", "secretRef", Reference),
            ("InitiatorName:", "initiatorName", OrNone),
        ],
    ),
    (
        "glusterfs",
        "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)",
        &[("EndpointsName:", "endpoints", Text), ("Path:", "path", Text), ("ReadOnly:", "readOnly", Bool)],
    ),
    (
        "persistentVolumeClaim",
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        &[("ClaimName:", "claimName", Text), ("ReadOnly:", "readOnly", Bool)],
    ),
    ("ephemeral", "EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)", &[]),
    (
        "rbd",
        "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)",
        &[
            ("CephMonitors:", "monitors", Words),
            ("RBDImage:", "image", Text),
            ("FSType:", "fsType", Text),
            ("RBDPool:", "pool", Text),
            ("RadosUser:", "user", Text),
            ("Keyring:", "keyring", Text),
            ("SecretRef:", "secretRef", Reference),
            ("ReadOnly:", "readOnly", Bool),
        ],
    ),
    (
        "quobyte",
        "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)",
        &[("Registry:", "registry", Text), ("Volume:", "volume", Text), ("ReadOnly:", "readOnly", Bool)],
    ),
    ("downwardAPI", "DownwardAPI (a volume populated by information about the pod)", &[]),
    (
        "azureDisk",
        "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
        &[
            ("DiskName:", "diskName", Text),
            ("DiskURI:", "diskURI", Text),
            ("Kind: ", "kind", Text),
            ("FSType:", "fsType", Text),
            ("CachingMode:", "cachingMode", Text),
            ("ReadOnly:", "readOnly", Bool),
        ],
    ),
    (
        "vsphereVolume",
        "vSphereVolume (a Persistent Disk resource in vSphere)",
        &[("VolumePath:", "volumePath", Text), ("FSType:", "fsType", Text), ("StoragePolicyName:", "storagePolicyName", Text)],
    ),
    (
        "cinder",
        "Cinder (a Persistent Disk resource in OpenStack)",
        &[("VolumeID:", "volumeID", Text), ("FSType:", "fsType", Text), ("ReadOnly:", "readOnly", Bool), ("SecretRef:", "secretRef", Reference)],
    ),
    ("photonPersistentDisk", "PhotonPersistentDisk (a Persistent Disk resource in photon platform)", &[("PdID:", "pdID", Text), ("FSType:", "fsType", Text)]),
    ("portworxVolume", "PortworxVolume (a Portworx Volume resource)", &[("VolumeID:", "volumeID", Text)]),
    (
        "scaleIO",
        "ScaleIO (a persistent volume backed by a block device in ScaleIO)",
        &[
            ("Gateway:", "gateway", Text),
            ("System:", "system", Text),
            ("Protection Domain:", "protectionDomain", Text),
            ("Storage Pool:", "storagePool", Text),
            ("Storage Mode:", "storageMode", Text),
            ("VolumeName:", "volumeName", Text),
            ("FSType:", "fsType", Text),
            ("ReadOnly:", "readOnly", Bool),
        ],
    ),
    (
        "cephfs",
        "CephFS (a CephFS mount on the host that shares a pod's lifetime)",
        &[
            ("Monitors:", "monitors", Words),
            ("Path:", "path", Text),
            ("User:", "user", Text),
            ("SecretFile:", "secretFile", Text),
            ("SecretRef:", "secretRef", Reference),
            ("ReadOnly:", "readOnly", Bool),
        ],
    ),
    (
        "storageos",
        "StorageOS (a StorageOS Persistent Disk resource)",
        &[("VolumeName:", "volumeName", Text), ("VolumeNamespace:", "volumeNamespace", Text), ("FSType:", "fsType", Text), ("ReadOnly:", "readOnly", Bool)],
    ),
    (
        "fc",
        "FC (a Fibre Channel disk)",
        &[("TargetWWNs:", "targetWWNs", Listed), ("LUN:", "lun", NumberOrNone), ("FSType:", "fsType", Text), ("ReadOnly:", "readOnly", Bool)],
    ),
    (
        "azureFile",
        "AzureFile (an Azure File Service mount on the host and bind mount to the pod)",
        &[("SecretName:", "secretName", Text), ("ShareName:", "shareName", Text), ("ReadOnly:", "readOnly", Bool)],
    ),
    (
        "flexVolume",
        "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)",
        &[
            ("Driver:", "driver", Text),
            ("FSType:", "fsType", Text),
            ("SecretRef:", "secretRef", Reference),
            ("ReadOnly:", "readOnly", Bool),
            ("Options:", "options", Map),
        ],
    ),
    ("flocker", "Flocker (a Flocker volume mounted by the Flocker agent)", &[("DatasetName:", "datasetName", Text), ("DatasetUUID:", "datasetUUID", Text)]),
    ("projected", "Projected (a volume that contains injected data from multiple sources)", &[]),
    (
        "csi",
        "CSI (a Container Storage Interface (CSI) volume source)",
        &[("Driver:", "driver", Text), ("FSType:", "fsType", Text), ("ReadOnly:", "readOnly", Bool)],
    ),
    ("image", "Image (a container image or OCI artifact)", &[("Reference:", "reference", Text), ("PullPolicy:", "pullPolicy", Text)]),
];

pub(super) fn describe(page: &mut Page, volumes: &[Value], space: &str) {
    page.write(0, format!("{space}Volumes:{}\n", if volumes.is_empty() { "\t<none>" } else { "" }));
    let name_indent = if space.is_empty() { "" } else { " " };
    for volume in volumes {
        page.write(1, format!("{name_indent}{}:\n", text(&volume["name"])));
        match KINDS.iter().find(|(field, ..)| volume[*field].is_object()) {
            Some(kind) => source(page, kind, &volume[kind.0]),
            None => page.write(1, "<unknown>\n"),
        }
    }
}

fn source(page: &mut Page, (field, what, fields): &Kind, source: &Value) {
    page.field(2, "Type", what);
    for (label, name, form) in *fields {
        page.write(2, format!("{label}\t{}\n", printed(&source[*name], *form)));
    }
    match *field {
        "ephemeral" if source["volumeClaimTemplate"].is_object() => {
            page.nested += 2;
            storage::claim_fields(page, &source["volumeClaimTemplate"], false);
            page.nested -= 2;
        }
        "downwardAPI" => {
            page.write(2, "Items:\n");
            for item in list(&source["items"]) {
                for from in [&item["fieldRef"]["fieldPath"], &item["resourceFieldRef"]["resource"]].into_iter().filter(|from| from.is_string()) {
                    page.write(3, format!("{} -> {}\n", text(from), text(&item["path"])));
                }
            }
        }
        "projected" => list(&source["sources"]).iter().for_each(|source| projected(page, source)),
        "csi" => attributes(page, &source["volumeAttributes"]),
        _ => {}
    }
}

fn printed(value: &Value, form: As) -> String {
    match form {
        Text => text(value).to_owned(),
        As::Number => number(value).to_string(),
        Bool => (*value == true).to_string(),
        Words => format!("[{}]", strings(value).join(" ")),
        Listed => strings(value).join(", "),
        Reference if value.is_object() => format!("&LocalObjectReference{{Name:{},}}", text(&value["name"])),
        Reference => "nil".to_owned(),
        OrNone => value.as_str().unwrap_or("<none>").to_owned(),
        NumberOrNone => value.as_i64().map_or_else(|| "<none>".to_owned(), |number| number.to_string()),
        Size if matches!(text(value), "" | "0") => "<unset>".to_owned(),
        Size => int_or_string(value),
        Map if value.is_object() => go(value),
        Map => "map[]".to_owned(),
    }
}

fn projected(page: &mut Page, source: &Value) {
    if source["secret"].is_object() {
        page.field(2, "SecretName", text(&source["secret"]["name"]));
        page.field(2, "Optional", source["secret"]["optional"] == true);
    } else if source["downwardAPI"].is_object() {
        page.field(2, "DownwardAPI", true);
    } else if source["configMap"].is_object() {
        page.field(2, "ConfigMapName", text(&source["configMap"]["name"]));
        page.field(2, "Optional", source["configMap"]["optional"] == true);
    } else if source["serviceAccountToken"].is_object() {
        page.field(2, "TokenExpirationSeconds", number(&source["serviceAccountToken"]["expirationSeconds"]));
    }
}

/// kubectl indents each piece that it writes, and so the lines here.
fn attributes(page: &mut Page, attributes: &Value) {
    page.write(2, "VolumeAttributes:\t");
    let lines: Vec<String> = attributes.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))).collect();
    if lines.is_empty() {
        page.rest("<none>\n");
    }
    for (nth, line) in lines.iter().enumerate() {
        if nth > 0 {
            page.write(2, "");
            page.write(2, "\t");
        }
        page.write(2, format!("{}\n", shortened(line, 140)));
    }
}
