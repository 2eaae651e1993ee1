// Which page an address means, and going to another one without loading the shell again.

const routes = [];
let current = null;   // AbortController of the page that is shown
let show = () => {};

// route('/vaults/{v}/log', () => import('./view_log.js'), {shell: true})
export function route(pattern, load, options = {}) {
  const names = [];
  const source = pattern.replace(/\{(\w+)\}/g, (_, n) => { names.push(n); return '([^/]+)'; });
  routes.push({ regex: new RegExp(`^${source}/?$`), names, load, options });
}

export function match(path) {
  for (const r of routes) {
    const m = r.regex.exec(path);
    if (!m) continue;
    const params = {};
    try {
      r.names.forEach((n, i) => { params[n] = decodeURIComponent(m[i + 1]); });
    } catch { return null; }
    return { ...r, params };
  }
  return null;
}

export async function render() {
  current?.abort();
  current = new AbortController();
  await show(match(location.pathname), current.signal);
}

export function go(path, { replace = false } = {}) {
  if (replace) history.replaceState(null, '', path);
  else history.pushState(null, '', path);
  return render();
}

export function start(onShow) {
  show = onShow;
  addEventListener('popstate', render);
  document.addEventListener('click', (e) => {
    const a = e.target.closest?.('a[href]');
    if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    if (a.target || a.origin !== location.origin || a.hash || !match(a.pathname)) return;
    e.preventDefault();
    go(a.pathname + a.search);
  });
  return render();
}

// Resolves after `ms`, or at once (with false) when the page is left.
export function pause(ms, signal) {
  return new Promise((done) => {
    if (signal.aborted) return done(false);
    const timer = setTimeout(() => done(!signal.aborted), ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); done(false); }, { once: true });
  });
}
