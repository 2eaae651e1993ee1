// Where everything begins: the addresses, and who may see what stands there.

import { fill, h } from './dom.js';
import * as api from './api.js';
import { route, start, go, match } from './router.js';
import { session, framed, bare, refreshVaults } from './shell.js';
import { errorBox, button } from './ui.js';

route('/login', () => import('./view_login.js'), { open: true });
route('/setup', () => import('./view_setup.js'), { open: true });
route('/invite/{token}', () => import('./view_invite.js'), { open: true });
route('/oauth/complete', () => import('./view_oauth.js'), { open: true });
route('/approve/{id}', () => import('./view_approve.js'), { open: true });
route('/', () => import('./view_vaults.js'), { page: 'vaults' });
route('/account', () => import('./view_account.js'), { page: 'account' });
route('/instance', () => import('./view_instance.js'), { page: 'instance' });
route('/vaults/{vault}', () => import('./view_requests.js'), { page: 'requests' });
for (const page of ['requests', 'proposals', 'credentials', 'stores', 'services', 'rules', 'agents', 'log', 'members', 'settings']) {
  route(`/vaults/{vault}/${page}`, () => import(`./view_${page}.js`), { page });
}
route('/vaults/{vault}/proposals/{id}', () => import('./view_proposals.js'), { page: 'proposals' });

const app = document.getElementById('app');
const signIn = () => {
  const here = location.pathname + location.search;
  return go('/login' + (here === '/' ? '' : '?next=' + encodeURIComponent(here)), { replace: true });
};

api.whenSignedOut(() => {
  if (!session.user) return;
  session.user = null;
  if (!match(location.pathname)?.options.open) signIn();
});

async function identify() {
  if (session.user) return true;
  try { session.user = await api.me(); } catch (e) {
    if (e.status === 401) return false;
    if (e.code === 'not_initialized') return false;
    throw e;
  }
  if (session.user.type && session.user.type !== 'user') { session.user = null; return false; }
  return true;
}

let previous = null;

async function show(found, signal) {
  try {
    if (!found) {
      const main = bare(app, { narrow: true });
      document.title = 'Not found \u00b7 agent-vault';
      fill(main, h('h1', { tabindex: '-1' }, 'There is no page here'), h('p', null, h('a', { href: '/' }, 'All vaults')));
      return;
    }
    const { params, options } = found;
    let main;
    if (options.open) {
      const view = await found.load();
      if (signal.aborted) return;
      main = bare(app, view.frame);
      await view.show({ place: main, params, signal });
    } else {
      const loading = found.load();
      loading.catch(() => {});
      if (!await identify()) {
        if (signal.aborted) return;
        session.status = await api.status();
        if (session.status.needs_first_user) return void await go('/setup', { replace: true });
        return void await signIn();
      }
      if (!session.vaults.length || !params.vault || !session.vaults.some((v) => v.name === params.vault)) {
        await refreshVaults(signal);
      }
      const view = await loading;
      if (signal.aborted) return;
      main = framed(app, params.vault ?? null, options.page);
      await view.show({ place: main, params, signal, vault: params.vault,
        role: session.vaults.find((v) => v.name === params.vault)?.role ?? '' });
    }
    const here = location.pathname;
    if (previous !== null && previous !== here && !signal.aborted && !main.contains(document.activeElement)) {
      scrollTo(0, 0);
      main.querySelector('h1')?.focus({ preventScroll: true });
    }
    previous = here;
  } catch (e) {
    if (e.name === 'AbortError' || signal.aborted) return;
    const main = app.querySelector('main') || bare(app, { narrow: true });
    fill(main, h('h1', { tabindex: '-1' }, 'This did not work'), errorBox(e), h('p', null, button('Try again', () => location.reload())));
  }
}

document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault();
  document.getElementById('main')?.focus();
});

start(show);
