// The form of a service: every way to authenticate, and substitutions.

import { h, fill } from './dom.js';
import * as api from './api.js';
import { button } from './ui.js';
import { open } from './dialog.js';
import { form, text, select, check, checks, names } from './form.js';
import { splitMatcher, joinMatcher } from './words.js';

const kTypes = [['bearer', 'Bearer token'], ['api-key', 'API key in a header or in the query'], ['basic', 'Basic: user and password'], ['custom', 'Headers of your own'], ['passthrough', 'None: the client authenticates itself']];
const kSurfaces = ['path', 'query', 'header', 'body', 'websocket'].map((s) => [s, s]);
const key = (name, label, value, more = {}) => text({ name, label, value, mono: true, placeholder: 'UPPER_SNAKE_CASE', ...more });

function authPart(auth) {
  const a = auth || { type: 'bearer' };
  const type = select({ name: 'type', label: 'How it authenticates', options: kTypes, value: a.type });
  const holder = h('div', { class: 'grid2' });
  let fields = {}, get = () => ({});
  const put = (list, build) => { fields = Object.fromEntries(list.map((f) => [f.name, f])); fill(holder, list.map((f) => f.node)); get = build; };
  const v = (n) => fields[n].get();
  const paint = () => {
    const own = type.get() === a.type ? a : {};
    switch (type.get()) {
      case 'bearer': return put([key('token', 'Credential', own.token ?? a.token ?? a.key, { required: true })], () => ({ token: v('token') }));
      case 'basic': return put([text({ name: 'username', label: 'User: a credential, or a fixed text', mono: true, value: own.username ?? own.user ?? '', hint: 'UPPER_SNAKE_CASE is taken for a credential.' }), key('password', 'Password: a credential', own.password, { optional: true })],
        () => ({ ...(/^[A-Z][A-Z0-9_]*$/.test(v('username')) ? { username: v('username') } : { user: v('username') }), ...(v('password') ? { password: v('password') } : {}) }));
      case 'api-key': return put([key('key', 'Credential', own.key ?? a.token, { required: true }), text({ name: 'header', label: 'Header', mono: true, value: own.query ? '' : own.header ?? 'Authorization' }), text({ name: 'prefix', label: 'Text before it', optional: true, mono: true, value: own.prefix ?? '' }), text({ name: 'query', label: 'Or: query parameter', optional: true, mono: true, value: own.query ?? '' })],
        () => (v('query') ? { key: v('key'), query: v('query') } : { key: v('key'), header: v('header') || 'Authorization', ...(fields.prefix.input.value ? { prefix: fields.prefix.input.value } : {}) }));
      case 'custom': {
        const pairs = Object.entries(own.headers || { '': '' });
        const rows = h('div', { class: 'wide' });
        const list = [];
        const row = (n, t) => {
          const f = { name: text({ name: '', label: 'Header', mono: true, value: n }), template: text({ name: '', label: 'Value', mono: true, value: t, placeholder: 'Token {{ MY_KEY }}' }) };
          list.push(f);
          rows.append(h('div', { class: 'grid2' }, f.name.node, f.template.node));
        };
        pairs.forEach(([n, t]) => row(n, t));
        fill(holder, rows, h('div', null, button('Another header', () => row('', ''), { small: true })));
        get = () => ({ headers: Object.fromEntries(list.filter((f) => f.name.get()).map((f) => [f.name.get(), f.template.get()])) });
        return;
      }
      default: return put([], () => ({}));
    }
  };
  type.input.addEventListener('change', paint);
  paint();
  return { nodes: [type.node, holder], get: () => ({ type: type.get(), ...get() }) };
}

function substitutionPart(substitutions) {
  const list = [];
  const rows = h('div');
  const row = (s) => {
    const f = { key: key('', 'Credential', s.key || ''), placeholder: text({ name: '', label: 'Placeholder', mono: true, value: s.placeholder || '', placeholder: '__MY_KEY__' }), where: checks({ name: '', label: 'Where it is replaced', options: kSurfaces, value: s.in || ['path', 'query'] }), rest: s };
    const node = h('div', { class: 'sub' }, h('div', { class: 'grid2' }, f.key.node, f.placeholder.node), f.where.node,
      button('Remove', () => { list.splice(list.indexOf(f), 1); node.remove(); }, { small: true, kind: 'quiet danger', name: 'Remove this substitution' }));
    list.push(f);
    rows.append(node);
  };
  substitutions.forEach(row);
  return { node: h('details', { class: 'more', open: substitutions.length > 0 }, h('summary', null, 'Substitutions: replace a placeholder inside the request'), rows, button('Add a substitution', () => row({}), { small: true })),
    get: () => list.filter((f) => f.key.get()).map((f) => ({ ...f.rest, key: f.key.get(), placeholder: f.placeholder.get(), in: f.where.get() })) };
}

// `known`: a service to change, or a preset to begin with (fresh). What the form does not show is kept.
export function serviceDialog(vault, known, { fresh, done }) {
  const { host, port, path } = splitMatcher(known.host || '');
  const f = {
    host: text({ name: 'host', label: 'Host', required: true, mono: true, value: host + (port ? ':' + port : ''), placeholder: 'api.example.com', hint: '*.example.com is one label more.' }),
    path: text({ name: 'path', label: 'Path', optional: true, mono: true, value: path, placeholder: '/*', hint: '/v1/* is /v1 and all below it.' }),
    name: text({ name: 'name', label: 'Name', optional: fresh, mono: true, value: known.name || '', hint: fresh ? 'Made from the host when empty.' : null }),
    methods: names({ name: 'methods', label: 'Methods', optional: true, upper: true, value: known.methods, placeholder: 'all' }),
    allow_http: check({ name: 'allow_http', label: 'Also over unencrypted http://', value: known.allow_http, hint: 'The credential can then be read on the way.' }),
  };
  if (!fresh) { f.name.input.readOnly = true; }
  const auth = authPart(known.auth);
  const subs = substitutionPart(known.substitutions || []);
  const box = open(fresh ? 'Add a service' : `Change ${known.name}`, form([h('div', { class: 'grid2' }, f.host.node, f.path.node, f.name.node, f.methods.node), ...auth.nodes, f.allow_http, subs.node], {
    submit: fresh ? 'Add service' : 'Save', cancel: () => box.close(), onsubmit: async () => {
      const s = { ...known, host: joinMatcher(f.host.get(), '', f.path.get()), name: f.name.get(), enabled: known.enabled ?? true, auth: auth.get() };
      const set = (n, v, has) => { if (has) s[n] = v; else delete s[n]; };
      set('methods', f.methods.get(), f.methods.get().length);
      set('substitutions', subs.get(), subs.get().length);
      set('allow_http', true, f.allow_http.get());
      if (!s.name) delete s.name;
      const reply = await api.putServices(vault, [s]);
      box.close();
      await done(s.name || reply.upserted?.[0] || s.host);
    } }), { wide: true });
}
