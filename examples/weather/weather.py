#!/usr/bin/env python3
"""The weather, for whoever nginx lets through. Nothing but Python is needed.

Who calls stands in fields that only nginx writes (see nginx.conf), so no code here knows what a key is. Calls with an
access token come with the token, which Keywright is asked about. What was served is reported, so that it is counted
with how it ended, and for quotas of bytes.

Settings come from the environment: LISTEN, ISSUER, CLIENT_ID and CLIENT_SECRET_FILE (a client whose protected_resources
has AUDIENCE), AUDIENCE.
"""

import base64, hashlib, ipaddress, json, os, queue, threading, time, urllib.error, urllib.parse, urllib.request, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ISSUER, AUDIENCE = os.environ["ISSUER"], os.environ["AUDIENCE"]
with open(os.environ["CLIENT_SECRET_FILE"]) as file:
    SECRET = file.read().strip()
PAIR = ":".join(urllib.parse.quote_plus(part) for part in (os.environ["CLIENT_ID"], SECRET))
BASIC = "Basic " + base64.b64encode(PAIR.encode()).decode()
SKIES = ["clear", "light clouds", "overcast", "light rain", "showers", "fog"]
PLACES = ["bergen", "lima", "nairobi", "paris", "reykjavik", "sydney"]
served = queue.Queue(maxsize=20_000)


def ask(path, body, kind):
    request = urllib.request.Request(ISSUER + path, body, {"Authorization": BASIC, "Content-Type": kind})
    with urllib.request.urlopen(request, timeout=5) as reply:
        return json.load(reply)


def forecast(place):
    """Made up from the name and the hour."""
    made = hashlib.sha256(f"{place} {time.time() // 3600}".encode()).digest()
    return {"place": place, "celsius": made[0] % 25, "sky": SKIES[made[1] % len(SKIES)], "wind_kmh": made[2] % 40}


def travelled(restrictions, address):
    """Whether what restricts the key, and came along in its token, allows the call. What is not understood refuses."""
    address = ipaddress.ip_address(address)
    within = lambda networks: any(address in ipaddress.ip_network(network) for network in networks)
    for policy in restrictions:
        for name, rule in policy.items():
            if name != "ip" or ("allow" in rule and not within(rule["allow"])) or within(rule.get("deny", [])):
                return False
    return True


class Refused(Exception):
    """Status and title of the answer."""


class Weather(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def caller(self):
        """Who calls: what the gateway found of a key, or what the issuer says of a token."""
        if key := self.headers.get("X-Key-Id"):
            plan, name = self.headers.get("X-Key-Plan"), self.headers.get("X-Request-Id")
            return {"key": key, "owner": self.headers.get("X-Key-Owner"), "plan": plan, "name": name}
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refused(401, "Send an API key in X-API-Key, or a token as Bearer.")
        try:
            told = ask("/introspect", urllib.parse.urlencode({"token": token}).encode(), "application/x-www-form-urlencoded")
        except OSError:
            raise Refused(503, "Whether this is allowed cannot be said now.")
        # One that is bound to a key pair is refused: no proof is checked here.
        if not told["active"] or told["token_type"] != "Bearer" or AUDIENCE not in told["aud"]:
            raise Refused(401, "The token is not good.")
        if "forecast.read" not in told.get("scope", "").split():
            raise Refused(403, "The token may do less than this.")
        if not travelled(told.get("restrictions", []), self.headers["X-Forwarded-For"]):
            raise Refused(403, "The token may not be used from here.")
        return {"key": told.get("key_id"), "owner": told["sub"], "plan": None, "name": uuid.uuid4().hex}

    def do_GET(self):
        began = time.monotonic()
        status, body, caller = 200, None, None
        try:
            caller = self.caller()
            place = self.path.partition("?")[0].removeprefix("/v1/forecast/")
            if place not in PLACES:
                raise Refused(404, "There is no weather at this address.")
            body = forecast(place) | {"asked_with": {name: caller[name] for name in ("key", "owner", "plan")}}
        except Refused as why:
            status, title = why.args
            body = {"type": "about:blank", "title": title, "status": status}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if status == 200 else "application/problem+json")
        self.send_header("Content-Length", str(len(text)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer realm="weather"' + (', error="invalid_token"' if "Authorization" in self.headers else ""))
        self.end_headers()
        self.wfile.write(text)
        if caller and caller["key"] and not served.full():
            took = (time.monotonic() - began) * 1000
            served.put({"id": caller["name"], "key_id": caller["key"], "status": status, "bytes_out": len(text), "duration_ms": took})

    def log_message(self, *_):
        pass


def report():
    """Tells what was served, each second. What was not taken is told again: the issuer counts each name once."""
    waiting = []
    while True:
        time.sleep(1)
        while len(waiting) < 1000 and not served.empty():
            waiting.append(served.get())
        if waiting:
            try:
                ask("/v1/usage", json.dumps({"items": waiting}).encode(), "application/json")
                waiting = []
            except OSError as why:
                print(f"not reported yet: {why}", flush=True)


if __name__ == "__main__":
    host, _, port = os.environ.get("LISTEN", "127.0.0.1:9000").rpartition(":")
    threading.Thread(target=report, daemon=True).start()
    ThreadingHTTPServer((host, int(port)), Weather).serve_forever()
