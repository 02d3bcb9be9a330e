// Official TypeScript SDK v1 over HTTP+SSE. Usage: sse_v1.mjs URL MESSAGE sse|both
// both: like clients that do not know what they talk to, first over Streamable HTTP, and when that is refused over HTTP+SSE.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Login, connect, report } from './login.mjs';

const [url, message, mode] = process.argv.slice(2);
const login = new Login();
const over = (Transport) => connect(
  login,
  () => [new Client({ name: 'sdk-v1', version: '1' }), new Transport(new URL(url), { authProvider: login })],
  (pending, callback) => pending.finishAuth(callback.get('code')),
);

async function connected() {
  if (mode === 'both') {
    try {
      return await over(StreamableHTTPClientTransport);
    } catch (error) {
      // 404 where nothing stands before a server that has never heard of it
      if (![404, 405].includes(error.code)) throw error;
    }
  }
  return over(SSEClientTransport);
}

const [client, transport] = await connected();
await report(client, transport._protocolVersion, login, message);
