"""The part of gateway.yaml that the trials of policy.py and the suites are about."""

# Servers of HTTP+SSE, and where each has its stream. They write the address of messages as a path, a path with a slash, a whole URL.
STREAMS = {"sse-everything": "/sse", "sse-python": "/sse", "sse-absolute": "/deep/er/sse"}

RULES = 'tools: [{ match: "delete_*", scopes: ["mcp:delete"] }, { match: [greeting, whoami, "read_*", change] }]'


def written(upstreams: dict[str, str]) -> str:
    """A server whose lists come in pages stands behind the first two, once for each framing of its answers."""
    auth = 'accept: [idp], required_scopes: ["mcp:tools"]'
    paged = [
        f"""\
  - path: /callable-{framing}
    upstream: "{upstreams[framing]}"
    auth: {{ {auth} }}
    access: {{ list_filter: callable, {RULES} }}
  - path: /open-{framing}
    upstream: "{upstreams[framing]}"
    auth: {{ {auth}, challenge: call, challenge_path: /open-{framing}/login }}
    access: {{ discovery: public, public_tools: [greeting], list_filter: public }}
"""
        for framing in ("sse", "json")
    ]
    fixture = f"""\
  - path: /sessions
    upstream: "{upstreams["fixture"]}"
    auth: {{ {auth} }}
    access: {{ tools: [{{ match: "test_*" }}] }}
"""
    streams = [
        f"""\
  - path: /{name}
    transport: sse
    upstream: "{upstreams[name]}"
    auth: {{ {auth} }}
"""
        for name in STREAMS
    ]
    return "".join([*paged, *streams, fixture, *(suite(name, upstreams[name]) for name in ("fixture", "modern"))])


def suite(name: str, upstream: str) -> str:
    """A server of the conformance suites under a policy that forbids nothing they do, and for everybody, with one and without."""
    return f"""\
  - path: /{name}-policy
    upstream: "{upstream}"
    auth: {{ accept: [idp], required_scopes: ["mcp:tools"] }}
    access: {{ list_filter: callable, tools: [{{ match: "secret_*", deny: true }}, {{ match: "*", scopes: ["mcp:tools"] }}] }}
  - path: /{name}-anonymous
    upstream: "{upstream}"
    auth: {{ type: none }}
    dangerous: [anonymous_access]
  - path: /{name}-anonymous-policy
    upstream: "{upstream}"
    auth: {{ type: none }}
    dangerous: [anonymous_access]
    access: {{ list_filter: callable, tools: [{{ match: "secret_*", deny: true }}, {{ match: "*" }}] }}
"""
