"""schemathesis against the built server: calls made up from /v1/openapi.json, with real tokens, and all its checks."""

import json
import os
import pathlib
import subprocess
import sys

import requests

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from server import Server  # noqa: E402

SCOPES = "keys:any keys:read keys:create keys:rotate keys:revoke apis:read apis:manage"
SERVICE = {
    "redirect_uris": [],
    "grant_types": ["client_credentials"],
    "response_types": [],
    "token_endpoint_auth_method": "client_secret_basic",
}
AUDIENCE = "https://docs.example"


def fill(server: Server) -> str:
    """A token of the manager, and something to be found: a plan, an API, keys of it."""
    manager = server.clients["manager"]
    reply = requests.post(
        f"{server.issuer}/token",
        data={"grant_type": "client_credentials", "scope": SCOPES},
        auth=(manager["client_id"], manager["client_secret"]),
    )
    reply.raise_for_status()
    token = reply.json()["access_token"]

    def post(path: str, body: dict) -> dict:
        made = requests.post(f"{server.issuer}{path}", json=body, headers={"Authorization": f"Bearer {token}"})
        assert made.status_code == 201, (path, made.status_code, made.text)
        return made.json()

    quota = {"v": 1, "quota": [{"name": "month", "limit": 100000, "per": "month"}]}
    post("/v1/plans", {"name": "free", "policy": quota})
    settings = {"scopes": "docs.read docs.write", "public_keys": True}
    post("/v1/apis", {"name": "docs", "audience": AUDIENCE, "plan": "free", "settings": settings})
    for name in ("one", "two", "three"):
        post("/v1/keys", {"api": "docs", "name": name, "scope": "docs.read", "anywhere": True})
    return token


def events(path: pathlib.Path):
    for line in path.read_text().splitlines():
        yield json.loads(line)


def main() -> int:
    server = Server(
        people={},
        clients={
            "manager": {**SERVICE, "scope": SCOPES},
            "docs": {**SERVICE, "protected_resources": [AUDIENCE]},
        },
    )
    try:
        asker = server.clients["docs"]
        values = {
            "token": fill(server),
            "client": asker["client_id"],
            "secret": asker["client_secret"],
            "seconds": os.environ.get("OPENAPI_SECONDS", "60"),
            "examples": os.environ.get("OPENAPI_EXAMPLES", "20"),
        }
        text = (HERE / "schemathesis.toml").read_text()
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
        config, report = server.folder / "schemathesis.toml", server.folder / "report.json"
        config.write_text(text)
        done = subprocess.run(
            [
                str(pathlib.Path(sys.executable).parent / "st"), "--config-file", str(config), "run",
                f"{server.issuer}/v1/openapi.json", "--checks", "all", "--report", "json", "--report-json-path", str(report),
                *sys.argv[1:],
            ],
            cwd=server.folder,
            env={**os.environ, "PYTHONPATH": str(HERE)},
        )
        log = (server.folder / "server.log").read_text()
        panics = log.count("panicked")
        if panics:
            print(f"the server panicked {panics} times:\n{log}")
        failed = int(done.returncode != 0) + int(panics > 0)
        print(f"# suite openapi: {2 - failed} passed, {failed} failed")
        if os.environ.get("OPENAPI_REPORT"):
            pathlib.Path(os.environ["OPENAPI_REPORT"]).write_text(report.read_text())
        return failed
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
