// For owners: people, invitations, and what holds for all vaults.

import { h, fill, said } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, badge, empty, time, notice, section } from './ui.js';
import { formDialog, confirm, showOnce } from './dialog.js';
import { form, text, select, check, names } from './form.js';
import { session } from './shell.js';
import { longTime } from './text.js';

const kRoles = [['member', 'member'], ['owner', 'owner: everything, also other people']];

export async function show({ place, signal }) {
  const showLink = (r) => showOnce('Invitation', ['Send this link to them. It works once, until ', longTime(r.expires_at), ', and is shown only now.'], r.invite_link);
  const invite = async () => {
    const r = await formDialog('Invite somebody', [text({ name: 'email', label: 'E-mail', type: 'email', required: true }), select({ name: 'role', label: 'Role', options: kRoles, value: 'member' }),
      select({ name: 'vault', label: 'Vault', value: '', options: [['', 'none yet'], ...session.vaults.map((v) => [v.name, v.name])] })], { submit: 'Make a link',
      onsubmit: (v) => api.invite(v.email, v.role, v.vault ? [{ vault_name: v.vault, vault_role: 'member' }] : []) });
    if (r) { await showLink(r); await fetch(); }
  };
  page(place, 'Instance', { lead: 'For owners: who is here, and what holds for all vaults.', actions: button('Invite somebody', invite, { kind: 'primary' }) });
  const body = h('div', { class: 'steady' });
  place.append(body);
  const fetch = () => load(body, async () => {
    const [users, invites, settings] = await Promise.all([api.users(), api.invites(), api.instanceSettings()]);
    if (signal.aborted) return;
    const role = (u) => formDialog(`Role of ${u.email}`, [select({ name: 'role', label: 'Role', options: kRoles, value: u.role })], { submit: 'Save', onsubmit: async (v) => { await api.setUserRole(u.email, v.role); await fetch(); } });
    fill(body, section('People', {}, table('People', [
      { name: 'E-mail', kind: 'main', cell: (u) => [said(u.email), u.email === session.user.email ? h('span', { class: 'dim' }, ' (you)') : null] },
      { name: 'Role', cell: (u) => [u.role === 'owner' ? badge('owner', 'info') : u.role, ' ', u.state && u.state !== 'active' ? badge(u.state, u.state === 'waiting' ? 'warn' : 'danger') : null] }, { name: 'Since', cell: (u) => time(u.created_at) },
      { name: 'Actions', kind: 'acts', cell: (u) => (u.email === session.user.email ? null : [u.state && button(u.state === 'active' ? 'Disable' : 'Let in', async () => { await api.enableUser(u.email, u.state !== 'active'); await fetch(); }, { small: true, kind: 'quiet', name: `${u.state === 'active' ? 'Disable' : 'Let in'} ${u.email}` }), button('Change role', () => role(u), { small: true, kind: 'quiet', name: `Change the role of ${u.email}` }),
        button('Remove', () => confirm('Remove this person?', h('p', null, said(u.email), ' loses every vault; tokens that they made end.'), { submit: 'Remove', typed: u.email, onsubmit: async () => { await api.deleteUser(u.email); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Remove ${u.email}` })]) },
    ], users)),
    section('Open invitations', {}, invites.length ? table('Invitations', [
      { name: 'E-mail', kind: 'main', cell: (i) => said(i.email) }, { name: 'Role', cell: (i) => i.role }, { name: 'Ends', cell: (i) => time(i.expires_at) },
      { name: 'Actions', kind: 'acts', cell: (i) => [button('New link', async () => { await showLink(await api.reinvite(i.id)); await fetch(); }, { small: true, kind: 'quiet', name: `New link for ${i.email}` }), button('Withdraw', () => confirm('Withdraw the invitation?', h('p', null, 'The link for ', said(i.email), ' stops working.'), { submit: 'Withdraw', onsubmit: async () => { await api.revokeInvite(i.id ?? i.token); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Withdraw the invitation of ${i.email}` })] },
    ], invites) : empty('Nobody is invited', null, 'agent-vault user invite EMAIL')),
    section('Settings', {}, form([check({ name: 'invite_only', label: 'Only invited people may register', value: settings.invite_only !== false }),
      names({ name: 'domains', label: 'E-mail domains that may register', optional: true, value: settings.allowed_email_domains || [], placeholder: 'all' })], { submit: 'Save', className: 'stacked', onsubmit: async (v) => { await api.setInstanceSettings({ invite_only: v.invite_only, allowed_email_domains: v.domains }); notice('Saved.'); } })));
  });
  await fetch();
}

