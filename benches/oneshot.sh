#!/usr/bin/env bash
# What a look or a change costs, beside kubectl, in one run on the same API server: wall time, CPU, peak memory, bytes on the wire.
#
#   benches/oneshot.sh              with $KUBECONFIG, the kubectl on the path and target/release/rollsh
#   KUBECTL=... ROLLSH=...          other programs, above all target/dist/rollsh (cargo build --profile dist), which is what is handed out
#   TARGET=namespace/deployment     what to look at; otherwise the first Deployment that has two revisions
#   RUNS=11                         runs of each command; the table shows medians
#   CHECK=1                         exit code 1 where a target is missed
#
# Nothing is changed: undo is a server-side dry run. The comparison is fair to kubectl: its discovery cache is warm, both programs take turns,
# and both write into a pipe that is read to its end. Memory comes from GNU time, in runs of its own, since a child's peak includes that of the
# process that forked it; bytes come from a proxy, in runs of its own, which passes the encrypted stream on and counts it.
#
# Measured on 2026-11-25 with target/dist/rollsh (24.8 MB) beside kubectl 1.36.3, on two cores, in a cluster of 500 Deployments and 20,000 pods (controlplane
# up-bulk, bulk.py), as times less than kubectl; the targets are 4 in wall time and memory, 6.7 in CPU; for 20,000 pods 20 in wall time and 30 in memory:
#
#   | what               | wall | CPU | memory | bytes |
#   |--------------------|------|-----|--------|-------|
#   | history            | 4.3  | 6.6 | 2.9    | 0.9   |
#   | undo, dry run      | 3.5  | 6.4 | 2.8    | 0.9   |
#   | get one deploy     | 5.2  | 7.3 | 3.0    | 2.0   |
#   | get deploy,rs,pods | 30   | 80  | 10     | 1.3   |
#   | get pods -A        | 98   | 215 | 50     | 1.2   |
#
# Where it falls short: of the seven milliseconds of CPU of a history (perf), more than half are the kernel's, which maps the program's pages as they are
# touched; a twelfth is the loader's, three tenths our own code (reading the flags, a script engine, TLS, JSON). Of the 17 MiB of memory 15 are pages of files,
# the program's own above all, which all who run it share. An undo sends one request more; in a small cluster its wall time is 4.3 times less.
#
# For a cluster of 20,000 pods without kubelets: etcd, kube-apiserver, and any script that creates pods with a status.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export KUBECTL=${KUBECTL:-kubectl} ROLLSH=${ROLLSH:-target/release/rollsh} RUNS=${RUNS:-11} CHECK=${CHECK:-} TARGET=${TARGET:-}
for program in "$KUBECTL" "$ROLLSH" python3 /usr/bin/time; do
  command -v "$program" >/dev/null || { echo "oneshot.sh: $program is not there (cargo build --release; GNU time)" >&2; exit 2; }
done
exec python3 - <<'PY'
import json, os, shutil, statistics, subprocess, sys, tempfile, threading, time, socket
from urllib.parse import urlparse

KUBECTL, ROLLSH, RUNS = os.environ["KUBECTL"], os.environ["ROLLSH"], int(os.environ["RUNS"])
scratch = tempfile.mkdtemp(prefix="oneshot-")
# The journal of dry runs is nobody's business but ours.
os.environ["XDG_STATE_HOME"] = scratch

def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout

def run(words, env=None):
    """Wall and CPU seconds of one run, and how many lines it printed."""
    start = time.perf_counter()
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    errors = []
    reader = threading.Thread(target=lambda: errors.append(child.stderr.read()))
    reader.start()
    lines = 0
    while chunk := child.stdout.read1(1 << 20):
        lines += chunk.count(b"\n")
    reader.join()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if child.returncode != 0:
        sys.exit(f"oneshot.sh: {' '.join(words)} failed: {b''.join(errors).decode(errors='replace').strip()}")
    return wall, usage.ru_utime + usage.ru_stime, lines

def memory(words):
    """Peak resident KiB of one run."""
    file = os.path.join(scratch, "memory")
    subprocess.run(["/usr/bin/time", "-f", "%M", "-o", file, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return int(open(file).read().split()[-1])

class Proxy:
    """Passes connections on and counts what goes through."""
    def __init__(self, host, port):
        self.bytes = self.connections = 0
        self.lock = threading.Lock()
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            near, _ = self.listener.accept()
            with self.lock:
                self.connections += 1
            far = socket.create_connection(self.target)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    def pump(self, one, other):
        try:
            while data := one.recv(1 << 18):
                with self.lock:
                    self.bytes += len(data)
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def count(self, words, env):
        self.bytes = self.connections = 0
        run(words, env)
        time.sleep(0.05)
        return self.bytes, self.connections

# The configuration in one file, and the same one through the proxy.
config = json.loads(output(KUBECTL, "config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
cluster = config["clusters"][0]["cluster"]
url = urlparse(cluster["server"])
proxy = Proxy(url.hostname, url.port or {"https": 443, "http": 80}[url.scheme])
cluster["server"] = f"{url.scheme}://127.0.0.1:{proxy.port}"
if url.scheme == "https":
    cluster.setdefault("tls-server-name", url.hostname)
through = os.path.join(scratch, "through.kubeconfig")
with open(os.open(through, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
    json.dump(config, file)
proxied = {**os.environ, "KUBECONFIG": through}

if os.environ["TARGET"]:
    namespace, name = os.environ["TARGET"].split("/")
else:
    found = json.loads(output(KUBECTL, "get", "deploy", "-A", "-o", "json"))["items"]
    revision = lambda it: int(it["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", "0"))
    target = next((it["metadata"] for it in found if revision(it) > 1), None) or sys.exit("oneshot.sh: no Deployment has two revisions; name one in TARGET")
    namespace, name = target["namespace"], target["name"]
pods = len(output(KUBECTL, "get", "pods", "-A", "--no-headers").splitlines())

ours = lambda expression, *flags: [ROLLSH, "-n", namespace, *flags, "eval", expression]
theirs = lambda *words: [KUBECTL, "-n", namespace, *words]
# Name, kubectl's command, ours, and how much of kubectl's wall time, CPU and memory is allowed.
QUARTER, HUGE = (1 / 4, 0.15, 1 / 4), (1 / 20, 0.15, 1 / 30)
CASES = [
    ("history", theirs("rollout", "history", f"deploy/{name}"), ours(f'history("deploy/{name}")'), QUARTER),
    ("undo, dry run", theirs("rollout", "undo", f"deploy/{name}", "--dry-run=server"), ours(f'undo("deploy/{name}")', "--dry-run"), QUARTER),
    ("status", theirs("rollout", "status", f"deploy/{name}", "--watch=false"), ours(f'status("deploy/{name}")'), None),
    ("get one deploy", theirs("get", f"deploy/{name}"), ours(f'get("deploy/{name}")'), QUARTER),
    ("get deploy,rs,pods", theirs("get", "deploy,rs,pods"), ours('get("deploy,rs,pods")'), QUARTER),
    (f"get pods -A ({pods})", theirs("get", "pods", "-A"), ours('get("pods", #{all_namespaces: true})'), HUGE if pods >= 10000 else QUARTER),
]

def size(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024 or unit == "MiB":
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1024

rows, missed = [], []
for case, kubectl, rollsh, allowed in CASES:
    # The first runs fill kubectl's discovery cache, also the proxied address's, and everybody's page cache.
    lines = [run(words)[2] for words in (kubectl, rollsh)]
    for words in (kubectl, rollsh):
        run(words, proxied)
    if case.startswith("get") and lines[0] != lines[1]:
        sys.exit(f"oneshot.sh: {case}: kubectl printed {lines[0]} lines and rollsh {lines[1]}")
    walls, cpus = ([], []), ([], [])
    for _ in range(RUNS):
        for which, words in enumerate((kubectl, rollsh)):
            wall, cpu, _ = run(words)
            walls[which].append(wall)
            cpus[which].append(cpu)
    memories = [statistics.median(memory(words) for _ in range(3)) for words in (kubectl, rollsh)]
    wires = [proxy.count(words, proxied) for words in (kubectl, rollsh)]
    medians = [[statistics.median(it) for it in pair] for pair in (walls, cpus)] + [memories]
    cells = [case]
    for (what, pair), limit in zip(zip(("wall time", "CPU", "memory"), medians), allowed or (None,) * 3):
        ratio = pair[0] / pair[1]
        text = (lambda v: size(v * 1024)) if what == "memory" else (lambda v: f"{v * 1000:.0f} ms" if v < 10 else f"{v:.1f} s")
        good = limit is None or pair[1] <= pair[0] * limit
        if not good:
            missed.append(f"{case}: {what} is 1/{ratio:.1f} of kubectl's, not 1/{1 / limit:.1f}")
        cells.append(f"{text(pair[0])} : {text(pair[1])} = {ratio:.1f}{'' if good else ' (!)'}")
    (theirs_bytes, theirs_connections), (ours_bytes, ours_connections) = wires
    cells.append(f"{size(theirs_bytes)} : {size(ours_bytes)} = {theirs_bytes / ours_bytes:.1f}")
    cells.append(f"{theirs_connections} : {ours_connections}")
    rows.append(cells)
    print(f"{case} done", file=sys.stderr)

heads = ["kubectl : rollsh = times less", "wall", "CPU", "memory", "bytes", "connections"]
widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
version = json.loads(output(KUBECTL, "version", "-o", "json"))
print(f"kubectl {version['clientVersion']['gitVersion']}, API server {version['serverVersion']['gitVersion']}, {output(ROLLSH, '--version').strip()}; "
      f"medians of {RUNS} runs (memory: 3); deploy/{name} in {namespace}\n")
print(line(heads))
print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
for row in rows:
    print(line(row))
for text in missed:
    print(f"\n(!) {text}")
shutil.rmtree(scratch, ignore_errors=True)
sys.exit(1 if missed and os.environ["CHECK"] else 0)
PY
