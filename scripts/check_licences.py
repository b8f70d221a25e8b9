"""Holds the dependencies against the licences and bans of deny.toml, where cargo-deny is not installed.

Reads the output of `cargo metadata --format-version 1 --locked` from standard input. Advisories are cargo-deny's alone.
"""

import json
import re
import sys
import tomllib


def allowed(expression: str, licences: set) -> bool:
    """Whether an SPDX expression can be met by these licences: OR needs one side, AND both."""
    words = re.findall(r"[()]|[^\s()/]+|/", expression)
    words = ["OR" if w == "/" else w for w in words]

    def either():
        value = both()
        while words and words[0] == "OR":
            words.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while words and words[0] == "AND":
            words.pop(0)
            value = one() and value
        return value

    def one():
        word = words.pop(0)
        if word == "(":
            value = either()
            words.pop(0)
            return value
        if words and words[0] == "WITH":
            words.pop(0)
            word += f" WITH {words.pop(0)}"
        return word in licences

    return either()


def version(text: str) -> tuple:
    return tuple(int(part) for part in re.findall(r"\d+", text.split("+")[0].split("-")[0]))


def problems(packages: list, deny: dict):
    licences = set(deny["licenses"]["allow"])
    own = {e["crate"]: set(e["allow"]) for e in deny["licenses"]["exceptions"]}
    bans = [e["crate"].partition(":<") for e in deny["bans"]["deny"]]
    for package in packages:
        name, licence = package["name"], package["license"]
        if not licence or not allowed(licence, licences | own.get(name, set())):
            yield f"{name} {package['version']}: licence {licence}"
        for banned, _, below in bans:
            if name == banned and (not below or version(package["version"]) < version(below)):
                yield f"{name} {package['version']}: banned"
        if package["source"] and not package["source"].startswith("registry+https://github.com/rust-lang/crates.io-index"):
            yield f"{name}: from {package['source']}"


with open("deny.toml", "rb") as file:
    found = list(problems(json.load(sys.stdin)["packages"], tomllib.load(file)))
print("\n".join(found) or "every dependency is permitted")
sys.exit(bool(found))
