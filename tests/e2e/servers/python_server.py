"""An MCP server on the official Python SDK: speaks every protocol version up to 2026-07-28. Usage: python_server.py PORT [sse]"""

import sys

from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("python-server")


@server.tool()
def echo(message: str) -> str:
    """Says the message again."""
    return message


@server.tool()
def whoami(ctx: Context) -> dict[str, str]:
    """What this server was told about the caller, and whether the caller's credential came along."""
    headers = ctx.headers or {}
    told = {name: value for name, value in headers.items() if name.startswith("x-auth-")}
    return told | {"authorization": "present" if "authorization" in headers else "absent"}


port, transport = int(sys.argv[1]), "sse" if sys.argv[2:] == ["sse"] else "streamable-http"
server.run(transport, host="127.0.0.1", port=port)
