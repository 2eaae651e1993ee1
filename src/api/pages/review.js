// What an agent asks for, for a person to decide: in plain words, before and after, with the values
// that are needed and with ways to grant less. Shared by the approve page and the list.

import { h, fill, code, said, outLink } from './dom.js';
import * as api from './api.js';
import { badge, box, button, errorBox, time, upper } from './ui.js';
import { names, radios, secret, text, area } from './form.js';
import { formDialog } from './dialog.js';
import { serviceWords, splitMatcher } from './words.js';
import { connectSlot } from './oauth.js';
import { session } from './shell.js';
import { count, list, plain } from './text.js';

const array = (a, json) => (Array.isArray(a) ? a : typeof json === 'string' ? JSON.parse(json || '[]') : []);

// The approve page, the list and its details differ a little in what they call things.
export function normal(p, vault) {
  return {
    id: p.proposal_id ?? p.id, vault: p.vault || vault, status: p.status, agent: p.agent_name || p.agent || '',
    message: p.message || '', words: p.user_message || '', created: p.created_at, expires: p.expires_at,
    services: array(p.services, p.services_json), credentials: array(p.credentials, p.credentials_json),
    reviewer: p.reviewed_by || p.reviewer || '', reviewed: p.reviewed_at, note: p.review_note || p.reason || '', narrowed: p.narrowed ?? null,
  };
}

const hostsOf = (p) => [...new Set(p.services.filter((s) => s.action !== 'delete' && s.host).map((s) => splitMatcher(s.host).host))];

export function headline(p) {
  const who = p.agent ? said(p.agent) : 'An agent';
  const hosts = hostsOf(p);
  if (hosts.length) return [who, ' asks for access to ', hosts.length > 2 ? `${hosts.length} hosts` : hosts.map((n, i) => [i ? ' and ' : null, code(n)])];
  const removed = p.services.filter((s) => s.action === 'delete').length + p.credentials.filter((c) => c.action === 'delete').length;
  if (removed && removed === p.services.length + p.credentials.length) return [who, ' asks to remove ', count(removed, 'thing')];
  return [who, ' asks for ', count(p.credentials.length, 'credential')];
}

// In one line, for lists and titles.
export function headlineText(p) {
  const hosts = hostsOf(p);
  const what = hosts.length ? 'access to ' + list(hosts.slice(0, 3)) : list(p.credentials.slice(0, 3).map((c) => c.key));
  return plain(`${p.agent || 'An agent'}: ${what || p.message.split('\n')[0].slice(0, 80) || 'proposal ' + p.id}`);
}

export function theWords(p) {
  if (!p.words && !p.message) return null;
  const by = p.agent ? ['What ', said(p.agent), ' says'] : 'What the agent says';
  return h('figure', { class: 'quote' }, h('figcaption', null, by, h('span', { class: 'dim' }, ' \u2014 its own words, checked by nobody')),
    p.words ? h('blockquote', { dir: 'auto' }, p.words) : null,
    p.message && p.message !== p.words ? (p.words ? h('details', null, h('summary', null, 'Details for developers'), h('blockquote', { class: 'small', dir: 'auto' }, p.message)) : h('blockquote', { dir: 'auto' }, p.message)) : null);
}

function narrowing(service) {
  const { host, port, path } = splitMatcher(service.host);
  const joined = host + (port ? ':' + port : '');
  const f = {
    host: text({ name: 'host', label: 'Host', mono: true, value: joined, hint: host.startsWith('*') ? 'One host instead of all that the star covers.' : null }),
    path: text({ name: 'path', label: 'Path', mono: true, value: path || '/*', hint: '/v1/charges/* is that and all below it.' }),
    methods: names({ name: 'methods', label: 'Methods', upper: true, value: service.methods || [], placeholder: 'all', hint: 'For example GET, HEAD. Empty: all that were asked for.' }),
  };
  const node = h('details', { class: 'narrow' }, h('summary', null, 'Allow less than this'), h('div', { class: 'grid3' }, f.host.node, f.path.node, f.methods.node));
  const get = () => {
    const out = {};
    if (f.host.get() && f.host.get() !== joined) out.host = f.host.get();
    if (f.path.get() !== (path || '/*')) out.path = f.path.get() || '/*';
    const m = f.methods.get();
    if (m.length && m.join() !== (service.methods || []).join()) out.methods = m;
    return Object.keys(out).length ? { name: service.name, ...out } : null;
  };
  return { node, get };
}

function risks(s) {
  const { host, path } = splitMatcher(s.host || '');
  const writes = !s.methods?.length || s.methods.some((m) => !['GET', 'HEAD', 'OPTIONS'].includes(m));
  return [host.startsWith('*') ? badge('many hosts', 'warn') : null, !path || path === '/*' ? badge('any path', 'warn') : null,
    writes ? badge('can change things', 'warn') : badge('reads only', 'ok'), s.allow_http ? badge('unencrypted', 'danger') : null];
}

function serviceItem(s, narrow) {
  if (s.action === 'delete') return h('li', { class: 'ask' }, h('p', null, 'Remove the service ', code(s.name || s.host), '.'));
  if (!s.auth && s.enabled !== undefined && !s.host) return h('li', { class: 'ask' }, h('p', null, s.enabled ? 'Enable' : 'Disable', ' the service ', code(s.name), '.'));
  return h('li', { class: 'ask' }, h('div', { class: 'ask-head' }, h('p', { class: 'strong' }, said(s.name || s.host)), h('span', { class: 'badges' }, risks(s))),
    h('p', null, 'May ', serviceWords(s), '.'), narrow?.node);
}

function slot(c, diff, p, mode) {
  if (c.action === 'delete') return { node: h('div', { class: 'slot' }, h('p', null, 'Delete the credential ', code(c.key), '. Its value is gone for good.')), get: () => null };
  const gave = c.has_value || c.value_supplied || (typeof c.value === 'string' && c.value !== '');
  const oauth = c.type === 'oauth';
  let connected = !!diff?.connected?.includes(c.key);
  const needed = diff?.needed ? diff.needed.includes(c.key) : !gave;
  const missing = () => needed && !connected && !field.get();
  const field = secret({ name: c.key, label: `${oauth ? 'Access token' : 'Value'} of ${c.key}`, required: needed, hint: !needed ? (gave ? 'The agent supplied a value of its own. Leave this empty to store that one.' : 'There is one already. Leave this empty to keep it.') : 'Goes from here into the vault. The agent never gets to see it.' });
  const connects = oauth && mode !== 'run' && !!c.oauth?.token_url;
  const how = [c.obtain ? h('p', null, 'Where to get it: ', outLink(c.obtain)) : null,
    c.obtain_instructions ? h('figure', { class: 'quote low' }, h('figcaption', null, 'How, in the agent\u2019s words'), h('blockquote', { dir: 'auto' }, c.obtain_instructions)) : null];
  const node = h('div', { class: 'slot' },
    h('div', { class: 'ask-head' }, h('p', { class: 'strong' }, code(c.key)), h('span', { class: 'badges' }, oauth ? badge('OAuth', 'info') : null, gave ? badge('value from the agent', 'warn') : null)),
    c.description ? h('p', { class: 'dim' }, said(c.description)) : null, how,
    oauth && c.oauth?.authorization_url ? h('p', null, 'Signs in at ', outLink(c.oauth.authorization_url)) : null,
    oauth && c.oauth?.token_url ? h('p', null, 'Tokens come from ', outLink(c.oauth.token_url), c.oauth.scopes ? [', for ', code(String(c.oauth.scopes))] : null) : null,
    connects ? [connectSlot(p.vault, p.id, c, { connected, onchange: () => { connected = true; field.node.hidden = true; } }), h('details', null, h('summary', null, 'Or paste an access token, which ends and is not renewed'), field.node)] : field.node);
  return { key: c.key, node, field, get: () => field.get() || null, missing };
}

export function diffBlock(lines) {
  if (!lines.length) return h('p', { class: 'dim' }, 'It would change nothing.');
  const kinds = { add: ['+', 'new: '], remove: ['\u2212', 'no longer: '], warn: ['!', 'warning: '], same: [' ', ''] };
  return h('div', { class: 'diff', role: 'list', 'aria-label': 'What the agent can do, before and after' }, lines.map((l) => {
    const [sign, words] = kinds[l.kind] || kinds.same;
    return h('div', { role: 'listitem', class: `line ${l.kind}` }, h('span', { class: 'sign', 'aria-hidden': 'true' }, sign), h('span', { class: 'sr' }, words), h('span', { class: 'line-text', dir: 'ltr' }, l.text));
  }));
}

const kSpans = [['0', 'Until revoked'], ['3600', '1 hour'], ['86400', '1 day'], ['604800', '7 days']];
const kStates = { applied: ['allowed', 'ok'], approved: ['allowed', 'ok'], rejected: ['denied', 'danger'], expired: ['expired', 'dim'], pending: ['waiting', 'warn'] };
export const stateBadge = (status) => badge(...(kStates[status] || [status, 'dim']));

export function decided(p) {
  const [word, tone] = kStates[p.status] || [p.status, ''];
  return box(tone, h('p', { class: 'strong' }, { applied: 'This was allowed.', approved: 'This was allowed.', rejected: 'This was denied.', expired: 'This has expired.' }[p.status] || upper(word)),
    p.reviewed || p.reviewer ? h('p', null, p.reviewer ? ['By ', said(p.reviewer), ' '] : null, p.reviewed ? time(p.reviewed) : null, '.') : null, p.note ? h('p', null, 'Reason: ', said(p.note)) : null);
}

// options: {diff: {lines, fingerprint} or null, may: bool, instead: a node in place of the decision,
// again(): show it anew, done(outcome)}
export function review(p, { diff = null, may = false, instead = null, again = null, done = () => {} } = {}) {
  const open = p.status === 'pending';
  const asked = p.services.map((s) => [s, may && open && s.action !== 'delete' && s.host ? narrowing(s) : null]);
  const slots = open && may ? p.credentials.map((c) => slot(c, diff, p, session.status?.mode)) : [];
  const span = radios({ name: 'span', label: 'For how long', value: '0', options: kSpans });
  const uses = text({ name: 'uses', label: 'At most so many uses', optional: true, type: 'number', min: 1, max: 10000, placeholder: 'no limit', inputmode: 'numeric' });
  const shown = h('div', { 'aria-live': 'polite' }, diff ? diffBlock(diff.lines) : null);
  const parts = [theWords(p),
    p.services.length ? h('section', { class: 'part' }, h('h2', null, open ? 'What it could then do' : 'What it asked for'), h('ul', { class: 'asks' }, asked.map(([s, n]) => serviceItem(s, n)))) : null,
    diff ? h('section', { class: 'part' }, h('h2', null, 'Before and after'), shown) : null];
  if (!may && open && p.credentials.length) {
    parts.push(h('section', { class: 'part' }, h('h2', null, 'What it needs'), h('ul', { class: 'plain-list' }, p.credentials.map((c) =>
      h('li', null, code(c.key), c.action === 'delete' ? ' is deleted' : null, c.description ? [': ', said(c.description)] : null)))));
  }
  if (!open) parts.unshift(decided(p));
  if (instead) return h('div', { class: 'review' }, parts, instead);
  if (!open || !may) return h('div', { class: 'review' }, parts);

  const trouble = h('div');
  const allow = h('button', { type: 'submit', class: 'btn primary big', 'aria-disabled': 'true' }, 'Allow');
  // A page that comes up under a hand that is typing must not take that for a decision.
  const arm = () => { allow.setAttribute('aria-disabled', 'true'); setTimeout(() => allow.removeAttribute('aria-disabled'), 600); };
  arm();
  const back = () => { if (node.isConnected) arm(); else removeEventListener('focus', back); };
  addEventListener('focus', back);
  const narrow = () => {
    const services = asked.map(([, n]) => n?.get()).filter(Boolean);
    const seconds = Number(span.get()), n = Number(uses.get());
    const out = { ...(services.length ? { services } : {}), ...(seconds ? { expires_in_seconds: seconds } : {}), ...(n ? { uses: n } : {}) };
    return Object.keys(out).length ? out : null;
  };
  const fail = (e) => {
    const b = errorBox(e);
    if (e.status === 409 && again) b.append(h('p', null, button('Look again', again, { small: true })));
    b.tabIndex = -1;
    fill(trouble, b);
    b.focus();
  };
  const node = h('form', { class: 'review', novalidate: true }, parts,
    slots.length ? h('section', { class: 'part' }, h('h2', null, p.credentials.some((c) => c.action !== 'delete') ? 'Values it needs' : 'Values'), slots.map((s) => s.node)) : null,
    h('section', { class: 'part' }, h('h2', null, 'Limits'), h('div', { class: 'limits' }, span.node, uses.node)), trouble,
    h('div', { class: 'decision' }, button('Deny\u2026', () => formDialog('Deny this?', [area({ name: 'reason', label: 'Reason', optional: true, prose: true, hint: 'The agent is told.' })], { submit: 'Deny', kind: 'danger-solid',
      onsubmit: async (v) => { await api.rejectProposal(p.vault, p.id, v.reason); await done('rejected'); } }), { kind: 'danger big' }), allow));
  // What is taken away shows at once in what would change.
  let timer = null, asking = null, before = 'null';
  node.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const less = narrow();
      if (!diff || JSON.stringify(less) === before) return;
      before = JSON.stringify(less);
      asking?.abort();
      asking = new AbortController();
      try { fill(shown, diffBlock((await api.proposalDiff(p.vault, p.id, less, asking.signal)).lines)); } catch (error) { if (error.name !== 'AbortError') fill(shown, errorBox(error)); }
    }, 350);
  });
  node.addEventListener('submit', async (e) => {
    e.preventDefault();
    if (allow.getAttribute('aria-disabled') === 'true' || allow.getAttribute('aria-busy') === 'true') return;
    const missing = slots.find((s) => s.missing?.());
    if (missing) { fail(Object.assign(new Error(`a value for ${missing.key} is missing`), { help: 'type it in, or deny' })); missing.field.focus(); return; }
    allow.setAttribute('aria-busy', 'true');
    fill(trouble);
    try {
      const values = Object.fromEntries(slots.map((s) => [s.key, s.get()]).filter(([k, v]) => k && v !== null));
      await api.approveProposal(p.vault, p.id, values, narrow(), diff?.fingerprint);
      slots.forEach((s) => s.field?.clear());
      await done('applied');
    } catch (error) { fail(error); } finally { allow.removeAttribute('aria-busy'); }
  });
  return node;
}
