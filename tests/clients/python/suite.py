"""Authlib as a web application and as a service; PyJWT as a resource server, across a rotation of the signing key."""

import os
import re
import sys
import time
import unittest

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # The server under test is on loopback, without TLS.

import jwt  # noqa: E402
import requests  # noqa: E402
from authlib.common.security import generate_token  # noqa: E402
from authlib.integrations.base_client import OAuthError  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from authlib.oauth2.rfc7523 import PrivateKeyJWT  # noqa: E402
from joserfc import jwe  # noqa: E402
from joserfc.jwk import ECKey, RSAKey  # noqa: E402

from browser import Browser  # noqa: E402
from server import Server  # noqa: E402

CALLBACK = "https://app.example/callback"
API = "https://api.example"
PERSON = ("ada", "correct horse battery staple 9")

KEY = ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256", "use": "sig"})
# What the application reads by.
READERS = {
    "ECDH-ES": ECKey.generate_key("P-256", {"kid": "two", "alg": "ECDH-ES", "use": "enc"}),
    "RSA-OAEP-256": RSAKey.generate_key(2048, {"kid": "three", "alg": "RSA-OAEP-256", "use": "enc"}),
}


def encrypted(alg: str) -> dict:
    """Metadata of an application that wants what is told of people encrypted."""
    asked = {"userinfo_signed_response_alg": "ES256", "jwks": {"keys": [READERS[alg].as_dict(private=False)]}}
    for what in ("id_token", "userinfo"):
        asked |= {f"{what}_encrypted_response_alg": alg, f"{what}_encrypted_response_enc": "A256GCM"}
    return asked


WEB = {
    "redirect_uris": [CALLBACK],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "scope": "openid profile email offline_access read",
    "resources": [API],
    "id_token_signed_response_alg": "ES256",
}
SERVICE = {
    "redirect_uris": [],
    "grant_types": ["client_credentials"],
    "response_types": [],
    "scope": "read write",
    "resources": [API],
    "protected_resources": [API],
}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(
            people=dict([PERSON]),
            clients={
                "web": {**WEB, "token_endpoint_auth_method": "client_secret_basic"},
                **{alg: {**WEB, **encrypted(alg), "token_endpoint_auth_method": "client_secret_basic"} for alg in READERS},
                "public": {**WEB, "token_endpoint_auth_method": "none"},
                "basic": {**SERVICE, "token_endpoint_auth_method": "client_secret_basic"},
                "post": {**SERVICE, "token_endpoint_auth_method": "client_secret_post"},
                "key": {**SERVICE, "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [KEY.as_dict(private=False)]}},
            },
        )
        cls.found = requests.get(f"{cls.server.issuer}/.well-known/openid-configuration").json()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def session(self, name: str, method: str, **more) -> OAuth2Session:
        registered = self.server.clients[name]
        return OAuth2Session(
            registered["client_id"], registered.get("client_secret"), token_endpoint_auth_method=method, **more
        )

    def token(self) -> str:
        session = self.session("basic", "client_secret_basic")
        return session.fetch_token(self.found["token_endpoint"], grant_type="client_credentials", scope="read", resource=API)["access_token"]


class Authlib(Case):
    def sign_in(self, name: str, method: str) -> tuple[OAuth2Session, dict]:
        session = self.session(
            name, method, scope="openid profile offline_access", redirect_uri=CALLBACK, code_challenge_method="S256"
        )
        verifier, nonce = generate_token(48), generate_token(16)
        url, state = session.create_authorization_url(
            self.found["authorization_endpoint"], code_verifier=verifier, nonce=nonce
        )
        back = Browser().walk(url, *PERSON)
        self.assertTrue(back.startswith(CALLBACK), back)
        token = session.fetch_token(
            self.found["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
        )
        if name in READERS:
            token["id_token"] = self.opened(name, token["id_token"])
        key = jwt.PyJWKClient(self.found["jwks_uri"]).get_signing_key_from_jwt(token["id_token"])
        claims = jwt.decode(
            token["id_token"], key, algorithms=["ES256"], audience=session.client_id, issuer=self.server.issuer
        )
        self.assertEqual(claims["nonce"], nonce)
        return session, token

    def opened(self, alg: str, token: str) -> str:
        read = jwe.decrypt_compact(token, READERS[alg], algorithms=[alg, "A256GCM"])
        self.assertEqual((read.protected["cty"], read.protected["kid"]), ("JWT", READERS[alg].kid))
        return read.plaintext.decode()

    def test_what_is_told_of_a_person_is_encrypted_for_an_application_that_asks_for_it(self):
        for alg in READERS:
            self.assertIn(alg, self.found["id_token_encryption_alg_values_supported"])
            session, _ = self.sign_in(alg, "client_secret_basic")
            told = session.get(self.found["userinfo_endpoint"])
            self.assertEqual(told.headers["Content-Type"], "application/jwt")
            inside = self.opened(alg, told.text)
            key = jwt.PyJWKClient(self.found["jwks_uri"]).get_signing_key_from_jwt(inside)
            claims = jwt.decode(inside, key, algorithms=["ES256"], audience=session.client_id, issuer=self.server.issuer)
            self.assertEqual(claims["preferred_username"], PERSON[0])

    def test_a_confidential_application_signs_a_person_in_refreshes_and_reads_userinfo(self):
        session, token = self.sign_in("web", "client_secret_basic")
        self.assertEqual(session.get(self.found["userinfo_endpoint"]).json()["preferred_username"], PERSON[0])
        renewed = session.refresh_token(self.found["token_endpoint"])
        self.assertNotEqual(renewed["refresh_token"], token["refresh_token"])
        self.assertEqual(session.get(self.found["userinfo_endpoint"]).status_code, 200)

    def test_a_public_application_signs_a_person_in_and_refreshes(self):
        session, token = self.sign_in("public", "none")
        renewed = session.refresh_token(self.found["token_endpoint"])
        self.assertNotEqual(renewed["access_token"], token["access_token"])

    def test_a_service_gets_a_token_by_client_secret_basic_and_post(self):
        for name in ("basic", "post"):
            session = self.session(name, f"client_secret_{name}")
            token = session.fetch_token(self.found["token_endpoint"], grant_type="client_credentials", scope="read", resource=API)
            self.assertEqual(token["token_type"].lower(), "bearer")
            self.assertEqual(token.get("scope", "read"), "read")

    def test_a_service_gets_a_token_by_private_key_jwt(self):
        # The audience is the issuer and five minutes the longest life; Authlib's defaults are the token endpoint and an
        # hour.
        session = OAuth2Session(
            self.server.clients["key"]["client_id"], KEY, token_endpoint_auth_method="private_key_jwt"
        )
        session.register_client_auth_method(PrivateKeyJWT(self.server.issuer, {"exp": int(time.time()) + 60}, {"kid": "one"}, "ES256"))
        token = session.fetch_token(self.found["token_endpoint"], grant_type="client_credentials", scope="read", resource=API)
        self.assertTrue(token["access_token"])

    def test_a_refusal_arrives_as_its_oauth_error(self):
        session = self.session("basic", "client_secret_basic")
        with self.assertRaises(OAuthError) as refused:
            session.fetch_token(self.found["token_endpoint"], grant_type="client_credentials", scope="admin")
        self.assertEqual(refused.exception.error, "invalid_scope")

    def test_introspection_and_revocation(self):
        session, token = self.session("basic", "client_secret_basic"), self.token()
        self.assertIs(session.introspect_token(self.found["introspection_endpoint"], token=token).json()["active"], True)
        self.assertEqual(session.revoke_token(self.found["revocation_endpoint"], token=token).status_code, 200)
        self.assertEqual(session.introspect_token(self.found["introspection_endpoint"], token=token).json(), {"active": False})


class PyJwt(Case):
    def verify(self, keys: jwt.PyJWKClient, token: str) -> dict:
        return jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["ES256"],
            audience=API,
            issuer=self.server.issuer,
            options={"require": ["exp", "iat", "sub", "jti", "client_id"]},
        )

    def test_tokens_verify_before_during_and_after_a_rotation(self):
        # Kept for as long as the server says, the set always has the key that signs.
        said = requests.get(self.found["jwks_uri"]).headers["Cache-Control"]
        keys = jwt.PyJWKClient(self.found["jwks_uri"], lifespan=int(re.search(r"max-age=(\d+)", said)[1]))
        old = self.token()
        self.assertEqual(self.verify(keys, old)["client_id"], self.server.clients["basic"]["client_id"])
        self.assertEqual(jwt.get_unverified_header(old)["typ"], "at+jwt")
        self.server.cli("keys", "rotate")
        first, deadline = jwt.get_unverified_header(old)["kid"], time.monotonic() + 120
        while jwt.get_unverified_header(new := self.token())["kid"] == first:
            self.verify(keys, new)
            self.assertLess(time.monotonic(), deadline, "the new key never signed")
            time.sleep(0.2)
        self.verify(keys, new)
        self.verify(keys, old)
        self.verify(jwt.PyJWKClient(self.found["jwks_uri"]), old)

    def test_a_changed_token_does_not_verify(self):
        head, body, signature = self.token().split(".")
        keys = jwt.PyJWKClient(self.found["jwks_uri"])
        with self.assertRaises(jwt.InvalidSignatureError):
            self.verify(keys, ".".join([head, body, ("B" if signature[0] == "A" else "A") + signature[1:]]))


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    bad = len(result.failures) + len(result.errors)
    print(f"# suite python: {max(0, result.testsRun - bad)} passed, {bad} failed", flush=True)
    sys.exit(bool(bad))
