// The identity provider of the tests: oidc-provider, a certified implementation, with everything an MCP client asks for
// (discovery, dynamic registration, PKCE, resource indicators) and no page between the browser and its answer.
//
// Env: PORT. Access tokens are JWTs whose `aud` is the resource that was asked for. They are signed with RS256 unless the
// path of the resource names another algorithm: /ps256, /es256, /eddsa. Tokens for /opaque are opaque, and the provider answers
// questions about them (RFC 7662). Whoever asks for a token with a DPoP proof gets one that is bound to its key (RFC 9449).
// The client svc/svc-secret gets tokens by client_credentials; a person who logs in is who `login_hint` says, or alice.
import { json } from 'node:stream/consumers';
import { Provider } from 'oidc-provider';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';

const port = Number(process.env.PORT);
const issuer = `http://127.0.0.1:${port}`;
const resourceScopes = ['mcp:tools', 'mcp:read', 'mcp:delete'];

async function signingKey(algorithm) {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = await exportJWK(privateKey);
  // The RSA key says no algorithm: it signs RS256 and PS256 alike, as many providers' keys do.
  const alg = jwk.kty === 'RSA' ? {} : { alg: algorithm };
  return { ...jwk, ...alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

function algorithmOf(resource) {
  const last = new URL(resource).pathname.split('/').pop();
  return { ps256: 'PS256', es256: 'ES256', eddsa: 'EdDSA' }[last] ?? 'RS256';
}

const provider = new Provider(issuer, {
  jwks: { keys: await Promise.all(['RS256', 'ES256', 'EdDSA'].map(signingKey)) },
  cookies: { keys: ['only for tests'] },
  scopes: ['openid', 'offline_access', ...resourceScopes],
  clients: [
    { client_id: 'svc', client_secret: 'svc-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
  ],
  // Whether they ask for offline_access or not, as many providers do.
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 300, ClientCredentials: 900, AuthorizationCode: 60, Grant: 900, IdToken: 300, Interaction: 300, RefreshToken: 900, Session: 900 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // Nobody gets a token for a resource they did not name: a client that leaves it out must fail here.
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, resource) => ({
        scope: resourceScopes.join(' '),
        audience: resource,
        accessTokenFormat: resource.endsWith('/opaque') ? 'opaque' : 'jwt',
        jwt: { sign: { alg: algorithmOf(resource) } },
      }),
    },
  },
});

// The person behind the browser: logs in and agrees to whatever is asked.
async function answer(ctx) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
  if (prompt.name === 'login') return { login: { accountId: params.login_hint ?? 'alice' } };
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope = [], missingOIDCClaims = [], missingResourceScopes = {} } = prompt.details;
  grant.addOIDCScope(missingOIDCScope.join(' '));
  grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes)) grant.addResourceScope(resource, scopes.join(' '));
  return { consent: { grantId: await grant.save() } };
}

// Scopes that a client registers with would bind it, and it could never ask for more (invalid_scope): the SDKs register with those of
// the first challenge. Here a client may ask for what the resource has.
provider.use(async (ctx, next) => {
  if (ctx.path === '/reg' && ctx.method === 'POST') {
    const { scope: _, ...registration } = await json(ctx.req);
    ctx.req.body = registration;
  }
  return next();
});

provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const result = await answer(ctx);
  ctx.respond = false;
  return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true });
});

provider.on('server_error', (_ctx, error) => console.error('server_error', error));
for (const event of ['authorization.error', 'grant.error', 'registration_create.error']) {
  provider.on(event, (_ctx, error) => console.error(event, error.error, error.error_description, error.error_detail));
}
provider.listen(port, '127.0.0.1');
