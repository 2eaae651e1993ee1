// Every call to the server, by name. Answers are JSON; an error is an ApiError with the server's own
// message and help.

export class ApiError extends Error {
  constructor(status, body, retryAfter) {
    super(body.message || body.error || `the server answered ${status}`);
    this.status = status;
    this.code = body.error || '';
    this.help = body.help || '';
    this.retryAfter = retryAfter;
  }
}

let onSignedOut = () => {};
export const whenSignedOut = (f) => { onSignedOut = f; };

async function call(method, path, { query, body, signal, vault, quiet } = {}) {
  const url = new URL('/v1' + path, location.origin);
  for (const [k, v] of Object.entries(query || {})) {
    if (v !== undefined && v !== null && v !== '') url.searchParams.set(k, v);
  }
  const headers = { Accept: 'application/json', 'X-Agent-Vault': '1' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (vault !== undefined) headers['X-Vault'] = vault;
  let reply;
  try {
    reply = await fetch(url, {
      method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer',
    });
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new ApiError(0, { error: 'unreachable', message: 'agent-vault does not answer',
      help: 'is `agent-vault serve` (or the run that gave you this link) still running?' });
  }
  let data = {};
  try { data = await reply.json(); } catch (e) { if (e.name === 'AbortError') throw e; }
  if (!reply.ok) {
    const error = new ApiError(reply.status, data || {}, Number(reply.headers.get('Retry-After')) || 0);
    if (reply.status === 401 && !quiet) onSignedOut();
    throw error;
  }
  return data;
}

const get = (path, options) => call('GET', path, options);
const post = (path, body = {}, options) => call('POST', path, { body, ...options });
const del = (path, body, options) => call('DELETE', path, { body, ...options });
const at = encodeURIComponent;
const of = (v) => '/vaults/' + at(v);
// A list under its name, or the reply itself where the server sends it bare.
const rows = (reply, ...names) => {
  if (Array.isArray(reply)) return reply;
  for (const n of names) if (Array.isArray(reply[n])) return reply[n];
  return [];
};

// ---- who is there
export const status = () => get('/status', { quiet: true });
export const me = () => get('/auth/me', { quiet: true });
export const login = (email, password) =>
  post('/auth/login', { email, password, device_label: 'browser' }, { quiet: true });
export const register = (email, password, setup_code) =>
  post('/auth/register', { email, password, setup_code, device_label: 'browser' }, { quiet: true });
export const logout = () => post('/auth/logout');
export const confirmPassword = (password) => post('/auth/reauthenticate', { password }, { quiet: true });
export const changePassword = (current_password, new_password) =>
  post('/auth/change-password', { current_password, new_password }, { quiet: true });
export const mySessions = async () => rows(await get('/auth/sessions'), 'sessions');
export const endMySession = (id) => del('/auth/sessions/' + at(id));
export const inviteDetails = (token) => get(`/users/invites/${at(token)}/details`, { quiet: true });
export const acceptInvite = (token, password) =>
  post(`/users/invites/${at(token)}/accept`, password ? { password } : {}, { quiet: true });

// ---- vaults
export const vaults = async (o) => rows(await get('/vaults', o), 'vaults');
export const createVault = (name) => post('/vaults', { name });
export const deleteVault = (v) => del(of(v));
export const renameVault = (v, name) => post(of(v) + '/rename', { name });
export const joinVault = (v) => post(of(v) + '/join');
export const leaveVault = (v) => post(of(v) + '/leave');
export const vaultSettings = (v) => get(of(v) + '/settings');
export const setVaultSettings = (v, s) => call('PATCH', of(v) + '/settings', { body: s });
export const members = async (v) => rows(await get(of(v) + '/members'), 'members', 'users');
export const addMember = (v, email, role) => post(of(v) + '/members', { email, role });
export const removeMember = (v, email) => del(`${of(v)}/members/${at(email)}`);

// ---- credentials
export const credentials = async (v) => {
  const r = await get('/credentials', { query: { vault: v } });
  return r.credentials || (r.keys || []).map((key) => ({ key, type: 'static' }));
};
export const reveal = async (v, key) => {
  const r = await get('/credentials', { query: { vault: v, reveal: 'true', key } });
  const c = (r.credentials || []).find((x) => x.key === key) || {};
  return c.value ?? (c.value_base64 ? `base64:${c.value_base64}` : '');
};
export const setCredential = (v, key, value) => post('/credentials', { vault: v, credentials: { [key]: value } });
export const deleteCredential = (v, key) => del('/credentials', { vault: v, keys: [key] });

// ---- external stores
export const storeKinds = async () => rows(await get('/store-kinds'), 'kinds');
export const stores = async (v) => rows(await get(of(v) + '/stores'), 'stores');
const store = (v, name) => `${of(v)}/stores/${at(name)}`;
export const showStore = (v, name) => get(store(v, name));
export const pairStore = (v, body) => post(of(v) + '/stores', body);   // {store, detail}
export const testStore = (v, name, signal) => post(store(v, name) + '/test', undefined, { signal });   // {ok, checks}
export const browseStore = (v, name, reference, signal) => post(store(v, name) + '/browse', { reference }, { signal });   // {items, more}
export const readStore = async (v, name, key) => {
  const r = await post(store(v, name) + '/read', { key });
  return r.value ?? (r.value_base64 ? `base64:${r.value_base64}` : '');
};
export const unpairStore = (v, name) => del(store(v, name), { remove_references: true });
export const mappings = async (v) => rows(await get(of(v) + '/mappings'), 'mappings');
export const mapHost = (v, body) => post(of(v) + '/mappings', body);
export const unmapHost = (v, host, name) => call('DELETE', `${of(v)}/mappings/${at(host)}`, { query: { store: name } });
export const setSource = (v, key, reference, name) => post('/credentials/source', { vault: v, key, reference, ...(name ? { store: name } : {}) });

// ---- OAuth
export const oauthProviders = () => get('/oauth/providers');   // {providers, redirect_uri}
export const oauthConnect = (v, body) => post('/credentials/oauth/connect', { vault: v, ...body });
export const oauthTokens = (v, body) => post('/credentials/oauth/tokens', { vault: v, ...body });
export const oauthStatus = (v, key, signal) => get('/credentials/oauth/status', { query: { vault: v, key }, signal });
export const oauthRefresh = (v, key) => post('/credentials/oauth/refresh', { vault: v, key });
export const oauthDisconnect = (v, key) => post('/credentials/oauth/disconnect', { vault: v, key });
export const oauthAttempt = (id, signal) => get('/oauth/attempts/' + at(id), { signal, quiet: true });
export const confirmElsewhere = () => post('/auth/oidc/reauthenticate', undefined);

// ---- services
export const services = async (v) => rows(await get(of(v) + '/services'), 'services');
export const putServices = (v, services) => post(of(v) + '/services', { services });
export const enableService = (v, name, enabled) => call('PATCH', `${of(v)}/services/${at(name)}`, { body: { enabled } });
export const deleteService = (v, name) => del(`${of(v)}/services/${at(name)}`);
export const catalog = async () => rows(await get('/service-catalog'), 'services', 'presets', 'catalog');
export const seenHosts = async (v) => rows(await get(of(v) + '/discovered-hosts', { query: { limit: 8 } }), 'hosts');

// ---- rules
export const rules = (v) => get(of(v) + '/rules');   // {rules, remarks}
export const putRules = (v, rules) => post(of(v) + '/rules', { rules });
export const enableRule = (v, name, enabled) => call('PATCH', `${of(v)}/rules/${at(name)}`, { body: { enabled } });
export const deleteRule = (v, name) => del(`${of(v)}/rules/${at(name)}`);
export const testRule = (v, question, signal) => post(of(v) + '/rules/test', question, { signal });

// ---- held requests
export const approvals = async (v, signal) => rows(await get(of(v) + '/approvals', { signal }), 'approvals');
// Comes back when something else than `exclude` waits, or after 30 s.
export const pendingApprovals = (v, exclude, signal) =>
  get('/approvals/pending', { query: { exclude: exclude.join(',') }, vault: v, signal });
export const decide = (v, id, decision, grant = {}) =>
  post(`/approvals/${at(id)}/decision`, { decision, ...grant }, { vault: v });

// What a person has allowed for more than one request, as long as it holds.
export const grants = async (v, signal) => rows(await get(of(v) + '/grants', { signal }), 'grants');
export const revokeGrant = (v, id) => del(`${of(v)}/grants/${at(id)}`);

// ---- proposals
export const proposals = async (v, state) =>
  rows(await get('/admin/proposals', { query: { vault: v, status: state } }), 'proposals', 'items');
export const proposal = (v, id) => get(`/admin/proposals/${at(id)}`, { query: { vault: v } });
export const proposalDiff = (v, id, narrow, signal) =>
  (narrow ? post(`/admin/proposals/${at(id)}/diff`, { vault: v, narrow }, { signal }) : get(`/admin/proposals/${at(id)}/diff`, { query: { vault: v }, signal }));
export const approveDetails = (id, token) =>
  get('/proposals/approve-details', { query: { id, token }, quiet: true });
// `fingerprint`: of the diff that the person has seen, so that nothing else can be allowed by it.
export const approveProposal = (v, id, credentials, narrow, fingerprint) =>
  post(`/admin/proposals/${at(id)}/approve`, { vault: v, credentials, ...(narrow ? { narrow } : {}), ...(fingerprint ? { fingerprint } : {}) });
export const rejectProposal = (v, id, reason) => post(`/admin/proposals/${at(id)}/reject`, { vault: v, reason });

// ---- agents and tokens
export const agents = async () => rows(await get('/agents'), 'agents');
export const createAgent = (body) => post('/agents', body);
export const rotateAgent = (name) => post(`/agents/${at(name)}/rotate`);
export const revokeAgent = (name) => del(`/agents/${at(name)}`);
export const deleteAgent = (name) => post(`/agents/${at(name)}/delete`);
export const vaultAgents = async (v) => rows(await get(of(v) + '/agents'), 'agents');
export const addVaultAgent = (v, name) => post(of(v) + '/agents', { name, role: 'proxy' });
export const removeVaultAgent = (v, name) => del(`${of(v)}/agents/${at(name)}`);
export const sessions = async (v) => rows(await get('/sessions', { query: { vault: v } }), 'sessions');
export const createSession = (v, ttl_seconds, label) => post('/sessions', { vault: v, ttl_seconds, label });
export const endSession = (v, id) => call('DELETE', '/sessions/' + at(id), { query: { vault: v } });

// ---- what happened
export const logs = (v, query, signal) => get(of(v) + '/logs', { query, signal });
export const activity = async (v, minutes, signal) =>
  rows(await get(of(v) + '/activity', { query: { minutes }, signal }), 'buckets');

// ---- the instance
export const users = async () => rows(await get('/users'), 'users');
export const setUserRole = (email, role) => post(`/admin/users/${at(email)}/role`, { role });
export const enableUser = (email, on) => post(`/admin/users/${at(email)}/${on ? 'enable' : 'disable'}`);
export const deleteUser = (email) => del(`/admin/users/${at(email)}`);
export const invites = async () => rows(await get('/users/invites'), 'invites');
export const invite = (email, role, vaults) => post('/users/invites', { email, role, vaults });
export const reinvite = (id) => post(`/users/invites/${at(id)}/reinvite`);
export const revokeInvite = (id) => del(`/users/invites/${at(id)}`);
export const instanceSettings = () => get('/admin/settings');
export const setInstanceSettings = (s) => call('PUT', '/admin/settings', { body: s });
