// All vaults that one may see.

import { h, said } from './dom.js';
import * as api from './api.js';
import { page, button, badge, time, empty, load } from './ui.js';
import { formDialog } from './dialog.js';
import { text } from './form.js';
import { go, render } from './router.js';
import { session, refreshVaults } from './shell.js';
import { count } from './text.js';

const base = (name) => '/vaults/' + encodeURIComponent(name);

function create() {
  return formDialog('New vault', [text({ name: 'name', label: 'Name', required: true, mono: true, hint: '3 to 64 lower-case letters, digits and hyphens.' })],
    { submit: 'Create vault', onsubmit: async (v) => {
      await api.createVault(v.name);
      await refreshVaults();
      await go(base(v.name) + '/services');
    } });
}

function card(v) {
  const mine = v.role && v.membership !== 'none' && v.membership !== false;
  return h('li', { class: 'vault' },
    h('div', null, h('h2', null, mine ? h('a', { href: base(v.name) + '/requests', class: 'cover' }, said(v.name)) : said(v.name)),
      h('p', { class: 'dim' }, mine ? v.role : 'you are not a member', ', made ', time(v.created_at))),
    v.pending_proposals ? h('a', { href: base(v.name) + '/proposals', class: 'over' }, badge(count(v.pending_proposals, 'proposal') + ' to decide', 'warn')) : null,
    v.failing_stores ? h('a', { href: base(v.name) + '/stores', class: 'over' }, badge(count(v.failing_stores, 'store') + ' failing', 'danger')) : null,
    mine ? h('span', { class: 'chevron', 'aria-hidden': 'true' }, '\u203a') : session.user?.is_owner ? button('Join', async () => { await api.joinVault(v.name); await refreshVaults(); await render(); }, { small: true, name: `Join ${v.name}` }) : null);
}

export async function show({ place, signal }) {
  page(place, 'Vaults', { lead: 'A vault holds credentials, the services that use them, and who may act there.', actions: button('New vault', create) });
  const body = h('div');
  place.append(body);
  await load(body, async () => {
    await refreshVaults(signal);
    body.replaceChildren(session.vaults.length ? h('ul', { class: 'vaults' }, session.vaults.map(card))
      : empty('No vault yet', 'Make one here, or ask an owner to add you to one.', 'agent-vault vault create my-team'));
  });
}
