// Preload (`node --import`): adds a bearer token to every request a program sends to one origin, however it sends it.
// The conformance suites have no option for a credential. Env: BEARER_TOKEN, BEARER_ORIGIN (http://127.0.0.1:PORT).
import { subscribe } from 'node:diagnostics_channel';

const { origin, hostname } = new URL(process.env.BEARER_ORIGIN);
const value = `Bearer ${process.env.BEARER_TOKEN}`;

// fetch, and undici installed as a package
subscribe('undici:request:create', ({ request }) => {
  if (String(request.origin) === origin) request.addHeader('authorization', value);
});
// node:http, where a request does not know its port; the suites talk to nobody else on this address
subscribe('http.client.request.created', ({ request }) => {
  if (request.host === hostname) request.setHeader('authorization', value);
});
