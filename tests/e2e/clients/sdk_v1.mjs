// Official TypeScript SDK v1. Usage: sdk_v1.mjs URL MESSAGE
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Login, connect, report } from './login.mjs';

const [url, message] = process.argv.slice(2);
const login = new Login();
const make = () => [
  new Client({ name: 'sdk-v1', version: '1' }),
  new StreamableHTTPClientTransport(new URL(url), { authProvider: login }),
];
const [client, transport] = await connect(login, make, (pending, callback) => pending.finishAuth(callback.get('code')));
await report(client, transport.protocolVersion, login, message);
