// The parts that pages are made of.

import { h, add, fill, code, said, freshId } from './dom.js';
import { ago, longTime, plain } from './text.js';

export function button(label, onclick, { kind = '', type = 'button', small = false, name = null, ...rest } = {}) {
  const b = h('button', { type, class: `btn ${kind} ${small ? 'small' : ''}`.trim(), 'aria-label': name, ...rest }, label);
  if (onclick) b.addEventListener('click', () => busy(b, onclick));
  return b;
}

// Runs `work` with the button waiting; an error that nobody shows elsewhere becomes a notice.
export async function busy(b, work) {
  if (b.getAttribute('aria-busy') === 'true') return;
  b.setAttribute('aria-busy', 'true');
  try { await work(); } catch (e) { if (e.name !== 'AbortError') notice(e); } finally { b.removeAttribute('aria-busy'); }
}

export const badge = (text, tone = '') => h('span', { class: `badge ${tone}` }, text);

export function errorBox(error) {
  return h('div', { class: 'box danger', role: 'alert' },
    h('p', { class: 'strong' }, upper(error.message)),
    error.help ? h('p', null, upper(error.help)) : null,
    error.retryAfter ? h('p', null, `Try again in ${error.retryAfter} s.`) : null);
}

export const box = (tone, ...children) => h('div', { class: `box ${tone}` }, ...children);
export const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// A line at the bottom that goes away; errors stay until they are dismissed.
export function notice(what, tone = 'ok') {
  const failed = what instanceof Error;
  const line = h('div', { class: `notice ${failed ? 'danger' : tone}`, role: failed ? 'alert' : null },
    h('div', null, failed ? [h('span', { class: 'strong' }, upper(what.message)), what.help ? [' ', upper(what.help)] : null] : what),
    h('button', { type: 'button', class: 'x', 'aria-label': 'Dismiss', onclick: () => line.remove() }, '\u00d7'));
  document.getElementById('notices').append(line);
  if (!failed) setTimeout(() => line.remove(), 6000);
}

// What to do when there is nothing: in words, and as what to type.
export function empty(title, text, ...commands) {
  return h('div', { class: 'empty' }, h('p', { class: 'strong' }, title), text ? h('p', null, text) : null,
    commands.map((c) => command(c)));
}

export function command(text) {
  return h('div', { class: 'command' }, h('code', { dir: 'ltr' }, text), copyButton(text, 'Copy command'));
}

export function copyButton(text, name = 'Copy') {
  const b = button('Copy', async () => {
    await copy(text);
    fill(b, 'Copied');
    setTimeout(() => fill(b, 'Copy'), 1600);
  }, { small: true, kind: 'quiet', name });
  return b;
}

async function copy(text) {
  try { return await navigator.clipboard.writeText(text); } catch { /* no secure context: below */ }
  const area = h('textarea', { class: 'sr', value: text, 'aria-hidden': 'true', readonly: true });
  (document.querySelector('dialog[open]') || document.body).append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('the browser did not allow copying: select the text instead');
}

export function time(iso) {
  return iso ? h('time', { datetime: iso, title: longTime(iso) }, ago(iso)) : h('span', { class: 'dim' }, 'never');
}
setInterval(() => {
  for (const t of document.querySelectorAll('time[datetime]:not(.fixed)')) {
    const text = ago(t.dateTime);
    if (t.textContent !== text) t.textContent = text;
  }
}, 15000);

// columns: [{name, cell: row => node, kind?: 'num'|'actions'|'main'}]. On a phone each row is a card.
export function table(caption, columns, rows, { row = null } = {}) {
  return h('table', { role: 'table', class: 'table' },
    h('caption', { class: 'sr' }, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map((c) =>
      h('th', { role: 'columnheader', scope: 'col', class: c.kind || null },
        c.kind === 'acts' ? h('span', { class: 'sr' }, c.name) : c.name)))),
    h('tbody', { role: 'rowgroup' }, rows.map((r) => {
      const tr = h('tr', { role: 'row' }, columns.map((c) =>
        h('td', { role: 'cell', class: c.kind || null, 'data-label': c.kind === 'acts' || c.kind === 'main' ? null : c.name }, h('div', null, c.cell(r)))));
      row?.(tr, r);
      return tr;
    })));
}

export function page(place, title, { lead = null, actions = null, vault = null } = {}, ...content) {
  document.title = plain(`${title}${vault ? ` \u00b7 ${vault}` : ''} \u00b7 agent-vault`);
  fill(place, h('header', { class: 'page-head' },
    h('div', null, h('h1', { tabindex: '-1' }, title), lead ? h('p', { class: 'lead' }, lead) : null),
    actions ? h('div', { class: 'actions' }, actions) : null), ...content);
}

export function section(title, { lead = null, actions = null } = {}, ...content) {
  const id = freshId('s');
  return h('section', { class: 'section', 'aria-labelledby': id },
    h('div', { class: 'section-head' }, h('h2', { id }, title), actions ? h('div', { class: 'actions' }, actions) : null),
    lead ? h('p', { class: 'lead' }, lead) : null, ...content);
}

// A switch that asks the server and goes back when it refuses.
export function toggle(name, on, change) {
  const input = h('input', { type: 'checkbox', role: 'switch', class: 'switch', checked: on, 'aria-label': name });
  input.addEventListener('change', async () => {
    input.disabled = true;
    try { await change(input.checked); } catch (e) { input.checked = !input.checked; notice(e); }
    input.disabled = false;
    input.focus();
  });
  return input;
}

export const chips = (names, none) =>
  names && names.length ? h('span', { class: 'chips' }, names.map((n) => h('span', { class: 'chip' }, code(n)))) : h('span', { class: 'dim' }, none);

export const agentName = (name) => (name ? said(name) : h('span', { class: 'dim' }, 'a run without agent'));

// Load, then show; a failure is shown in the same place with a way to try again.
export async function load(place, work) {
  place.setAttribute('aria-busy', 'true');
  try { await work(); } catch (e) {
    if (e.name === 'AbortError') return;
    fill(place, errorBox(e), h('p', null, button('Try again', () => load(place, work))));
  } finally { place.removeAttribute('aria-busy'); }
}

export { add };
