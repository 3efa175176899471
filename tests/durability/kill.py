#!/usr/bin/env python3
"""Kills `colibri broker` again and again under load, and compares what it acknowledged with what it still
knows. One thread drives all clients, so the order of what they saw is known."""

import argparse
import random
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import powerloss
from session import NEW_LEVEL, OLD_LEVEL, Session

START_SECONDS = 30
DRAIN_SECONDS = 120
CHECK_SECONDS = 15
# All deliveries wait for the client that comes at the end, and a queue has a limit.
MESSAGES_PER_KILL = 800
RETAINED_TOPICS = 40
FILTERS = 20


class World:
    """The broker, all clients, and what was promised."""

    def __init__(self, arguments, directory):
        self.arguments, self.random = arguments, random.Random(arguments.seed)
        self.directory, self.data = Path(directory), Path(directory) / "data"
        self.log = self.directory / "stderr"
        self.breaches, self.notes = [], []
        self.clients, self.selector = [], selectors.DefaultSelector()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process, self.budget = None, 0
        self.loss = None
        if arguments.power_loss:
            self.loss = powerloss.PowerLoss(directory, self.data, self.random)
        self.taken = {}  # (publisher, qos) -> numbers that were acknowledged
        self.refused = 0

    def breach(self, text):
        self.breaches.append(text)
        print(f"VIOLATION {text}", flush=True)

    def note(self, text):
        self.notes.append(text)

    # The broker.

    def start(self):
        """Starts it; `log_from` is where its standard error begins."""
        self.log_from = self.log.stat().st_size if self.log.exists() else 0
        words = [self.arguments.colibri, "broker", "--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data]
        words += ["--shards", self.arguments.shards, "--max-queued-messages", 1_000_000]
        with open(self.log, "ab") as log:
            environment = self.loss.environment() if self.loss else None
            self.process = subprocess.Popen(list(map(str, words)), stderr=log, stdout=log, env=environment)

    def said(self):
        with open(self.log, "rb") as log:
            log.seek(self.log_from)
            return log.read().decode(errors="replace")

    def await_start(self):
        """How long it took until it listens, and the line that says what it found."""
        began = time.monotonic()
        while " retained messages\n" not in self.said():
            if self.process.poll() is not None or time.monotonic() > began + START_SECONDS:
                self.breach(f"the broker does not start (exit code {self.process.poll()}): {self.said().strip()}")
                return None
            time.sleep(0.001)
        found = self.said().rsplit("state in ", 1)[1].split(": ", 1)[1].strip()
        return time.monotonic() - began, found

    def kill(self, lose_names=False):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return self.loss.strike(lose_names) if self.loss else ""

    # The loop.

    def turn(self):
        now = time.monotonic()
        self.selector = selectors.DefaultSelector()
        for client in self.clients:
            if client.socket is None and client.wanted:
                client.connect(self.port)
            if client.socket:
                client.work(now)
                client.flush()
            if client.socket:
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.out else 0)
                self.selector.register(client.socket, events, client)
        for key, events in self.selector.select(0.01):
            key.data.read()
            key.data.flush()
        self.selector.close()
        if self.process.poll() is not None:
            self.breach(f"the broker ended with code {self.process.returncode}: {self.said().strip()[-2000:]}")

    def until(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end and self.process.poll() is None:
            self.turn()
        return condition()

    def hang_up(self):
        """Reads what the dead broker had sent."""
        for client in self.clients:
            client.read()
            client.close()


class Client(Session):
    def __init__(self, world, client_id, level, clean=False):
        super().__init__(world, client_id, level, clean)
        world.clients.append(self)

    def work(self, now):
        """Called in each turn while there is a socket."""


class Publisher(Client):
    """Publishes numbers, QoS 1 and 2 mixed, as fast as its window allows."""

    def __init__(self, world, client_id, level):
        super().__init__(world, client_id, level)
        self.next = {1: 0, 2: 0}

    def work(self, now):
        while self.world.budget > 0 and self.has_room():
            self.world.budget -= 1
            qos = self.world.random.choice((1, 2))
            number = self.next[qos]
            self.next[qos] += 1
            size = self.world.random.choice((0, 20, 100, 300))
            payload = f"{self.client_id} {number} {qos} ".encode() + filling(number, size)
            self.publish((f"k/{self.client_id}/{qos}", payload, qos, 0, (self.client_id, qos, number)))

    def on_taken(self, message, code):
        if code < 0x80:
            publisher, qos, number = message[4]
            self.world.taken.setdefault((publisher, qos), set()).add(number)
        else:
            self.world.refused += 1


def filling(number, size):
    return bytes([33 + number % 90]) * size


class Subscriber(Client):
    """Keeps account of what it received: nothing twice with QoS 2, in order, and whole."""

    def __init__(self, world, client_id, level, clean=False, share=1.0):
        super().__init__(world, client_id, level, clean)
        self.share, self.change_at = share, 0
        self.seen, self.last = {}, {}
        self.ready = False

    def on_new(self):
        self.seen, self.last = ({}, {}) if self.clean else (self.seen, self.last)
        if not any(state == "sub" for state, _ in self.open.values()):
            self.subscribe("k/#", 2)

    def on_subscribed(self, identifier, state, code):
        self.ready = True
        if code != 2:
            self.world.breach(f"{self.client_id}: SUBACK {code:#x}")

    def work(self, now):
        """Comes and goes, so that it is there for its share of the time."""
        if self.share < 1 and self.ready and self.connected and now > self.change_at:
            self.wanted = False
            (self.leave if self.world.random.random() < 0.5 else self.close)()

    def on_message(self, topic, payload, qos, retain, dup):
        publisher, number, shown_qos, rest = payload.split(b" ", 3)
        key, number = (publisher.decode(), int(shown_qos)), int(number)
        seen = self.seen.setdefault(key, set())
        if qos != key[1] or topic != f"k/{key[0]}/{qos}" or rest != filling(number, len(rest)):
            self.world.breach(f"{self.client_id} got a wrong message on {topic}: {payload[:60]}")
        if number in seen:
            if qos == 2:
                self.world.breach(f"{self.client_id} got QoS 2 {key} {number} twice (DUP {dup})")
            return
        seen.add(number)
        if number < self.last.get(key, -1):
            self.world.breach(f"{self.client_id} got {key} {number} first after {self.last[key]}")
        self.last[key] = max(number, self.last.get(key, -1))


class Retainer(Client):
    """Publishes retained messages; knows the last acknowledged of each topic."""

    def __init__(self, world, client_id, level):
        super().__init__(world, client_id, level)
        self.next, self.known, self.busy, self.paused, self.window = 1, {}, set(), False, 10

    def work(self, now):
        while not self.paused and self.has_room() and self.world.random.random() < 0.5:
            topic = f"r/{self.client_id}/{self.world.random.randrange(RETAINED_TOPICS)}"
            number, self.next = self.next, self.next + 1
            self.publish((topic, str(number).encode(), self.world.random.choice((1, 2)), 1, number))

    def on_taken(self, message, code):
        if code < 0x80:
            self.known[message[0]] = max(message[4], self.known.get(message[0], 0))


class Checker(Client):
    """A client without session that looks which retained messages there are."""

    def __init__(self, world, retainers):
        super().__init__(world, f"checker{len(world.notes)}-{time.monotonic_ns()}", NEW_LEVEL, clean=True)
        self.found = {}
        self.expected = {topic: number for one in retainers for topic, number in one.known.items()}

    def on_new(self):
        self.subscribe("r/#", 1)

    def on_message(self, topic, payload, qos, retain, dup):
        if topic not in self.found:
            self.found[topic] = int(payload)
            if int(payload) < self.expected.get(topic, 0):
                self.world.breach(f"retained {topic} is {int(payload)}, acknowledged was {self.expected[topic]}")

    def is_done(self):
        return self.expected.keys() <= self.found.keys()


class Asker(Client):
    """Subscribes and unsubscribes at random; `Prober` sees whether the broker remembers."""

    def __init__(self, world, client_id, level):
        super().__init__(world, client_id, level)
        self.filters = {f"s/{client_id}/{n}": ["gone", 0] for n in range(FILTERS)}  # state, how often changed
        self.asked, self.got = {}, set()

    def work(self, now):
        if self.has_room() and self.world.random.random() < 0.05:
            name = self.world.random.choice(list(self.filters))
            entry = self.filters[name]
            if entry[0] == "maybe":
                return
            ask = self.subscribe if entry[0] == "gone" else self.unsubscribe
            identifier = ask(name, 2) if entry[0] == "gone" else ask(name)
            self.asked[identifier] = name
            entry[:] = ["maybe", entry[1] + 1]

    def on_subscribed(self, identifier, state, code):
        entry = self.filters[self.asked.pop(identifier)]
        entry[:] = ["yes" if state == "sub" else "gone", entry[1] + 1]

    def on_message(self, topic, payload, qos, retain, dup):
        if qos == 2 and payload in self.got:
            self.world.breach(f"{self.client_id} got QoS 2 probe {payload} twice")
        self.got.add(payload)


class Prober(Client):
    """Publishes to the filters of the askers, and notes what has to come of it."""

    def __init__(self, world, client_id, level, askers):
        super().__init__(world, client_id, level)
        self.askers, self.next, self.promises, self.window = askers, 0, [], 10

    def work(self, now):
        while self.has_room() and self.world.random.random() < 0.3:
            asker = self.world.random.choice(self.askers)
            name = self.world.random.choice(list(asker.filters))
            payload, self.next = str(self.next).encode(), self.next + 1
            qos = self.world.random.choice((1, 2))
            self.publish((name, payload, qos, 0, (asker, name, tuple(asker.filters[name]))))

    def on_taken(self, message, code):
        asker, name, before = message[4]
        if code < 0x80 and tuple(asker.filters[name]) == before and before[0] != "maybe":
            self.promises.append((asker, name, message[1], before[0] == "yes"))

    def missing(self):
        return [one for one in self.promises if one[3] and one[2] not in one[0].got]

    def compare(self):
        for asker, name, payload, wanted in self.promises:
            if wanted != (payload in asker.got):
                what = "did not come, though subscribed" if wanted else "came, though unsubscribed"
                self.world.breach(f"{asker.client_id}: probe {payload.decode()} on {name} {what}")


def first_starts(world, count):
    """Power loss while a new directory is begun: names may be lost that were not synced."""
    for number in range(count):
        shutil.rmtree(world.data, ignore_errors=True)
        world.start()
        time.sleep(world.random.uniform(0, 0.06))
        said = world.kill(lose_names=True)
        world.start()
        started = world.await_start()
        print(f"first start {number}: {said}; {'%.0f ms' % (started[0] * 1000) if started else 'FAILED'}")
        world.process.kill()
        world.process.wait()
    shutil.rmtree(world.data, ignore_errors=True)


def check_retained(world, retainers):
    """Whether each acknowledged retained message, or a newer one, is there."""
    for retainer in retainers:
        retainer.paused = True
    checker = Checker(world, retainers)
    if not world.until(checker.is_done, CHECK_SECONDS):
        missing = sorted(checker.expected.keys() - checker.found.keys())
        world.breach(f"{len(missing)} retained messages are missing: {missing[:5]}")
    checker.close()
    world.clients.remove(checker)
    for retainer in retainers:
        retainer.paused = False


def one_round(world, number, roles):
    """Load, a kill, and a start, which may be killed, too."""
    world.budget = MESSAGES_PER_KILL
    check_retained(world, roles["retainers"])
    for client in roles["visitors"]:
        client.wanted = world.random.random() < client.share
        client.change_at = time.monotonic() + world.random.uniform(0.1, 1)
    end = time.monotonic() + world.random.uniform(*world.arguments.between)
    world.until(lambda: time.monotonic() > end, 60)
    lost = world.kill()
    world.hang_up()
    during = 0
    while world.random.random() < 0.2:
        world.start()
        time.sleep(world.random.uniform(0, 0.05))
        lost += " | " + world.kill()
        during += 1
    world.start()
    started = world.await_start()
    if started:
        shown = f"restart {started[0] * 1000:.0f} ms, {started[1]}"
        print(f"kill {number}: {shown}{f', killed {during} times in starting' if during else ''} {lost}", flush=True)
    return started is not None, 1 + during


def drain(world, roles):
    """All clients come, and everything promised is delivered."""
    world.budget = 0
    roles["late"].wanted = True
    for client in roles["visitors"]:
        client.share, client.wanted = 1, True
    for client in (*roles["retainers"], *roles["probers"], *roles["askers"]):
        client.work = lambda now: None
    persistent = [client for client in roles["subscribers"] if not client.clean]

    def lost():
        return [
            (client.client_id, key, number)
            for client in persistent
            for key, numbers in world.taken.items()
            for number in numbers - client.seen.get(key, set())
        ]

    last = [0.0, False]

    def done():
        # The comparison is not for each turn.
        if time.monotonic() > last[0] + 1:
            quiet = not any(client.open for client in world.clients)
            last[:] = [time.monotonic(), quiet and not lost() and not roles["probers"][0].missing()]
        return last[1]

    if not world.until(done, DRAIN_SECONDS):
        waiting = [(client.client_id, len(client.open)) for client in world.clients if client.open]
        if waiting:
            world.breach(f"not drained after {DRAIN_SECONDS} s, open: {waiting}")
    missing = lost()
    for client_id, key, number in missing[:20]:
        world.breach(f"{client_id} never got {key} {number}, which was acknowledged")
    roles["probers"][0].compare()
    return len(missing)


def make_roles(world):
    for number in range(4):
        Publisher(world, f"p{number}", (OLD_LEVEL, NEW_LEVEL)[number % 2])
    always = [Subscriber(world, f"always{level}", level) for level in (OLD_LEVEL, NEW_LEVEL)]
    visitors = [Subscriber(world, f"visitor{level}", level, share=0.3) for level in (OLD_LEVEL, NEW_LEVEL)]
    late, clean = Subscriber(world, "late", NEW_LEVEL), Subscriber(world, "clean", OLD_LEVEL, clean=True)
    retainers = [Retainer(world, f"ret{level}", level) for level in (OLD_LEVEL, NEW_LEVEL)]
    askers = [Asker(world, f"asker{level}", level) for level in (OLD_LEVEL, NEW_LEVEL)]
    probers = [Prober(world, "prober", NEW_LEVEL, askers)]
    subscribers = [*always, *visitors, late, clean]
    return {
        "subscribers": subscribers, "visitors": visitors, "late": late,
        "retainers": retainers, "askers": askers, "probers": probers,
    }  # fmt: skip


def run(world):
    if world.loss:
        first_starts(world, 20)
    world.start()
    if not world.await_start():
        return
    roles = make_roles(world)
    world.until(lambda: all(client.ready for client in roles["subscribers"]), 10)
    roles["late"].wanted = False
    roles["late"].leave()
    kills, went_on, began = 0, True, time.monotonic()
    while kills < world.arguments.kills and went_on:
        went_on, count = one_round(world, kills + 1, roles)
        kills += count
    lost = drain(world, roles) if went_on else "unknown"
    taken = sum(map(len, world.taken.values()))
    delivered = sum(len(numbers) for one in roles["subscribers"] for numbers in one.seen.values())
    print(
        f"{kills} kills in {time.monotonic() - began:.0f} s, {taken} messages acknowledged, {world.refused} refused, "
        f"{delivered} delivered, lost {lost}; "
        f"{sum(len(one.known) for one in roles['retainers'])} retained topics, "
        f"{roles['probers'][0].next} probes of subscriptions, {len(roles['probers'][0].promises)} with a promise; "
        f"{len(world.notes)} notes {world.notes[:3]}; {len(world.breaches)} violations"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colibri", required=True, help="the program under test")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--power-loss", action="store_true", help="take unsynced writes back after each kill")
    parser.add_argument("--between", type=float, nargs=2, default=(0.3, 1.5), metavar="S", help="seconds between kills")
    arguments = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="colibri-kill-")
    print(f"seed {arguments.seed}, {arguments.shards} shards, state in {directory}", flush=True)
    world = World(arguments, directory)
    try:
        run(world)
    finally:
        if world.process and world.process.poll() is None:
            world.process.kill()
            world.process.wait()
    if not world.breaches:
        shutil.rmtree(directory)
    return 1 if world.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
