// What a TypeScript client meets behind a policy. Each trial tells what it saw as one JSON line; policy.py says what that has to be.
import { setTimeout as pause } from 'node:timers/promises';
import { Login, connect } from './login.mjs';

const [url, trial] = process.argv.slice(2);

// An application: a client with its login, which finishes a login that an operation began, and tries again.
class Application {
  constructor(sdk, options) {
    this.sdk = sdk;
    this.login = new Login(options);
  }

  async connect(sessionId) {
    const make = () => [this.sdk.client(), this.sdk.transport(url, { authProvider: this.login, sessionId })];
    [this.client, this.transport] = await connect(this.login, make, this.sdk.finish);
    this.login.callback = undefined;
    return this;
  }

  async attempt(work) {
    try {
      return await work();
    } catch (error) {
      const { callback } = this.login;
      if (!callback) throw error;
      this.login.callback = undefined;
      await this.sdk.finish(this.transport, callback);
      return work();
    }
  }

  // The text that a tool answers with, or the status it is refused with.
  async call(name, options) {
    try {
      const { content } = await this.attempt(() => this.sdk.call(this.client, name, options));
      return content[0].text;
    } catch (error) {
      const status = this.sdk.status(error);
      if (status === undefined) throw error;
      return status;
    }
  }

  // The names of all tools. SDK v2 walks the pages itself.
  async list() {
    const names = [];
    let cursor;
    do {
      const { tools, nextCursor } = await this.client.listTools(cursor === undefined ? undefined : { cursor });
      names.push(...tools.map((tool) => tool.name));
      cursor = nextCursor;
    } while (cursor !== undefined);
    return names;
  }
}

const trials = {
  // A tool needs a scope that the caller has not got: 403, a login for all scopes, the call again.
  async 'step-up'(sdk, options) {
    const application = await new Application(sdk, options).connect();
    const { login } = application;
    const before = await application.list();
    const greeting = await application.call('greeting');
    const atFirst = login.asked.length;
    const deleted = await application.call('delete_x');
    const after = await application.list();
    const secret = await application.call('secret_a');
    return { before, greeting, atFirst, deleted, after, secret, asked: login.asked };
  },

  // The same, with a client that holds a refresh token or does not.
  'step-up without refresh': (sdk) => trials['step-up'](sdk, { refresh: false }),

  // Some things need no login; the first that does brings one.
  async open(sdk) {
    const stranger = new Application(sdk);
    stranger.client = sdk.client();
    await stranger.client.connect(sdk.transport(url));
    const nobody = { list: await stranger.list(), greeting: await stranger.call('greeting'), whoami: await stranger.call('whoami').catch((error) => error.name) };
    await stranger.client.close();

    const application = await new Application(sdk).connect();
    const list = await application.list();
    const greeting = await application.call('greeting');
    // Before anything protected is called; what the client does by itself in the background has had its time.
    await pause(300);
    const byItself = application.login.asked.length;
    const whoami = JSON.parse(await application.call('whoami'));
    return { nobody, list, greeting, byItself, whoami, after: await application.list(), asked: application.login.asked };
  },

  // On the second path of the same route nothing is without a login.
  async 'login path'(sdk) {
    const application = await new Application(sdk).connect();
    const atFirst = application.login.asked.length;
    const whoami = JSON.parse(await application.call('whoami'));
    return { atFirst, whoami, resource: application.login.seen?.resource, asked: application.login.asked };
  },

  // A session belongs to who began it: across connections, not to anybody else, and not after its end.
  async session(sdk) {
    const alice = await new Application(sdk).connect();
    const id = alice.transport.sessionId;
    const version = sdk.version(alice.client, alice.transport);
    const called = await alice.call('test_simple_text');
    const resumed = await alice.call('test_reconnection');

    async function again(application, session) {
      application.client = sdk.client();
      application.transport = sdk.transport(url, { authProvider: application.login, sessionId: session });
      await application.client.connect(application.transport);
      application.transport.setProtocolVersion(version);
      return application.call('test_simple_text');
    }
    // The same program after a restart, with another token; then another program of the same person.
    const later = new Application(sdk);
    later.login.information = alice.login.information;
    const reconnected = await again(later, id);
    const elsewhere = await again(new Application(sdk), id);
    const bob = await again(new Application(sdk, { person: 'bob' }), id);
    const forged = await again(later, `${id.slice(0, 4)}${id[4] === 'A' ? 'B' : 'A'}${id.slice(5)}`);
    const bare = await again(later, id.slice(id.indexOf('.') + 1));
    await alice.transport.terminateSession();
    const ended = await again(later, id);
    return { id, called, resumed, reconnected, elsewhere, bob, forged, bare, ended };
  },

  // One answer that stays open, and brings what happens meanwhile.
  async listen(sdk) {
    const application = await new Application(sdk).connect();
    const { client } = application;
    let heard;
    const event = new Promise((resolve) => { heard = resolve; });
    client.setNotificationHandler(sdk.toolsChanged, () => heard('heard'));
    const subscription = await client.listen({ toolsListChanged: true });
    // Long enough for the gateway to judge the stream again.
    await pause(6000);
    const changed = await application.call('change');
    const told = await Promise.race([event, pause(5000, 'nothing', { ref: false })]);
    const state = await Promise.race([subscription.closed, pause(100, 'open')]);
    await subscription.close();
    return { honored: subscription.honoredFilter, changed, told, state, version: sdk.version(client) };
  },
};

export async function run(sdk) {
  console.log(JSON.stringify(await trials[trial](sdk)));
  // Streams of earlier clients may still be open.
  process.exit(0);
}
