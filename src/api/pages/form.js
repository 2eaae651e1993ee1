// Fields and forms. A field is {node, get(), set(v), focus()}; a form shows the server's message at
// its top and gives the focus to it.

import { h, fill, freshId } from './dom.js';
import { button, errorBox } from './ui.js';

function framed(spec, id, control) {
  const hint = spec.hint ? h('p', { class: 'hint', id: id + '-hint' }, spec.hint) : null;
  return h('div', { class: `field ${spec.wide ? 'wide' : ''}` }, h('label', { for: id },
    spec.label, spec.optional ? h('span', { class: 'dim' }, ' (optional)') : null), control, hint);
}

const common = (spec, id) => ({
  id, name: spec.name, required: !!spec.required, placeholder: spec.placeholder || null,
  'aria-describedby': spec.hint ? id + '-hint' : null, autocomplete: spec.autocomplete || 'off',
  autocapitalize: 'off', spellcheck: spec.prose ? null : 'false',
});

export function text(spec) {
  const id = freshId('f');
  const input = h('input', { ...common(spec, id), type: spec.type || 'text', class: spec.mono ? 'mono' : null,
    dir: spec.mono ? 'ltr' : null, maxlength: spec.maxlength || null, minlength: spec.minlength || null,
    min: spec.min ?? null, max: spec.max ?? null, pattern: spec.pattern || null, title: spec.pattern ? spec.hint : null,
    inputmode: spec.inputmode || null });
  input.value = spec.value ?? '';
  return { name: spec.name, input, node: framed(spec, id, input), get: () => input.value.trim(),
    set: (v) => { input.value = v; }, focus: () => input.focus() };
}

export function area(spec) {
  const id = freshId('f');
  const input = h('textarea', { ...common(spec, id), rows: spec.rows || 3, class: spec.mono ? 'mono' : null });
  input.value = spec.value ?? '';
  return { name: spec.name, input, node: framed(spec, id, input), get: () => input.value, focus: () => input.focus() };
}

export function select(spec) {
  const id = freshId('f');
  const input = h('select', { id, name: spec.name, 'aria-describedby': spec.hint ? id + '-hint' : null },
    spec.options.map(([value, label]) => h('option', { value, selected: value === spec.value }, label)));
  return { name: spec.name, input, node: framed(spec, id, input), get: () => input.value,
    set: (v) => { input.value = v; }, focus: () => input.focus() };
}

export function check(spec) {
  const id = freshId('f');
  const input = h('input', { type: 'checkbox', id, name: spec.name, checked: !!spec.value,
    'aria-describedby': spec.hint ? id + '-hint' : null });
  const node = h('div', { class: 'field check' }, input, h('div', null, h('label', { for: id }, spec.label),
    spec.hint ? h('p', { class: 'hint', id: id + '-hint' }, spec.hint) : null));
  return { name: spec.name, input, node, get: () => input.checked, focus: () => input.focus() };
}

export function radios(spec) {
  const id = freshId('f');
  const inputs = spec.options.map(([value, label]) => [h('input', { type: 'radio', name: id, value, checked: value === spec.value }), label]);
  const node = h('fieldset', { class: 'field radios' }, h('legend', null, spec.label),
    h('div', { class: 'segments' }, inputs.map(([i, label]) => h('label', { class: 'segment' }, i, h('span', null, label)))),
    spec.hint ? h('p', { class: 'hint' }, spec.hint) : null);
  return { name: spec.name, node, get: () => inputs.find(([i]) => i.checked)?.[0].value ?? '', onchange: (f) => node.addEventListener('change', f),
    focus: () => inputs[0][0].focus() };
}

export function checks(spec) {
  const inputs = spec.options.map(([value, label]) => [h('input', { type: 'checkbox', value, checked: spec.value?.includes(value) }), label]);
  const node = h('fieldset', { class: 'field radios' }, h('legend', null, spec.label),
    h('div', { class: 'segments' }, inputs.map(([i, label]) => h('label', { class: 'segment' }, i, h('span', null, label)))),
    spec.hint ? h('p', { class: 'hint' }, spec.hint) : null);
  return { name: spec.name, node, get: () => inputs.filter(([i]) => i.checked).map(([i]) => i.value), inputs: inputs.map(([i]) => i) };
}

// Names with commas or spaces between them -> array.
export function names(spec) {
  const f = text({ ...spec, mono: true, value: (spec.value || []).join(', ') });
  const upper = spec.upper ? (s) => s.toUpperCase() : (s) => s;
  return { ...f, get: () => [...new Set(f.input.value.split(/[\s,]+/).filter(Boolean).map(upper))] };
}

// A value that stays covered. Text of several lines (a PEM key) is kept whole: an <input> would
// silently join its lines.
export function secret(spec) {
  const id = freshId('f');
  const own = { ...common({ ...spec, autocomplete: spec.autocomplete || 'off' }, id), class: 'mono', 'data-1p-ignore': spec.autocomplete ? null : '',
    'data-lpignore': spec.autocomplete ? null : 'true', minlength: spec.minlength || null };
  let input = h('input', { ...own, type: 'password' });
  input.value = spec.value ?? '';
  let shown = false;
  const eye = h('button', { type: 'button', class: 'eye', 'aria-pressed': 'false', 'aria-label': `Show ${spec.label}` }, 'Show');
  const holder = h('div', { class: 'secret' }, input, eye);
  const paint = () => {
    if (input.localName === 'input') input.type = shown ? 'text' : 'password';
    else input.classList.toggle('veiled', !shown);
    fill(eye, shown ? 'Hide' : 'Show');
    eye.setAttribute('aria-pressed', String(shown));
  };
  eye.addEventListener('click', () => { shown = !shown; paint(); });
  if (!spec.autocomplete) {
    input.addEventListener('paste', (e) => {
      const pasted = e.clipboardData?.getData('text') ?? '';
      e.preventDefault();
      if (/\n/.test(pasted.trim())) {
        const wide = h('textarea', { ...own, rows: 5, class: 'mono veiled' });
        wide.value = pasted;
        input.replaceWith(wide);
        input = wide;
        paint();
        input.focus();
      } else {
        // Selecting a key on a web page often takes a blank along.
        input.setRangeText(pasted.trim(), input.selectionStart, input.selectionEnd, 'end');
        input.dispatchEvent(new Event('input', { bubbles: true }));
      }
    });
  }
  return { name: spec.name, get input() { return input; }, node: framed(spec, id, holder), get: () => input.value,
    clear: () => { input.value = ''; shown = false; paint(); }, focus: () => input.focus() };
}

// fields: of the above, nodes between them as they are. onsubmit(values) may throw.
export function form(fields, { submit = 'Save', kind = 'primary', onsubmit, cancel = null, className = '', extra = null }) {
  const trouble = h('div', { class: 'trouble' });
  const go = h('button', { type: 'submit', class: `btn ${kind}` }, submit);
  const node = h('form', { class: `form ${className}`, novalidate: null }, trouble,
    fields.map((f) => (f instanceof Node ? f : f?.node)),
    h('div', { class: 'form-actions' }, go, cancel ? button('Cancel', cancel) : null, extra));
  node.addEventListener('submit', async (e) => {
    e.preventDefault();
    if (go.getAttribute('aria-busy') === 'true') return;
    go.setAttribute('aria-busy', 'true');
    fill(trouble);
    const values = {};
    for (const f of fields) if (f && f.get && f.name) values[f.name] = f.get();
    try { await onsubmit(values); } catch (error) {
      if (error.name !== 'AbortError') {
        const shown = errorBox(error);
        shown.tabIndex = -1;
        fill(trouble, shown);
        shown.focus();
      }
    } finally { go.removeAttribute('aria-busy'); }
  });
  return node;
}
