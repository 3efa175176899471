#!/usr/bin/env python3
"""Measures how long `colibri broker` takes to start with queued messages on disk, and its memory then; prints a
table for docs/benchmarks.md. The exit code is 1 if a start took more than `--most` seconds or a queue was not
whole."""

import argparse
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import time
from pathlib import Path

from rivals import CLEAN, Bench, Colibri, Failed, machine, work_directory
from session import OLD_LEVEL, Session

PER_SESSION = 10
# Clients at a time while the store is filled: each is an open file here and one in the broker.
MOST_CLIENTS = 10_000
# A connection leaves its port behind for a while, and an address has about 28,000.
ADDRESSES = ",".join(f"127.0.0.{number}" for number in range(1, 11))
PROBES = 5
QUEUE_SECONDS = 120


class Returning(Session):
    """A client that comes back for its queue."""

    def __init__(self, client_id):
        super().__init__(self, client_id, OLD_LEVEL)
        self.got, self.present = [], False

    def breach(self, text):
        raise Failed(text)

    def on_message(self, topic, payload, qos, retain, dup):
        self.got.append(payload)


def fill(server, bench, sessions, payload):
    """Makes the sessions and their queues through the broker, some thousands at a time."""
    for first in range(0, sessions, MOST_CLIENTS):
        count = min(MOST_CLIENTS, sessions - first)
        apart = ["-n", first, "-t", "q/%i", "--ifaddr", ADDRESSES]
        bench.subscribe_and_leave(count, *apart, "--prefix", "s")
        options = ["-c", count, "-F", PER_SESSION, "-s", payload, "--rate", "max", "--limit", count * PER_SESSION]
        found = bench.run("pub", *CLEAN, *apart, "--prefix", "p", *options, "--warm-up", 0)
        if found["messages"]["acknowledged"] != count * PER_SESSION:
            raise Failed(f"only {found['messages']['acknowledged']} were acknowledged: {found['faults']}")


def forget_pages(directory):
    """Has the system read the files from the disk again."""
    for path in directory.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def size_of(directory):
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file())


def queue_of(server, number):
    """How many messages a session gets, and how long that took from its CONNECT."""
    client, began = Returning(f"s-sub-{number}"), time.monotonic()
    client.connect(server.port)
    # What it would acknowledge is not sent, so that the next start finds as many.
    while client.socket and len(client.got) < PER_SESSION and time.monotonic() < began + QUEUE_SECONDS:
        select.select([client.socket], [], [], 0.1)
        client.read()
    took = time.monotonic() - began
    client.close()
    return len(set(client.got)), took


def processor_seconds(server):
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def messages_found(server):
    """What the broker says of its store when it is ready."""
    until = time.monotonic() + QUEUE_SECONDS
    while time.monotonic() < until:
        found = re.search(r" sessions, (\d+) messages for them", server.said())
        if found:
            return int(found[1])
        time.sleep(0.01)
    raise Failed("the broker does not say what it found")


def start_again(server, sessions, payload, how, cold):
    """One row: a start with what is there."""
    if cold:
        forget_pages(server.directory / "data")
    took = server.start()
    used, resident, most = processor_seconds(server), server.memory(), server.memory("VmHWM")
    counted = messages_found(server)
    first, wrong = None, []
    for number in random.sample(range(sessions), PROBES):
        got, waited = queue_of(server, number)
        first = waited if first is None else first
        if got != PER_SESSION:
            wrong.append(f"session {number} got {got} of {PER_SESSION} messages")
    if counted != sessions * PER_SESSION:
        wrong.append(f"{counted} messages were found, {sessions * PER_SESSION} were acknowledged")
    disk = size_of(server.directory / "data")
    pages = "disk" if cold else "page cache"
    print(
        f"| {counted:,} x {payload} bytes | {sessions:,} | {how} | {pages} | {took:.2f} | {used:.2f} | {took + first:.2f} "
        f"| {resident / 1e6:.0f} | {most / 1e6:.0f} | {disk / 1e6:.0f} |",
        flush=True,
    )
    return took, wrong


def case(arguments, directory, messages, payload):
    """Fills a store and starts on it after a crash and after an orderly end."""
    directory.mkdir()
    sessions = messages // PER_SESSION
    server = Colibri(arguments.colibri, directory, shards=arguments.shards)
    rows = []
    try:
        server.start()
        began = time.monotonic()
        fill(server, Bench(arguments.colibri, server), sessions, payload)
        print(f"filled in {time.monotonic() - began:.0f} s, {server.memory() / 1e6:.0f} MB", file=sys.stderr)
        for how, end, cold in (
            ("`kill -9`", signal.SIGKILL, True),
            ("SIGTERM", signal.SIGTERM, True),
            ("SIGTERM", signal.SIGTERM, False),
        ):
            server.end(end)
            rows.append(start_again(server, sessions, payload, how, cold))
    finally:
        server.end(signal.SIGTERM)
        shutil.rmtree(directory)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colibri", required=True)
    parser.add_argument("--directory", default="/var/tmp", help="on the disk to be measured [default: %(default)s]")
    parser.add_argument("--shards", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--messages", type=int, default=1_000_000, help="for a tenth as many sessions; and half of both")
    parser.add_argument("--payloads", default="64,1024", help="bytes, with commas; half is only done with the first")
    parser.add_argument("--most", type=float, default=10, help="seconds that a start may take [default: %(default)s]")
    arguments = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if files != resource.RLIM_INFINITY and files < MOST_CLIENTS + 100:
        print(f"SKIP: {MOST_CLIENTS} clients at a time need as many open files, and {files} are allowed (`ulimit -Hn`)")
        return 0
    payloads = [int(size) for size in arguments.payloads.split(",")]
    runs = [(arguments.messages // 2, payloads[0]), *((arguments.messages, size) for size in payloads)]
    wrong, slowest = [], 0.0
    try:
        directory, disk = work_directory(arguments.directory)
    except Failed as failure:
        print(failure)
        return 1
    print(f"{machine()}; {disk}; `--shards {arguments.shards}`, filled through the broker.\n")
    print("| messages | sessions | before | files from | s until CONNACK | CPU s | s until a session has its queue | MB resident | MB at most | MB on disk |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    try:
        for number, (messages, payload) in enumerate(runs):
            for took, problems in case(arguments, directory / str(number), messages, payload):
                slowest = max(slowest, took)
                wrong += problems
    except Failed as failure:
        wrong.append(str(failure))
    shutil.rmtree(directory, ignore_errors=True)
    if slowest > arguments.most:
        wrong.append(f"a start took {slowest:.1f} s, more than {arguments.most:.0f}")
    for sentence in wrong:
        print(f"FAILED: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
