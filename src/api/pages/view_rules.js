// What is blocked, limited, held or allowed.

import { h, fill, code, said } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, badge, empty, notice, section, toggle, box } from './ui.js';
import { confirm } from './dialog.js';
import { ruleDialog, ruleTest } from './rule_form.js';
import { ruleWords, kActions } from './words.js';

export async function show({ place, vault, role, signal }) {
  const admin = role === 'admin';
  const tester = ruleTest(vault, signal);
  const done = async (r) => { notice([r.name ? code(r.name) : 'The rule', ' is saved. Running proxies follow it within a second.']); await fetch(); tester.again(); };
  page(place, 'Rules', { vault, lead: 'The strictest that matches decides: refuse, ask, limit, allow. Their order does not matter.', actions: admin ? button('Add a rule', () => ruleDialog(vault, {}, { fresh: true, done }), { kind: 'primary' }) : null });
  const body = h('div', { class: 'steady' });
  place.append(body);
  const fetch = () => load(body, async () => {
    const { rules = [], remarks = [] } = await api.rules(vault);
    if (signal.aborted) return;
    fill(body, remarks.length ? box('warn', remarks.map((r) => h('p', null, r.rule ? [code(r.rule), ': '] : null, r.words))) : null, rules.length ? table('Rules', [
      { name: 'Rule', kind: 'main', cell: (r) => [h('span', { class: 'strong' }, code(r.name)), ' ', badge(...(kActions[r.action] || [r.action]))] },
      { name: 'What it does', cell: (r) => h('div', null, ruleWords(r), '.', r.reason ? h('div', { class: 'dim' }, '\u201c', said(r.reason), '\u201d') : null) },
      { name: 'On', cell: (r) => (admin ? toggle(`${r.name} enabled`, r.enabled !== false, async (on) => { await api.enableRule(vault, r.name, on); tester.again(); }) : r.enabled !== false ? 'yes' : 'no') },
      { name: 'Actions', kind: 'acts', cell: (r) => (admin ? [button('Change', () => ruleDialog(vault, r, { fresh: false, done }), { small: true, kind: 'quiet', name: `Change ${r.name}` }),
        button('Remove', () => confirm(`Remove ${r.name}?`, h('p', null, 'It no longer applies: ', ruleWords(r), '.'), { submit: 'Remove', onsubmit: async () => { await api.deleteRule(vault, r.name); notice([code(r.name), ' is removed.']); await fetch(); tester.again(); } }), { small: true, kind: 'quiet danger', name: `Remove ${r.name}` })] : null) },
    ], rules) : empty('No rule yet', 'Services decide alone. Add a rule here, or:', `agent-vault rule add block 'api.github.com/*' --method DELETE --vault ${vault}`));
  });
  await fetch();
  if (!signal.aborted) place.append(section('What would happen?', {}, tester.node));  // what stood below a list that comes would be pushed away
}
