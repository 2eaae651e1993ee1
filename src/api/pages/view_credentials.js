// The credentials of a vault: names always, a value only to who shows again that it is them.

import { h, fill, code } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, badge, empty, time, copyButton, notice } from './ui.js';
import { formDialog, confirm } from './dialog.js';
import { text, secret } from './form.js';
import { serviceKeys } from './words.js';
import { list } from './text.js';

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
  page(place, 'Credentials', { vault, lead: 'The proxy puts them into requests. Agents never see a value.', actions: mayWrite ? button('Set a credential', () => set(), { kind: 'primary' }) : null });
  const body = h('div', { class: 'steady' });
  place.append(body);

  const fetch = () => load(body, async () => {
    const [creds, services] = await Promise.all([api.credentials(vault), api.services(vault)]);
    if (signal.aborted) return;
    const users = (key) => services.filter((s) => serviceKeys(s).includes(key)).map((s) => s.name || s.host);
    if (!creds.length) return void fill(body, empty('No credential yet', 'Set one here, or without it ever being on a command line:', `agent-vault vault credential set --vault ${vault} STRIPE_KEY`));
    fill(body, table('Credentials', [
      { name: 'Key', kind: 'main', cell: (c) => [code(c.key), c.type === 'oauth' ? [' ', badge('OAuth', 'info')] : null] },
      { name: 'Used by', cell: (c) => { const u = users(c.key); return u.length ? u.map((n, i) => [i ? ', ' : null, code(n)]) : h('span', { class: 'dim' }, 'no service'); } },
      { name: 'Changed', cell: (c) => (c.updated_at || c.created_at ? time(c.updated_at || c.created_at) : h('span', { class: 'dim' }, '\u2014')) },
      { name: 'Value', cell: (c) => (mayWrite ? value(c, vault, signal) : h('span', { class: 'dots' }, '\u2022'.repeat(8))) },
      { name: 'Actions', kind: 'acts', cell: (c) => (mayWrite ? [c.type === 'oauth' ? null : button('Replace', () => set(c.key), { small: true, kind: 'quiet', name: `Replace ${c.key}` }),
        button('Delete', () => confirm(`Delete ${c.key}?`, users(c.key).length ? [h('p', null, 'These services use it and will stop working: ', list(users(c.key)), '.')] : h('p', null, 'No service uses it. Its value is gone for good.'),
          { submit: 'Delete', typed: users(c.key).length ? c.key : null, onsubmit: async () => { await api.deleteCredential(vault, c.key); notice([code(c.key), ' is deleted.']); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Delete ${c.key}` })] : null) },
    ], creds));
  });
  await fetch();
}

function value(c, vault, signal) {
  const holder = h('span', { class: 'value' });
  const hide = () => fill(holder, h('span', { class: 'dots', 'aria-label': 'hidden' }, '\u2022'.repeat(8)), c.type === 'oauth' ? null : button('Reveal', ask, { small: true, kind: 'quiet', name: `Reveal ${c.key}` }));
  const ask = async () => {
    await formDialog(`Reveal ${c.key}`, [secret({ name: 'password', label: 'Your password', required: true, autocomplete: 'current-password' })], { submit: 'Reveal', lead: `It is shown for ${kShownFor} seconds, and the log says that you looked.`,
      onsubmit: async (v) => {
        await api.confirmPassword(v.password);
        shown(await api.reveal(vault, c.key));
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
