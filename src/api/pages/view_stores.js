// External stores of a vault: password managers that keep values for it, and the hosts that are
// mapped to what they have.

import { h, fill, code, said } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, badge, box, empty, errorBox, time, notice, section } from './ui.js';
import { confirm, open } from './dialog.js';
import { browseDialog, mapDialog, pairDialog, staleBadge } from './store_form.js';
import { authWords } from './words.js';
import { count } from './text.js';
import { session } from './shell.js';

const kTones = { works: 'ok', failing: 'danger', new: '' };
const small = { small: true, kind: 'quiet' };

function stateCell(s) {
  const rests = s.health?.rests_seconds || 0;
  return [badge(s.state, kTones[s.state] || ''),
    s.state === 'failing' ? [h('div', { class: 'small' }, said(s.error)), h('div', { class: 'dim small' }, 'failed ', time(s.failed), s.ok ? [', worked ', time(s.ok)] : null)]
      : h('div', { class: 'dim small' }, s.ok ? ['worked ', time(s.ok)] : 'not asked yet'),
    rests ? h('div', { class: 'dim small' }, `not asked again for ${rests} s`) : null];
}

function usedCell(s) {
  const used = [s.credentials ? count(s.credentials, 'credential') : null, s.mappings ? count(s.mappings, 'host') : null].filter(Boolean);
  return [used.length ? used.join(', ') : h('span', { class: 'dim' }, 'nothing yet'),
    s.stale ? h('div', null, badge(`${s.stale} missing`, 'warn')) : null];
}

// Everything that may be told of one.
async function details(vault, s) {
  const place = h('div', { class: 'details' });
  open(s.name, place, { wide: true });
  await load(place, async () => {
    const full = await api.showStore(vault, s.name);
    const health = full.health || {};
    const fact = (name, value) => (value === null || value === undefined || value === '' ? null : [h('dt', null, name), h('dd', null, value)]);
    fill(place, h('dl', { class: 'facts' }, fact('Kind', full.title), fact('Account', full.account ? said(full.account) : ''), fact('Paired', time(full.paired)),
      fact('State', stateCell(full)), Object.entries(full.settings).map(([n, v]) => fact(n, code(v.length > 120 ? v.slice(0, 120) + '\u2026' : v))),
      fact('Since start', `asked ${health.asked ?? 0} times, ${health.average_ms ?? 0} ms on average; ${health.missing ?? 0} not found, ${health.failed ?? 0} failed`),
      health.leases ? fact('Leases', `${health.leases} open`) : null),
    section('Refers to it', {}, full.references.length ? h('ul', { class: 'plain-list' }, full.references.map((r) => h('li', null, code(r.credential || r.host), ' ', h('span', { class: 'dim' }, r.credential ? 'credential' : 'host'), ' ',
      r.reference ? code(r.reference) : h('span', { class: 'dim' }, 'what it has for the host'), ' ', staleBadge(r.missing_since)))) : h('p', { class: 'dim' }, 'Nothing yet.')));
  });
}

function test(vault, s, done) {
  const left = new AbortController();
  const place = h('div', { role: 'status' }, h('p', { class: 'dim' }, 'Asking\u2026'));
  open(`Test ${s.name}`, place, { wide: true, onclose: () => left.abort() });
  return (async () => {
    try {
      const { ok, checks } = await api.testStore(vault, s.name, left.signal);
      fill(place, box(ok ? 'ok' : 'danger', h('p', { class: 'strong' }, ok ? 'It works, and has what is referred to.' : 'Not everything is as it should be.')),
        h('ul', { class: 'checks' }, checks.map((c) => h('li', null, badge(c.ok ? 'ok' : c.code.replaceAll('_', ' ') || 'failed', c.ok ? 'ok' : 'danger'),
          h('div', null, h('div', null, c.what === 'works' || c.what === 'open' ? 'The store' : code(c.what)), h('div', { class: 'dim small' }, said(c.result)), c.hint ? h('div', { class: 'small' }, said(c.hint)) : null)))));
      await done();
    } catch (e) { if (e.name !== 'AbortError') fill(place, errorBox(e)); }
  })();
}

async function unpair(vault, s, done) {
  const { references } = await api.showStore(vault, s.name);
  const list = (rows) => h('ul', { class: 'plain-list' }, rows.map((r) => h('li', null, code(r.credential || r.host))));
  const creds = references.filter((r) => r.credential), hosts = references.filter((r) => r.host);
  await confirm(`Unpair ${s.name}?`, [
    creds.length ? [h('p', null, 'These credentials are removed, and the services that use them stop working:'), list(creds)] : null,
    hosts.length ? [h('p', null, 'Requests to these hosts get no credential any more:'), list(hosts)] : null,
    references.length ? null : h('p', null, 'Nothing refers to it.'),
    h('p', null, 'What it was paired with is forgotten here; in the store itself nothing is deleted.'),
  ], { submit: 'Unpair', typed: references.length ? s.name : null, onsubmit: async () => {
    const gone = await api.unpairStore(vault, s.name);
    notice([code(s.name), ' is not paired any more.', gone.told === 'yes' ? null : ` It could not be told: ${gone.told.replace(/^no: /, '')}.`]);
    await done();
  } });
}

export async function show({ place, vault, role, signal }) {
  const admin = role === 'admin';
  const may = (s) => admin && (!s.owner_references || session.user?.is_owner);
  let known = [];
  const pair = async (s = null) => pairDialog(vault, await api.storeKinds(), s, async (paired) => {
    notice([code(paired.name), ' is paired. Running proxies know within a second.']);
    await fetch();
  });
  const mapped = async (host) => { notice([code(host), ' is mapped.']); await fetch(); };
  page(place, 'Stores', { vault, lead: 'Password managers that keep values for this vault. They are asked when a request needs a value, which stays in memory for a minute and is never stored.',
    actions: admin ? button('Pair a store', () => pair(), { kind: 'primary' }) : null });
  const body = h('div', { class: 'steady' });
  place.append(body);
  if (role !== 'admin' && role !== 'member') return void fill(body, empty('Not for this role', 'Members of the vault see its external stores.'));

  const fetch = () => load(body, async () => {
    const [stores, mappings] = await Promise.all([api.stores(vault), api.mappings(vault)]);
    if (signal.aborted) return;
    known = stores;
    const one = session.vaults.find((v) => v.name === vault);
    if (one) one.failing_stores = stores.filter((s) => s.state === 'failing').length;
    if (!stores.length) return void fill(body, empty('No store yet', 'Secrets can stay where they are: in 1Password, Bitwarden, HashiCorp Vault, Infisical. Pair one here, or:', 'agent-vault vault store kinds', `agent-vault vault store pair --vault ${vault} KIND`));
    fill(body, table('External stores', [
      { name: 'Store', kind: 'main', cell: (s) => [button(code(s.name), () => details(vault, s), { kind: 'link', name: `Details of ${s.name}` }), h('div', { class: 'dim small' }, s.title, s.account ? [', ', said(s.account)] : null)] },
      { name: 'State', kind: 'says', cell: stateCell },
      { name: 'Used by', cell: usedCell },
      { name: 'Actions', kind: 'acts', cell: (s) => (admin ? [button('Test', () => test(vault, s, fetch), { ...small, name: `Test ${s.name}` }),
        may(s) ? button('Browse', () => browseDialog(vault, s, fetch), { ...small, name: `Browse ${s.name}` }) : null,
        !s.owner_only || session.user?.is_owner ? button('Pair anew', () => pair(s), { ...small, name: `Pair ${s.name} anew` }) : null,
        button('Unpair', () => unpair(vault, s, fetch), { small: true, kind: 'quiet danger', name: `Unpair ${s.name}` })] : null) },
    ], stores),
    section('Mapped hosts', { lead: 'Where no service covers a host, a store\u2019s value is used for it.', actions: admin ? button('Map a host', () => mapDialog(vault, known, {}, mapped), { small: true }) : null },
      mappings.length ? table('Mapped hosts', [
        { name: 'Host', kind: 'main', cell: (m) => code(m.host) },
        { name: 'Value', cell: (m) => [m.reference ? code(m.reference) : h('span', { class: 'dim' }, 'what the store has for the host'), h('div', { class: 'dim small' }, 'in ', said(m.store)), staleBadge(m.missing_since)] },
        { name: 'Authenticates', cell: (m) => authWords(m.service?.auth) },
        { name: 'Actions', kind: 'acts', cell: (m) => (admin ? button('Remove', () => confirm(`Remove the mapping of ${m.host}?`, h('p', null, 'Requests to ', code(m.host), ' then get no credential from ', code(m.store), '.'), { submit: 'Remove', onsubmit: async () => { await api.unmapHost(vault, m.host, m.store); notice([code(m.host), ' is not mapped any more.']); await fetch(); } }),
          { small: true, kind: 'quiet danger', name: `Remove the mapping of ${m.host}` }) : null) },
      ], mappings) : h('p', { class: 'dim' }, 'No host is mapped.')));
  });
  await fetch();
}
