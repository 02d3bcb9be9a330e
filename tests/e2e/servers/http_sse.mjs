// An MCP server over HTTP+SSE of 2024-11-05, on the SDK v1, below a path of its own, that names the address of messages by an absolute URL
// as servers do that know what they are called. Env: PORT; serves /deep/er/sse on loopback.
import { createServer } from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';

const origin = `http://127.0.0.1:${process.env.PORT}`;
const open = new Map();

function told({ headers }) {
  const names = Object.keys(headers).filter((name) => name.startsWith('x-auth-'));
  const identity = Object.fromEntries(names.map((name) => [name, headers[name]]));
  return { ...identity, authorization: headers.authorization ? 'present' : 'absent' };
}

function server() {
  const made = new Server({ name: 'http-sse', version: '1' }, { capabilities: { tools: {} } });
  const inputSchema = { type: 'object', properties: { message: { type: 'string' } } };
  const tools = ['echo', 'whoami'].map((name) => ({ name, inputSchema }));
  made.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  made.setRequestHandler(CallToolRequestSchema, ({ params }, { requestInfo }) => {
    const text = params.name === 'echo' ? params.arguments.message : JSON.stringify(told(requestInfo));
    return { content: [{ type: 'text', text }] };
  });
  return made;
}

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, origin);
  if (request.method === 'GET' && pathname === '/deep/er/sse') {
    const write = response.write.bind(response);
    response.write = (chunk, ...rest) => write(String(chunk).replace('event: endpoint\ndata: /', `event: endpoint\ndata: ${origin}/`), ...rest);
    const transport = new SSEServerTransport('/deep/messages', response);
    open.set(transport.sessionId, transport);
    response.on('close', () => open.delete(transport.sessionId));
    await server().connect(transport);
  } else if (request.method === 'POST' && pathname === '/deep/messages' && open.has(searchParams.get('sessionId'))) {
    await open.get(searchParams.get('sessionId')).handlePostMessage(request, response);
  } else {
    response.writeHead(404).end('Session not found');
  }
}).listen(Number(process.env.PORT), '127.0.0.1');
