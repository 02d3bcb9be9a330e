"""Official Python SDK. Usage: python_client.py URL MESSAGE auto|legacy|2026-07-28"""

import asyncio
import json
import sys

import httpx2
from login import Person, provider
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url: str, message: str, era: str) -> None:
    person = Person()
    async with httpx2.AsyncClient(auth=provider(url, person), timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=era) as client:
            tools = (await client.list_tools()).tools

            async def call(name: str, arguments: dict) -> str:
                return (await client.call_tool(name, arguments)).content[0].text

            whoami = json.loads(await call("whoami", {})) if any(t.name == "whoami" for t in tools) else None
            echo = await call("echo", {"message": message})
            found = {"protocol": client.protocol_version, "tools": len(tools), "echo": echo, "whoami": whoami}
    print(json.dumps(found | {"login": person.seen}))


asyncio.run(main(*sys.argv[1:]))
