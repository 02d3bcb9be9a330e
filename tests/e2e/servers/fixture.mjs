// The server that the official conformance suites test: it has the tools, resources and prompts their scenarios ask for,
// over Streamable HTTP with sessions, server-sent requests and replay. Env: PORT; serves /mcp on loopback.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as mcp from '@modelcontextprotocol/sdk/types.js';

// One red pixel, and a sound of no length.
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const silence = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=';

const text = (words) => ({ type: 'text', text: words });
const image = { type: 'image', data: pixel, mimeType: 'image/png' };
const audio = { type: 'audio', data: silence, mimeType: 'audio/wav' };
const embedded = (uri, mimeType, words) => ({ type: 'resource', resource: { uri, mimeType, text: words } });
const result = (...content) => ({ content });

const object = (properties = {}, required = []) => ({ type: 'object', properties, ...(required.length ? { required } : {}) });
const string = (description) => ({ type: 'string', ...(description ? { description } : {}) });
const options = ['option1', 'option2', 'option3'];
const titled = (...titles) => titles.map((title, index) => ({ const: `value${index + 1}`, title }));

// Asks the client's user, and says what came back.
async function elicit(exchange, message, requestedSchema) {
  const params = { mode: 'form', message, requestedSchema };
  const answer = await exchange.sendRequest({ method: 'elicitation/create', params }, mcp.ElicitResultSchema);
  return result(text(`elicitation completed: action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`));
}

// name → what it takes and what it does
const tools = {
  test_simple_text: [object(), () => result(text('This is a simple text response for testing.'))],
  test_image_content: [object(), () => result(image)],
  test_audio_content: [object(), () => result(audio)],
  test_embedded_resource: [object(), () => result(embedded('test://embedded-resource', 'text/plain', 'An embedded resource.'))],
  test_multiple_content_types: [object(), () => result(
    text('Several kinds of content:'), image, embedded('test://mixed-content-resource', 'application/json', '{"value":1}'),
  )],
  test_tool_with_logging: [object(), async (_input, exchange) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      await exchange.sendNotification({ method: 'notifications/message', params: { level: 'info', data } });
      await pause(50);
    }
    return result(text('logged'));
  }],
  test_tool_with_progress: [object(), async (_input, exchange) => {
    const progressToken = exchange._meta?.progressToken;
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      await exchange.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
      await pause(50);
    }
    return result(text('progressed'));
  }],
  test_error_handling: [object(), () => ({ isError: true, ...result(text('This tool intentionally returns an error for testing')) })],
  test_sampling: [object({ prompt: string() }, ['prompt']), async ({ prompt }, exchange) => {
    const params = { messages: [{ role: 'user', content: text(prompt) }], maxTokens: 100 };
    const answer = await exchange.sendRequest({ method: 'sampling/createMessage', params }, mcp.CreateMessageResultSchema);
    return result(text(`LLM response: ${answer.content.text}`));
  }],
  test_elicitation: [object({ message: string() }, ['message']), ({ message }, exchange) => elicit(exchange, message,
    object({ username: string("User's response"), email: string("User's email address") }, ['username', 'email']))],
  test_elicitation_sep1034_defaults: [object(), (_input, exchange) => elicit(exchange, 'Are these right?', object({
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  }))],
  test_elicitation_sep1330_enums: [object(), (_input, exchange) => elicit(exchange, 'Which ones?', object({
    untitledSingle: { type: 'string', enum: options },
    titledSingle: { type: 'string', oneOf: titled('First Option', 'Second Option', 'Third Option') },
    legacyEnum: { type: 'string', enum: options, enumNames: ['Option One', 'Option Two', 'Option Three'] },
    untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
    titledMulti: { type: 'array', items: { anyOf: titled('First Choice', 'Second Choice', 'Third Choice') } },
  }))],
  json_schema_2020_12_tool: [{
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $defs: { address: { $anchor: 'addressDef', ...object({ street: string(), city: string() }) } },
    ...object({
      name: string(),
      address: { $ref: '#/$defs/address' },
      contactMethod: { type: 'string', enum: ['phone', 'email'] },
      phone: string(),
      email: string(),
    }),
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
    then: { required: ['phone'] },
    else: { required: ['email'] },
    additionalProperties: false,
  }, (input) => result(text(JSON.stringify(input)))],
  // Ends the event stream under way; the client comes back for the answer with Last-Event-ID.
  test_reconnection: [object(), async (_input, exchange) => {
    exchange.closeSSEStream?.();
    await pause(100);
    return result(text('The answer came after a reconnection.'));
  }],
};

const resources = {
  'test://static-text': { mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { mimeType: 'image/png', blob: pixel },
  'test://watched-resource': { mimeType: 'text/plain', text: 'Watched.' },
};
const template = /^test:\/\/template\/([^/]+)\/data$/;

// name → its arguments and the messages it makes
const prompts = {
  test_simple_prompt: [[], () => [text('This is a simple prompt for testing.')]],
  test_prompt_with_arguments: [['arg1', 'arg2'], ({ arg1, arg2 }) => [text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)]],
  test_prompt_with_embedded_resource: [['resourceUri'], ({ resourceUri }) => [
    embedded(resourceUri, 'text/plain', 'Embedded.'), text('Please process the embedded resource above.'),
  ]],
  test_prompt_with_image: [[], () => [image, text('Please analyze the image above.')]],
};

const invalid = (message, data) => new mcp.McpError(mcp.ErrorCode.InvalidParams, message, data);

function read(uri) {
  if (resources[uri]) return { contents: [{ uri, ...resources[uri] }] };
  const [, id] = template.exec(uri) ?? [];
  if (!id) throw invalid('Resource not found', { uri });
  return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }] };
}

// What answers each request. One server per session: the SDK ties a server to one transport.
const handlers = [
  [mcp.ListToolsRequestSchema, () => ({
    tools: Object.entries(tools).map(([name, [inputSchema]]) => ({ name, description: `Tool ${name}`, inputSchema })),
  })],
  [mcp.CallToolRequestSchema, ({ params: { name, arguments: input = {} } }, exchange) => {
    if (!tools[name]) throw invalid('unknown tool');
    return tools[name][1](input, exchange);
  }],
  [mcp.ListResourcesRequestSchema, () => ({
    resources: Object.entries(resources).map(([uri, { mimeType }]) => ({ uri, mimeType, name: uri, description: `Resource ${uri}` })),
  })],
  [mcp.ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: 'test://template/{id}/data', name: 'template', description: 'Any id', mimeType: 'application/json' }],
  })],
  [mcp.ReadResourceRequestSchema, ({ params: { uri } }) => read(uri)],
  [mcp.ListPromptsRequestSchema, () => ({
    prompts: Object.entries(prompts).map(([name, [inputs]]) => ({
      name, description: `Prompt ${name}`, arguments: inputs.map((input) => ({ name: input, description: input, required: true })),
    })),
  })],
  [mcp.GetPromptRequestSchema, ({ params: { name, arguments: input = {} } }) => {
    if (!prompts[name]) throw invalid('unknown prompt');
    return { messages: prompts[name][1](input).map((content) => ({ role: 'user', content })) };
  }],
  [mcp.CompleteRequestSchema, () => ({ completion: { values: [], total: 0, hasMore: false } })],
  [mcp.SubscribeRequestSchema, () => ({})],
  [mcp.UnsubscribeRequestSchema, () => ({})],
  [mcp.SetLevelRequestSchema, () => ({})],
];

function server() {
  const changing = { listChanged: true };
  const capabilities = { tools: changing, prompts: changing, resources: { subscribe: true, ...changing }, logging: {}, completions: {} };
  const made = new Server({ name: 'conformance-fixture', version: '1.0.0' }, { capabilities });
  for (const [schema, handler] of handlers) made.setRequestHandler(schema, handler);
  return made;
}

// The events of one session, for clients that come back with Last-Event-ID.
class Events {
  all = [];

  async storeEvent(stream, message) {
    const id = `${stream}_${this.all.length}`;
    this.all.push({ id, stream, message });
    return id;
  }

  async getStreamIdForEventId(id) {
    return this.all.find((event) => event.id === id)?.stream;
  }

  async replayEventsAfter(last, { send }) {
    const seen = this.all.findIndex((event) => event.id === last);
    const { stream } = this.all[seen];
    for (const event of this.all.slice(seen + 1)) {
      // The empty event that only opens a stream holds no message.
      if (event.stream === stream && event.message.jsonrpc) await send(event.id, event.message);
    }
    return stream;
  }
}

const sessions = new Map();

async function session() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new Events(),
    retryInterval: 500,
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  await server().connect(transport);
  return transport;
}

const refuse = (response, status, code, message) => response.status(status).json({ jsonrpc: '2.0', error: { code, message }, id: null });

const app = createMcpExpressApp({ host: '127.0.0.1' });
app.all('/mcp', async (request, response) => {
  const id = request.headers['mcp-session-id'];
  if (id && !sessions.has(id)) return refuse(response, 404, -32001, 'Session not found');
  if (!id && !mcp.isInitializeRequest(request.body)) return refuse(response, 400, -32000, 'No session');
  const transport = id ? sessions.get(id) : await session();
  return transport.handleRequest(request, response, request.body);
});
app.listen(Number(process.env.PORT), '127.0.0.1');
