"""Official Python SDK over HTTP+SSE. Usage: sse_python.py URL MESSAGE sse"""

import asyncio
import json
import sys

from login import Person, provider
from mcp.client import Client
from mcp.client.sse import sse_client


async def main(url: str, message: str) -> None:
    person = Person()
    async with Client(sse_client(url, auth=provider(url, person)), mode="legacy") as client:
        tools = (await client.list_tools()).tools

        async def call(name: str, arguments: dict) -> str:
            return (await client.call_tool(name, arguments)).content[0].text

        whoami = json.loads(await call("whoami", {})) if any(t.name == "whoami" for t in tools) else None
        echo = await call("echo", {"message": message})
        found = {"protocol": client.protocol_version, "tools": len(tools), "echo": echo, "whoami": whoami}
    print(json.dumps(found | {"login": person.seen}))


asyncio.run(main(*sys.argv[1:3]))
