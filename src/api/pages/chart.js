// Requests over time as stacked bars, with the same numbers as a sentence for who does not see them.

import { h, fill } from './dom.js';
import { clockTime, count } from './text.js';

const kHeight = 96, kWidth = 720;

export function chart() {
  const svg = h('svg', { viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: 'none', role: 'img', class: 'bars' });
  const words = h('p', { class: 'chart-words' }, '\u00a0');
  const readout = h('span', { class: 'chart-readout' });
  const axis = h('div', { class: 'axis', 'aria-hidden': 'true' });
  const top = h('span', { class: 'axis-top', 'aria-hidden': 'true' });
  const node = h('figure', { class: 'chart' },
    h('div', { class: 'chart-head' }, words, h('ul', { class: 'legend', 'aria-hidden': 'true' },
      h('li', { class: 'ok' }, 'allowed'), h('li', { class: 'danger' }, 'refused'), h('li', { class: 'warn' }, 'failed'))),
    h('div', { class: 'plot' }, top, svg), axis);

  function draw(buckets, minutes) {
    const sum = (k) => buckets.reduce((n, b) => n + (b[k] || 0), 0);
    const most = Math.max(1, ...buckets.map((b) => b.requests || 0));
    const n = Math.max(1, buckets.length);
    const step = kWidth / n, gap = n > 90 ? 0.6 : 1.6;
    fill(svg, h('line', { x1: '0', x2: String(kWidth), y1: String(kHeight - 0.5), y2: String(kHeight - 0.5), class: 'base' }),
      buckets.map((b, i) => {
        let y = kHeight - 1;
        const bar = (kind, value) => {
          if (!value) return null;
          const height = Math.max(1.5, (value / most) * (kHeight - 6));
          y -= height;
          return h('rect', { class: kind, x: (i * step + gap / 2).toFixed(2), y: y.toFixed(2), width: Math.max(0.8, step - gap).toFixed(2), height: height.toFixed(2) });
        };
        const g = h('g', null, bar('ok', b.allowed), bar('danger', b.denied), bar('warn', b.errors),
          h('rect', { class: 'hit', x: (i * step).toFixed(2), y: '0', width: step.toFixed(2), height: String(kHeight) }));
        g.addEventListener('pointerenter', () => fill(readout, `${clockTime(b.at).slice(0, 5)}: ${count(b.requests || 0, 'request')}, ${b.denied || 0} refused, ${b.errors || 0} failed`));
        return g;
      }));
    svg.onpointerleave = () => fill(readout);
    const sentence = `${count(sum('requests'), 'request')} in ${minutes === 60 ? 'an hour' : minutes === 1440 ? 'a day' : minutes + ' min'}, ${sum('denied')} refused, ${sum('errors')} failed`;
    fill(words, sentence);
    svg.setAttribute('aria-label', `${sentence}; at most ${most} per bar`);
    fill(top, String(most));
    fill(axis, h('span', null, buckets.length ? clockTime(buckets[0].at).slice(0, 5) : ''), readout, h('span', null, 'now'));
  }
  return { node, draw };
}
