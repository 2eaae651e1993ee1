// The only place where elements are made. Children that are text become text nodes, with hidden
// characters shown; there is no way to hand in markup.

import { pieces, plain, webUrl } from './text.js';

const kSvg = 'http://www.w3.org/2000/svg';
const kSvgTags = new Set(['svg', 'path', 'rect', 'line', 'circle', 'g']);
const kProperties = new Set(['value', 'checked', 'disabled', 'selected', 'hidden', 'required', 'indeterminate']);
const kNever = new Set(['style', 'srcdoc', 'src', 'formaction', 'action', 'innerHTML', 'outerHTML']);

function inside(href) {
  return (href.startsWith('/') && !/^\/[/\\]/.test(href)) || href.startsWith('#');
}

// h('button', {class: 'x', onclick: f, 'aria-label': t}, 'text', node, [more], null)
export function h(tag, attributes, ...children) {
  const node = kSvgTags.has(tag) ? document.createElementNS(kSvg, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (kNever.has(name)) throw new Error('attribute ' + name);
    if (name.startsWith('on')) {
      if (typeof value !== 'function') throw new Error('handler ' + name);
      node.addEventListener(name.slice(2), value);
    } else if (kProperties.has(name)) {
      node[name] = value;
    } else if (name === 'href') {
      if (!inside(value) && !webUrl(value)) throw new Error('link');
      node.setAttribute(name, value);
    } else {
      node.setAttribute(name, value === true ? '' : plain(value));
    }
  }
  return add(node, children);
}

export function add(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    if (child instanceof Node) node.append(child);
    else if (node.localName === 'option' || node.localName === 'title') node.append(plain(child));
    else for (const p of pieces(child)) node.append(p.hidden ? hiddenMark(p.hidden) : p.text);
  }
  return node;
}

function hiddenMark(name) {
  const mark = document.createElement('span');
  mark.className = 'hidden-char';
  mark.title = 'An invisible character';
  mark.textContent = name;
  return mark;
}

export function fill(node, ...children) {
  node.replaceChildren();
  return add(node, ...children);
}

// What somebody else wrote, inside our words: its direction ends where it ends.
export const said = (text) => h('bdi', { class: 'said' }, text);
export const code = (text, kind = '') => h('code', { dir: 'ltr', class: kind || null }, text);

// A link to elsewhere, shown in full. Anything that is no web address stays text.
export function outLink(text) {
  const url = webUrl(text);
  if (!url) return h('span', { class: 'no-link' }, code(text), ' (not a link that can be trusted)');
  return h('a', { href: url.href, rel: 'noopener noreferrer', target: '_blank', dir: 'ltr', class: 'out' },
    url.href, h('span', { class: 'sr' }, ' (opens in a new tab)'));
}

let serial = 0;
export const freshId = (stem) => `${stem}-${++serial}`;
