"""The servers that are measured, each started on a data directory of its own, and `colibri bench`, which puts
the load on them."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 120
# Clients speak 3.1.1, the newest version that all of them speak; `-C false` keeps the session there.
PERSISTENT = ["-V", "3.1.1", "-C", "false", "-q", "1"]
CLEAN = ["-V", "3.1.1", "-q", "1"]


class Skip(Exception):
    """Something is not there; the text says what."""


class Failed(Exception):
    """A server or the load generator did not do what it should."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kind_of_disk(directory):
    """The file system of a directory and the device below it."""
    found = ("", "?", "?")
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, place, kind = line.split()[:3]
        inside = Path(place) == directory or Path(place) in directory.parents
        if inside and len(place) >= len(found[0]):
            found = (place, kind, device)
    return found[1:]


def work_directory(parent):
    """A new directory on a real disk."""
    parent = Path(parent).resolve()
    parent.mkdir(parents=True, exist_ok=True)
    kind, device = kind_of_disk(parent)
    if kind in ("tmpfs", "ramfs"):
        raise Failed(f"{parent} is in memory ({kind}), where a sync costs nothing; choose another with --directory")
    return Path(tempfile.mkdtemp(prefix="durability-", dir=parent)), f"{kind} on {device}"


def syncs_per_second(directory, seconds=3.0):
    """How often 4 KiB can be appended and made durable, one after the other."""
    path, block = directory / "syncs", b"x" * 4096
    with open(path, "wb", buffering=0) as file:
        count, began = 0, time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            file.write(block)
            os.fdatasync(file.fileno())
            count += 1
    path.unlink()
    return count / elapsed


def machine():
    """A sentence about where and when this is measured."""
    system = os.uname()
    name = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        system.machine,
    )
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{time.strftime('%Y-%m-%d %H:%M')}, {system.sysname} {system.release.split('-')[0]}, {cores} cores ({name}), load {load:.1f} before"


class Server:
    """One process. The directory is there already and is its own."""

    name = ""
    # What an acknowledgement means, for the table.
    promise = ""
    # How many times longer it is measured, where acknowledgements come in bursts seconds apart.
    patience = 1

    def __init__(self, program, directory, cpu=None):
        self.program, self.directory, self.cpu = program, directory, cpu
        self.port, self.process, self.log_from = free_port(), None, 0

    def command(self):
        raise NotImplementedError

    def start(self):
        """Starts it and waits for the CONNACK of a client; how long that took, in seconds."""
        began = time.monotonic()
        with open(self.directory / "log", "ab") as log:
            self.log_from = log.tell()
            self.process = subprocess.Popen(list(map(str, self.command())), stdout=log, stderr=log)
        if self.cpu is not None:
            os.sched_setaffinity(self.process.pid, {self.cpu})
        while not self.accepts():
            if self.process.poll() is not None or time.monotonic() > began + START_SECONDS:
                raise Failed(f"{self.name} does not start: {self.said()[-1000:]}")
            time.sleep(0.002)
        return time.monotonic() - began

    def accepts(self):
        """A socket may take connections long before its server is ready, so a CONNACK is awaited."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=START_SECONDS) as client:
                client.sendall(b"\x10\x12\x00\x04MQTT\x04\x02\x00\x0a\x00\x06looker")
                return client.recv(4)[:1] == b"\x20"
        except OSError:
            return False

    def said(self):
        """What it has printed since it was started."""
        with open(self.directory / "log", "rb") as log:
            log.seek(self.log_from)
            return log.read().decode(errors="replace").strip()

    def memory(self, field="VmRSS"):
        """Resident memory in bytes; `VmHWM` is the most that it ever was."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) * 1024

    def end(self, how):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end(signal.SIGTERM)


class Colibri(Server):
    name = "Colibri"

    def __init__(self, program, directory, cpu=None, shards=1, in_memory=False):
        super().__init__(program, directory, cpu)
        self.shards, self.in_memory = shards, in_memory
        self.promise = "nothing, `--in-memory`" if in_memory else f"synced (`--durability sync`, `--shards {shards}`)"

    def command(self):
        state = ["--in-memory"] if self.in_memory else ["--data-dir", self.directory / "data", "--durability", "sync"]
        limits = ["--max-queued-messages", 10_000_000, "--max-queued-bytes", "16G"]
        for limit in ("messages", "bytes"):
            limits += [f"--max-queued-{limit}-total", "unlimited", f"--max-stored-{limit}-total", "unlimited"]
        return [self.program, "broker", "--listen", f"127.0.0.1:{self.port}", "--shards", self.shards, *state, *limits]


class Mosquitto(Server):
    name = "mosquitto"
    promise = "in memory (`persistence true`; a snapshot of all each `autosave_interval`, 1,800 s, and at its end; no sync before PUBACK)"

    def command(self):
        path = self.directory / "mosquitto.conf"
        lines = [
            *(f"listener {self.port} 127.0.0.1", "allow_anonymous true"),
            *("persistence true", f"persistence_location {self.directory}/", "autosave_interval 1800"),
            *("max_queued_messages 0", "max_inflight_messages 100", "user root", "log_type error"),
        ]
        path.write_text("\n".join(lines) + "\n")
        return [self.program, "-c", path]


class Nats(Server):
    name = "nats-server"
    promise = "synced (`jetstream { sync_interval: always }`; `js_api_timeout: 60s`)"
    patience = 4

    def command(self):
        path = self.directory / "nats.conf"
        # With its 5 s for a group of messages it drops publishers with 100 in flight each.
        path.write_text(
            f'server_name: durability\nlisten: "127.0.0.1:-1"\n'
            f'jetstream {{ store_dir: "{self.directory}/jetstream", sync_interval: always }}\n'
            f'mqtt {{ listen: "127.0.0.1:{self.port}", max_ack_pending: 65535, js_api_timeout: "60s" }}\n'
        )
        return [self.program, "-c", path]


def find(program, given, how):
    """The path of a program, from the command line or PATH."""
    if given and not shutil.which(given):
        raise Skip(f"{given} is not a program")
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    found = shutil.which(given or program, path=path)
    if not found:
        raise Skip(f"there is no {program} in PATH; {how}")
    return found


def version_of(program, *flags):
    said = subprocess.run([program, *flags], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout)
    return found[0] if found else "?"


class Bench:
    """`colibri bench` against one server."""

    def __init__(self, program, server, cpu=None):
        self.program, self.server, self.cpu = program, server, cpu
        self.report = server.directory / "bench.json"

    def start(self, scenario, *options, report=None):
        command = [self.program, "bench", scenario, "-h", "127.0.0.1", "-p", self.server.port, *options]
        command += ["--every", 0.5, "--connect-timeout", 60, "--json", report or self.report]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.cpu is not None:
            os.sched_setaffinity(process.pid, {self.cpu})
        return process

    def run(self, scenario, *options):
        """A whole run; what it reports. Whether there were faults is in the report."""
        self.report.unlink(missing_ok=True)
        process = self.start(scenario, *options, "--quiet")
        said, wrong = process.communicate()
        if not self.report.exists():
            raise Failed(f"colibri bench {scenario}, {self.server.name}: {wrong.strip() or said.strip()}")
        return self.reported(self.report)

    @staticmethod
    def reported(path):
        return json.loads(path.read_text())["runs"][0]

    def subscribe_and_leave(self, count, *options):
        """Makes sessions with a subscription each, whose clients go away."""
        found = self.run("sub", *PERSISTENT, "-c", count, "--duration", 0, "--warm-up", 0, *options)
        if found["connections"]["accepted"] != count:
            raise Failed(f"{self.server.name}: {found['faults']} {found['connections']['reasons']}")

    def until(self, process, enough):
        """Reads the lines of progress until one is enough; `None` if the process ended before."""
        for line in process.stderr:
            if enough(line):
                return line
        return None

    def receive_all(self, count, expected, *options, patience=10):
        """The clients come back until all has come, or nothing more for a while; what they report."""
        report = self.server.directory / "returned.json"
        process = self.start("sub", *PERSISTENT, "-c", count, "--duration", 86400, "--warm-up", 0, *options, report=report)
        last = [0, time.monotonic()]

        def enough(line):
            found = re.search(r"received \((\d+)\)", line)
            received = int(found[1]) if found else 0
            if received != last[0]:
                last[:] = [received, time.monotonic()]
            return received >= expected or time.monotonic() > last[1] + patience

        try:
            self.until(process, enough)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()
        return self.reported(report)
