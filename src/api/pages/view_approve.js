// The page that an agent's link leads to. The link shows what is asked; deciding takes a person who
// has signed in.

import { h, fill, said } from './dom.js';
import * as api from './api.js';
import { load, box, time, command, errorBox } from './ui.js';
import { signInForm } from './view_login.js';
import { normal, headline, headlineText, review, decided } from './review.js';
import { session } from './shell.js';
import { plain } from './text.js';

export const frame = {};

// The token leaves the address bar (and with it the history and any screen that is shared). It opens
// nothing but this view, and is kept for a reload of this tab only.
function takeToken(id) {
  const url = new URL(location.href);
  const token = url.searchParams.get('token');
  const key = 'av-approve-' + id;
  try {
    if (token !== null) {
      sessionStorage.setItem(key, token);
      history.replaceState(null, '', url.pathname);
    }
    return sessionStorage.getItem(key) || '';
  } catch {
    if (token !== null) history.replaceState(null, '', url.pathname);
    return token || '';
  }
}

export async function show({ place, params, signal }) {
  const token = takeToken(params.id);
  document.title = 'Approve \u00b7 agent-vault';
  const body = h('div', { class: 'approve' });
  fill(place, body);
  session.status = await api.status().catch(() => null);
  await load(body, () => paint(body, params.id, token, signal));
}

async function paint(body, id, token, signal, focus = false) {
  let d;
  try { d = await api.approveDetails(id, token); } catch (error) {
    if (error.status !== 404 && error.status !== 403) throw error;
    return void fill(body, h('h1', { tabindex: '-1' }, 'This link does not work'), errorBox(error), h('p', null, h('a', { class: 'btn', href: '/' }, 'All vaults')));
  }
  const p = normal(d);
  const signedIn = d.authenticated === true;
  if (signedIn && !session.user) session.user = await api.me().catch(() => null);
  const may = signedIn && d.can_approve !== false;
  let diff = d.diff?.lines ? d.diff : null;
  if (may && p.status === 'pending') diff = await api.proposalDiff(p.vault, p.id).catch((e) => ({ lines: [{ kind: 'warn', text: e.message }] }));
  if (signal.aborted) return;

  document.title = plain(`${headlineText(p)} \u00b7 agent-vault`);
  const again = () => paint(body, id, token, signal, true);
  let instead = null;
  if (p.status === 'pending' && !signedIn) {
    instead = h('section', { class: 'part signin' }, h('h2', null, 'Sign in to decide'),
      h('p', { class: 'dim' }, 'The link alone allows nothing: an agent could open it too.'), signInForm(`/approve/${encodeURIComponent(id)}`, again),
      h('div', { class: 'aside' }, h('p', null, 'Or decide in your own terminal:'), command(`agent-vault proposal review --vault ${p.vault}`)));
  } else if (p.status === 'pending' && !may) {
    instead = box('warn', h('p', { class: 'strong' }, 'You may not decide this.'),
      h('p', null, 'You are signed in as ', said(session.user?.email || 'somebody'), '; deciding needs the role member or admin in the vault ', said(p.vault), '.'));
  }
  fill(body, h('header', { class: 'ask-title' },
    h('p', { class: 'eyebrow' }, 'Vault ', said(p.vault), p.created ? [' \u00b7 asked ', time(p.created)] : null, ` \u00b7 no. ${p.id}`),
    h('h1', { tabindex: '-1' }, headline(p))),
  review(p, { diff, may, instead, again, done: async (outcome) => {
    try { sessionStorage.removeItem('av-approve-' + id); } catch { /* it was never there */ }
    finished(body, p, outcome);
  } }));
  if (focus) body.querySelector('.slot input, .btn.primary')?.focus();
}

function finished(body, p, outcome) {
  const title = h('h1', { tabindex: '-1' }, outcome === 'applied' ? 'Allowed' : 'Denied');
  fill(body, title, decided({ ...p, status: outcome }),
    h('p', null, p.agent ? said(p.agent) : 'The agent', outcome === 'applied' ? ' can go on; it has been told.' : ' has been told. Nothing was changed.'),
    h('p', null, session.status?.mode === 'run' ? null : [h('a', { class: 'btn', href: `/vaults/${encodeURIComponent(p.vault)}/proposals` }, 'All proposals'), ' '], h('span', { class: 'dim' }, 'You can close this tab.')));
  document.title = `${title.textContent} \u00b7 agent-vault`;
  title.focus();
}

