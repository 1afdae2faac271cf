// The OpenID Provider of the tests: panva's certified oidc-provider with a sign-in page and a few control addresses.
// usage: node op.mjs CONFIG.json   (written by ../oidc.go, which documents it)
import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { Provider } from 'oidc-provider';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const users = config.users;
const userOf = (sub) => Object.values(users).find((u) => u.sub === sub);

// Keys live in a file: a provider that comes back after an outage signs with the keys it had.
function signingKeys() {
  const make = (type, options, alg) => ({
    ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID(),
  });
  // One RSA key without alg serves RS256 and PS256 (Entra ID publishes its keys so too).
  return [make('rsa', { modulusLength: 2048 }), make('ec', { namedCurve: 'P-256' }, 'ES256'), make('ec', { namedCurve: 'P-384' }, 'ES384')];
}
const state = existsSync(config.state_file) ? JSON.parse(readFileSync(config.state_file, 'utf8'))
  : { keys: signingKeys(), cookieKey: randomBytes(32).toString('hex') };
const save = () => writeFileSync(config.state_file, JSON.stringify(state), { mode: 0o600 });
save();

const html = (title, body) => `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>${title}</title><main><h1>${title}</h1>${body}</main></html>`;

function newProvider() {
  const provider = new Provider(config.issuer, {
    clients: config.clients,
    jwks: { keys: state.keys },
    cookies: { keys: [state.cookieKey] },
    scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'],
    // Groups come without a scope of their own, as at Entra ID; and in the ID token, as everywhere but in the strict reading.
    claims: {
      openid: ['sub', 'groups'], groups: ['groups'], email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
    },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    // offline_access is dropped by the library unless prompt=consent; Entra ID and Okta don't ask for that.
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384'], userinfoSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384'] },
    ttl: {
      AccessToken: 300, AuthorizationCode: 60, Grant: 86400, IdToken: 300, Interaction: 600, RefreshToken: 86400, Session: 86400,
    },
    // The library's dispatcher refuses loopback addresses, and a client's back-channel logout is on one here.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: true },
      jwtUserinfo: { enabled: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource: confirmLogout },
    },
    async findAccount(_ctx, sub) {
      const user = userOf(sub);
      if (!user || user.disabled) return undefined;
      return { accountId: sub, claims: async () => ({ sub, ...user.claims }) };
    },
    loadExistingGrant: grantWhatIsAsked,
  });
  for (const event of ['authorization.error', 'grant.error', 'userinfo.error', 'end_session.error', 'backchannel.error', 'server_error']) {
    provider.on(event, (_ctx, err) => console.log(event, err?.message, err?.error_description ?? '', err?.cause?.message ?? ''));
  }
  return provider;
}

// A company's own applications show no consent page.
async function grantWhatIsAsked(ctx) {
  const { provider, client, session, result } = ctx.oidc;
  const id = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const grant = (id && await provider.Grant.find(id))
    || new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(ctx.oidc.params.scope ?? 'openid');
  await grant.save();
  return grant;
}

// Signing out asks nothing: the page sends its own form; the button is for clients without script.
function confirmLogout(ctx, form) {
  ctx.body = html('Signing out', `${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>
<script>document.querySelector('button').click()</script>`);
}

async function readForm(req) {
  let body = '';
  for await (const chunk of req) body += chunk;
  return new URLSearchParams(body);
}

async function interact(req, res) {
  const { prompt, params } = await provider.interactionDetails(req, res);
  if (prompt.name === 'consent') {
    return provider.interactionFinished(req, res, { consent: {} }, { mergeWithLastSubmission: true });
  }
  const form = req.method === 'POST' ? await readForm(req) : new URLSearchParams();
  if (form.has('cancel')) {
    return provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'The person cancelled' });
  }
  const shortcut = /^auto:(.+)$/.exec(params.login_hint ?? '')?.[1];
  const name = shortcut ?? form.get('username');
  const user = Object.hasOwn(users, name ?? '') ? users[name] : undefined;
  if (user && !user.disabled && (shortcut || form.get('password') === user.password)) {
    return provider.interactionFinished(req, res, { login: { accountId: user.sub, amr: ['pwd'] } }, { mergeWithLastSubmission: false });
  }
  const refused = name ? '<p role="alert">Wrong user name or password</p>' : '';
  res.setHeader('content-type', 'text/html; charset=utf-8').end(html('Corporate sign-in', `${refused}<form method="post">
<p><label>User name <input name="username" autocomplete="username"></label>
<p><label>Password <input name="password" type="password" autocomplete="current-password"></label>
<p><button id="sign-in">Sign in</button> <button id="cancel" name="cancel" value="1">Cancel</button></form>`));
}

// What a test may do to the provider; see the methods of OP in ../oidc.go.
const controls = {
  rotate(form) {
    state.keys = [...signingKeys(), ...(form.get('keep') === 'true' ? state.keys : [])];
    save();
    start();
  },
  user(form) {
    const { claims, ...rest } = JSON.parse(form.get('patch'));
    const user = users[form.get('name')];
    Object.assign(user, rest);
    Object.assign(user.claims, claims);
  },
  async logout(form) { // a logout token with sub alone, as an administrator's "sign out everywhere" sends
    const { sub } = users[form.get('name')];
    const clients = await Promise.all(config.clients.map((c) => provider.Client.find(c.client_id)));
    await Promise.all(clients.filter((c) => c.backchannelLogoutUri).map((c) => c.backchannelLogout(sub)));
  },
};

let provider;
let callback;
function start() {
  provider = newProvider();
  callback = provider.callback();
}
start();

async function handle(req, res) {
  const { pathname } = new URL(req.url, config.issuer);
  const control = /^\/control\/(\w+)$/.exec(pathname)?.[1];
  if (control && req.method === 'POST') {
    await controls[control](await readForm(req));
    return res.end('done\n');
  }
  return pathname.startsWith('/interaction/') ? interact(req, res) : callback(req, res);
}

createServer((req, res) => handle(req, res).catch((err) => {
  console.log(err);
  res.statusCode = 500;
  res.end(`${err.message}\n`);
})).listen(config.port, '127.0.0.1');
