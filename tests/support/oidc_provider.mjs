// The npm package oidc-provider, a certified OpenID provider that nobody here wrote, as a second opinion beside fake_idp.py.
//
//   node oidc_provider.mjs [--certs DIR [--issuer https://oidc.idp.test]] [--log FILE]
//
// Prints {"port": PORT, "issuer": URL, "pid": PID}. Without --certs it is http://127.0.0.1:PORT; with it TLS, and the issuer is
// --issuer, which the program under test reaches by --resolve oidc.idp.test:443:127.0.0.1:PORT. Found in $NODE_PATH or
// $NPM_DIR/node_modules. In memory only. Every request is one JSON line in --log (method, path, names of form fields, status).
//
// Clients: public (PKCE, native: loopback redirect with any port), confidential (client_secret_basic, secret with characters that
// need RFC 6749 section 2.3.1), post (client_secret_post), device (device flow, public), service (client credentials). Dynamic
// registration is open at /reg. Scopes: openid offline_access email read write mcp. Access tokens live 60 s, refresh tokens rotate, and
// reuse of one revokes the grant. PKCE is required of everybody. Any https resource is an audience (RFC 8707).
//
// GET on an interaction signs ann@example.com in and consents at once; a browser sees redirects only. The device pages have two
// forms (confirm the code), then the same. GET /test/secrets: {"confidential", "post", "service"}; GET /test/whoami with a bearer
// token: 200 {"active", "client_id", "scope", "sub", "aud"}, or 401.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { randomBytes, generateKeyPairSync } from 'node:crypto';
import { readFileSync, appendFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';

function option(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

// Modules that are imported do not look at NODE_PATH; those that are required do.
const places = [process.env.NPM_DIR && path.join(process.env.NPM_DIR, 'node_modules'), ...(process.env.NODE_PATH || '').split(':')].filter(Boolean);
const found = createRequire(import.meta.url).resolve('oidc-provider', { paths: places.map((one) => path.dirname(one)) });
const library = await import(pathToFileURL(found));
const Provider = library.Provider || library.default;

const certs = option('--certs');
const log = option('--log');
const server = certs
  ? https.createServer({ cert: readFileSync(path.join(certs, 'server.pem')), key: readFileSync(path.join(certs, 'server.key')) })
  : http.createServer();
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const { port } = server.address();
const issuer = option('--issuer') || (certs ? 'https://oidc.idp.test' : `http://127.0.0.1:${port}`);

const secret = () => `a+b/c=%d&${randomBytes(24).toString('base64url')}`;
const secrets = { confidential: secret(), post: secret(), service: secret() };
const scope = 'openid offline_access email read write mcp';
const code = { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], scope };
const web = ['https://vault.test/v1/oauth/callback', 'https://vault.test/callback'];
const loopback = ['http://127.0.0.1/callback', 'http://127.0.0.1/v1/oauth/callback', 'http://[::1]/callback'];

const configuration = {
  clients: [
    { ...code, client_id: 'public', application_type: 'native', token_endpoint_auth_method: 'none', redirect_uris: loopback },
    { ...code, client_id: 'confidential', application_type: 'native', client_secret: secrets.confidential, token_endpoint_auth_method: 'client_secret_basic',
      redirect_uris: [...web, ...loopback] },
    { ...code, client_id: 'post', application_type: 'native', client_secret: secrets.post, token_endpoint_auth_method: 'client_secret_post',
      redirect_uris: [...web, ...loopback] },
    { client_id: 'device', application_type: 'native', token_endpoint_auth_method: 'none', redirect_uris: [], response_types: [], scope,
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'] },
    { client_id: 'service', client_secret: secrets.service, token_endpoint_auth_method: 'client_secret_basic', redirect_uris: [], response_types: [],
      grant_types: ['client_credentials'], scope: 'read write mcp' },
  ],
  jwks: { keys: [{ ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: 'test' }] },
  cookies: { keys: [randomBytes(24).toString('hex')] },
  scopes: scope.split(' '),
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id, email: id, email_verified: true }) }),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  pkce: { required: () => true },
  ttl: { AccessToken: 60, ClientCredentials: 60, AuthorizationCode: 60, IdToken: 300, RefreshToken: 3600, DeviceCode: 300, Interaction: 300, Session: 3600, Grant: 3600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: true, initialAccessToken: false },
    registrationManagement: { enabled: true },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: async (ctx, form) => { ctx.body = page('Code', `${form}<button type="submit" form="op.deviceInputForm">Continue</button>`); },
      userCodeConfirmSource: async (ctx, form) => {
        ctx.body = page('Confirm', `${form}<button type="submit" form="op.deviceConfirmForm">Continue</button>
<button type="submit" form="op.deviceConfirmForm" name="abort" value="yes">Cancel</button>`);
      },
      successSource: async (ctx) => { ctx.body = page('Done', '<p>The device may go on.'); },
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: async (ctx, client, oneOf) => oneOf,
      useGrantedResource: async () => true,
      getResourceServerInfo: async (ctx, resource) => ({ scope: 'read write mcp', audience: resource, accessTokenTTL: 60, accessTokenFormat: 'opaque' }),
    },
  },
};

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`;
}

const provider = new Provider(issuer, configuration);
provider.on('server_error', (ctx, error) => console.error(error));

async function interact(req, res) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (prompt.name === 'login') {
    await provider.interactionFinished(req, res, { login: { accountId: 'ann@example.com' } }, { mergeWithLastSubmission: false });
    return;
  }
  const grant = (grantId && await provider.Grant.find(grantId)) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [indicator, scopes] of Object.entries(missingResourceScopes || {})) grant.addResourceScope(indicator, scopes.join(' '));
  await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
}

async function whoami(req, res) {
  const [scheme, value] = (req.headers.authorization || '').split(' ');
  let token;
  if (/^bearer$/i.test(scheme) && value) token = await provider.AccessToken.find(value) || await provider.ClientCredentials.find(value);
  if (!token || token.isExpired) {
    res.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"', 'content-type': 'application/json' }).end('{"active":false}');
    return;
  }
  res.writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ active: true, client_id: token.clientId, scope: token.scope, sub: token.accountId, aud: token.aud }));
}

const serve = provider.callback();
server.on('request', (req, res) => {
  const [where] = req.url.split('?');
  if (log) {
    const parts = [];
    req.on('data', (part) => parts.push(part));
    res.on('close', () => {
      const names = /form-urlencoded/.test(req.headers['content-type'] || '') ? [...new URLSearchParams(Buffer.concat(parts).toString()).keys()] : [];
      appendFileSync(log, `${JSON.stringify({ method: req.method, path: where, fields: names, status: res.statusCode })}\n`);
    });
  }
  const failed = (error) => { console.error(error); if (!res.headersSent) res.writeHead(500).end('error'); };
  if (where.startsWith('/interaction/')) interact(req, res).catch(failed);
  else if (where === '/test/whoami') whoami(req, res).catch(failed);
  else if (where === '/test/secrets') res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(secrets));
  else serve(req, res);
});
console.log(JSON.stringify({ port, issuer, pid: process.pid }));
