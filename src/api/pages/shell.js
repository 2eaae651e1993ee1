// What surrounds a page: where one is, where one can go, who one is.

import { h, fill, said } from './dom.js';
import * as api from './api.js';
import * as held from './held.js';
import { go } from './router.js';
import { busy } from './ui.js';

export const session = { user: null, vaults: [], status: null };

const kPages = [
  ['requests', 'Requests'], ['proposals', 'Proposals'], ['credentials', 'Credentials'], ['stores', 'Stores'], ['services', 'Services'],
  ['rules', 'Rules'], ['agents', 'Agents & tokens'], ['log', 'Log'], ['members', 'Members'], ['settings', 'Settings'],
];

export function mark() {
  return h('svg', { viewBox: '0 0 32 32', width: '24', height: '24', 'aria-hidden': 'true', class: 'mark' },
    h('rect', { width: '32', height: '32', rx: '7' }),
    h('path', { d: 'M16 6.5 24.5 10v6.4c0 4.6-3.4 7.9-8.5 9.6-5.1-1.7-8.5-5-8.5-9.6V10Z' }),
    h('circle', { cx: '16', cy: '14.6', r: '2.2' }), h('path', { d: 'M16 16v4.6' }));
}

export const brand = () => h('a', { class: 'brand', href: '/' }, mark(), h('span', null, 'agent-vault'));

export function themeSwitch() {
  const order = { system: ['light', 'Auto'], light: ['dark', 'Light'], dark: ['system', 'Dark'] };
  const b = h('button', { type: 'button', class: 'btn quiet small' });
  const paint = () => {
    const [next, label] = order[globalThis.avTheme.get()];
    fill(b, h('span', { 'aria-hidden': 'true' }, '\u25d0 '), label);
    b.setAttribute('aria-label', `Colours: ${label}. Change to ${next}`);
    b.onclick = () => { globalThis.avTheme.set(next); paint(); };
  };
  paint();
  return b;
}

export async function refreshVaults(signal) {
  session.vaults = await api.vaults({ signal });
}

let frame = null;   // {node, main, paint}

// The frame of signed-in pages; kept while one goes from page to page.
export function framed(app, vault, page) {
  if (!frame || !frame.node.isConnected) {
    frame = build();
    fill(app, frame.node);
  }
  held.watch(vault);
  frame.paint(vault, page);
  return frame.main;
}

export function unframe() { frame = null; held.watch(null); }

function build() {
  const nav = h('nav', { id: 'nav', class: 'nav', 'aria-label': 'Pages' });
  const crumb = h('span', { class: 'crumb' });
  const menu = h('button', { type: 'button', class: 'btn small menu', 'aria-expanded': 'false', 'aria-controls': 'nav' }, 'Menu');
  const main = h('main', { id: 'main', tabindex: '-1' });
  const node = h('div', { class: 'frame' }, h('header', { class: 'top' }, brand(), crumb, menu), nav, main);
  const close = () => { node.classList.remove('open'); menu.setAttribute('aria-expanded', 'false'); };
  menu.addEventListener('click', () => {
    const open = node.classList.toggle('open');
    menu.setAttribute('aria-expanded', String(open));
    if (open) nav.querySelector('a, select')?.focus();
  });
  nav.addEventListener('keydown', (e) => { if (e.key === 'Escape' && node.classList.contains('open')) { close(); menu.focus(); } });

  let shown = { vault: null, page: null };
  const badges = new Map();
  const setBadge = (page, n, name) => {
    const b = badges.get(page);
    if (b) fill(b, n ? [String(n), h('span', { class: 'sr' }, ` ${name}`)] : null);
  };
  const paintBadges = (state) => {
    if (!shown.vault) return;
    setBadge('requests', state.list.length, 'waiting');
    const vault = session.vaults.find((v) => v.name === shown.vault);
    setBadge('proposals', vault?.pending_proposals || 0, 'pending');
    setBadge('stores', vault?.failing_stores || 0, 'failing');
  };
  const forever = new AbortController();
  held.follow(paintBadges, forever.signal);

  const item = (href, label, here, key = null) => {
    const slot = key ? h('span', { class: 'count' }) : null;
    if (key) badges.set(key, slot);
    return h('li', null, h('a', { href, 'aria-current': here ? 'page' : null }, h('span', null, label), slot));
  };
  const paint = (vault, page) => {
    shown = { vault, page };
    close();
    badges.clear();
    fill(crumb, vault ? said(vault) : '');
    const base = vault ? '/vaults/' + encodeURIComponent(vault) + '/' : '';
    fill(nav, h('div', { class: 'nav-top' }, brand()),
      vault ? [vaultPicker(vault, page),
        h('ul', null, kPages.map(([p, label]) => item(base + p, label, p === page, ['requests', 'proposals', 'stores'].includes(p) ? p : null)))] : null,
      h('ul', { class: vault ? 'nav-low' : null },
        item('/', 'All vaults', page === 'vaults'),
        session.user?.is_owner ? item('/instance', 'Instance', page === 'instance') : null,
        item('/account', 'Account', page === 'account')),
      h('div', { class: 'nav-foot' }, h('p', { class: 'who' }, said(session.user?.email || '')),
        h('div', { class: 'row' }, themeSwitch(), signOut())));
    held.follow(paintBadges, AbortSignal.abort());
  };
  return { node, main, paint };
}

function vaultPicker(vault, page) {
  const pick = h('select', { 'aria-label': 'Vault' }, session.vaults.map((v) => h('option', { value: v.name, selected: v.name === vault }, v.name)),
    session.vaults.some((v) => v.name === vault) ? null : h('option', { value: vault, selected: true }, vault));
  pick.addEventListener('change', () => go(`/vaults/${encodeURIComponent(pick.value)}/${page}`));
  return h('div', { class: 'picker' }, h('span', { class: 'label', 'aria-hidden': 'true' }, 'Vault'), pick);
}

function signOut() {
  const b = h('button', { type: 'button', class: 'btn quiet small' }, 'Sign out');
  b.addEventListener('click', () => busy(b, async () => {
    await api.logout();
    session.user = null;
    unframe();
    await go('/login');
  }));
  return b;
}

// A page without the frame: sign-in, approve. Returns its <main>.
export function bare(app, { narrow = false } = {}) {
  unframe();
  const main = h('main', { id: 'main', tabindex: '-1', class: narrow ? 'narrow' : null });
  fill(app, h('div', { class: 'bare' }, h('header', { class: 'bare-top' }, brand(), themeSwitch()), main));
  return main;
}
