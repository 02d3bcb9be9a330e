// Official TypeScript SDK v1 in a trial of trials.mjs. Usage: trial_v1.mjs URL TRIAL
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { run } from './trials.mjs';

await run({
  client: () => new Client({ name: 'sdk-v1', version: '1' }),
  transport: (url, options) => new StreamableHTTPClientTransport(new URL(url), options),
  finish: (transport, callback) => transport.finishAuth(callback.get('code')),
  version: (_client, transport) => transport.protocolVersion,
  status: (error) => error.code,
  toolsChanged: ToolListChangedNotificationSchema,
  call: (client, name, options) => client.callTool({ name, arguments: {} }, undefined, options),
});
