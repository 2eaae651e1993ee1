// The settings of a vault.

import { h, fill } from './dom.js';
import * as api from './api.js';
import { page, load, button, notice, section } from './ui.js';
import { confirm } from './dialog.js';
import { form, radios, text } from './form.js';
import { go } from './router.js';
import { refreshVaults } from './shell.js';

export async function show({ place, vault, role, signal }) {
  const admin = role === 'admin';
  page(place, 'Settings', { vault });
  const body = h('div', { class: 'steady' });
  place.append(body);
  await load(body, async () => {
    const s = await api.vaultSettings(vault);
    if (signal.aborted) return;
    const policy = radios({ name: 'policy', label: 'Requests that no service covers', value: s.unmatched_host_policy, options: [['passthrough', 'Pass, without a credential'], ['deny', 'Refuse']],
      hint: 'To refuse makes this vault the list of everything that agents can reach. Either way they are in the log.' });
    if (!admin) policy.node.disabled = true;
    const name = text({ name: 'name', label: 'Name', mono: true, value: vault, required: true });
    fill(body, section('Unmatched requests', {}, admin ? form([policy], { submit: 'Save', onsubmit: async (v) => { await api.setVaultSettings(vault, { unmatched_host_policy: v.policy }); notice('Saved. Running proxies follow it within a second.'); } }) : policy.node),
      admin && vault !== 'default' ? [section('Name', { lead: 'Agents and commands that name the vault need the new name.' }, form([name], { submit: 'Rename', kind: '', onsubmit: async (v) => { await api.renameVault(vault, v.name); await refreshVaults(); await go(`/vaults/${encodeURIComponent(v.name)}/settings`, { replace: true }); } })),
        section('Delete', { lead: 'Credentials, services, rules and proposals of this vault are gone for good. The log stays.' }, button('Delete this vault', () => confirm(`Delete ${vault}?`, h('p', null, 'This cannot be undone.'), { submit: 'Delete vault', typed: vault, onsubmit: async () => { await api.deleteVault(vault); await refreshVaults(); await go('/'); } }), { kind: 'danger' }))] : null,
      role && vault !== 'default' ? section('Leave', {}, button('Leave this vault', () => confirm(`Leave ${vault}?`, h('p', null, 'An admin can add you again.'), { submit: 'Leave', onsubmit: async () => { await api.leaveVault(vault); await refreshVaults(); await go('/'); } }))) : null);
  });
}
