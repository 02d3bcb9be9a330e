"""Official Python SDK in one of the trials of trials.mjs. Usage: trial_python.py URL TRIAL auto|legacy|2026-07-28"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import httpx2
from login import Person, provider
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

URL, TRIAL, ERA = sys.argv[1:]


@asynccontextmanager
async def application(person: Person | None) -> AsyncIterator[Client]:
    """A client, of nobody in particular or with a login."""
    auth = person and provider(URL, person)
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=ERA) as client:
            yield client


async def names(client: Client) -> list[str]:
    """The names of all tools, page by page."""
    found, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += [tool.name for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def call(client: Client, name: str) -> str | int:
    """The text that a tool answers with, or the code it is refused with."""
    try:
        return (await client.call_tool(name, {})).content[0].text
    except MCPError as error:
        return error.error.code


async def step_up() -> dict:
    person = Person()
    async with application(person) as client:
        before, greeting, at_first = await names(client), await call(client, "greeting"), len(person.asked)
        deleted, after, secret = await call(client, "delete_x"), await names(client), await call(client, "secret_a")
    return {"before": before, "greeting": greeting, "atFirst": at_first, "deleted": deleted, "after": after, "secret": secret, "asked": person.asked}


async def public_tools() -> dict:
    async with application(None) as client:
        nobody = {"list": await names(client), "greeting": await call(client, "greeting"), "whoami": await call(client, "whoami")}
    person = Person()
    async with application(person) as client:
        listed, greeting = await names(client), await call(client, "greeting")
        # Before anything protected is called; what the client does by itself in the background has had its time.
        await anyio.sleep(0.3)
        by_itself = len(person.asked)
        whoami = json.loads(await call(client, "whoami"))
        after = await names(client)
    return {"nobody": nobody, "list": listed, "greeting": greeting, "byItself": by_itself, "whoami": whoami, "after": after, "asked": person.asked}


async def login_path() -> dict:
    person = Person()
    async with application(person) as client:
        at_first = len(person.asked)
        return {"atFirst": at_first, "whoami": json.loads(await call(client, "whoami")), "resource": person.seen["resource"], "asked": person.asked}


async def session() -> dict:
    """This client shows no session id: what it does with one by itself."""
    async with application(Person()) as client:
        return {"called": await call(client, "test_simple_text"), "resumed": await call(client, "test_reconnection")}


async def listen() -> dict:
    async with application(Person()) as client:
        async with client.listen(tools_list_changed=True) as subscription:
            # Long enough for the gateway to judge the stream again.
            await anyio.sleep(6)
            changed = await call(client, "change")
            told = "nothing"
            with anyio.move_on_after(5):
                await anext(subscription)
                told = "heard"
            honored = subscription.honored.model_dump(by_alias=True, exclude_none=True)
            return {"honored": honored, "changed": changed, "told": told, "version": client.protocol_version}


TRIALS = {"step-up": step_up, "open": public_tools, "login path": login_path, "session": session, "listen": listen}
print(json.dumps(asyncio.run(TRIALS[TRIAL]())))
