"""Holds docker-compose.yml against itself: what a service names must be declared, nodes must be confined, secrets must be
files. Writes the environment of the first node, one variable a line, for the binary's own check."""

import re
import sys

import yaml

# The default of server.drain_timeout, in seconds.
DRAIN = 10


def problems(compose: dict):
    services, secrets = compose["services"], compose.get("secrets", {})
    for name, service in services.items():
        if not (service.get("image") or service.get("build")):
            yield f"{name}: neither image nor build"
        if str(service.get("image", "")).endswith(":latest"):
            yield f"{name}: an image without a version"
        for other in service.get("depends_on", {}):
            if other not in services:
                yield f"{name}: depends on unknown {other}"
        for secret in service.get("secrets", []):
            if secret not in secrets:
                yield f"{name}: unknown secret {secret}"
        for network in service.get("networks", []):
            if network not in compose.get("networks", {}):
                yield f"{name}: unknown network {network}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if re.match(r"^\w", source) and source not in compose.get("volumes", {}):
                yield f"{name}: unknown volume {source}"
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD$|SECRET$|KEK$|DATABASE_URL$", variable):
                yield f"{name}: {variable} is a secret in clear"
            if str(value).startswith("/run/secrets/") and value.split("/")[-1] not in service.get("secrets", []):
                yield f"{name}: {variable} names a secret that the service is not given"
        if name.startswith("keywright-"):
            if not service.get("read_only") or service.get("cap_drop") != ["ALL"] or not service.get("user"):
                yield f"{name}: not confined (read_only, cap_drop, user)"
            grace = re.fullmatch(r"(\d+)s", str(service.get("stop_grace_period", "10s")))
            if not grace or int(grace[1]) < DRAIN + 10:
                yield f"{name}: killed before it is done (stop_grace_period, in seconds)"
            if service.get("ports"):
                yield f"{name}: published past the proxy"
    for secret, source in secrets.items():
        if "file" not in source:
            yield f"secret {secret}: not a file"


def main() -> int:
    with open(sys.argv[1]) as file:
        compose = yaml.safe_load(file)
    found = list(problems(compose))
    print("\n".join(found))
    with open(sys.argv[2], "w") as file:
        for name, value in compose["services"]["keywright-1"]["environment"].items():
            default = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
            file.write(f"{name}={default}\n")
    return bool(found)


sys.exit(main())
