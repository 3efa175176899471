#!/usr/bin/env python3
"""A short run of all scripts of this folder, for `cargo xtask durability`. One line per script with what it
counted; the whole output of one that fails. The last line is `N passed, N failed, N skipped`."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
# Ten times what a run takes on two busy cores, so that a broker that hangs is a failure and not a wait.
LIMIT_SECONDS = 120


def no_compiler():
    return None if shutil.which("cc") else "there is no C compiler `cc` for the layer below the broker"


def nothing():
    return None


RUNS = [
    ("SIGKILL", "kill.py", ["--kills", "10"], nothing),
    ("power loss", "kill.py", ["--kills", "5", "--power-loss"], no_compiler),
    ("full disk", "full_disk.py", [], nothing),
]


def output_of(command):
    """What a script printed and its exit code, which is None if it took too long; ends its broker, too."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        said, _ = process.communicate(timeout=LIMIT_SECONDS)
        return said, process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        return said, None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--colibri", required=True, help="the program under test")
    parser.add_argument("--shards", default="2")
    arguments = parser.parse_args()
    passed = failed = skipped = 0
    for name, script, options, reason_against in RUNS:
        reason = reason_against()
        if reason:
            print(f"SKIP {name}: {reason}")
            skipped += 1
            continue
        began = time.monotonic()
        command = [sys.executable, "-u", HERE / script, "--colibri", arguments.colibri]
        said, code = output_of([*map(str, command), "--shards", arguments.shards, *options])
        lines = said.strip().splitlines() or ["nothing was printed"]
        if code == 0 and lines[-1].startswith("SKIP"):
            print(f"SKIP {name}: {lines[-1].removeprefix('SKIP: ')}")
            skipped += 1
        elif code == 0 and lines[-1].endswith(" 0 violations"):
            print(f"ok {name}, {time.monotonic() - began:.0f} s: {lines[-1]}")
            passed += 1
        else:
            ending = f"no end within {LIMIT_SECONDS} s" if code is None else f"exit code {code}"
            print(f"FAILED {name}: {ending}\n" + "\n".join(f"    {line}" for line in lines))
            failed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
