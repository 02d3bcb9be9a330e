// Official TypeScript SDK v2, which speaks both protocol eras. Usage: sdk_v2.mjs URL MESSAGE auto|legacy|2026-07-28
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Login, connect, report } from './login.mjs';

const [url, message, era] = process.argv.slice(2);
const login = new Login();
const mode = era.startsWith('20') ? { pin: era } : era;
const make = () => [
  new Client({ name: 'sdk-v2', version: '1' }, { versionNegotiation: { mode } }),
  new StreamableHTTPClientTransport(new URL(url), { authProvider: login }),
];
const [client] = await connect(login, make, (pending, callback) => pending.finishAuth(callback));
await report(client, client.getNegotiatedProtocolVersion(), login, message);
