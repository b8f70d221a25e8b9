"""Verifies what comes on standard input, a token in a line, by PyJWKClient as it is when nobody sets anything."""

import json
import sys

import jwt
from jwt.exceptions import PyJWKClientConnectionError

ISSUER, AUDIENCE = sys.argv[1:]
KEYS = jwt.PyJWKClient(f"{ISSUER}/jwks")


def signed_by(token: str) -> jwt.PyJWK:
    """The key; a machine that is busy for half a minute is no answer, so then it asks again."""
    for _ in range(3):
        try:
            return KEYS.get_signing_key_from_jwt(token)
        except PyJWKClientConnectionError as why:
            away = why
    raise away


for line in sys.stdin:
    try:
        token = line.strip()
        key = signed_by(token)
        jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)
        told = None
    except jwt.PyJWTError as why:
        told = f"{type(why).__name__}: {why}"
    print(json.dumps(told), flush=True)
