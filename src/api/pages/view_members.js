// The people of a vault.

import { h, fill, said } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, empty, notice } from './ui.js';
import { formDialog, confirm } from './dialog.js';
import { text, select } from './form.js';
import { session } from './shell.js';

const kRoles = [['proxy', 'proxy: send requests and ask for access'], ['member', 'member: use and reveal credentials, decide proposals'], ['admin', 'admin: everything in this vault']];

export async function show({ place, vault, role, signal }) {
  const admin = role === 'admin';
  const put = (email = '', now = 'member') => formDialog(email ? `Role of ${email}` : 'Add a member', [
    email ? null : text({ name: 'email', label: 'E-mail', type: 'email', required: true, hint: 'Somebody who has an account here; an owner invites others.' }), select({ name: 'role', label: 'Role', options: kRoles, value: now })].filter(Boolean),
  { submit: email ? 'Save' : 'Add', onsubmit: async (v) => { await api.addMember(vault, email || v.email, v.role); notice([said(email || v.email), ` is ${v.role} here.`]); await fetch(); } });
  page(place, 'Members', { vault, lead: 'People who may work in this vault.', actions: admin ? button('Add a member', () => put(), { kind: 'primary' }) : null });
  const body = h('div', { class: 'steady' });
  place.append(body);
  const fetch = () => load(body, async () => {
    const list = await api.members(vault);
    if (signal.aborted) return;
    fill(body, list.length ? table('Members', [
      { name: 'E-mail', kind: 'main', cell: (m) => [said(m.email), m.email === session.user?.email ? h('span', { class: 'dim' }, ' (you)') : null] },
      { name: 'Role', cell: (m) => m.role || m.vault_role },
      { name: 'Actions', kind: 'acts', cell: (m) => (admin ? [button('Change role', () => put(m.email, m.role || m.vault_role), { small: true, kind: 'quiet', name: `Change the role of ${m.email}` }),
        button('Remove', () => confirm('Remove this member?', h('p', null, said(m.email), ' can no longer see this vault.'), { submit: 'Remove', onsubmit: async () => { await api.removeMember(vault, m.email); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Remove ${m.email}` })] : null) },
    ], list) : empty('Nobody is a member', null, `agent-vault vault member add EMAIL --vault ${vault}`));
  });
  await fetch();
}
