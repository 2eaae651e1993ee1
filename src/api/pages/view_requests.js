// Requests that the proxy holds until a person has decided.

import { h, fill, code } from './dom.js';
import * as api from './api.js';
import * as held from './held.js';
import { page, button, empty, notice, agentName, errorBox, section, table, time } from './ui.js';
import { bytes, duration } from './text.js';

const kGrants = [['1', 'this once', {}], ['10', 'for 10 uses', { uses: 10 }], ['100', 'for 100 uses', { uses: 100 }],
  ['15m', 'for 15 minutes', { for_seconds: 900 }], ['1h', 'for an hour', { for_seconds: 3600 }], ['8h', 'for 8 hours', { for_seconds: 28800 }]];

function preview(a) {
  if (!a.body_size && !a.preview) return h('p', { class: 'dim small' }, 'No body.');
  const size = [a.content_type ? [code(a.content_type), ', '] : null, bytes(a.body_size || 0), a.body_complete ? '' : ', only its beginning is shown'];
  return h('details', { class: 'body', open: (a.preview || '').length < 600 }, h('summary', null, 'Body: ', size),
    h('pre', { class: 'block', dir: 'ltr', tabindex: '0', 'aria-label': 'Body' }, a.preview || ''));
}

// What passes without being asked about; nothing is shown where there is nothing.
function grantTable(grants, vault, again) {
  if (!grants.length) return null;
  return section('Allowed for now', { lead: 'Such requests pass without asking, whatever their query and body.' }, table('Allowed for now', [
    { name: 'Request', kind: 'main', cell: (g) => [code(g.method), ' ', code(g.url)] },
    { name: 'Agent', cell: (g) => agentName(g.agent) },
    { name: 'Rule', cell: (g) => code(g.rule) },
    { name: 'Uses left', kind: 'num', cell: (g) => (g.uses_left === null ? 'any' : String(g.uses_left)) },
    { name: 'Until', cell: (g) => time(g.expires_at) },
    { name: 'Actions', kind: 'acts', cell: (g) => button('Revoke', async () => { await api.revokeGrant(vault, g.id); notice('Revoked. Such requests are asked about again.'); await again(); }, { small: true, kind: 'quiet danger', name: `Revoke ${g.method} ${g.url}` }) },
  ], grants));
}

function card(a, vault, again) {
  const left = h('span', { class: 'left' });
  const bar = h('progress', { max: '1', 'aria-hidden': 'true' });
  const grant = h('select', { 'aria-label': 'How long to allow' }, kGrants.map(([v, label]) => h('option', { value: v }, label)));
  const say = async (decision) => {
    const terms = kGrants.find(([v]) => v === grant.value);
    try { await api.decide(vault, a.id, decision, decision === 'approve' ? terms[2] : {}); } catch (e) {
      if (e.status !== 404 && e.status !== 410) throw e;
      notice('It is no longer waiting: the agent has left or the time was up.', 'warn');
      return held.drop(a.id);
    }
    held.drop(a.id);
    notice(decision === 'approve' ? `Allowed ${terms[1]}.` : 'Denied.');
    await again();
  };
  const node = h('li', { class: 'held' },
    h('div', { class: 'held-head' }, h('p', { class: 'request' }, h('span', { class: 'method' }, code(a.method)), ' ', code(a.url)), h('p', { class: 'clock' }, left)),
    bar, h('p', { class: 'dim' }, 'Asked by ', agentName(a.agent), ', held by the rule ', code(a.rule), '.'),
    a.effect ? h('div', { class: 'effect' }, h('p', null, h('strong', null, 'Allowing this:')), a.effect.trim().split('\n').map((l) => h('p', null, l))) : null,
    preview(a), h('div', { class: 'held-actions' },
      h('div', { class: 'together' }, button('Allow', () => say('approve'), { kind: 'primary', name: `Allow ${a.method} ${a.url}` }), grant),
      button('Deny', () => say('deny'), { kind: 'danger', name: `Deny ${a.method} ${a.url}` })));
  const whole = Math.max(1, Date.parse(a.expires_at) - Date.parse(a.created_at));
  const tick = () => {
    const ms = Date.parse(a.expires_at) - Date.now();
    fill(left, ms > 0 ? `${duration(ms / 1000)} left` : 'time is up');
    bar.value = Math.max(0, ms / whole);
    node.classList.toggle('late', ms < 30000);
  };
  tick();
  return { node, tick };
}

export async function show({ place, vault, signal }) {
  page(place, 'Held requests', { vault, lead: 'They wait in the proxy until you decide. Who is not answered in time is refused.' });
  const announce = h('p', { class: 'sr', 'aria-live': 'assertive' });
  const listing = h('ul', { class: 'helds' });
  const body = h('div', { class: 'steady' });
  const allowed = h('div');
  place.append(announce, body);
  const again = async () => {
    try { fill(allowed, grantTable(await api.grants(vault, signal), vault, again)); } catch (e) {
      if (e.name !== 'AbortError') fill(allowed, errorBox(e));
    }
  };
  const cards = new Map();
  let last = '';

  held.follow((state) => {
    if (state.error) { fill(body, errorBox(state.error)); last = ''; return; }
    if (!state.loaded) return;
    if (!allowed.isConnected) place.append(allowed);  // not before what stands above it
    const ids = state.list.map((a) => a.id);
    const now = ids.join();
    if (now === last && body.childElementCount) return;
    last = now;
    const fresh = state.list.filter((a) => !cards.has(a.id));
    const focused = [...cards].find(([, c]) => c.node.contains(document.activeElement));
    for (const id of [...cards.keys()]) if (!ids.includes(id)) { cards.get(id).node.remove(); cards.delete(id); }
    if (!ids.length) {
      fill(body, empty('Nothing is waiting', 'A rule with the action approve holds requests here. For example:',
        `agent-vault rule add approve 'api.github.com/*' --method DELETE --vault ${vault}`, `agent-vault approval list --vault ${vault}`));
    } else {
      for (const a of fresh) { const c = card(a, vault, again); cards.set(a.id, c); listing.append(c.node); }
      if (!listing.isConnected) fill(body, listing);
      if (fresh.length) fill(announce, `${ids.length} waiting`);
    }
    if (focused && !focused[1].node.isConnected) (listing.querySelector('button') || place.querySelector('h1')).focus();
    document.title = (ids.length ? `(${ids.length}) ` : '') + document.title.replace(/^\(\d+\) /, '');
  }, signal);

  const timer = setInterval(() => cards.forEach((c) => c.tick()), 1000);
  const slow = setInterval(() => { if (!allowed.contains(document.activeElement)) again(); }, 15000);
  signal.addEventListener('abort', () => { clearInterval(timer); clearInterval(slow); }, { once: true });
  await again();
}

