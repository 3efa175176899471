"""A power loss, made of a SIGKILL: of what was written and not synced a random part is taken back.

`powerloss.c` says what is in the logs. The state of the last sync is restored first, and then a random
subset of the later writes is made again, one of them torn at a boundary of 512 bytes: what a disk may
have after writing back in any order."""

import os
import struct
import subprocess
from pathlib import Path

HEADER = struct.Struct("<c3xIQQQQ")
SECTOR = 512


class PowerLoss:
    def __init__(self, scratch, data, random):
        self.random, self.data = random, Path(data)
        self.log = Path(scratch) / "powerloss"
        self.log.mkdir()
        self.library = Path(scratch) / "powerloss.so"
        source = Path(__file__).with_name("powerloss.c")
        command = ["cc", "-O1", "-Wall", "-shared", "-fPIC", "-o", self.library, source, "-ldl", "-lpthread"]
        subprocess.run(command, check=True)

    def environment(self):
        for name in ("writes", "names"):
            (self.log / name).write_bytes(b"")
        settings = {"LD_PRELOAD": str(self.library), "POWERLOSS_DIR": str(self.data), "POWERLOSS_LOG": str(self.log)}
        return os.environ | settings

    def strike(self, lose_names=False):
        """To be called when the process is dead; says what was done."""
        records = self._unsynced()
        for kind, path, offset, size, old, new in reversed(records):
            self._undo(path, offset, size, old)
        kept = torn = 0
        keep = self.random.choice([0, 0.2, 0.5, 0.8, 1])
        tear = self.random.randrange(len(records)) if records else None
        for number, (kind, path, offset, size, old, new) in enumerate(records):
            if number == tear and kind == b"w" and len(new) > SECTOR:
                sectors = [start for start in range(0, len(new), SECTOR) if self.random.random() < 0.5]
                for start in sectors:
                    write(path, offset + start, new[start : start + SECTOR])
                torn = 1
            elif self.random.random() < keep:
                kept += 1
                if kind == b"t":
                    os.truncate(path, offset)
                else:
                    write(path, offset, new)
        lost = self._lose_names() if lose_names else []
        said = f"{len(records)} unsynced writes, {kept} kept, {torn} torn"
        return said + (f", lost {' '.join(lost)}" if lost else "")

    def _unsynced(self):
        data, at, records = (self.log / "writes").read_bytes(), 0, []
        while at + HEADER.size <= len(data):
            kind, path_length, offset, size, old_length, new_length = HEADER.unpack_from(data, at)
            at += HEADER.size
            if at + path_length + old_length + new_length > len(data):
                break  # Its write was not begun.
            path = data[at : at + path_length].decode()
            at += path_length
            old, new = data[at : at + old_length], data[at + old_length : at + old_length + new_length]
            at += old_length + new_length
            if kind == b"s":
                records = [record for record in records if record[1] != path]
            else:
                records.append((kind, path, offset, size, old, new))
        renamed = dict(line[1:3] for line in self._names() if line[0] == "rename")
        places = [(record, record[1] if os.path.exists(record[1]) else renamed.get(record[1], "")) for record in records]
        return [(record[0], place, *record[2:]) for record, place in places if os.path.exists(place)]

    def _names(self):
        lines = (self.log / "names").read_text().split("\n")[:-1]
        return [line.split("\t") for line in lines]

    def _undo(self, path, offset, size, old):
        if old:
            write(path, offset, old)
        os.truncate(path, size)

    def _lose_names(self):
        """Takes away new names whose directory was not synced since."""
        new = []
        for what, path, to in self._names():
            if what == "create":
                new.append(path)
            elif what == "rename":
                new = [name for name in new if name != path] + [to]
            elif what == "unlink":
                new = [name for name in new if name != path]
            elif what == "sync" and path == str(self.data):
                new = []
        lost = [path for path in new if os.path.exists(path) and self.random.random() < 0.5]
        for path in lost:
            os.unlink(path)
        return [os.path.basename(path) for path in lost]


def write(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)
