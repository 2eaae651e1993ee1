// Connecting a credential with a provider of tokens, pasting tokens, and waiting for what becomes of
// a way through another tab.

import { h, fill, code, outLink } from './dom.js';
import * as api from './api.js';
import { badge, box, button, errorBox, notice, time } from './ui.js';
import { open, formDialog } from './dialog.js';
import { check, form, secret, select, text } from './form.js';
import { pause } from './router.js';

const kPoll = 1500;

const hostOf = (url) => { try { return new URL(url).host; } catch { return String(url); } };

// Shows where to go, and waits until the other tab has come back. Resolves to the attempt's outcome.
export function goAndWait(place, { url, attempt, why = null }, signal) {
  const link = h('a', { class: 'btn primary', href: url, target: '_blank', rel: 'noopener noreferrer' }, `Continue at ${hostOf(url)}`);
  const line = h('p', { class: 'dim', role: 'status' }, 'It opens in a new tab. This one waits for it.');
  fill(place, why, h('p', null, link), line);
  link.focus();
  link.addEventListener('click', () => fill(line, 'Waiting for the other tab\u2026'));
  return (async () => {
    while (await pause(kPoll, signal)) {
      let state;
      try { state = await api.oauthAttempt(attempt, signal); } catch (e) {
        if (e.name === 'AbortError' || e.status === 401 || e.status === 404) throw e;
        continue;
      }
      if (state.state !== 'pending') return state;
    }
    throw Object.assign(new Error('left'), { name: 'AbortError' });
  })();
}

function failure(outcome) {
  return Object.assign(new Error(outcome.message || 'it did not work'), { help: 'begin again, or look at what is registered with the provider' });
}

// The application's fields, for a provider of the catalogue or one by its URLs.
function clientFields({ providers, redirect, status = null }) {
  const known = [['', 'Another, by its addresses'], ...providers.map((p) => [p.id, p.title])];
  const before = status?.provider && providers.some((p) => p.id === status.provider) ? status.provider : '';
  const f = {
    provider: select({ name: 'provider', label: 'Provider', options: known, value: status ? before : providers[0]?.id ?? '' }),
    auth: text({ name: 'authorization_url', label: 'Address where people sign in', type: 'url', mono: true, value: status?.authorization_url ?? '' }),
    token: text({ name: 'token_url', label: 'Address where tokens are had', type: 'url', mono: true, value: status?.token_url ?? '' }),
    id: text({ name: 'client_id', label: 'Client ID', required: true, mono: true, value: status?.client_id ?? '' }),
    secret: secret({ name: 'client_secret', label: 'Client secret', hint: status ? 'Empty: the one that is stored, if the address and the client stay the same.' : 'Empty when the application has none.' }),
    scopes: text({ name: 'scopes', label: 'Scopes', mono: true, optional: true, value: (status?.scopes ?? []).join(' '), hint: 'With blanks between.' }),
  };
  const about = h('div', { class: 'prose' });
  const hints = h('div', { class: 'chips' });
  const paint = () => {
    const p = providers.find((x) => x.id === f.provider.get());
    f.auth.node.hidden = f.token.node.hidden = !!p;
    f.auth.input.required = f.token.input.required = !p;
    fill(about, h('p', { class: 'small' }, p ? ['Register an application: ', outLink(p.register_url), '. '] : null,
      'Its redirect address: ', code(redirect), '.'), p?.note ? h('p', { class: 'dim small' }, p.note) : null);
    fill(hints, (p?.scopes ?? []).map((s) => button(s.scope, () => {
      const now = f.scopes.get().split(/[\s,]+/).filter(Boolean);
      f.scopes.set((now.includes(s.scope) ? now.filter((x) => x !== s.scope) : [...now, s.scope]).join(' '));
    }, { small: true, kind: 'quiet', title: s.meaning, name: `Scope ${s.scope}: ${s.meaning}` })));
  };
  f.provider.input.addEventListener('change', paint);
  paint();
  const body = (v) => (v.provider ? { provider: v.provider } : { authorization_url: v.authorization_url, token_url: v.token_url });
  return { list: [f.provider, about, f.auth, f.token, f.id, f.secret, f.scopes, hints], secret: f.secret,
    get: (v) => ({ ...body(v), client_id: v.client_id, ...(v.client_secret ? { client_secret: v.client_secret } : {}), ...(v.scopes.trim() ? { scopes: v.scopes } : {}) }) };
}

// A dialog: which provider, then the other tab. `key` empty: it is asked for.
export async function connectDialog(vault, key, done) {
  const [{ providers, redirect_uri: redirect }, status] = await Promise.all([api.oauthProviders(), key ? api.oauthStatus(vault, key).catch(() => null) : null]);
  const client = clientFields({ providers, redirect, status: status?.token_url ? status : null });
  const name = key ? null : text({ name: 'key', label: 'Key', required: true, mono: true, placeholder: 'GITHUB_TOKEN', hint: 'Upper case, digits and _.' });
  const left = new AbortController();
  const place = h('div');
  const box1 = open(key ? `Connect ${key}` : 'Connect a credential', place, { wide: true, onclose: () => left.abort() });
  const fields = [name, ...client.list].filter(Boolean);
  fill(place, form(fields, { submit: 'Connect', cancel: () => box1.close(), onsubmit: async (v) => {
    const which = key || v.key.toUpperCase();
    const begun = await api.oauthConnect(vault, { key: which, ...client.get(v) });
    client.secret.clear();
    wait(which, begun);
  } }));
  place.querySelector('input, select')?.focus();
  async function wait(which, begun) {
    try {
      const outcome = await goAndWait(place, { url: begun.authorization_url, attempt: begun.attempt, why: h('p', null, 'Sign in there and allow access; ', code(which), ' is stored when you come back.') }, left.signal);
      if (outcome.state !== 'done') throw failure(outcome);
      box1.close();
      notice([code(which), ' is connected.']);
      await done();
    } catch (e) { if (e.name !== 'AbortError') fill(place, errorBox(e), h('p', null, button('Close', () => box1.close()))); }
  }
}

export async function pasteDialog(vault, key, done) {
  const [{ providers, redirect_uri: redirect }, status] = await Promise.all([api.oauthProviders(), key ? api.oauthStatus(vault, key).catch(() => null) : null]);
  const name = key ? null : text({ name: 'key', label: 'Key', required: true, mono: true, placeholder: 'GITHUB_TOKEN' });
  const renews = check({ name: 'renews', label: 'I have a refresh token', value: true, hint: 'It is tried at once. Most providers then replace it: whoever had it before has a void one.' });
  const access = secret({ name: 'access_token', label: 'Access token' });
  const refresh = secret({ name: 'refresh_token', label: 'Refresh token' });
  const client = clientFields({ providers, redirect, status: status?.token_url ? status : null });
  const more = h('div', null, refresh.node, client.list.map((f) => (f instanceof Node ? f : f.node)));
  const paint = () => {
    more.hidden = !renews.get();
    access.node.hidden = renews.get();
    client.list.find((f) => f.name === 'client_id').input.required = renews.get();
    for (const f of client.list) if (f.input && !renews.get()) f.input.required = false;
  };
  renews.input.addEventListener('change', paint);
  paint();
  const all = [name, renews, access, more].filter(Boolean);
  await formDialog(key ? `Paste tokens of ${key}` : 'Paste tokens', all, { submit: 'Store', wide: true, onsubmit: async () => {
    const v = Object.fromEntries([name, renews, access, refresh, ...client.list].filter((f) => f && f.get && f.name).map((f) => [f.name, f.get()]));
    const which = key || v.key.toUpperCase();
    const { authorization_url: unused, ...rest } = client.get(v);
    await api.oauthTokens(vault, { key: which, ...(v.renews ? { refresh_token: v.refresh_token, ...rest } : { access_token: v.access_token }) });
    notice([code(which), ' is stored.']);
    await done();
  } });
}

export function stateBadge(c) {
  if (c.oauth_state === 'reconnect') return badge('connect again', 'danger');
  return badge('OAuth', 'info');
}

export const expiry = (c) => (c.token_expires_at ? ['token ends ', time(c.token_expires_at)] : 'token without a known end');

// The part of a proposal's slot that connects it. `onchange()`: it is connected now.
export function connectSlot(vault, proposal, c, { connected, onchange }) {
  const place = h('div', { class: 'oauth-slot' });
  const left = new AbortController();
  const good = () => fill(place, box('ok', h('p', { class: 'strong' }, 'Connected.'), h('p', null, 'It is stored when you allow this.')));
  if (connected) { good(); return place; }
  const id = text({ name: 'client_id', label: 'Client ID', mono: true, value: c.oauth.client_id || '', required: true });
  const key = secret({ name: 'client_secret', label: 'Client secret', hint: `Goes to ${hostOf(c.oauth.token_url)}. Empty when the application has none.` });
  const refresh = secret({ name: 'refresh_token', label: 'Refresh token', hint: 'It is tried at once.' });
  const trouble = h('div');
  const fail = (e) => { if (e.name !== 'AbortError') { const b = errorBox(e); b.tabIndex = -1; fill(trouble, b); b.focus(); } };
  const words = () => ({ key: c.key, proposal, client_id: id.get(), ...(key.get() ? { client_secret: key.get() } : {}) });
  const connect = async () => {
    fill(trouble);
    try {
      const begun = await api.oauthConnect(vault, words());
      key.clear();
      const outcome = await goAndWait(place, { url: begun.authorization_url, attempt: begun.attempt }, left.signal);
      if (outcome.state !== 'done') throw failure(outcome);
      good();
      onchange();
    } catch (e) { paint(); fail(e); }
  };
  const paste = async () => {
    fill(trouble);
    try {
      await api.oauthTokens(vault, { ...words(), refresh_token: refresh.get() });
      key.clear();
      refresh.clear();
      good();
      onchange();
    } catch (e) { fail(e); }
  };
  const paint = () => fill(place, h('div', { class: 'grid3' }, id.node, key.node, c.oauth.authorization_url ? null : refresh.node), trouble,
    h('p', null, c.oauth.authorization_url ? button('Connect', connect, { name: `Connect ${c.key}` }) : button('Check and keep', paste, { name: `Check and keep ${c.key}` })));
  // Inside the form that allows: a line's end must not.
  place.addEventListener('keydown', (e) => { if (e.key === 'Enter' && e.target.localName === 'input') e.preventDefault(); });
  paint();
  return place;
}
