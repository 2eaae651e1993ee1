// One's own account: where one is signed in, and the password.

import { h, fill, said } from './dom.js';
import * as api from './api.js';
import { page, load, table, button, badge, time, notice, section } from './ui.js';
import { confirm } from './dialog.js';
import { form, secret } from './form.js';
import { session, unframe } from './shell.js';
import { go } from './router.js';

export async function show({ place, signal }) {
  page(place, 'Account', { lead: [said(session.user.email), session.user.is_owner ? ', owner of this agent-vault' : ''] });
  const body = h('div', { class: 'steady' });
  const change = form([secret({ name: 'current', label: 'Current password', required: true, autocomplete: 'current-password' }), secret({ name: 'fresh', label: 'New password', required: true, autocomplete: 'new-password', minlength: 8, hint: 'At least 8 characters. Your other sessions end.' })],
    { submit: 'Change password', className: 'stacked', onsubmit: async (v) => { await api.changePassword(v.current, v.fresh); change.reset(); notice('Your password is changed; other sessions have ended.'); await fetch(); } });
  place.append(section('Where you are signed in', {}, body));
  const fetch = () => load(body, async () => {
    const list = await api.mySessions();
    if (signal.aborted) return;
    fill(body, table('Sessions', [
      { name: 'Device', kind: 'main', cell: (s) => [said(s.device_label || 'unknown'), s.current ? [' ', badge('this one', 'ok')] : null, s.last_user_agent ? h('div', { class: 'dim small clamp' }, said(s.last_user_agent)) : null] },
      { name: 'Address', cell: (s) => s.last_ip || '\u2014' }, { name: 'Last used', cell: (s) => time(s.last_used_at) }, { name: 'Ends', cell: (s) => time(s.expires_at) },
      { name: 'Actions', kind: 'acts', cell: (s) => button(s.current ? 'Sign out' : 'End', () => confirm(s.current ? 'Sign out here?' : 'End this session?', h('p', null, said(s.device_label || 'This device'), ' has to sign in again.'), { submit: s.current ? 'Sign out' : 'End', onsubmit: async () => {
        await api.endMySession(s.id);
        if (s.current) { session.user = null; unframe(); await go('/login'); } else await fetch();
      } }), { small: true, kind: 'quiet danger', name: `End session ${s.device_label || s.id}` }) },
    ], list));
  });
  await fetch();
  if (!signal.aborted) place.append(section('Password', {}, change));
}
