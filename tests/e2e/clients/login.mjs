// The person and the browser of a TypeScript client: both SDK generations drive their login through an object like this.

// Never listened on: the browser stops when it is sent here and reads the code off the address.
const callback = 'http://127.0.0.1/callback';

function answer(parameters) {
  if (parameters.has('error')) throw new Error(`the provider refused: ${parameters}`);
  return parameters;
}

// Follows an authorization request through the provider's redirects, keeping cookies, up to the client's callback.
async function browse(start) {
  const cookies = new Map();
  let at = String(start);
  for (let hop = 0; hop < 20; hop++) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const response = await fetch(at, { redirect: 'manual', headers: { cookie }, signal: AbortSignal.timeout(10_000) });
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(';');
      const equals = pair.indexOf('=');
      cookies.set(pair.slice(0, equals), pair.slice(equals + 1));
    }
    const location = response.headers.get('location');
    if (!location) throw new Error(`the login stopped at ${at} with ${response.status}: ${await response.text()}`);
    at = new URL(location, at).href;
    if (at.startsWith(callback)) return answer(new URL(at).searchParams);
  }
  throw new Error(`the login never came back, last seen at ${at}`);
}

// An OAuthClientProvider of either SDK, for a person who is alice or says who else. `seen` is what the last authorization request asked
// for, `asked` the scopes of each. With `refresh` off the client wants no refresh token.
export class Login {
  asked = [];
  redirectUrl = callback;
  clientMetadata = {
    client_name: 'portcullis e2e',
    redirect_uris: [callback],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };

  constructor({ person = 'alice', refresh = true } = {}) {
    this.person = person;
    if (!refresh) this.clientMetadata.grant_types = ['authorization_code'];
  }

  clientInformation() { return this.information; }
  saveClientInformation(information) { this.information = information; }
  tokens() { return this.saved; }
  saveTokens(tokens) { this.saved = tokens; }
  codeVerifier() { return this.verifier; }
  saveCodeVerifier(verifier) { this.verifier = verifier; }
  discoveryState() { return this.discovery; }
  saveDiscoveryState(state) { this.discovery = state; }

  async redirectToAuthorization(url) {
    const { resource, scope, code_challenge_method: pkce } = Object.fromEntries(url.searchParams);
    this.seen = { issuer: url.origin, resource, scope, pkce };
    this.asked.push(scope);
    // What the person types where the provider asks for a name.
    url.searchParams.set('login_hint', this.person);
    this.callback = await browse(url);
  }
}

// Connects, logging in when asked to. `make` gives a fresh [client, transport]; `finish` redeems the callback's code.
export async function connect(login, make, finish) {
  const [client, transport] = make();
  try {
    await client.connect(transport);
    return [client, transport];
  } catch (error) {
    if (!login.callback) throw error;
    await finish(transport, login.callback);
  }
  const [again, logged] = make();
  await again.connect(logged);
  return [again, logged];
}

// Calls what the servers of the matrix offer and prints one JSON line for the harness.
export async function report(client, protocol, login, message) {
  const { tools } = await client.listTools();
  const call = async (name, args) => (await client.callTool({ name, arguments: args })).content[0].text;
  const whoami = tools.some((tool) => tool.name === 'whoami') ? JSON.parse(await call('whoami', {})) : null;
  const echo = await call('echo', { message });
  await client.close();
  console.log(JSON.stringify({ protocol, tools: tools.length, echo, whoami, login: login.seen ?? null }));
}
