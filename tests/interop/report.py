"""What a case says about itself: the expectations it states and the lines that come out of it."""

import asyncio
import sys
import time
import traceback

# Longest wait for one answer (a packet, a reply of an adapter). Far above what a loaded machine
# with two cores needs, so that running into it means that the answer is not coming.
ANSWER_SECONDS = 20.0
# Longest run of one case, several answers long.
CASE_SECONDS = 75.0


class Mismatch(Exception):
    """The case did not get what it expects."""

    def __init__(self, expected, got):
        super().__init__(f"expected {_short(expected)}, got {_short(got)}")


class Inapplicable(Exception):
    """The case cannot be put to this client or broker; the text says why."""


def expect(what, expected, got):
    """Fails the case unless `got` equals `expected`; `what` names the thing compared."""
    if expected != got:
        raise Mismatch(f"{what} {_short(expected)}", _short(got))


def expect_that(condition, expected, got):
    """Fails the case unless `condition` holds; for what is not an equality."""
    if not condition:
        raise Mismatch(expected, got)


def shown_code(code):
    """A reason code that a client showed, or what there is in its place."""
    return "no reason code" if code is None else hex(code)


class Report:
    """Counts and prints `PASS`, `FAIL` and `SKIP` lines."""

    def __init__(self, case_filter=""):
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self.seconds = {}
        self._case_filter = case_filter

    def wants(self, case):
        return self._case_filter in case

    def line(self, verdict, name, text=""):
        counter = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}[verdict]
        setattr(self, counter, getattr(self, counter) + 1)
        print(f"{verdict} {name}{': ' + text if text else ''}", flush=True)

    async def run(self, client, version, case, coroutine_function):
        """Runs one case to its verdict; nothing it does can hang or stop the others."""
        if not self.wants(case):
            return
        name = f"{client} {version} {case}"
        started = time.monotonic()
        try:
            await asyncio.wait_for(coroutine_function(), CASE_SECONDS)
        except Inapplicable as reason:
            self.line("SKIP", name, str(reason))
        except Mismatch as mismatch:
            self.line("FAIL", name, str(mismatch))
        except TimeoutError:
            where = _innermost_line()
            self.line("FAIL", name, f"expected an answer in time, got none {where}")
        except Exception as error:
            expected = "the case to run to its end"
            self.line("FAIL", name, f"expected {expected}, got {error!r} {_innermost_line()}")
        else:
            self.line("PASS", name)
        self.seconds[name] = time.monotonic() - started


def _innermost_line():
    """The line of this suite (not of the standard library) in which an exception arose."""
    ours = [
        frame
        for frame in traceback.extract_tb(sys.exc_info()[2])
        if "/interop/" in frame.filename and not frame.filename.endswith("report.py")
    ]
    if not ours:
        return ""
    return f"({ours[-1].filename.rsplit('/', 1)[1]}:{ours[-1].lineno}: {ours[-1].line})"


def _short(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]} ({len(text)} characters)"
