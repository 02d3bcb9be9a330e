"""What stands around the gateway: a provider, an MCP server, and clients. All of it in this process."""

import http.client
import http.server
import json
import ssl
import subprocess
import threading
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER = "http://127.0.0.1:9400"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_) -> None:
        pass

    def answer(self, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def serve(port: int, handler: type[Handler]) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Outside:
    def __init__(self) -> None:
        # A network namespace begins with a loopback that is down, and with nothing else. The second address is the pod's.
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "address", "add", "10.244.0.7/32", "dev", "lo"], check=True)
        key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": "1", "use": "sig", "alg": "ES256"}
        self.key = key
        #: The headers of the last request that came through.
        self.seen: dict[str, str] = {}
        outside = self

        class Provider(Handler):
            def do_GET(self) -> None:
                if self.path == "/keys":
                    return self.answer({"keys": [public]})
                self.answer({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", "authorization_endpoint": f"{ISSUER}/authorize", "token_endpoint": f"{ISSUER}/token"})

        class Server(Handler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outside.seen = {name.lower(): value for name, value in self.headers.items()}
                self.answer({"jsonrpc": "2.0", "id": 1, "result": {"tools": []}})

        serve(9400, Provider)
        serve(3000, Server)

    def token(self, audience: str) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": audience, "sub": "alice", "iat": now, "exp": now + 300}
        return jwt.encode(claims, self.key, "ES256", {"typ": "at+jwt", "kid": "1"})


def ask(address: str, port: int, method: str, path: str, headers: dict[str, str], roots: Path | None = None, name: str = "") -> tuple[int, dict[str, str]]:
    """One request: status and headers. With `roots` over TLS, for that name. Comes from the address that it goes to."""
    connection = http.client.HTTPConnection(address, port, timeout=10, source_address=(address, 0))
    connection.connect()
    if roots:
        connection.sock = ssl.create_default_context(cafile=str(roots)).wrap_socket(connection.sock, server_hostname=name)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}) if method == "POST" else None
    usual = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} if body else {}
    connection.request(method, path, body, usual | headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}
