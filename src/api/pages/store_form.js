// Dialogs about external stores: pairing one by the table of kinds, looking into one, and making a
// credential or a mapping of what it has.

import { h, fill, code, said } from './dom.js';
import * as api from './api.js';
import { badge, box, button, errorBox, notice, time } from './ui.js';
import { formDialog, open } from './dialog.js';
import { area, form, secret, select, text } from './form.js';
import { session } from './shell.js';

export const staleBadge = (since) => (since ? badge(['not there since ', time(since)], 'warn') : null);

// ---- pairing

// "auth=kubernetes or jwt: the role" -> ['kubernetes', 'jwt']: what the field is for.
const methodsOf = (s) => /^auth=([a-z]+(?: or [a-z]+)*):/.exec(s.help)?.[1].split(' or ') ?? null;

// The fields of a kind: what it needs first, the rest behind a fold; of several ways to log in, those
// of the one that is chosen.
function kindFields(kind, before, owner) {
  const usable = kind.settings.filter((s) => owner || !s.owner_only);
  const auth = kind.settings.find((s) => s.name === 'auth');
  const ways = !auth ? [] : !owner && auth.admins_values.length ? auth.admins_values : [...new Set(kind.settings.flatMap((s) => methodsOf(s) ?? []))];
  const field = (s) => {
    const value = before?.settings?.[s.name] ?? '';
    const spec = { name: s.name, label: s.name, required: s.required, optional: !s.required && !methodsOf(s), hint: s.help, mono: true };
    if (s.secret) return secret({ ...spec, hint: before ? `${s.help}. What is stored is not shown: give it again.` : s.help });
    if (s.name === 'ca') return area({ ...spec, value, rows: 4 });
    if (s.name === 'auth' && ways.length) return select({ ...spec, options: ways.map((v) => [v, v]), value: value || s.default });
    return text({ ...spec, value, placeholder: s.default || null });
  };
  const fields = usable.map((s) => [s, field(s)]);
  const isFirst = (s) => s.required || s.secret || s.name === 'url' || s.name === 'auth' || methodsOf(s);
  const way = fields.find(([s]) => s.name === 'auth')?.[1];
  const wanted = (s) => !way || !methodsOf(s) || methodsOf(s).includes(way.get());
  const paint = () => { for (const [s, f] of fields) f.node.hidden = !wanted(s); };
  way?.input.addEventListener('change', paint);
  paint();
  const nodes = (test) => fields.filter(([s]) => test(s)).map(([, f]) => f.node);
  const rest = usable.filter((s) => !isFirst(s));
  const node = h('div', null, nodes(isFirst), rest.length ? h('details', { class: 'more', open: rest.some((s) => before?.settings?.[s.name]) }, h('summary', null, 'More settings'), nodes((s) => !isFirst(s))) : null);
  return { node, get: () => {
    const out = { settings: {}, secrets: {} };
    for (const [s, f] of fields) {
      const value = wanted(s) ? f.get() : '';
      if (s.required && !value) throw Object.assign(new Error(`"${s.name}" is missing`), { help: s.help });
      if (value) out[s.secret ? 'secrets' : 'settings'][s.name] = value;
    }
    return out;
  } };
}

// `before`: a store that is paired anew.
export function pairDialog(vault, kinds, before, done) {
  const owner = !!session.user?.is_owner;
  const usable = (k) => owner || !k.owner_only;
  const list = before ? kinds.filter((k) => k.kind === before.kind) : [...kinds].sort((a, b) => usable(b) - usable(a));
  const kind = select({ name: 'kind', label: 'Kind', options: list.map((k) => [k.kind, usable(k) ? k.title : `${k.title} (owner only)`]), value: list[0]?.kind });
  const name = text({ name: 'name', label: 'Name', optional: true, mono: true, value: before?.name ?? '', hint: 'What it is called here; the kind when empty.' });
  const holder = h('div');
  let fields = null;
  const paint = () => {
    const k = list.find((x) => x.kind === kind.get());
    fields = k && usable(k) ? kindFields(k, before, owner) : null;
    fill(holder, k ? h('p', { class: 'prose small' }, 'A value is referred to like this: ', code(k.example)) : null,
      fields ? fields.node : box('warn', h('p', null, 'Only the owner of this instance may pair it: it runs programs, or reads files or variables, of the server\u2019s machine.')));
  };
  kind.input.addEventListener('change', paint);
  paint();
  if (before) { kind.input.disabled = true; name.input.readOnly = true; }
  const box_ = open(before ? `Pair ${before.name} anew` : 'Pair a store', [
    h('p', { class: 'lead' }, 'The store is asked whether it works before anything is kept. What is secret is sealed, and nobody is shown it again.'),
    form([h('div', { class: 'grid2' }, kind.node, name.node), holder], { submit: before ? 'Pair anew' : 'Pair', cancel: () => box_.close(), onsubmit: async () => {
      if (!fields) throw Object.assign(new Error('only the owner of this instance may pair this kind'), { help: 'ask an owner, or choose another kind' });
      const { store, detail } = await api.pairStore(vault, { kind: kind.get(), ...(name.get() ? { name: name.get() } : {}), ...fields.get() });
      box_.close();
      await done(store, detail);
    } })], { wide: true });
}

// ---- looking into one

export function browseDialog(vault, store, done) {
  const left = new AbortController();
  const place = h('div', { class: 'browse' });
  const trail = [];   // references that one has gone into
  const find = text({ name: 'find', label: 'Find', placeholder: 'part of a name' });
  const rows = h('ul', { class: 'items' });
  let items = [];
  const paint = () => {
    const q = find.get().toLowerCase();
    const hits = items.filter((i) => (i.title + i.reference + i.hosts.join(' ')).toLowerCase().includes(q));
    fill(rows, hits.map((i) => h('li', null,
      h('div', null, i.folder ? button([said(i.title || i.reference), h('span', { 'aria-hidden': 'true' }, ' \u203a')], () => into(i.reference), { kind: 'link', name: `Look into ${i.title || i.reference}` }) : h('span', { class: 'strong' }, said(i.title || i.reference)),
        h('div', { class: 'small dim' }, code(i.reference)), i.hosts.length ? h('div', { class: 'small dim' }, i.hosts.join(', ')) : null),
      i.folder ? null : h('div', { class: 'item-acts' }, button('Make a credential', () => take(() => sourceDialog(vault, [store], { reference: i.reference, store: store.name, key: keyOf(i) }, done)), { small: true, name: `Make a credential of ${i.reference}` }),
        button('Map a host', () => take(() => mapDialog(vault, [store], { reference: i.reference, store: store.name, host: i.hosts[0] || '' }, done)), { small: true, kind: 'quiet', name: `Map a host to ${i.reference}` })))),
    hits.length ? null : h('li', null, h('p', { class: 'dim' }, items.length ? 'None of that name.' : 'There is nothing.')));
  };
  find.input.addEventListener('input', paint);
  const take = async (next) => { dialog.close(); await next(); };
  const into = (reference) => { trail.push(reference); return look(); };
  const look = async () => {
    fill(place, h('p', { class: 'dim', role: 'status' }, 'Asking\u2026'));
    try {
      const reply = await api.browseStore(vault, store.name, trail.at(-1) || '', left.signal);
      items = reply.items;
      find.set('');
      fill(place, trail.length ? h('div', { class: 'trail' }, button('Back', () => { trail.pop(); return look(); }, { small: true }), code(trail.at(-1))) : null,
        items.length > 8 ? find.node : null, reply.more ? box('info', h('p', null, 'There is more than is shown.')) : null, rows);
      paint();
      place.querySelector('input, button')?.focus();
    } catch (e) {
      if (e.name !== 'AbortError') fill(place, errorBox(e), h('div', { class: 'form-actions' }, trail.length ? button('Back', () => { trail.pop(); return look(); }) : button('Try again', look)));
    }
  };
  const dialog = open(`Browse ${store.name}`, place, { wide: true, onclose: () => left.abort() });
  return look();
}

// "OpenAI production" -> OPENAI_PRODUCTION
function keyOf(item) {
  const words = (item.title || item.reference.split('/').pop()).toUpperCase().replace(/[^A-Z0-9]+/g, '_').replace(/^[^A-Z]+|_+$/g, '');
  return words.slice(0, 60);
}

// ---- what refers to one

const choice = (stores, value) => select({ name: 'store', label: 'Store', value, options: [['', 'By the reference'], ...stores.map((s) => [s.name, `${s.name} (${s.title})`])], hint: 'Needed where several know such references.' });

// A credential whose value stays in the store.
export function sourceDialog(vault, stores, before, done) {
  return formDialog(before.fixed ? `Where ${before.key} is kept` : 'Keep a credential in a store', [
    before.fixed ? null : text({ name: 'key', label: 'Key', required: true, mono: true, value: before.key || '', placeholder: 'OPENAI_API_KEY', hint: 'Upper case, digits and _.' }),
    text({ name: 'reference', label: 'Reference', required: true, mono: true, value: before.reference || '', placeholder: 'op://vault/item/field' }),
    choice(stores, before.store || ''),
  ].filter(Boolean), { submit: 'Save', lead: 'The value is had from there when a request needs it. It is not stored here.', onsubmit: async (v) => {
    const key = before.fixed ? before.key : v.key.toUpperCase();
    await api.setSource(vault, key, v.reference, v.store);
    notice([code(key), ' is had from its store when it is used.']);
    await done(key);
  } });
}

export function mapDialog(vault, stores, before, done) {
  return formDialog('Map a host', [
    text({ name: 'host', label: 'Host', required: true, mono: true, value: before.host || '', placeholder: 'api.example.com', hint: '*.example.com is one label more.' }),
    text({ name: 'reference', label: 'Reference', optional: true, mono: true, value: before.reference || '', placeholder: 'op://vault/item/field', hint: 'Empty: what the store has for the host, where it can tell.' }),
    choice(stores, before.store || ''),
    select({ name: 'auth', label: 'How it authenticates', value: '', options: [['', 'As usual for this host'], ['basic', 'Basic: username and password of the item'], ['bearer', 'Bearer token']] }),
  ], { submit: 'Map', onsubmit: async (v) => {
    const auth = { basic: { type: 'basic', username: 'USERNAME', password: 'PASSWORD' }, bearer: { type: 'bearer', token: 'VALUE' } }[v.auth];
    await api.mapHost(vault, { host: v.host, ...(v.reference ? { reference: v.reference } : {}), ...(v.store ? { store: v.store } : {}), ...(auth ? { auth } : {}) });
    await done(v.host);
  } });
}
