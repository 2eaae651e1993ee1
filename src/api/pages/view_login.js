// Signing in, as a page and as a part of the approve page.

import { h } from './dom.js';
import * as api from './api.js';
import { form, text, secret } from './form.js';
import { go } from './router.js';
import { box, page } from './ui.js';
import { session } from './shell.js';

export const frame = { narrow: true };

// What a sign-in with a provider can come to; which of the reasons it was stands in the log only.
const kTrouble = {
  refused: 'The provider signed you in, but nobody here is known by that. Ask an owner for an invite to exactly that address.',
  unreachable: 'The provider could not be reached. Try again, or sign in with your password.',
  address: 'Open these pages under the address that the provider knows, and try again.',
};

// Other ways than a password, when the server has them: {oidc: {name, url}} in /v1/status.
function otherWays(next) {
  const oidc = session.status?.oidc;
  if (!oidc) return null;
  const url = (typeof oidc.url === 'string' && oidc.url.startsWith('/') ? oidc.url : '/v1/auth/oidc/start') + '?next=' + encodeURIComponent(next);
  return h('div', { class: 'or' }, h('a', { class: 'btn', href: url, target: '_self' }, `Continue with ${oidc.name || 'single sign-on'}`));
}

export function signInForm(next, done, { submit = 'Sign in' } = {}) {
  const email = text({ name: 'email', label: 'E-mail', type: 'email', required: true, autocomplete: 'username' });
  const password = secret({ name: 'password', label: 'Password', required: true, autocomplete: 'current-password' });
  return h('div', null, form([email, password], { submit, className: 'stacked', onsubmit: async (v) => {
    try { await api.login(v.email, v.password); } catch (e) { password.clear(); throw e; }
    session.user = await api.me();
    await done();
  } }), otherWays(next));
}

export async function show({ place }) {
  session.status = await api.status().catch(() => null);
  if (session.status?.needs_first_user) return go('/setup', { replace: true });
  const asked = new URLSearchParams(location.search).get('next') || '/';
  const next = asked.startsWith('/') && !/^\/[/\\]/.test(asked) ? asked : '/';
  const how = new URLSearchParams(location.search).get('oidc');
  page(place, 'Sign in', {}, kTrouble[how] ? box('danger', h('p', null, kTrouble[how])) : null, signInForm(next, () => go(next, { replace: true })),
    h('p', { class: 'dim small' }, 'No account? An owner invites you: ', h('code', null, 'agent-vault user invite EMAIL')));
  place.querySelector('input')?.focus();
}
