// What went through the proxy: as it happens, and back in time.

import { h, fill, add, code, said } from './dom.js';
import * as api from './api.js';
import { page, button, badge, empty, errorBox } from './ui.js';
import { select, text } from './form.js';
import { open } from './dialog.js';
import { chart } from './chart.js';
import { pause } from './router.js';
import { clockTime, longTime, bytes } from './text.js';

const kMost = 500;   // lines that are kept on the page

const decisionBadge = (l) => badge({ allow: 'allowed', deny: 'refused', error: 'failed' }[l.decision] || l.decision || '\u2014', { allow: 'ok', deny: 'danger', error: 'warn' }[l.decision] || 'dim');
const latency = (l) => (l.latency_ms === undefined ? '' : l.latency_ms < 1000 ? `${l.latency_ms} ms` : `${(l.latency_ms / 1000).toFixed(1)} s`);

function detail(l) {
  const row = (name, value) => (value === undefined || value === null || value === '' || value.length === 0 ? null : [h('dt', null, name), h('dd', null, value)]);
  open('Request', h('div', null, h('p', { class: 'request' }, h('span', { class: 'method' }, code(l.method || '')), ' ', code((l.host || '') + (l.path || ''))),
    h('dl', { class: 'facts' }, row('Time', longTime(l.created_at)), row('Decision', decisionBadge(l)), row('Status', l.status ? String(l.status) : ''),
      row('Agent', l.agent ? said(l.agent) : 'a run without agent'), row('Service', l.matched_service ? code(l.matched_service) : 'none'), row('Rule', l.rule ? code(l.rule) : ''),
      row('Credentials', (l.credential_keys || []).map((k, i) => [i ? ', ' : null, code(k)])), row('Error', l.error || l.error_code ? code(l.error || l.error_code) : ''),
      row('Took', latency(l)), row('In, out', l.bytes_in !== undefined ? `${bytes(l.bytes_in)}, ${bytes(l.bytes_out || 0)}` : ''), row('Upstream', l.upstream ? code(l.upstream) : ''), row('Run', l.run ? code(l.run) : ''), row('Record', code(String(l.id ?? ''))))), { wide: true });
}

function line(l) {
  const refused = l.error || l.error_code || (l.decision === 'deny' && l.rule);
  const b = h('button', { type: 'button', class: 'log-line' }, h('time', { class: 'fixed', datetime: l.created_at, title: longTime(l.created_at) }, clockTime(l.created_at)),
    h('span', { class: 'log-method' }, l.method || ''), h('span', { class: 'log-url', dir: 'ltr' }, l.host || '', h('span', { class: 'dim' }, l.path || '')),
    h('span', { class: 'log-agent' }, said(l.agent || '\u2014')), h('span', { class: 'log-status' }, l.status ? String(l.status) : ''), h('span', { class: 'log-decision' }, decisionBadge(l), refused ? h('span', { class: 'why' }, String(refused)) : null), h('span', { class: 'log-took' }, latency(l)));
  b.addEventListener('click', () => detail(l));
  return h('li', null, b);
}

export async function show({ place, vault, signal }) {
  const f = {
    decision: select({ name: 'decision', label: 'Decision', value: '', options: [['', 'all'], ['allow', 'allowed'], ['deny', 'refused'], ['error', 'failed']] }),
    status: select({ name: 'status_bucket', label: 'Status', value: '', options: [['', 'all'], ['2xx', '2xx'], ['3xx', '3xx'], ['4xx', '4xx'], ['5xx', '5xx'], ['err', 'no answer']] }),
    agent: text({ name: 'agent', label: 'Agent', placeholder: 'all', mono: true }), host: text({ name: 'host', label: 'Host', placeholder: 'all', mono: true }),
    service: text({ name: 'service', label: 'Service', placeholder: 'all', mono: true }),
  };
  const span = select({ name: 'minutes', label: 'Chart', value: '60', options: [['60', '1 hour'], ['360', '6 hours'], ['1440', '24 hours']] });
  page(place, 'Log', { vault, lead: 'Every request, allowed or not. Never a value, a body or a query.' });
  const graph = chart();
  const listing = h('ol', { class: 'log' });
  const state = h('span', { class: 'live' });
  const bottom = h('div', { class: 'more-row' });
  const trouble = h('div');
  let paused = false, newest = null, next = null, generation = 0, stale = new AbortController();

  const flip = h('button', { type: 'button', class: 'btn small', 'aria-pressed': 'false' }, 'Pause');
  const paintState = () => { fill(state, h('span', { class: paused ? 'dot' : 'dot on', 'aria-hidden': 'true' }), paused ? 'paused' : 'live'); fill(flip, paused ? 'Go on' : 'Pause'); flip.setAttribute('aria-pressed', String(paused)); };
  flip.addEventListener('click', () => { paused = !paused; paintState(); });
  paintState();
  place.append(graph.node, h('form', { class: 'filters', role: 'search', 'aria-label': 'Filter the log' }, f.decision.node, f.status.node, f.host.node, f.agent.node, f.service.node, span.node, h('div', { class: 'filters-end' }, state, flip)), trouble, h('div', { class: 'steady' }, listing), bottom);

  const query = () => ({ decision: f.decision.get(), status_bucket: f.status.get(), agent: f.agent.get(), host: f.host.get(), service: f.service.get(), limit: 50 });
  const filtered = () => Object.values({ ...query(), limit: '' }).some(Boolean);
  const fail = (e) => { if (e.name !== 'AbortError') fill(trouble, errorBox(e)); };

  async function first() {
    stale.abort();
    stale = new AbortController();
    const mine = ++generation;
    try {
      const r = await api.logs(vault, query(), AbortSignal.any([signal, stale.signal]));
      if (mine !== generation) return;
      fill(trouble);
      newest = r.latest_id ?? r.logs?.[0]?.id ?? null;
      next = r.next_cursor ?? null;
      fill(listing, (r.logs || []).map(line));
      if (!r.logs?.length) fill(listing, h('li', null, filtered() ? empty('Nothing fits these filters') : empty('No request yet', 'Run something through the proxy:', `agent-vault run --vault ${vault} -- curl https://api.github.com`, `agent-vault log --vault ${vault} --follow`)));
      paintMore();
    } catch (e) { fail(e); }
  }

  function paintMore() {
    fill(bottom, next ? button('Load more', async () => {
      const mine = generation;
      const r = await api.logs(vault, { ...query(), before: next }, signal);
      if (mine !== generation) return;
      next = r.next_cursor ?? null;
      add(listing, (r.logs || []).map(line));
      paintMore();
    }) : null);
  }

  async function tail() {
    while (await pause(2000, signal)) {
      if (paused || document.hidden) continue;
      const mine = generation;
      try {
        const r = await api.logs(vault, { ...query(), after: newest ?? undefined }, AbortSignal.any([signal, stale.signal]));
        if (mine !== generation || paused) continue;
        fill(trouble);
        if (!r.logs?.length) continue;
        if (newest === null || listing.querySelector('.empty')) { fill(listing); }
        newest = r.latest_id ?? r.logs[0].id;
        const fresh = r.logs.map(line);
        fresh.forEach((n) => n.classList.add('fresh'));
        listing.prepend(...fresh);
        while (listing.childElementCount > kMost) listing.lastElementChild.remove();
      } catch (e) { if (!signal.aborted && !stale.signal.aborted) fail(e); if (e.status === 429) await pause((e.retryAfter || 5) * 1000, signal); }
    }
  }

  async function drawing() {
    do {
      if (document.hidden) continue;
      try { graph.draw(await api.activity(vault, span.get(), signal), Number(span.get())); } catch { /* the list says what is wrong */ }
    } while (await pause(15000, signal));
  }

  let timer = null;
  const form = place.querySelector('.filters');
  form.addEventListener('submit', (e) => { e.preventDefault(); first(); });
  form.addEventListener('input', (e) => {
    if (e.target === span.input) return void api.activity(vault, span.get(), signal).then((b) => graph.draw(b, Number(span.get())), fail);
    clearTimeout(timer);
    timer = setTimeout(first, e.target.localName === 'select' ? 0 : 350);
  });
  drawing();
  await first();
  tail();
}

