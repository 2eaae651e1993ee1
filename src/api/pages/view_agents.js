// Who may act in a vault: agents with a token of their own, and tokens that end by themselves.

import { h, fill, code, said } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, badge, empty, time, notice, section, command } from './ui.js';
import { formDialog, confirm, showOnce } from './dialog.js';
import { text, select } from './form.js';

const kLives = [['3600', '1 hour'], ['28800', '8 hours'], ['86400', '24 hours'], ['604800', '7 days']];

function connect(token, vault) {
  return h('div', null, h('p', { class: 'lead' }, 'Give it to the agent as its environment:'),
    command(`AGENT_VAULT_ADDR=${location.origin} AGENT_VAULT_TOKEN=${token} AGENT_VAULT_VAULT=${vault} agent-vault run -- codex`));
}

export async function show({ place, vault, role, signal }) {
  const admin = role === 'admin', member = role !== 'proxy';
  const shown = (r, what) => showOnce(`Token of ${what}`, 'This is shown once: only a hash of it is stored.', r.av_agent_token || r.token, connect(r.av_agent_token || r.token, vault));
  const create = async () => {
    const r = await formDialog('New agent', [text({ name: 'name', label: 'Name', required: true, mono: true, hint: 'Lower-case letters, digits and hyphens. Its requests stand under this name in the log.' })],
      { submit: 'Create agent', onsubmit: (v) => api.createAgent({ name: v.name, vaults: [{ vault_name: vault, vault_role: 'proxy' }] }) });
    if (r) { await shown(r, r.name); await fetch(); }
  };
  const mint = async () => {
    const r = await formDialog('New token', [text({ name: 'label', label: 'What it is for', optional: true, maxlength: 100, placeholder: 'nightly job' }), select({ name: 'ttl', label: 'Ends after', options: kLives, value: '86400' })],
      { submit: 'Create token', lead: 'It may send requests and ask for access in this vault. It can never read a value.', onsubmit: (v) => api.createSession(vault, Number(v.ttl), v.label) });
    if (r) { await shown(r, 'this vault'); await fetch(); }
  };
  page(place, 'Agents & tokens', { vault, lead: 'Who may send requests through this vault. None of them can read a value.' });
  const body = h('div', { class: 'steady' });
  place.append(body);
  const fetch = () => load(body, async () => {
    const [own, all, sessions] = await Promise.all([api.vaultAgents(vault), api.agents().catch(() => []), member ? api.sessions(vault) : []]);
    if (signal.aborted) return;
    const rows = own.map((a) => ({ ...all.find((x) => x.name === a.name), ...a }));
    const others = all.filter((a) => a.status !== 'revoked' && !own.some((x) => x.name === a.name));
    const add = () => formDialog('Let an agent act here', [select({ name: 'name', label: 'Agent', options: others.map((a) => [a.name, a.name]) })], { submit: 'Add', onsubmit: async (v) => { await api.addVaultAgent(vault, v.name); await fetch(); } });
    const act = (a) => (admin ? [
      button('Rotate', async () => { const r = await formDialog(`Rotate the token of ${a.name}?`, [], { submit: 'Rotate', lead: 'The old token stops working at once.', onsubmit: () => api.rotateAgent(a.name) }); if (r) { await shown(r, a.name); await fetch(); } }, { small: true, kind: 'quiet', name: `Rotate the token of ${a.name}` }),
      a.status === 'revoked' ? button('Delete', () => confirm(`Delete ${a.name}?`, h('p', null, 'Its name stays in the log.'), { submit: 'Delete', onsubmit: async () => { await api.deleteAgent(a.name); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Delete ${a.name}` })
        : button('Revoke', () => confirm(`Revoke ${a.name}?`, h('p', null, 'Its token, its runs and its open tunnels end at once, in every vault.'), { submit: 'Revoke', onsubmit: async () => { await api.revokeAgent(a.name); notice([code(a.name), ' is revoked.']); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Revoke ${a.name}` }),
      button('Remove', () => confirm(`Remove ${a.name} from ${vault}?`, h('p', null, 'It can no longer act in this vault; others are not touched.'), { submit: 'Remove', onsubmit: async () => { await api.removeVaultAgent(vault, a.name); await fetch(); } }), { small: true, kind: 'quiet', name: `Remove ${a.name} from this vault` })] : null);
    fill(body,
      section('Agents', { actions: [admin && others.length ? button('Add an existing one', add, { small: true }) : null, member ? button('New agent', create, { kind: 'primary', small: true }) : null] },
        rows.length ? table('Agents', [
          { name: 'Agent', kind: 'main', cell: (a) => [said(a.name), a.status === 'revoked' ? [' ', badge('revoked', 'danger')] : null] },
          { name: 'Role', cell: (a) => a.vault_role || a.role || 'proxy' },
          { name: 'Made', cell: (a) => (a.created_at ? time(a.created_at) : '\u2014') },
          { name: 'Token rotated', cell: (a) => (a.rotated_at ? time(a.rotated_at) : h('span', { class: 'dim' }, 'never')) },
          { name: 'Actions', kind: 'acts', cell: act },
        ], rows) : empty('No agent here', 'Runs without an agent still work. Make one here, or:', `agent-vault agent create builder --vault ${vault}`)),
      member ? section('Tokens', { lead: 'For a job or a container; each ends by itself.', actions: button('New token', mint, { small: true }) },
        sessions.length ? table('Tokens', [
          { name: 'For', kind: 'main', cell: (s) => (s.label ? said(s.label) : h('span', { class: 'dim' }, 'no label')) },
          { name: 'Made by', cell: (s) => said(s.created_by?.display_name || '\u2014') },
          { name: 'Made', cell: (s) => time(s.created_at) }, { name: 'Ends', cell: (s) => time(s.expires_at) },
          { name: 'Actions', kind: 'acts', cell: (s) => button('Revoke', () => confirm('Revoke this token?', h('p', null, s.label ? said(s.label) : 'The token without a label', ' stops working at once.'), { submit: 'Revoke', onsubmit: async () => { await api.endSession(vault, s.id); await fetch(); } }), { small: true, kind: 'quiet danger', name: `Revoke token ${s.label || s.id}` }) },
        ], sessions) : empty('No token is alive')) : null);
  });
  await fetch();
}
