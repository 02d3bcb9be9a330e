// Official TypeScript SDK v2 in a trial of trials.mjs. Usage: trial_v2.mjs URL TRIAL auto|legacy|2026-07-28
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { run } from './trials.mjs';

const era = process.argv[4];
const mode = era.startsWith('20') ? { pin: era } : era;

await run({
  client: () => new Client({ name: 'sdk-v2', version: '1' }, { versionNegotiation: { mode } }),
  transport: (url, options) => new StreamableHTTPClientTransport(new URL(url), options),
  finish: (transport, callback) => transport.finishAuth(callback),
  version: (client) => client.getNegotiatedProtocolVersion(),
  status: (error) => error.status ?? error.code,
  toolsChanged: 'notifications/tools/list_changed',
  call: (client, name, options) => client.callTool({ name, arguments: {} }, options),
});
