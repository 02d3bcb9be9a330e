"""The person and the browser of a Python client, and where the SDK keeps what it is given."""

from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

# Never listened on: the browser stops when it is sent here and reads the code off the address.
CALLBACK = "http://127.0.0.1/callback"


class Memory:
    """Where the SDK keeps what it registered and was given."""

    tokens = None
    client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


class Person:
    """The person and the browser: follows the provider's redirects up to the client's callback.

    `seen` is what the last authorization request asked for, `asked` the scopes of each.
    """

    seen = None

    def __init__(self, name: str = "alice") -> None:
        self.name = name
        self.asked: list[str | None] = []

    async def open(self, url: str) -> None:
        asked = dict(parse_qsl(urlsplit(url).query))
        self.seen = {
            "issuer": url.split("/auth?")[0],
            "resource": asked.get("resource"),
            "scope": asked.get("scope"),
            "pkce": asked.get("code_challenge_method"),
        }
        self.asked.append(asked.get("scope"))
        # What the person types where the provider asks for a name.
        url += f"&login_hint={self.name}"
        async with httpx2.AsyncClient(timeout=10) as browser:
            for _ in range(20):
                response = await browser.get(url)
                if "location" not in response.headers:
                    raise RuntimeError(f"the login stopped at {url} with {response.status_code}: {response.text}")
                url = urljoin(url, response.headers["location"])
                if url.startswith(CALLBACK):
                    self.came_back_to = url
                    return
        raise RuntimeError(f"the login never came back, last seen at {url}")

    async def code(self) -> AuthorizationCodeResult:
        answer = {name: values[0] for name, values in parse_qs(urlsplit(self.came_back_to).query).items()}
        if "error" in answer:
            raise RuntimeError(f"the provider refused: {answer}")
        return AuthorizationCodeResult(code=answer["code"], state=answer.get("state"), iss=answer.get("iss"))


def provider(url: str, person: Person) -> OAuthClientProvider:
    """What the SDK logs in with."""
    metadata = OAuthClientMetadata(
        client_name="portcullis e2e", redirect_uris=[CALLBACK], token_endpoint_auth_method="none"
    )
    return OAuthClientProvider(
        server_url=url,
        client_metadata=metadata,
        storage=Memory(),
        redirect_handler=person.open,
        callback_handler=person.code,
    )
