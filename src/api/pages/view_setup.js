// The first owner. The setup code is on the terminal of `serve`, where an agent cannot read it.

import { h, code } from './dom.js';
import * as api from './api.js';
import { form, text, secret } from './form.js';
import { go } from './router.js';
import { page, command } from './ui.js';
import { session } from './shell.js';

export const frame = { narrow: true };

export async function show({ place }) {
  const status = await api.status().catch(() => null);
  if (status && !status.needs_first_user) {
    page(place, 'Already set up', { lead: 'This agent-vault has an owner.' }, h('p', null, h('a', { class: 'btn primary', href: '/login' }, 'Sign in')));
    return;
  }
  page(place, 'Set up agent-vault', { lead: ['The owner decides what agents may do. ', code('agent-vault serve'), ' has printed a setup code on its terminal; it shows that you are the one who started it.'] },
    form([
      text({ name: 'setup_code', label: 'Setup code', required: true, mono: true, autocomplete: 'one-time-code' }),
      text({ name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'username', hint: 'Your name here. Nothing is sent to it.' }),
      secret({ name: 'password', label: 'Password', required: true, autocomplete: 'new-password', minlength: 8, hint: 'At least 8 characters. A long sentence is best.' }),
    ], { submit: 'Create the owner', className: 'stacked', onsubmit: async (v) => {
      await api.register(v.email, v.password, v.setup_code);
      session.user = await api.me().catch(() => null);
      await go(session.user ? '/' : '/login', { replace: true });
    } }),
    h('div', { class: 'aside' }, h('p', null, 'Or in the terminal, on the machine where it runs:'), command('agent-vault user add you@example.com --owner')));
  place.querySelector('input')?.focus();
}
