// Text that somebody else wrote, made safe to look at. Characters that nobody sees but that change
// what is seen (bidi overrides, zero-width, controls) are shown as what they are; see Unicode TR36.

const kHidden = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u034f\u180b-\u180f\ufe00-\ufe0f]/u;
const kHiddenAll = new RegExp(kHidden.source, 'gu');
// A letter carries a few accents; a tower of them covers the lines around it.
const kTower = /(\p{M}{4})\p{M}+/gu;

export const codepoint = (c) => 'U+' + c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');

// An emoji may be several characters, joined by ones that are otherwise suspicious.
function partOfEmoji(text, i) {
  const before = text.slice(Math.max(0, i - 4), i);
  if (text[i] === '\ufe0f') return /\p{Extended_Pictographic}$/u.test(before);
  return text[i] === '\u200d' && /\p{Extended_Pictographic}\ufe0f?$/u.test(before) &&
    /^\p{Extended_Pictographic}/u.test(text.slice(i + 1, i + 3));
}

// [{text}, {hidden: 'U+202E'}, ...]; newlines and tabs stay.
export function pieces(text) {
  const clean = String(text).replace(/\r\n/g, '\n').replace(kTower, '$1\u2026');
  if (!kHidden.test(clean)) return [{ text: clean }];
  const out = [];
  let from = 0;
  for (const m of clean.matchAll(kHiddenAll)) {
    if (m[0] === '\n' || m[0] === '\t' || partOfEmoji(clean, m.index)) continue;
    if (m.index > from) out.push({ text: clean.slice(from, m.index) });
    out.push({ hidden: codepoint(m[0]) });
    from = m.index + m[0].length;
  }
  if (from < clean.length) out.push({ text: clean.slice(from) });
  return out;
}

// For attributes, titles and <option>s, which hold nothing but text.
export const plain = (text) =>
  pieces(text).map((p) => (p.hidden ? `[${p.hidden}]` : p.text)).join('');

export const hasHidden = (text) => pieces(text).some((p) => p.hidden);

// A link is followed only when it leads to the web, and is shown as the browser reads it.
export function webUrl(text) {
  let url;
  try { url = new URL(String(text)); } catch { return null; }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  if (url.username || url.password) return null;  // https://api.github.com@evil.example
  return url;
}

const kMinute = 60, kHour = 3600, kDay = 86400;

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < kMinute) return `${s} s`;
  if (s < 2 * kMinute) return `1 min ${s - kMinute} s`;
  if (s < kHour) return `${Math.round(s / kMinute)} min`;
  if (s < kDay) return `${Math.round(s / kHour)} h`;
  return Math.round(s / kDay) === 1 ? '1 day' : `${Math.round(s / kDay)} days`;
}

export function ago(iso, now = Date.now()) {
  const t = Date.parse(iso);
  if (Number.isNaN(t)) return '';
  const s = (now - t) / 1000;
  if (s < -5) return `in ${duration(-s)}`;
  return s < 5 ? 'just now' : `${duration(s)} ago`;
}

export function clockTime(iso) {
  const d = new Date(iso);
  return Number.isNaN(d.getTime()) ? '' : d.toTimeString().slice(0, 8);
}

export function longTime(iso) {
  const d = new Date(iso);
  if (Number.isNaN(d.getTime())) return '';
  const two = (n) => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${d.toTimeString().slice(0, 8)}`;
}

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  return n < 1048576 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
}

export const count = (n, one, many = one + 's') => `${n} ${n === 1 ? one : many}`;
export const list = (names) =>
  names.length < 2 ? names.join('') : names.slice(0, -1).join(', ') + ' and ' + names.at(-1);
