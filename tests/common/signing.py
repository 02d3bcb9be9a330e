"""Access tokens for one run, signed with ES256, which is fast enough for a hundred thousand."""

import base64
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ISSUER = "https://login.example.com/"


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_json(value: object) -> str:
    return encode(json.dumps(value, separators=(",", ":")).encode())


class Signer:
    """The only key of an issuer. `directory`/jwks.json is what the gateway reads."""

    def __init__(self, directory: Path, audience: str | list[str]) -> None:
        self.audience = audience
        self.key = ec.generate_private_key(ec.SECP256R1())
        numbers = self.key.public_key().public_numbers()
        x, y = (encode(value.to_bytes(32)) for value in (numbers.x, numbers.y))
        jwk = {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "run", "x": x, "y": y}
        self.keys = directory / "jwks.json"
        self.keys.write_text(json.dumps({"keys": [jwk]}))
        self.head = encode_json({"alg": "ES256", "kid": "run", "typ": "at+jwt"})
        self.now = int(time.time())

    def unknown(self, name: str) -> str:
        """A token of an issuer and a key that nobody knows, with a signature that is none."""
        head = encode_json({"alg": "ES256", "kid": name, "typ": "at+jwt"})
        return f"{head}.{encode_json(self.claims(name, f'https://{name}.example.com/'))}.{encode(bytes(64))}"

    def claims(self, subject: str, issuer: str = ISSUER) -> dict[str, object]:
        return {
            "iss": issuer,
            "aud": self.audience,
            "sub": subject,
            "scope": "mcp",
            "client_id": "run",
            "iat": self.now,
            "exp": self.now + 6 * 3600,
        }

    def token(self, subject: str) -> str:
        text = f"{self.head}.{encode_json(self.claims(subject))}"
        r, s = decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{encode(r.to_bytes(32) + s.to_bytes(32))}"
