#!/usr/bin/env python3
"""Fills the disk below `colibri broker`: nothing acknowledged may be lost, publishers must be told, and it
must heal when there is room again. Needs leave to mount, or user namespaces."""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time

from kill import Subscriber, World, filling
from session import NEW_LEVEL, OLD_LEVEL, Session

QUOTA_EXCEEDED = 0x97
INSIDE = "COLIBRI_FULL_DISK_INSIDE"
FILL_SECONDS = 60


class Filler(Session):
    """Publishes large messages with QoS 1 and 2 until it is told not to."""

    def __init__(self, world, client_id, level, clean=False):
        super().__init__(world, client_id, level, clean)
        world.clients.append(self)
        self.next, self.codes, self.paused, self.last_taken = {1: 0, 2: 0}, {}, False, 0.0
        self.refusals = 0

    def work(self, now):
        while self.has_room() and not self.paused:
            qos = self.world.random.choice((1, 2))
            number, self.next[qos] = self.next[qos], self.next[qos] + 1
            payload = f"{self.client_id} {number} {qos} ".encode() + filling(number, 1000)
            self.publish((f"k/{self.client_id}/{qos}", payload, qos, 0, (self.client_id, qos, number)))
            if self.codes.get(QUOTA_EXCEEDED):
                # Refused at once, so that this would go round and round.
                break

    def on_refused(self, code):
        """A full disk is a reason not to take a session over."""
        self.refusals += 1

    def on_taken(self, message, code):
        self.codes[code] = self.codes.get(code, 0) + 1
        if code < 0x80:
            publisher, qos, number = message[4]
            self.world.taken.setdefault((publisher, qos), set()).add(number)
            self.last_taken = time.monotonic()


def scenario(world, room):
    world.start()
    if not world.await_start():
        return
    subscriber = Subscriber(world, "away", NEW_LEVEL)
    world.until(lambda: subscriber.ready, 10)
    subscriber.wanted = False
    subscriber.leave()
    old, new = Filler(world, "old", OLD_LEVEL), Filler(world, "new", NEW_LEVEL)
    full = world.until(lambda: "cannot store" in world.said(), FILL_SECONDS)
    # What came before the broker knew waits; what comes now is refused.
    world.until(lambda: all(len(one.open) >= one.window for one in (old, new)), 2)
    began = time.monotonic()
    old.window, new.window = old.window + 20, new.window + 20
    # Answers keep their order, so `new` gets its 0x97 only behind what waits; one without such gets it now.
    late = Filler(world, "newcomer", NEW_LEVEL, clean=True)
    full = full and world.until(lambda: late.codes.get(QUOTA_EXCEEDED), 5)
    world.until(lambda: time.monotonic() > began + 2, 10)
    said = [line for line in world.said().splitlines() if "cannot store" in line]
    print(f"full: {said}, codes for 3.1.1 {old.codes}, for 5.0 {new.codes}, newcomer {late.codes}")
    if not full:
        world.breach("no line in the log, or no 0x97 for the publisher of 5.0")
    if any(code >= 0x80 for code in old.codes):
        world.breach("a 3.1.1 publisher got a code")
    if old.last_taken > began or new.last_taken > began:
        world.breach("something was acknowledged while the disk was full")
    old.paused = new.paused = late.paused = True
    room()
    cleared = time.monotonic()
    old.close()  # What was refused without a word is sent again on the next connection.
    healed = world.until(lambda: "can be written again" in world.said(), 20)
    drained = healed and world.until(lambda: not old.open and not new.open, 20)
    print(f"room made: healed {healed} after {time.monotonic() - cleared:.1f} s, CONNACKs with a refusal {old.refusals}, all answered {drained}, 5.0 {new.codes}")
    if not drained:
        world.breach(f"it did not heal: {world.said()[-500:]}, open: {len(old.open)} and {len(new.open)}")
    world.kill()
    world.hang_up()
    world.start()
    started = world.await_start()
    if not started:
        return
    print(f"after a kill: {started[1]}")
    subscriber.wanted = True

    def lost():
        return sum(len(numbers - subscriber.seen.get(key, set())) for key, numbers in world.taken.items())

    world.until(lambda: lost() == 0, 30)
    taken = sum(map(len, world.taken.values()))
    print(f"{taken} messages acknowledged, {lost()} of them lost, {len(world.breaches)} violations")
    if lost():
        world.breach(f"{lost()} acknowledged messages were lost")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colibri", required=True)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--megabytes", type=int, default=16)
    parser.add_argument("--grow", action="store_true", help="make room by a larger disk, not by deleting a file")
    arguments = parser.parse_args()
    arguments.power_loss = False
    if INSIDE not in os.environ:
        # A mount that is seen by this process alone and goes with it.
        probe = subprocess.run(["unshare", "-Urm", "true"], stderr=subprocess.PIPE, text=True)
        if probe.returncode:
            print(f"SKIP: no namespace to mount a small disk in: {probe.stderr.strip()}")
            return 0
        command = ["unshare", "-Urm", sys.executable, *sys.argv]
        return subprocess.run(command, env=os.environ | {INSIDE: "1"}).returncode
    with tempfile.TemporaryDirectory(prefix="colibri-full-") as directory:
        world = World(arguments, directory)
        world.data.mkdir()
        size = f"size={arguments.megabytes}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "full", world.data / "."], check=True)
        inner = world.data
        world.data = inner / "state"
        ballast = inner / "ballast"
        ballast.write_bytes(bytes(arguments.megabytes << 19))

        def grow():
            remount = f"remount,size={arguments.megabytes * 4}m"
            subprocess.run(["mount", "-o", remount, inner], check=True)

        try:
            scenario(world, grow if arguments.grow else ballast.unlink)
        finally:
            if world.process and world.process.poll() is None:
                world.process.kill()
                world.process.wait()
            subprocess.run(["umount", inner], check=False)
    return 1 if world.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
