// Where the browser ends after a provider has sent it back: says how it went. Nothing of what stands
// in the address is shown; what happened is asked of the server.

import { h, fill, code, said } from './dom.js';
import * as api from './api.js';
import { box } from './ui.js';

export const frame = { narrow: true };

export async function show({ place, signal }) {
  const id = new URLSearchParams(location.search).get('attempt') || '';
  let outcome = null;
  try { if (/^[0-9a-f]{20}$/.test(id)) outcome = await api.oauthAttempt(id, signal); } catch (e) { if (e.name === 'AbortError') throw e; }
  const good = outcome?.state === 'done';
  const title = h('h1', { tabindex: '-1' }, good ? (outcome.key ? 'Connected' : 'Confirmed') : 'This did not work');
  document.title = `${title.textContent} \u00b7 agent-vault`;
  fill(place, title, good ? box('ok', h('p', null, outcome.key ? [code(outcome.key), ' of the vault ', said(outcome.vault), outcome.proposal ? ' is stored when you allow the proposal.' : ' is connected.'] : 'You have shown who you are.'))
    : box('danger', h('p', null, outcome?.message ? said(outcome.message) : 'This answer belongs to nothing that was begun in this browser, or it came too late. Nothing was stored.')),
  h('p', null, good ? 'You can close this tab and go back to the other one.' : 'Go back to the other tab and begin again.', ' ', outcome?.vault ? h('a', { class: 'btn', href: `/vaults/${encodeURIComponent(outcome.vault)}/credentials` }, 'Credentials') : null));
  title.focus();
}
