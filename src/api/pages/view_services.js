// Which requests get which credential.

import { h, fill, code } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, badge, empty, time, notice, section, toggle, chips } from './ui.js';
import { confirm, open } from './dialog.js';
import { text } from './form.js';
import { serviceDialog } from './service_form.js';
import { authWords, serviceKeys } from './words.js';
import { count } from './text.js';

// A preset is a ready service, or the flat row of the older catalogs.
function presetService(p) {
  if (p.services?.length) return p.services[0];
  if (p.service) return p.service;
  const key = p.suggested_credential_key;
  const type = p.auth_type || p.auth?.type || 'bearer';
  const auth = p.auth || { bearer: { type, token: key }, basic: { type, username: key }, 'api-key': { type, key, ...(p.header ? { header: p.header } : {}), ...(p.prefix ? { prefix: p.prefix } : {}) }, custom: { type, headers: p.headers || {} }, passthrough: { type } }[type];
  return { name: p.id || p.name, host: p.host, auth, ...(p.substitutions ? { substitutions: p.substitutions } : {}) };
}

async function pick(vault, done) {
  const presets = (await api.catalog()).map((p) => ({ title: p.title || p.name || p.id, obtain: p.obtain, text: p.description || '', service: presetService(p) }));
  const find = text({ name: 'find', label: 'Find', placeholder: 'github, stripe, openai\u2026' });
  const grid = h('ul', { class: 'presets' });
  const choose = (p) => { box.close(); serviceDialog(vault, { ...p.service }, { fresh: true, done }); };
  const paint = () => {
    const q = find.get().toLowerCase();
    const hits = presets.filter((p) => (p.title + p.service.host + p.service.name).toLowerCase().includes(q));
    fill(grid, hits.map((p) => h('li', null, h('button', { type: 'button', class: 'preset', onclick: () => choose(p) }, h('span', { class: 'strong' }, p.title), code(p.service.host || '')))),
      hits.length ? null : h('li', null, h('p', { class: 'dim' }, 'None of that name.')));
  };
  find.input.addEventListener('input', paint);
  paint();
  const box = open('Add a service', h('div', null, find.node, grid, h('div', { class: 'form-actions' },
    button('Another API\u2026', () => { box.close(); serviceDialog(vault, { enabled: true }, { fresh: true, done }); }, { kind: 'primary' }))), { wide: true });
}

export async function show({ place, vault, role, signal }) {
  const admin = role === 'admin';
  const done = async (name) => { notice([code(name), ' is saved. Running proxies use it within a second.']); await fetch(); };
  page(place, 'Services', { vault, lead: 'Which requests get which credential, and how.', actions: admin ? button('Add a service', () => pick(vault, done), { kind: 'primary' }) : null });
  const body = h('div', { class: 'steady' });
  place.append(body);
  const fetch = () => load(body, async () => {
    const [services, hosts, creds] = await Promise.all([api.services(vault), api.seenHosts(vault).catch(() => []), api.credentials(vault).catch(() => null)]);
    if (signal.aborted) return;
    const missing = (s) => (creds ? serviceKeys(s).filter((k) => !creds.some((c) => c.key === k)) : []);
    fill(body, services.length ? table('Services', [
      { name: 'Service', kind: 'main', cell: (s) => [h('span', { class: 'strong' }, code(s.name)), h('div', null, code(s.host))] },
      { name: 'Methods', cell: (s) => chips(s.methods, 'all') },
      { name: 'Authenticates', cell: (s) => [h('span', null, authWords(s.auth)), s.substitutions?.length ? h('div', { class: 'dim small' }, count(s.substitutions.length, 'substitution')) : null,
        missing(s).map((k) => h('div', null, badge([code(k), ' is not set'], 'warn')))] },
      { name: 'On', cell: (s) => (admin ? toggle(`${s.name} enabled`, s.enabled !== false, (on) => api.enableService(vault, s.name, on)) : s.enabled !== false ? 'yes' : 'no') },
      { name: 'Actions', kind: 'acts', cell: (s) => (admin ? [button('Change', () => serviceDialog(vault, s, { fresh: false, done }), { small: true, kind: 'quiet', name: `Change ${s.name}` }),
        button('Remove', () => confirm(`Remove ${s.name}?`, h('p', null, 'Requests to ', code(s.host), ' then get no credential.'), { submit: 'Remove', onsubmit: async () => { await api.deleteService(vault, s.name); notice([code(s.name), ' is removed.']); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Remove ${s.name}` })] : null) },
    ], services) : empty('No service yet', 'Without one, requests pass without a credential. Add one here, or:', `agent-vault vault service add --vault ${vault} --preset github`),
    hosts.length ? section('Recently seen hosts', { lead: 'Agents called these, and no service covers them.' }, table('Recently seen hosts', [
      { name: 'Host', kind: 'main', cell: (x) => code(x.host) },
      { name: 'Requests', cell: (x) => String(x.request_count ?? '') },
      { name: 'Sent', cell: (x) => (x.auth_scheme || x.auth_header ? [code(x.auth_header || 'Authorization'), x.auth_scheme ? [' ', code(x.auth_scheme)] : null] : h('span', { class: 'dim' }, 'no credential')) },
      { name: 'Last', cell: (x) => time(x.last_seen) },
      { name: 'Actions', kind: 'acts', cell: (x) => (admin ? button('Add as service', () => serviceDialog(vault, { host: x.host, enabled: true, auth: guess(x) }, { fresh: true, done }), { small: true, name: `Add ${x.host} as a service` }) : null) },
    ], hosts)) : null);
  });
  await fetch();
}

function guess(x) {
  const host = x.host.replace(/:\d+$/, '');
  const key = host.split('.').slice(-2, -1)[0]?.toUpperCase().replace(/[^A-Z0-9]/g, '_').replace(/^[^A-Z]+/, '') || 'API';
  const scheme = String(x.auth_scheme || '').toLowerCase();
  if (scheme === 'basic') return { type: 'basic', username: key + '_USER', password: key + '_PASSWORD' };
  if (x.auth_header && x.auth_header.toLowerCase() !== 'authorization') return { type: 'api-key', key: key + '_KEY', header: x.auth_header };
  return { type: 'bearer', token: key + '_TOKEN' };
}

