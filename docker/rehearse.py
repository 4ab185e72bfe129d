"""Starts compose.yaml without an engine, plays the stories through both apis, starts all of it again, and looks whether anything is lost.

Each service has a network namespace of its own, in which it finds the others by their names, and a root file system of its own, which can't be written where
compose.yaml says so, goes with it when it ends, and has the volumes where they belong; it runs as the user that its image has. What runs there is this
machine's: our programs as they were built, Kafka's own wrapper of the image over the jars that ./dev fetched, Debian's PostgreSQL and Prometheus. Grafana is
left out. Called by `docker/check --run`.
"""

import json
import os
import pathlib
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import composition

PROGRAMS, TOOLS = (pathlib.Path(path).absolute() for path in sys.argv[1:])
CACHE = pathlib.Path(os.environ["REINSTATE_CACHE"])
KAFKA = max((CACHE / "kafka").glob("[0-9]*"))
POSTGRESQL = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
SERVICES = composition.services()
del SERVICES["grafana"]
# The link-local block is nobody's route.
ADDRESSES = {name: f"169.254.77.{10 + i}" for i, name in enumerate(SERVICES)}
BRIDGE = "rehearsal"

scratch = pathlib.Path(tempfile.mkdtemp(prefix="rehearsal."))
running = {}


def shell(script, **options):
    return subprocess.run(["bash", "-euc", script], check=True, **options)


def connect():
    shell(f"ip link add {BRIDGE} type bridge; ip addr add 169.254.77.1/24 dev {BRIDGE}; ip link set {BRIDGE} up")
    hosts = "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in ADDRESSES.items())
    for i, (name, address) in enumerate(ADDRESSES.items()):
        space = f"{BRIDGE}-{name}"
        pathlib.Path("/etc/netns", space).mkdir(parents=True)
        pathlib.Path("/etc/netns", space, "hosts").write_text(hosts)
        shell(f"""ip netns add {space}
            ip link add {BRIDGE}{i} type veth peer name eth0 netns {space}
            ip link set {BRIDGE}{i} master {BRIDGE} up
            ip -n {space} addr add {address}/24 dev eth0; ip -n {space} link set eth0 up; ip -n {space} link set lo up""")


def disconnect():
    for name in SERVICES:
        shell(f"ip netns del {BRIDGE}-{name} || :; rm -rf /etc/netns/{BRIDGE}-{name}", stderr=subprocess.DEVNULL)
    shell(f"ip link del {BRIDGE} || :", stderr=subprocess.DEVNULL)


def user(image):
    """Whose the image's process and volumes are. PostgreSQL's has the name that Debian's package gives it."""
    if "/kafka:" in image:
        return 1000
    if "/prometheus:" in image:
        return 65534
    return pwd.getpwnam("postgres").pw_uid if image.startswith("postgres:") else 10001


def command(service):
    """The shell's line that runs the service, and what its image sets."""
    image = service["image"]
    if "/kafka:" in image:
        # As the image's own script: a volume that was used before is no error.
        return f"""cd /opt/kafka; mkdir default mounted final; touch default/{{server.properties,log4j2.yaml,tools-log4j2.yaml}}
            java -cp '/opt/jars/*' kafka.docker.KafkaDockerWrapper setup --default-configs-dir default --mounted-configs-dir mounted \
              --final-configs-dir final >setup.log 2>&1 || grep -qi 'already formatted' setup.log || {{ cat setup.log; exit 1; }}
            exec java -Xmx512m -cp '/opt/jars/*' kafka.Kafka final/server.properties""", {}
    if image.startswith("postgres:"):
        data = "/var/lib/postgresql/data/cluster"
        return f"""if [ ! -d {data} ]; then
              initdb -D {data} -U $POSTGRES_USER --pwfile=<(echo "$POSTGRES_PASSWORD") -A scram-sha-256 >/dev/null
              echo 'host all all all scram-sha-256' >>{data}/pg_hba.conf
              echo 'create database '$POSTGRES_DB | postgres --single -D {data} postgres >/dev/null
            fi
            exec postgres -D {data} -c listen_addresses='*' -k /tmp""", {}
    if "/prometheus:" in image:
        return "exec /opt/tools/prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus", {}
    own = {"REINSTATE_CACHE": "/opt/cache", "REINSTATE_OPERATIONS__LISTEN": "0.0.0.0:9464"}
    if image == "reinstate-api":
        own["REINSTATE_API__LISTEN"] = "0.0.0.0:8080"
    return f"exec /opt/programs/{image} {shlex.join(service.get('command', []))}", own


def start(name):
    service = SERVICES[name]
    owner = user(service["image"])
    run, own = command(service)
    # A root of its own: this machine's, with a layer on top that goes with the process, as a container's does.
    root = f"{scratch}/root/merged"
    script = [
        f"cd {scratch}; mount -t tmpfs -o mode=755 tmpfs root; mkdir root/upper root/work root/merged",
        f"mount -t overlay -o lowerdir=/,upperdir={scratch}/root/upper,workdir={scratch}/root/work overlay {root}",
        f"for kernels in dev proc sys; do mount --rbind /$kernels {root}/$kernels; done; mount -t tmpfs tmpfs {root}/tmp",
        f"mkdir -m 777 -p {root}/opt/kafka",
    ]
    places = {"/opt/programs": PROGRAMS, "/opt/tools": TOOLS, "/opt/cache": CACHE, "/opt/jars": KAFKA}
    places["/etc/hosts"] = pathlib.Path("/etc/netns", f"{BRIDGE}-{name}", "hosts")
    for volume in service.get("volumes", []):
        source, target = volume.split(":")[:2]
        if source.startswith("."):
            places[target] = pathlib.Path("docker", source).absolute()
        else:
            places[target] = scratch / "volumes" / source
            if not places[target].exists():
                places[target].mkdir(parents=True)
                os.chown(places[target], owner, owner)
    for target, source in places.items():
        script.append(f"[ -e {root}{target} ] || mkdir -p {root}{target}; mount --bind {source} {root}{target}")
    if service.get("read_only"):
        script.append(f"mount -o remount,ro {root}")
    script.append(f"exec chroot {root} setpriv --reuid={owner} --regid={owner} --clear-groups bash -euc {shlex.quote(run)}")
    environment = composition.settings(service, scratch) | own | {"PATH": f"{POSTGRESQL}:{os.environ['PATH']}", "HOME": "/tmp"}
    with open(scratch / f"{name}.log", "ab") as log:
        running[name] = subprocess.Popen(
            ["ip", "netns", "exec", f"{BRIDGE}-{name}", "bash", "-euc", "; ".join(script)],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )


def is_healthy(name):
    """What the health check of compose.yaml or of the image asks, with this machine's tools."""
    image = SERVICES[name]["image"]
    if "/kafka:" in image:
        ask = f"java -Xmx64m -cp '{KAFKA}/*' org.apache.kafka.tools.BrokerApiVersionsCommand --bootstrap-server localhost:9092"
    elif image.startswith("postgres:"):
        ask = f"{POSTGRESQL}/pg_isready -h localhost -U reinstate -d reinstate"
    elif "/prometheus:" in image:
        ask = "curl -sf http://localhost:9090/-/healthy"
    else:
        ask = "docker/healthy 9464"
    return subprocess.run(["ip", "netns", "exec", f"{BRIDGE}-{name}", "timeout", "15", "bash", "-c", ask], capture_output=True).returncode == 0


def wait_for(names, seconds=120):
    until = time.monotonic() + seconds
    for name in names:
        while not is_healthy(name):
            if running[name].poll() is not None or time.monotonic() > until:
                last = (scratch / f"{name}.log").read_text(errors="replace").splitlines()[-1:]
                sys.exit(f"rehearsal: {name} does not become healthy; its last words: {last}")
            time.sleep(0.5)
        print(f"{name} is healthy", flush=True)


def start_all():
    stores = [name for name in SERVICES if name.startswith("kafka-") or name == "postgres"]
    others = [name for name in SERVICES if name not in stores and name != "topic"]
    for name in stores:
        start(name)
    wait_for(stores)
    start("topic")
    if running.pop("topic").wait(60) != 0:
        sys.exit(f"rehearsal: the topic was not made: {(scratch / 'topic.log').read_text()}")
    for name in others:
        start(name)
    wait_for(others)


def end_all():
    for name, process in running.items():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    for name, process in running.items():
        # A broker waits for a majority of controllers, which end as well: an engine does not wait for that either.
        patience = 10 if name.startswith("kafka-") else 40
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if patience == 40:
                sys.exit(f"rehearsal: {name} did not end when it was told to")
    running.clear()


def get(url, key=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def play(keys):
    """The stories, and one of their accounts."""
    environment = os.environ | keys | {
        "REINSTATE_URL": ",".join(f"http://{ADDRESSES[api]}:8080" for api in ("api-1", "api-2")),
        "REINSTATE_OUTBOX": str(scratch / "volumes/state/outbox"),
    }
    played = subprocess.run([PROGRAMS / "reinstate-demo", "--photos", CACHE / "photos"], env=environment, capture_output=True, text=True)
    if played.returncode != 0:
        sys.exit(f"rehearsal: the stories did not come out as told:\n{played.stdout[-3000:]}{played.stderr[-1000:]}")
    print(played.stdout[played.stdout.index("How the stories") : played.stdout.index("The server listens")], flush=True)
    return next(word for word in played.stdout.split("/") if word.startswith("demo-f-")).split()[0]


def rehearse():
    (scratch / "root").mkdir()
    scratch.chmod(0o755)
    shell(f"cp docker/prepare {scratch}; {scratch}/prepare 2>/dev/null")
    keys = composition.pairs(scratch / "keys.env")
    connect()
    start_all()
    account = play(keys)
    targets = get(f"http://{ADDRESSES['prometheus']}:9090/api/v1/targets")["data"]["activeTargets"]
    down = [target["labels"]["instance"] for target in targets if target["health"] != "up"]
    if down or len(targets) != 5:
        sys.exit(f"rehearsal: Prometheus watches {len(targets)} services, of which these do not answer: {down}")
    timeline = f"http://{ADDRESSES['api-2']}:8080/v1/accounts/{account}/timeline"
    before = get(timeline, keys["REINSTATE_AUDITOR_KEY"])
    print("everything is ended and started again", flush=True)
    end_all()
    # What is not in a volume goes with its container.
    start_all()
    if get(timeline, keys["REINSTATE_AUDITOR_KEY"]) != before:
        sys.exit("rehearsal: the timeline of an account is another one than before")
    end_all()
    print("nothing is lost")


try:
    rehearse()
    shutil.rmtree(scratch)
finally:
    try:
        end_all()
    finally:
        disconnect()
        if scratch.exists():
            print(f"what each service said is in {scratch}", file=sys.stderr)
