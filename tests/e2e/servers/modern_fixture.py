"""The server that the conformance suite tests for 2026-07-28: what its scenarios ask for, but not the extension for tasks.

Usage: modern_fixture.py PORT
"""

import hashlib
import hmac
import json
import re
import secrets
import sys
from collections.abc import Callable

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError

# One red pixel, and a sound of no length.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="

bus = InMemorySubscriptionBus()
key = secrets.token_bytes(32)


def text(words: str) -> dict:
    return {"type": "text", "text": words}


def embedded(uri: str, mime_type: str, words: str) -> dict:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": words}}


def result(*content: dict) -> dict:
    return {"content": list(content)}


IMAGE = {"type": "image", "data": PIXEL, "mimeType": "image/png"}
AUDIO = {"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}
FIXED = {
    "test_simple_text": result(text("This is a simple text response for testing.")),
    "test_image_content": result(IMAGE),
    "test_audio_content": result(AUDIO),
    "test_embedded_resource": result(embedded("test://embedded-resource", "text/plain", "An embedded resource.")),
    "test_multiple_content_types": result(
        text("Several kinds of content:"), IMAGE, embedded("test://mixed-content-resource", "application/json", '{"value":1}')
    ),
    "test_error_handling": result(text("This tool intentionally returns an error for testing")) | {"isError": True},
}


# What a tool may ask of the client before it answers (SEP-2322).
def question(message: str, name: str, kind: str = "string") -> dict:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sampling(words: str) -> dict:
    return {"method": "sampling/createMessage", "params": {"messages": [{"role": "user", "content": text(words)}], "maxTokens": 100}}


NAME = {"user_name": question("What is your name?", "name")}
ROOTS = {"client_roots": {"method": "roots/list", "params": {}}}
CONFIRM = {"confirm": question("Please confirm", "ok", "boolean")}
# tool → what it asks in each round; whether a state goes with it
ROUNDS = {
    "test_input_required_result_elicitation": ([NAME], False),
    "test_input_required_result_sampling": ([{"capital_question": sampling("What is the capital of France?")}], False),
    "test_input_required_result_list_roots": ([ROOTS], False),
    "test_input_required_result_request_state": ([CONFIRM], True),
    "test_input_required_result_multiple_inputs": ([NAME | {"greeting": sampling("Generate a greeting")} | ROOTS], True),
    "test_input_required_result_multi_round": (
        [{"step1": question("Step 1: What is your name?", "name")}, {"step2": question("Step 2: What is your favorite color?", "color")}],
        True,
    ),
    "test_input_required_result_tampered_state": ([CONFIRM], True),
}


def sealed(name: str, number: int) -> str:
    tag = hmac.digest(key, f"{name} {number}".encode(), hashlib.sha256).hex()
    return f"{number}.{tag}"


def rounds(name: str, params: types.CallToolRequestParams) -> dict:
    """The next question, or the answer after the last one."""
    asked, has_state = ROUNDS[name]
    number = 0
    if (state := params.request_state) is not None:
        number = int(state.partition(".")[0])
        if not hmac.compare_digest(state, sealed(name, number)):
            raise MCPError(types.INVALID_PARAMS, "the state is not ours")
    answers = params.input_responses or {}
    if all(wanted in answers for wanted in asked[number]):
        number += 1
    if number == len(asked):
        return result(text(f"state-ok, {', '.join(answers)}"))
    return {"resultType": "input_required", "inputRequests": asked[number]} | ({"requestState": sealed(name, number)} if has_state else {})


def declared(ctx: object) -> dict:
    """The capabilities that this request says the client has."""
    return (ctx.meta or {}).get("io.modelcontextprotocol/clientCapabilities") or {}


async def progress(ctx: object, _params: object) -> dict:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(0.05)
    return result(text("progressed"))


async def needs_sampling(ctx: object, _params: object) -> dict:
    if "sampling" not in declared(ctx):
        raise MCPError(types.MISSING_REQUIRED_CLIENT_CAPABILITY, "sampling is needed", {"requiredCapabilities": {"sampling": {}}})
    return result(text("sampling is there"))


async def only_declared(ctx: object, params: types.CallToolRequestParams) -> dict:
    if params.input_responses:
        return result(text("thank you"))
    possible = {"elicitation": NAME, "sampling": {"capital_question": sampling("What is the capital of France?")}, "roots": ROOTS}
    asked = {name: asked for kind, questions in possible.items() if kind in declared(ctx) for name, asked in questions.items()}
    return {"resultType": "input_required", "inputRequests": asked} if asked else result(text("nobody to ask"))


async def streaming(_ctx: object, params: types.CallToolRequestParams) -> dict:
    return rounds("test_input_required_result_elicitation", params)


# Deprecated there and to be tested: nobody is told who did not ask.
async def logging(ctx: object, _params: object) -> dict:
    await ctx.session.send_log_message("info", "Tool execution started", related_request_id=ctx.request_id)
    return result(text("logged"))


async def tools_change(_ctx: object, _params: object) -> dict:
    await bus.publish(ToolsListChanged())
    return result(text("changed"))


async def prompts_change(_ctx: object, _params: object) -> dict:
    await bus.publish(PromptsListChanged())
    return result(text("changed"))


async def same(_ctx: object, params: types.CallToolRequestParams) -> dict:
    return result(text(json.dumps(params.arguments)))


ACTIVE = {
    "test_tool_with_progress": progress,
    "test_missing_capability": needs_sampling,
    "test_input_required_result_capabilities": only_declared,
    "test_streaming_elicitation": streaming,
    "test_logging_tool": logging,
    "test_trigger_tool_change": tools_change,
    "test_trigger_prompt_change": prompts_change,
    "test_custom_headers": same,
    "json_schema_2020_12_tool": same,
}
SCHEMAS = {
    "test_custom_headers": {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}},
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    },
}
TOOLS = [*FIXED, *ROUNDS, *ACTIVE]


def schema(name: str) -> dict:
    return SCHEMAS.get(name, {"type": "object"})


async def list_tools(_ctx: object, _params: object) -> dict:
    return {"tools": [{"name": name, "description": f"Tool {name}", "inputSchema": schema(name)} for name in TOOLS]}


async def call_tool(ctx: object, params: types.CallToolRequestParams) -> dict:
    name = params.name
    if name in FIXED:
        return FIXED[name]
    if name in ROUNDS:
        return rounds(name, params)
    if name in ACTIVE:
        return await ACTIVE[name](ctx, params)
    raise MCPError(types.INVALID_PARAMS, "unknown tool")


RESOURCES = {
    "test://static-text": {"mimeType": "text/plain", "text": "This is the content of the static text resource."},
    "test://static-binary": {"mimeType": "image/png", "blob": PIXEL},
}


async def list_resources(_ctx: object, _params: object) -> dict:
    return {"resources": [{"uri": uri, "name": uri, "mimeType": held["mimeType"]} for uri, held in RESOURCES.items()]}


async def list_templates(_ctx: object, _params: object) -> dict:
    return {"resourceTemplates": [{"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"}]}


async def read_resource(_ctx: object, params: types.ReadResourceRequestParams) -> dict:
    uri = str(params.uri)
    if uri in RESOURCES:
        return {"contents": [{"uri": uri, **RESOURCES[uri]}]}
    if not (match := re.fullmatch(r"test://template/([^/]+)/data", uri)):
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
    held = {"id": match[1], "templateTest": True, "data": f"Data for ID: {match[1]}"}
    return {"contents": [{"uri": uri, "mimeType": "application/json", "text": json.dumps(held)}]}


# prompt → its arguments
PROMPTS = {
    "test_simple_prompt": [],
    "test_prompt_with_arguments": ["arg1", "arg2"],
    "test_prompt_with_embedded_resource": ["resourceUri"],
    "test_prompt_with_image": [],
    "test_input_required_result_prompt": [],
}
CONTEXT = {"user_context": question("What context should the prompt use?", "context")}


async def list_prompts(_ctx: object, _params: object) -> dict:
    return {
        "prompts": [
            {"name": name, "description": f"Prompt {name}", "arguments": [{"name": one, "required": True} for one in needed]}
            for name, needed in PROMPTS.items()
        ]
    }


async def get_prompt(_ctx: object, params: types.GetPromptRequestParams) -> dict:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            content = [text("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            content = [text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")]
        case "test_prompt_with_embedded_resource":
            content = [embedded(given["resourceUri"], "text/plain", "Embedded."), text("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            content = [IMAGE, text("Please analyze the image above.")]
        case "test_input_required_result_prompt" if not params.input_responses:
            return {"resultType": "input_required", "inputRequests": CONTEXT}
        case "test_input_required_result_prompt":
            content = [text("With context.")]
        case _:
            raise MCPError(types.INVALID_PARAMS, "unknown prompt")
    return {"messages": [{"role": "user", "content": one} for one in content]}


async def complete(_ctx: object, _params: object) -> dict:
    return {"completion": {"values": [], "total": 0, "hasMore": False}}


def typed(model: type[types.Result], handler: Callable) -> Callable:
    """The handler, with what it says in JSON as the SDK wants it: the SDK adds what every result of this version has."""

    async def handle(ctx: object, params: object) -> types.Result:
        found = await handler(ctx, params)
        asks = found.get("resultType") == "input_required"
        return (types.InputRequiredResult if asks else model).model_validate(found)

    return handle


server = Server(
    "modern-fixture",
    version="1.0.0",
    get_tool_input_schema=schema,
    on_list_tools=typed(types.ListToolsResult, list_tools),
    on_call_tool=typed(types.CallToolResult, call_tool),
    on_list_resources=typed(types.ListResourcesResult, list_resources),
    on_list_resource_templates=typed(types.ListResourceTemplatesResult, list_templates),
    on_read_resource=typed(types.ReadResourceResult, read_resource),
    on_list_prompts=typed(types.ListPromptsResult, list_prompts),
    on_get_prompt=typed(types.GetPromptResult, get_prompt),
    on_completion=typed(types.CompleteResult, complete),
    on_subscriptions_listen=ListenHandler(bus),
)
uvicorn.run(server.streamable_http_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
