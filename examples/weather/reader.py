#!/usr/bin/env python3
"""An application that reads the weather, again and again, with an API key that may be rotated under its hands.

The key is in a file, never in the code or among the arguments. The file is read again when it changes, so a rotation needs
no restart; whoever rotates writes a new file and moves it into place, so nobody reads half a key. Should a key be refused
that was good a moment ago, the file is looked at once more before anything is called a failure.

    KEY_FILE=key API=http://127.0.0.1:8000 reader.py SECONDS

asks every 50 ms for so long, or until it is told to end (SIGTERM), and tells at its end how often it was answered, how
often not, and with how many keys.
"""

import json, os, signal, sys, time, urllib.error, urllib.request


class KeyFile:
    """The text of a key in a file."""

    def __init__(self, path):
        self.path, self.seen, self.text, self.keys = path, None, None, 0

    def read(self):
        """The key as it is now, and whether that is another than before."""
        now = os.stat(self.path)
        if (now.st_ino, now.st_mtime_ns) == self.seen:
            return self.text, False
        self.seen = (now.st_ino, now.st_mtime_ns)
        with open(self.path) as file:
            before, self.text = self.text, file.read().strip()
        self.keys += self.text != before
        return self.text, self.text != before


def status(address, key):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers={"X-API-Key": key}), timeout=5) as reply:
            return reply.status
    except urllib.error.HTTPError as refused:
        return refused.code


def main():
    key, address = KeyFile(os.environ["KEY_FILE"]), os.environ["API"] + "/v1/forecast/paris"
    good, bad, until, told = 0, [], time.monotonic() + float(sys.argv[1]), []
    signal.signal(signal.SIGTERM, lambda *_: told.append("end"))
    while time.monotonic() < until and not told:
        got = status(address, key.read()[0])
        if got == 401:
            text, new = key.read()
            got = status(address, text) if new else got
        if got == 200:
            good += 1
        else:
            bad.append(got)
        time.sleep(0.05)
    print(json.dumps({"pid": os.getpid(), "good": good, "failed": bad, "keys": key.keys}))


if __name__ == "__main__":
    main()
