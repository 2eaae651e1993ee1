// The credentials of a vault: names always, a value only to who shows again that it is them.

import { h, fill, code, said } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, empty, errorBox, time, copyButton, notice } from './ui.js';
import { formDialog, confirm, open } from './dialog.js';
import { text, secret } from './form.js';
import { serviceKeys } from './words.js';
import { list } from './text.js';
import { connectDialog, expiry, goAndWait, pasteDialog, stateBadge } from './oauth.js';
import { session } from './shell.js';
import { sourceDialog, staleBadge } from './store_form.js';

const kShownFor = 30;

export async function show({ place, vault, role, signal }) {
  const mayWrite = role !== 'proxy';
  const set = (key = '') => formDialog(key ? `New value for ${key}` : 'Set a credential', [
    key ? null : text({ name: 'key', label: 'Key', required: true, mono: true, placeholder: 'STRIPE_KEY', hint: 'Upper case, digits and _.' }),
    secret({ name: 'value', label: 'Value', required: true, hint: 'Sealed when it arrives. Several lines (PEM) are kept as they are.' }),
  ].filter(Boolean), { submit: 'Save', onsubmit: async (v) => {
    const name = key || v.key.toUpperCase();
    if (!v.value) throw Object.assign(new Error('the value is empty'), { help: 'paste it, or cancel' });
    await api.setCredential(vault, name, v.value);
    notice([code(name), ' is set. Running proxies use it within a second.']);
    await fetch();
  } });
  let stores = [];
  const fromStore = (before = {}) => sourceDialog(vault, stores, before, fetch);
  const source = button('From a store', () => fromStore(), { name: 'Keep a credential in an external store', hidden: true });
  page(place, 'Credentials', { vault, lead: 'The proxy puts them into requests. Agents never see a value.', actions: mayWrite ? [button('Connect', () => connectDialog(vault, '', fetch), { name: 'Connect with a provider' }), button('Paste tokens', () => pasteDialog(vault, '', fetch)), role === 'admin' ? source : null, button('Set a credential', () => set(), { kind: 'primary' })] : null });
  const body = h('div', { class: 'steady' });
  place.append(body);

  const fetch = () => load(body, async () => {
    const [creds, services, paired] = await Promise.all([api.credentials(vault), api.services(vault), mayWrite ? api.stores(vault).catch(() => []) : []]);
    if (signal.aborted) return;
    stores = paired;
    source.hidden = !stores.length;
    const users = (key) => services.filter((s) => serviceKeys(s).includes(key)).map((s) => s.name || s.host);
    if (!creds.length) return void fill(body, empty('No credential yet', 'Set one here, or without it ever being on a command line:', `agent-vault vault credential set --vault ${vault} STRIPE_KEY`));
    fill(body, table('Credentials', [
      { name: 'Key', kind: 'main', cell: (c) => [code(c.key), c.type === 'oauth' ? [' ', stateBadge(c), h('div', { class: 'dim small' }, expiry(c))] : null, c.store ? h('div', { class: 'small' }, h('span', { class: 'dim' }, 'kept in '), h('a', { href: `/vaults/${encodeURIComponent(vault)}/stores` }, said(c.store)), h('div', { class: 'dim reference' }, code(c.reference)), staleBadge(c.missing_since)) : null] },
      { name: 'Used by', cell: (c) => { const u = users(c.key); return u.length ? u.map((n, i) => [i ? ', ' : null, code(n)]) : h('span', { class: 'dim' }, 'no service'); } },
      { name: 'Changed', cell: (c) => (c.updated_at || c.created_at ? time(c.updated_at || c.created_at) : h('span', { class: 'dim' }, '\u2014')) },
      { name: 'Value', cell: (c) => (mayWrite ? value(c, vault, signal) : h('span', { class: 'dots' }, '\u2022'.repeat(8))) },
      { name: 'Actions', kind: 'acts', cell: (c) => (mayWrite ? [c.type === 'oauth' ? oauthActions(c, vault, fetch) : c.type === 'external' ? (role === 'admin' ? button('Change', () => fromStore({ fixed: true, key: c.key, reference: c.reference, store: c.store }), { small: true, kind: 'quiet', name: `Change where ${c.key} is kept` }) : null) : button('Replace', () => set(c.key), { small: true, kind: 'quiet', name: `Replace ${c.key}` }),
        c.type === 'oauth' ? null : button('Delete', () => confirm(`Delete ${c.key}?`, users(c.key).length ? [h('p', null, 'These services use it and will stop working: ', list(users(c.key)), '.')] : h('p', null, c.type === 'external' ? 'No service uses it. Its value stays in the store.' : 'No service uses it. Its value is gone for good.'),
          { submit: 'Delete', typed: users(c.key).length ? c.key : null, onsubmit: async () => { await api.deleteCredential(vault, c.key); notice([code(c.key), ' is deleted.']); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Delete ${c.key}` })] : null) },
    ], creds));
  });
  await fetch();
}

function oauthActions(c, vault, fetch) {
  const small = { small: true, kind: 'quiet' };
  return [
    button('Refresh', async () => { await api.oauthRefresh(vault, c.key); notice([code(c.key), ' has a new token.']); await fetch(); }, { ...small, name: `Refresh ${c.key}` }),
    button('Reconnect', () => connectDialog(vault, c.key, fetch), { ...small, name: `Reconnect ${c.key}` }),
    button('Disconnect', () => confirm(`Disconnect ${c.key}?`, h('p', null, 'Its tokens are given back to the provider, and it is gone from the vault.'), { submit: 'Disconnect', onsubmit: async () => {
      const done = await api.oauthDisconnect(vault, c.key);
      notice([code(c.key), ` is gone; revocation: ${done.revocation}.`]);
      await fetch();
    } }), { small: true, kind: 'quiet danger', name: `Disconnect ${c.key}` }),
  ];
}

// Of where it is kept.
const valueOf = (c, vault) => (c.type === 'external' ? api.readStore(vault, c.store, c.key) : api.reveal(vault, c.key));

// Who has no password shows the provider again who they are.
async function revealElsewhere(c, vault, shown) {
  const begun = await api.confirmElsewhere();
  const left = new AbortController();
  const place = h('div');
  const box = open(`Reveal ${c.key}`, place, { onclose: () => left.abort() });
  try {
    const outcome = await goAndWait(place, { url: begun.authorization_url, attempt: begun.attempt, why: h('p', null, `You have no password here: show again who you are. The value is then shown for ${kShownFor} seconds, and the log says that you looked.`) }, left.signal);
    if (outcome.state !== 'done') throw Object.assign(new Error(outcome.message || 'it did not work'), { help: 'an owner can set a password for you: agent-vault user set-password EMAIL' });
    const text = await valueOf(c, vault);
    box.close();
    shown(text);
  } catch (e) { if (e.name !== 'AbortError') fill(place, errorBox(e)); }
}

function value(c, vault, signal) {
  const holder = h('span', { class: 'value' });
  const hide = () => fill(holder, h('span', { class: 'dots', 'aria-label': 'hidden' }, '\u2022'.repeat(8)), c.type === 'oauth' ? null : button('Reveal', ask, { small: true, kind: 'quiet', name: `Reveal ${c.key}` }));
  const ask = async () => {
    if (session.user?.has_password === false) return void await revealElsewhere(c, vault, (text) => shown(text));
    await formDialog(`Reveal ${c.key}`, [secret({ name: 'password', label: 'Your password', required: true, autocomplete: 'current-password' })], { submit: 'Reveal', lead: `It is shown for ${kShownFor} seconds, and the log says that you looked.`,
      onsubmit: async (v) => {
        await api.confirmPassword(v.password);
        shown(await valueOf(c, vault));
      } });
    holder.querySelector('button')?.focus();
  };
  const shown = (text) => {
    const left = h('span', { class: 'dim small' });
    const out = h('span', { class: 'revealed' }, code(text));
    fill(holder, out, copyButton(text, `Copy ${c.key}`), button('Hide', () => end(), { small: true, kind: 'quiet', name: `Hide ${c.key}` }), left);
    let seconds = kShownFor;
    const tick = () => { fill(left, `${seconds} s`); if (seconds-- <= 0) end(); };
    const timer = setInterval(tick, 1000);
    const end = () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', away);
      const focused = holder.contains(document.activeElement);
      hide();
      if (focused) holder.querySelector('button')?.focus();
    };
    const away = () => { if (document.hidden) end(); };
    document.addEventListener('visibilitychange', away);
    signal.addEventListener('abort', end, { once: true });
    tick();
  };
  hide();
  return holder;
}
