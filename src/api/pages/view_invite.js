// Accepting an invitation.

import { h, said } from './dom.js';
import * as api from './api.js';
import { form, secret } from './form.js';
import { go } from './router.js';
import { page, load, badge } from './ui.js';
import { signInForm } from './view_login.js';
import { session } from './shell.js';

export const frame = { narrow: true };

export async function show({ place, params }) {
  history.replaceState(null, '', '/invite/accept');
  page(place, 'Invitation');
  const body = h('div');
  place.append(body);
  await load(body, async () => {
    const d = await api.inviteDetails(params.token);
    if (d.needs_account === false) session.user = await api.me().catch(() => null);
    page(place, 'You are invited', { lead: ['As ', said(d.email), d.role ? ` (${d.role})` : '', '.'] },
      d.vaults?.length ? h('ul', { class: 'plain-list' }, d.vaults.map((v) => h('li', null, said(v.vault_name || v.name || v), ' ', badge(v.vault_role || v.role || 'member')))) : null,
      d.needs_account === false && !session.user ? signInForm('/', async () => { await api.acceptInvite(params.token); await go('/', { replace: true }); }, { submit: 'Sign in and accept' }) :
      form([d.needs_account === false ? null : secret({ name: 'password', label: 'Choose a password', required: true, autocomplete: 'new-password', minlength: 8, hint: 'At least 8 characters. A long sentence is best.' })],
        { submit: 'Accept', className: 'stacked', onsubmit: async (v) => {
          await api.acceptInvite(params.token, v.password);
          session.user = await api.me().catch(() => null);
          await go(session.user ? '/' : '/login', { replace: true });
        } }));
    place.querySelector('input')?.focus();
  });
}
