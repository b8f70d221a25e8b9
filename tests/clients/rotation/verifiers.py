"""Those who check tokens by the published keys: PyJWT, jose, and mod_oauth2 of Apache, each with its own defaults."""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

from clock import Clock
from server import free_port

HERE = pathlib.Path(__file__).resolve().parent
MODULES = pathlib.Path("/usr/lib/apache2/modules")
# It keeps the set for a day, and asks again for a key that it does not know. (mod_auth_openidc takes keys by https only.)
CONFIG = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
Listen 127.0.0.1:{port}
DocumentRoot {folder}/site
ErrorLog {folder}/apache.log
LogLevel warn
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule oauth2_module {modules}/mod_oauth2.so
{identity}
<Location />
    AuthType oauth2
    OAuth2TokenVerify jwks_uri {issuer}/jwks
    OAuth2TargetPass remote_user_claim=sub
    Require oauth2_claim iss:{issuer}
</Location>
"""


class Lines:
    """A process that is given a token in a line, and answers in a line why it does not verify, or null."""

    def __init__(self, name: str, command: list, environment: dict):
        self.name = name
        self.process = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def verify(self, token: str) -> str | None:
        self.process.stdin.write(token + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or '"it ended"')

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def pyjwt(clock: Clock, issuer: str, audience: str) -> Lines:
    # It goes by the clock that nobody sets; that one is faked for it too.
    environment = {"PATH": os.environ["PATH"], **clock.environment}
    return Lines("PyJWKClient", [sys.executable, HERE / "pyjwt.py", issuer, audience], environment)


def jose(clock: Clock, issuer: str, audience: str) -> Lines:
    environment = {"PATH": os.environ["PATH"], **clock.only_the_date}
    if "NODE_OPTIONS" in os.environ:
        environment["NODE_OPTIONS"] = os.environ["NODE_OPTIONS"]
    return Lines("jose", ["node", HERE.parent / "node/verifier.js", issuer, audience], environment)


class Apache:
    """Debian's Apache with mod_oauth2."""

    name = "mod_oauth2"

    def __init__(self, folder: pathlib.Path, clock: Clock, issuer: str):
        self.folder, self.at = folder, f"http://127.0.0.1:{(port := free_port())}"
        (folder / "site").mkdir()
        (folder / "site/page").write_text("good\n")
        identity = "User nobody\nGroup nogroup" if os.getuid() == 0 else ""
        config = CONFIG.format(folder=folder, port=port, modules=MODULES, identity=identity, issuer=issuer)
        (folder / "apache.conf").write_text(config)
        command = ["/usr/sbin/apache2", "-X", "-f", folder / "apache.conf"]
        environment = {"PATH": os.environ["PATH"], **clock.only_the_date}
        self.said = open(folder / "apache.said", "w")
        self.process = subprocess.Popen(command, env=environment, stdout=self.said, stderr=self.said)
        deadline = time.monotonic() + 120
        while self.ask("none") != 401:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Apache did not start:\n{self.log()}")
            time.sleep(0.05)

    def log(self) -> str:
        logs = [self.folder / name for name in ("apache.said", "apache.log")]
        return "".join(log.read_text() for log in logs if log.exists())

    def ask(self, token: str) -> int:
        request = urllib.request.Request(f"{self.at}/page", headers={"Authorization": f"Bearer {token}"})
        try:
            return urllib.request.urlopen(request, timeout=30).status
        except urllib.error.HTTPError as refused:
            return refused.code
        except (urllib.error.URLError, OSError):
            return 0

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.said.close()

    def verify(self, token: str) -> str | None:
        status = self.ask(token)
        return None if status == 200 else f"{status}: {self.log()[-600:]}"
