// The form of a rule, and the question what policy says about a request that nobody sends.

import { h, fill, code } from './dom.js';
import * as api from './api.js';
import { box, button, errorBox, upper } from './ui.js';
import { open } from './dialog.js';
import { form, text, select, names, area } from './form.js';
import { kMethods } from './words.js';

const kActions = [['block', 'Refuse'], ['approve', 'Ask a person first'], ['rate_limit', 'Limit how many'], ['allow', 'Let pass without a credential']];

function bodyPart(conditions) {
  const list = [];
  const rows = h('div');
  const row = (c) => {
    const f = { pointer: text({ name: '', label: 'Place in JSON', optional: true, mono: true, value: c.pointer ?? '', placeholder: '/model' }),
      value: text({ name: '', label: 'Text', mono: true, value: c.pointer === undefined ? c.contains ?? '' : typeof c.equals === 'string' ? c.equals : JSON.stringify(c.equals) }) };
    const node = h('div', { class: 'sub' }, h('div', { class: 'grid2' }, f.pointer.node, f.value.node), button('Remove', () => { list.splice(list.indexOf(f), 1); node.remove(); }, { small: true, kind: 'quiet danger', name: 'Remove this condition' }));
    list.push(f);
    rows.append(node);
  };
  conditions.forEach(row);
  const json = (t) => { try { const v = JSON.parse(t); return v !== null && typeof v === 'object' ? t : v; } catch { return t; } };
  return { node: h('details', { class: 'more', open: conditions.length > 0 }, h('summary', null, 'Only for some bodies'), h('p', { class: 'hint' }, 'All must hold. With a place: the JSON value there is this; without: the body contains it.'), rows, button('Add a condition', () => row({}), { small: true })),
    get: () => list.filter((f) => f.value.get()).map((f) => (f.pointer.get() ? { pointer: f.pointer.get(), equals: json(f.value.get()) } : { contains: f.value.get() })) };
}

export function ruleDialog(vault, known, { fresh, done }) {
  const f = {
    action: select({ name: 'action', label: 'What happens', options: kActions, value: known.action || 'block' }),
    host: text({ name: 'host', label: 'Host and path', mono: true, value: known.host || '', placeholder: 'api.example.com/v1/*', hint: 'Empty: every request. **.example.com is every name below.' }),
    methods: names({ name: 'methods', label: 'Methods', optional: true, upper: true, value: known.methods, placeholder: 'all' }),
    agents: names({ name: 'agents', label: 'Agents', optional: true, value: known.agents, placeholder: 'all' }),
    limit: text({ name: 'limit', label: 'How many', type: 'number', min: 1, max: 1000000, value: known.limit ?? 100 }),
    window: select({ name: 'window', label: 'Per', options: ['second', 'minute', 'hour', 'day'].map((w) => [w, w]), value: known.window || 'hour' }),
    timeout: text({ name: 'timeout', label: 'Seconds a person has', type: 'number', min: 1, max: 3600, value: known.timeout ?? 180 }),
    reason: text({ name: 'reason', label: 'Reason', optional: true, value: known.reason || '', maxlength: 500, hint: 'The agent is told.' }),
    name: text({ name: 'name', label: 'Name', mono: true, value: known.name || '', optional: fresh, hint: fresh ? 'Made from what it matches when empty.' : null }),
  };
  if (!fresh) f.name.input.readOnly = true;
  const body = bodyPart(known.body || []);
  const paint = () => {
    const a = f.action.get();
    f.limit.node.hidden = f.window.node.hidden = a !== 'rate_limit';
    f.timeout.node.hidden = a !== 'approve';
  };
  f.action.input.addEventListener('change', paint);
  paint();
  const box = open(fresh ? 'Add a rule' : `Change ${known.name}`, form([h('div', { class: 'grid2' }, f.action.node, f.host.node, f.limit.node, f.window.node, f.timeout.node, f.methods.node, f.agents.node, f.reason.node, f.name.node), body.node], {
    submit: fresh ? 'Add rule' : 'Save', cancel: () => box.close(), onsubmit: async () => {
      const action = f.action.get();
      const r = { action, enabled: known.enabled ?? true };
      const put = (k, v, has = v && v.length) => { if (has) r[k] = v; };
      put('name', f.name.get());
      put('host', f.host.get());
      put('methods', f.methods.get());
      put('agents', f.agents.get());
      put('body', body.get());
      put('reason', f.reason.get());
      if (action === 'rate_limit') Object.assign(r, { limit: Number(f.limit.get()), window: f.window.get() });
      if (action === 'approve') r.timeout = Number(f.timeout.get());
      await api.putRules(vault, [r]);
      box.close();
      await done(r);
    } }), { wide: true });
}

const kDecisions = { allow: ['allowed', 'ok'], block: ['blocked', 'danger'], rate_limit: ['allowed, and counted', 'info'], approve: ['held for a person', 'warn'], deny: ['refused', 'danger'] };

function answer(t) {
  const [words, tone] = t.decision === 'rate_limit' && !t.passes ? ['refused: the limit is used up', 'danger'] : kDecisions[t.decision] || [t.decision, ''];
  const row = (name, ...value) => [h('dt', null, name), h('dd', null, value)];
  return box(tone, h('p', { class: 'strong' }, upper(words), t.rule ? [' by the rule ', code(t.rule)] : null),
    h('dl', { class: 'facts' },
      row('Read as', code(t.request || ''), (t.readings || []).map((r) => h('div', { class: 'dim small' }, 'also as ', code(r)))),
      row('Service', t.service ? [code(t.service.name), ' (', t.service.auth, ')', t.service.enabled === false ? ', disabled' : ''] : `none covers it; unmatched requests: ${t.unmatched}`),
      t.service ? row('Credentials', t.service.credentials?.length ? t.service.credentials.map((c, i) => [i ? ', ' : null, code(c.key), c.set ? '' : ' (not set)']) : 'none') : null,
      row('Rules', t.rules?.length ? t.rules.map((r) => h('div', null, code(r.name), ' ', h('span', { class: 'dim' }, r.why || (r.matches ? 'matches' : '')), r.limit && r.limit.used !== null ? ` ${r.limit.used} of ${r.limit.limit} per ${r.limit.window} used` : null)) : 'none matches'),
      t.answer ? row('Answer', code(`${t.answer.status} ${t.answer.error}`), ' ', t.answer.message) : row('Answer', 'the server\u2019s own'),
      t.looks_at_body ? row('Body', 'rules look at it') : null));
}

// Live: asks again while one types.
export function ruleTest(vault, signal) {
  const f = { method: select({ name: 'method', label: 'Method', options: kMethods.map((m) => [m, m]), value: 'GET' }),
    url: text({ name: 'url', label: 'URL', mono: true, placeholder: 'https://api.github.com/user', inputmode: 'url' }),
    agent: text({ name: 'agent', label: 'Agent', optional: true, mono: true }), body: area({ name: 'body', label: 'Body', optional: true, mono: true, rows: 2 }) };
  const out = h('div', { class: 'steady test-out', 'aria-live': 'polite' }, h('p', { class: 'dim' }, 'Type a URL to see what would happen. Nothing is sent.'));
  let running = null, timer = null;
  const run = async () => {
    running?.abort();
    const raw = f.url.get();
    if (!raw) return;
    running = new AbortController();
    try {
      const url = /^[a-z]+:\/\//i.test(raw) ? raw : 'https://' + raw;
      const q = { method: f.method.get(), url, ...(f.agent.get() ? { agent: f.agent.get() } : {}), ...(f.body.get() ? { body: f.body.get() } : {}) };
      fill(out, answer(await api.testRule(vault, q, AbortSignal.any([running.signal, signal]))));
    } catch (e) { if (e.name !== 'AbortError') fill(out, errorBox(e)); }
  };
  const soon = () => { clearTimeout(timer); timer = setTimeout(run, 350); };
  const node = h('form', { class: 'tester' }, h('div', { class: 'tester-row' }, f.method.node, f.url.node, f.agent.node), h('details', { class: 'more' }, h('summary', null, 'With a body'), f.body.node), out);
  node.addEventListener('input', soon);
  node.addEventListener('submit', (e) => { e.preventDefault(); clearTimeout(timer); run(); });
  return { node, again: run };
}

