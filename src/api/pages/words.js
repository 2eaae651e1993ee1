// Services and rules in plain words.

import { code, said } from './dom.js';
import { count, list, longTime } from './text.js';

// "api.x.com:8443/v1/*" -> {host, port, path}
export function splitMatcher(text) {
  const m = /^([^/]*)(\/.*)?$/s.exec(text || '');
  const whole = m ? m[1] : text;
  const port = /:(\d+)$/.exec(whole);
  return { host: port ? whole.slice(0, port.index) : whole, port: port ? port[1] : '', path: m?.[2] || '' };
}

export function joinMatcher(host, port, path) {
  return host.trim() + (port ? ':' + port : '') + (path && path !== '/*' ? (path.startsWith('/') ? path : '/' + path) : '');
}

export function where(host) {
  const { host: name, port, path } = splitMatcher(host);
  const out = [];
  if (!name || name === '*') out.push('every host');
  else if (name.startsWith('**.')) out.push('every host below ', code(name.slice(3)));
  else if (name.startsWith('*.')) out.push('every host ', code(name), ' (one label)');
  else out.push(code(name));
  if (port) out.push(', port ', code(port));
  if (!path || path === '/*') out.push(', any path');
  else if (path.endsWith('/*') && !path.slice(0, -2).includes('*')) out.push(', ', code(path.slice(0, -2)), ' and everything below it');
  else if (path.includes('*')) out.push(', paths like ', code(path));
  else out.push(', only the path ', code(path));
  return out;
}

export function authWords(auth) {
  const a = auth || { type: 'passthrough' };
  switch (a.type) {
    case 'bearer': return ['with ', code(a.token), ' as a bearer token'];
    case 'basic': return ['with user ', a.username ? code(a.username) : code(JSON.stringify(a.user ?? '')), a.password ? [' and password ', code(a.password)] : ' and no password'];
    case 'api-key': return a.query ? ['with ', code(a.key), ' in the query parameter ', code(a.query)]
      : ['with ', code(a.key), ' in the header ', code(a.header || 'Authorization'), a.prefix ? [' behind ', code(JSON.stringify(a.prefix))] : null];
    case 'custom': return ['with the ', Object.keys(a.headers || {}).length === 1 ? 'header ' : 'headers ',
      Object.entries(a.headers || {}).map(([n, v], i) => [i ? ', ' : null, code(`${n}: ${v}`)])];
    case 'passthrough': return 'without a credential in its headers';
    default: return ['with ', said(String(a.type))];
  }
}

const keysIn = (text) => [...String(text).matchAll(/\{\{\s*([A-Z][A-Z0-9_]*)\s*\}\}/g)].map((m) => m[1]);

export function serviceKeys(service) {
  const a = service.auth || {};
  const keys = [a.token, a.username, a.password, a.key, ...Object.values(a.headers || {}).flatMap(keysIn),
    ...(service.substitutions || []).map((s) => s.key)];
  return [...new Set(keys.filter(Boolean))];
}

export const methodWords = (methods) =>
  methods && methods.length ? `${list(methods)} requests` : 'requests of any method';

// What a service lets an agent do, as the pieces of a sentence.
export function serviceWords(s) {
  return [`send ${methodWords(s.methods)} to `, where(s.host), ', ', authWords(s.auth),
    (s.substitutions || []).map((x) => ['; ', code(x.placeholder), ' in its ', list(x.in || ['path', 'query']), ' is replaced by ', code(x.key)]),
    s.allow_http ? '; also over unencrypted http' : null,
    s.expires_at ? ['; until ', longTime(s.expires_at)] : null, s.max_uses ? `; ${count(s.max_uses, 'request')} in all` : null];
}

export function ruleWords(r) {
  const what = { block: 'Refuse ', approve: 'Ask a person before ', rate_limit: `Let pass at most ${r.limit} `, allow: 'Let pass ' }[r.action] || r.action + ' ';
  const agents = r.agents || (r.agent ? [r.agent] : []);
  const methods = r.methods || (r.method ? [r.method] : []);
  return [what, methodWords(methods), r.action === 'rate_limit' ? ` per ${r.window || 'minute'}` : null, ' to ', where(r.host || '*'),
    agents.length ? [', by ', agents.map((a, i) => [i ? ', ' : null, said(a)])] : null,
    (r.body || []).map((b) => [', whose body ', b.pointer !== undefined ? ['has ', code(JSON.stringify(b.equals)), ' at ', code(b.pointer)] : ['contains ', code(JSON.stringify(b.contains))]])];
}

export const kActions = { block: ['blocked', 'danger'], approve: ['asks a person', 'warn'], rate_limit: ['limited', 'info'], allow: ['allowed', 'ok'] };
export const kMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
