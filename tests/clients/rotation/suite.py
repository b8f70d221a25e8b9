"""Signing keys rotate by themselves while PyJWT, jose and mod_oauth2, each with its own defaults, verify every
token: none is refused.

The clock of all of them goes a hundred times as fast as ours, so that a rotation, which takes a quarter of an hour where
libraries keep the set for ten minutes, takes seconds. TEST_ROTATIONS says how many there are in all, TEST_SHARDS in how
many servers side by side, TEST_SPEED how fast it goes; TEST_SEED repeats the steps of the clock."""

import base64
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from clock import Clock  # noqa: E402
from server import Server  # noqa: E402
from verifiers import Apache, jose, pyjwt  # noqa: E402

ROTATIONS = int(os.environ.get("TEST_ROTATIONS", "20"))
SHARDS = int(os.environ.get("TEST_SHARDS", "2"))
SPEED = float(os.environ.get("TEST_SPEED", "100"))
SEED = int(os.environ.get("TEST_SEED", time.time_ns() % 1_000_000))
API = "https://api.example"
SERVICE = {
    "redirect_uris": [], "grant_types": ["client_credentials"], "response_types": [], "scope": "read",
    "resources": [API], "token_endpoint_auth_method": "client_secret_basic",
}  # fmt: skip
# As the guide has it for libraries that keep the set for ten minutes; a key is replaced as soon as that allows.
LIFE = 3600
POLICY = {
    "KEYWRIGHT_KEYS_JWKS_MAX_AGE": "5m",
    "KEYWRIGHT_KEYS_LIBRARY_CACHE": "10m",
    "KEYWRIGHT_KEYS_PUBLISH_BEFORE_USE": "15m",
    "KEYWRIGHT_KEYS_ROTATION_PERIOD": "16m",
    "KEYWRIGHT_TOKENS_ACCESS_TOKEN_LIFETIME": f"{LIFE}s",
}


def kid_of(token: str) -> str:
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


class Shard:
    """A server, its clock, and those who verify."""

    def __init__(self, number: int):
        self.dice = random.Random(SEED * 100 + number)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="keywright-rotation-"))
        # Whatever was begun is ended, also where the next did not begin.
        self.ends = contextlib.ExitStack()
        self.ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
        try:
            self.begin()
        except BaseException:
            self.ends.close()
            raise

    def begin(self):
        self.folder.chmod(0o755)
        self.clock = Clock(self.folder)
        self.server = self.ended(Server({"service": SERVICE}, {}, {**POLICY, **self.clock.only_the_date}))
        issuer = self.server.issuer
        self.verifiers = [self.ended(kind(self.clock, issuer, API)) for kind in (pyjwt, jose)]
        self.verifiers.append(self.ended(Apache(self.folder, self.clock, issuer)))
        self.verified, self.failures, self.kids = 0, [], []
        client = self.server.clients["service"]
        basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "read", "resource": API})
        self.ask = urllib.request.Request(
            f"{self.server.issuer}/token", data=body.encode(), headers={"Authorization": f"Basic {basic}"}
        )

    def ended(self, begun):
        self.ends.callback(begun.stop)
        return begun

    def token(self) -> str:
        with urllib.request.urlopen(self.ask, timeout=30) as reply:
            return json.load(reply)["access_token"]

    def check(self, token: str):
        for verifier in self.verifiers:
            why = verifier.verify(token)
            self.verified += 1
            if why is not None:
                self.failures.append(f"{verifier.name} refused {kid_of(token)} at {self.clock.passed:.0f} s: {why}")

    def run(self, rotations: int, over: threading.Event):
        # By the clock of all of them, in which a rotation takes a quarter of an hour: ours says how slow the machine is.
        out, deadline = [], self.clock.passed + (rotations + 1) * 3600
        while len(self.kids) <= rotations and not over.is_set():
            began, step = time.monotonic(), self.dice.uniform(1, 55)
            self.clock.advance(step)
            token, now = self.token(), self.clock.passed
            if kid_of(token) not in self.kids:
                self.kids.append(kid_of(token))
            self.check(token)
            # And one that has been out for a while, perhaps by a key that signs no longer.
            out = [one for one in out if one[1] > now + 60] + [(token, now + LIFE)]
            self.check(self.dice.choice(out)[0])
            if self.clock.passed > deadline:
                self.failures.append(f"{len(self.kids) - 1} of {rotations} rotations: keys do not rotate")
                return
            time.sleep(max(0.0, step / SPEED - (time.monotonic() - began)))

    def control(self):
        """A refusal would be seen: of what was changed, and of what is signed by a key that no copy has."""
        head, body, signature = self.token().split(".")
        changed = f"{head}.{body}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
        for verifier in self.verifiers:
            if verifier.verify(changed) is None:
                self.failures.append(f"{verifier.name} accepts what was changed")
        # PyJWT's copy and jose's are over; they fetch the set, and for half a minute they will not again.
        self.clock.advance(700)
        self.check(self.token())
        # The key that is published takes the place of the first, one that was just made that of the second.
        for _ in range(2):
            self.server.cli("keys", "revoke", kid_of(self.token()), "--reason", "so that a key signs at once")
        unknown = self.token()
        for verifier in self.verifiers[:2]:
            if verifier.verify(unknown) is None:
                self.failures.append(f"{verifier.name} accepts a key that its copy lacks")
        self.clock.advance(31)
        self.check(self.token())


def one(number: int, rotations: int, over: threading.Event) -> tuple[Shard, list]:
    shard = Shard(number)
    try:
        shard.run(rotations, over)
        fetches = shard.server.cli("keys", "fetches")["fetches"]
        if not shard.failures:
            shard.control()
    finally:
        if shard.failures:
            over.set()
        shard.ends.close()
    return shard, fetches


def main() -> int:
    over, began, per_shard = threading.Event(), time.monotonic(), -(-ROTATIONS // SHARDS)
    print(f"seed {SEED}, {SHARDS} x {per_shard} rotations, the clock goes {SPEED:g} times as fast", flush=True)
    with concurrent.futures.ThreadPoolExecutor(SHARDS) as pool:
        done = list(pool.map(lambda number: one(number, per_shard, over), range(SHARDS)))
    bad = 0
    for shard, fetches in done:
        bad += len(shard.failures)
        for failure in shard.failures[:10]:
            print(failure)
        print(f"{len(shard.kids) - 1} rotations in {shard.clock.passed / 3600:.1f} h of its clock:", end=" ")
        print(f"{shard.verified} verifications, {len(shard.failures)} failures")
        for agent in fetches:
            print("   the set was fetched", json.dumps(agent))
    rotations = sum(len(shard.kids) - 1 for shard, _ in done)
    print(f"in all {rotations} rotations, {sum(s.verified for s, _ in done)} verifications, {bad} failures", end=" ")
    print(f"in {time.monotonic() - began:.0f} s")
    good = bad == 0 and rotations >= ROTATIONS
    print(f"# suite rotation: {int(good)} passed, {int(not good)} failed", flush=True)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
