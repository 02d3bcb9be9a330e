// A client whose token is bound to a key of its own (RFC 9449): it asks the provider for one, and the gateway for `initialize`, each
// time with another proof. Prints for each case what came and what was to come.
//
// Usage: node bound.mjs ISSUER RESOURCE
import { createHash, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

const [issuer, resource] = process.argv.slice(2);
const own = await generateKeyPair('ES256', { extractable: true });
const foreign = await generateKeyPair('ES256', { extractable: true });
const hash = (text) => createHash('sha256').update(text).digest('base64url');

async function proof(claims, { keys = own, alg = 'ES256', iat } = {}) {
  const jwk = await exportJWK(keys.publicKey);
  return new SignJWT({ jti: randomUUID(), ...claims })
    .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk })
    .setIssuedAt(iat)
    .sign(keys.privateKey);
}

async function token() {
  const endpoint = `${issuer}/token`;
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa('svc:svc-secret')}`,
      dpop: await proof({ htm: 'POST', htu: endpoint }),
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'mcp:tools', resource }),
  });
  const { access_token, token_type } = await answer.json();
  if (token_type !== 'DPoP') throw new Error(`${answer.status}: the token is of type ${token_type}`);
  return access_token;
}

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'bound', version: '1' } },
};

async function ask(authorization, dpop) {
  const answer = await fetch(resource, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      authorization,
      ...(dpop && { dpop }),
    },
    body: JSON.stringify(initialize),
  });
  return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '', body: (await answer.text()).slice(0, 300) };
}

const bound = await token();
const good = { htm: 'POST', htu: resource, ath: hash(bound) };
const once = await proof(good);
const told = {};

async function check(name, expected, words, authorization, dpop) {
  told[`DPoP, ${name}`] = { ...(await ask(authorization, dpop)), expected, words };
}

const invalid = ['error="invalid_dpop_proof"'];
await check('a proof of its key', 200, [], `DPoP ${bound}`, once);
await check('the same proof again', 401, invalid, `DPoP ${bound}`, once);
await check('another proof', 200, [], `DPoP ${bound}`, await proof(good));
await check('for another URL', 401, invalid, `DPoP ${bound}`, await proof({ ...good, htu: `${resource}/x` }));
await check('for another method', 401, invalid, `DPoP ${bound}`, await proof({ ...good, htm: 'GET' }));
await check('for another token', 401, invalid, `DPoP ${bound}`, await proof({ ...good, ath: hash('x') }));
await check('of another key', 401, [], `DPoP ${bound}`, await proof(good, { keys: foreign }));
await check('of yesterday', 401, invalid, `DPoP ${bound}`, await proof(good, { iat: Math.floor(Date.now() / 1000) - 86400 }));
await check('without a proof', 401, [], `DPoP ${bound}`);
await check('as a bearer token', 401, [], `Bearer ${bound}`);
console.log(JSON.stringify(told));
