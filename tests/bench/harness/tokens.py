"""The keys and the many tokens of a run. Signing takes a while, so both are kept while the tokens are good."""

import json
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from signing import ISSUER, encode, encode_json

AUDIENCE = "https://mcp.example.com/mcp"
LIFETIME, KEPT = 48 * 3600, 24 * 3600
PER_TASK = 1_000


def claims(now: int, number: int) -> dict[str, object]:
    """What is said of the user with this number."""
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": f"user-{number}",
        "email": f"user-{number}@example.com",
        "scope": "mcp mcp:call",
        "client_id": "bench",
        "iat": now,
        "exp": now + LIFETIME,
        "jti": f"{number:032x}",
    }


def sign(key: rsa.RSAPrivateKey, now: int, number: int, **further: object) -> str:
    """The token of the user with this number; `further` claims replace its own."""
    head = encode_json({"alg": "RS256", "kid": "bench", "typ": "at+jwt"})
    text = f"{head}.{encode_json(claims(now, number) | further)}"
    return f"{text}.{encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def load_key(directory: Path) -> rsa.RSAPrivateKey:
    return serialization.load_pem_private_key((directory / "private.pem").read_bytes(), None)


def sign_some(directory: Path, now: int, numbers: range) -> list[str]:
    key = load_key(directory)
    return [sign(key, now, number) for number in numbers]


class Tokens:
    """`one`, `many` (asked in turn) and `fresh` (asked once each) are different tokens of one key."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.many_file, self.fresh_file = directory / "many.txt", directory / "fresh.txt"
        self.now = int(time.time())
        if not (directory / "private.pem").exists():
            self.make_key()
        self.key = load_key(directory)
        self.one = sign(self.key, self.now, 0)

    def make(self, many: int, fresh: int) -> None:
        """The two files, unless they are there and good for a while."""
        if not self.still_good(many, fresh):
            self.make_tokens(many, fresh)

    def users(self, count: int) -> list[str]:
        """Tokens of so many users."""
        return sign_some(self.directory, self.now, range(1, count + 1))

    def still_good(self, many: int, fresh: int) -> bool:
        made = self.directory / "made.json"
        if not made.exists():
            return False
        *counts, at = json.loads(made.read_text())
        return counts == [many, fresh] and self.now - at < KEPT

    def make_key(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key()
        numbers = public.public_numbers()
        n, e = (encode(value.to_bytes((value.bit_length() + 7) // 8, "big")) for value in (numbers.n, numbers.e))
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "bench", "n": n, "e": e}
        (self.directory / "made.json").unlink(missing_ok=True)
        (self.directory / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
        (self.directory / "private.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (self.directory / "public.pem").write_bytes(
            public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def make_tokens(self, many: int, fresh: int) -> None:
        begun = time.monotonic()
        tasks = [
            range(first, min(first + PER_TASK, many + fresh + 1)) for first in range(1, many + fresh + 1, PER_TASK)
        ]
        with ProcessPoolExecutor() as pool:
            futures = [pool.submit(sign_some, self.directory, self.now, task) for task in tasks]
            signed = [token for future in futures for token in future.result()]
        self.many_file.write_text("\n".join(signed[:many]) + "\n")
        self.fresh_file.write_text("\n".join(signed[many:]) + "\n")
        (self.directory / "made.json").write_text(json.dumps([many, fresh, self.now]))
        print(f"signed {many + fresh} tokens in {time.monotonic() - begun:.0f} s")

    def bad(self) -> dict[str, str | None]:
        """What every peer that checks must refuse."""
        return {
            "no token": None,
            "forged": self.one[:-12] + ("A" * 12 if self.one[-12:] != "A" * 12 else "B" * 12),
            "expired": sign(self.key, self.now, 0, exp=self.now - 600),
            "for another audience": sign(self.key, self.now, 0, aud="https://other.example.com/mcp"),
        }
