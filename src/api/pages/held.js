// The requests that wait for a human in one vault, kept up to date while its pages are open.

import * as api from './api.js';
import { pause } from './router.js';

const state = { vault: null, list: [], error: null, loaded: false };
const listeners = new Set();
let stop = null;

const tell = () => listeners.forEach((f) => f(state));

export function watch(vault) {
  if (state.vault === vault && stop) return;
  stop?.abort();
  Object.assign(state, { vault, list: [], error: null, loaded: false });
  tell();
  if (vault === null) { stop = null; return; }
  stop = new AbortController();
  poll(vault, stop.signal);
}

async function poll(vault, signal) {
  let wait = 1000;
  let elsewhere = [];   // requests of other vaults also wake the server's answer
  while (!signal.aborted) {
    try {
      await refresh(signal);
      wait = 1000;
      const next = Math.min(...state.list.map((a) => Date.parse(a.expires_at)), Infinity) - Date.now();
      const known = [...state.list.map((a) => a.id), ...elsewhere];
      const early = new AbortController();
      const both = AbortSignal.any([signal, early.signal]);
      const timer = setTimeout(() => early.abort(), Math.max(500, Math.min(next + 200, 31000)));
      const began = Date.now();
      try {
        const fresh = (await api.pendingApprovals(vault, known, both)).requests || [];
        elsewhere = [...new Set([...elsewhere, ...fresh.map((a) => a.id)])].slice(-200);
      } catch (e) { if (e.name !== 'AbortError') throw e; } finally { clearTimeout(timer); }
      if (Date.now() - began < 1000 && !await pause(1000, signal)) return;
    } catch (e) {
      if (signal.aborted || e.status === 401 || e.status === 403 || e.status === 404) { state.error = e; tell(); return; }
      state.error = e;
      tell();
      if (!await pause(wait, signal)) return;
      wait = Math.min(wait * 2, 15000);
    }
  }
}

export async function refresh(signal = stop?.signal) {
  const list = await api.approvals(state.vault, signal);
  if (signal?.aborted) return;
  state.list = list.filter((a) => !a.state || a.state === 'pending');
  state.error = null;
  state.loaded = true;
  tell();
}

export function drop(id) {
  state.list = state.list.filter((a) => a.id !== id);
  tell();
}

// Calls back now and on every change, until `signal`.
export function follow(f, signal) {
  if (!signal.aborted) {
    listeners.add(f);
    signal.addEventListener('abort', () => listeners.delete(f), { once: true });
  }
  f(state);
}
