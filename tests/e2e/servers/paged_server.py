"""An MCP server of every protocol version whose lists come in pages. Usage: paged_server.py PORT sse|json

`sse` and `json`: how answers to requests are framed. Nine tools on three pages, the whole second page dangerous; `change` tells whoever
listens that the list of tools has changed.
"""

import json
import sys

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged

PAGES = [
    ["greeting", "whoami", "read_x"],
    ["delete_x", "delete_y", "delete_z"],
    ["change", "read_y", "secret_a"],
]
bus = InMemorySubscriptionBus()


def page(params: types.PaginatedRequestParams | None) -> tuple[list[str], str | None]:
    """The names of a page, and the cursor of the next one."""
    number = int(params.cursor) if params and params.cursor else 0
    return PAGES[number], str(number + 1) if number + 1 < len(PAGES) else None


async def list_tools(_ctx: object, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    names, following = page(params)
    tools = [types.Tool(name=name, description=f"Tool {name}", input_schema={"type": "object"}) for name in names]
    return types.ListToolsResult(tools=tools, next_cursor=following)


def told(headers: dict[str, str]) -> dict[str, str]:
    """What this server was told about the caller, and whether the caller's credential came along."""
    about = {name: value for name, value in headers.items() if name.startswith("x-auth-")}
    return about | {"authorization": "present" if "authorization" in headers else "absent"}


async def call_tool(ctx: object, params: types.CallToolRequestParams) -> types.CallToolResult:
    if params.name == "change":
        await bus.publish(ToolsListChanged())
    text = json.dumps(told(dict(ctx.request.headers))) if params.name == "whoami" else f"{params.name} was done"
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


port, framing = sys.argv[1:]
server = Server("paged-server", on_list_tools=list_tools, on_call_tool=call_tool, on_subscriptions_listen=ListenHandler(bus))
uvicorn.run(server.streamable_http_app(json_response=framing == "json"), host="127.0.0.1", port=int(port), log_level="warning")
