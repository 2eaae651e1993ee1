// Dialogs. The browser's own <dialog> keeps the focus inside, closes on Escape and gives the focus
// back to where it was.

import { h, freshId, code } from './dom.js';
import { button, copyButton } from './ui.js';
import { form, text } from './form.js';

export function open(title, content, { wide = false, onclose = null } = {}) {
  const id = freshId('d');
  const before = document.activeElement;
  const box = h('dialog', { class: wide ? 'wide' : null, 'aria-labelledby': id },
    h('div', { class: 'dialog-head' }, h('h2', { id }, title),
      h('button', { type: 'button', class: 'x', 'aria-label': 'Close', onclick: () => box.close() }, '\u00d7')),
    h('div', { class: 'dialog-body' }, content));
  box.addEventListener('close', () => {
    box.remove();
    onclose?.();
    if (before?.isConnected) before.focus(); else document.querySelector('h1')?.focus();
  });
  document.body.append(box);
  box.showModal();
  (box.querySelector('.dialog-body input:not([type=hidden]), .dialog-body textarea, .dialog-body select, .dialog-body button') || box).focus();
  return box;
}

// Resolves to what onsubmit returned, or undefined when it was cancelled.
export function formDialog(title, fields, { submit, kind, onsubmit, lead = null, wide = false }) {
  return new Promise((done) => {
    let result;
    const box = open(title, [lead ? h('p', { class: 'lead' }, lead) : null,
      form(fields, { submit, kind, cancel: () => box.close(), onsubmit: async (values) => {
        result = await onsubmit(values) ?? true;
        box.close();
      } })], { wide, onclose: () => done(result) });
  });
}

export function confirm(title, words, { submit, onsubmit, typed = null, kind = 'danger-solid' }) {
  const field = typed ? text({ name: 'typed', label: ['Type ', code(typed), ' to confirm'], required: true, mono: true }) : null;
  return formDialog(title, [h('div', { class: 'prose' }, words), field], { submit, kind, onsubmit: async () => {
    if (typed && field.get() !== typed) throw Object.assign(new Error('that is another name'), { help: `type exactly: ${typed}` });
    return onsubmit();
  } });
}

// Something that can be seen this once.
export function showOnce(title, words, value, more = null) {
  return new Promise((done) => {
    const box = open(title, [h('p', { class: 'lead' }, words),
      h('div', { class: 'once' }, code(value), copyButton(value, 'Copy')), more,
      h('div', { class: 'form-actions' }, button('Done', () => box.close(), { kind: 'primary' }))], { wide: true, onclose: done });
  });
}
