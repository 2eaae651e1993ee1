// What agents have asked for in one vault.

import { h, fill, said } from './dom.js';
import * as api from './api.js';
import { page, load, empty, time, table, notice } from './ui.js';
import { radios } from './form.js';
import { normal, headline, headlineText, review, stateBadge } from './review.js';
import { go, render } from './router.js';
import { refreshVaults } from './shell.js';

export async function show(context) {
  return context.params.id ? one(context) : all(context);
}

async function all({ place, vault, signal }) {
  const base = `/vaults/${encodeURIComponent(vault)}/proposals/`;
  page(place, 'Proposals', { vault, lead: 'Agents that lack access ask for it here instead of failing.' });
  const which = radios({ name: 'state', label: 'Show', value: 'pending', options: [['pending', 'Waiting'], ['', 'All']] });
  which.node.classList.add('filter');
  const body = h('div', { class: 'steady' });
  place.append(which.node, body);
  const fetch = () => load(body, async () => {
    const list = (await api.proposals(vault, which.get())).map((p) => normal(p, vault));
    if (signal.aborted) return;
    fill(body, list.length ? table('Proposals', [
      { name: 'Proposal', kind: 'main', cell: (p) => h('a', { href: base + p.id, class: 'row-link' }, headlineText(p) || `Proposal ${p.id}`) },
      { name: 'Says', cell: (p) => h('span', { class: 'clamp' }, said((p.words || p.message).slice(0, 200))) },
      { name: 'State', cell: (p) => stateBadge(p.status) }, { name: 'Asked', cell: (p) => time(p.created) },
    ], list) : empty(which.get() ? 'Nothing to decide' : 'No agent has asked for anything', 'An agent asks with one call; refused requests tell it how. To try it:', `agent-vault proposal create --vault ${vault} --service api.example.com --key EXAMPLE_TOKEN --user-message 'I need it'`));
  });
  which.onchange(fetch);
  await fetch();
}

async function one({ place, vault, params, signal }) {
  page(place, `Proposal ${params.id}`, { vault });
  const body = h('div', { class: 'approve left' });
  place.append(body);
  await load(body, async () => {
    const p = normal(await api.proposal(vault, params.id), vault);
    const diff = p.status === 'pending' ? await api.proposalDiff(vault, p.id).catch((e) => ({ lines: [{ kind: 'warn', text: e.message }] })) : null;
    if (signal.aborted) return;
    page(place, headline(p), { vault, lead: [`No. ${p.id}, asked `, time(p.created), '.'] });
    document.title = `${headlineText(p)} \u00b7 agent-vault`;
    place.append(h('div', { class: 'approve left' }, review(p, { diff, may: true, again: render, done: async (outcome) => {
      notice(outcome === 'applied' ? 'Allowed; the agent has been told.' : 'Denied; the agent has been told.');
      await refreshVaults();
      await go(`/vaults/${encodeURIComponent(vault)}/proposals`);
    } })));
  });
}
