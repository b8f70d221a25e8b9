"""A clock that all processes of a test share, and that goes on when the test says so (libfaketime, by a file)."""

import glob
import os
import pathlib


class Clock:
    def __init__(self, folder: pathlib.Path):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise RuntimeError("libfaketime is not installed: scripts/need")
        self.file, self.passed = folder / "clock", 0.0
        # Without what is read at each look at the clock, a process would lag behind by up to ten seconds.
        self.environment = {
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
        }
        # What time it is, and not how fast it passes: threads wait for each other by that, in the kernel.
        self.only_the_date = self.environment | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.advance(0)

    def advance(self, seconds: float):
        """Nobody sees half of it: the file changes at once."""
        self.passed += seconds
        beside = self.file.with_suffix(".next")
        beside.write_text(f"+{self.passed:.3f}\n")
        os.replace(beside, self.file)
