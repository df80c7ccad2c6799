/** @file The page of `pixelwise data browse`: one file that needs nothing else, for eyes, keyboards and screen readers. */

import { escaped } from '../html.js';
import type { BrowseSample } from './browse.js';
import type { ClassSet } from './classes.js';

export interface BrowsePage extends ClassSet {
  readonly title: string;
  readonly samples: readonly BrowseSample[];
  /** Samples of the whole split. */
  readonly total: number;
}

const style = `
:root { color-scheme: light dark; --paper: #fbfaf8; --ink: #1d1f23; --dim: #5d626b; --line: #d9d6d0; --card: #fff; --mask: 0.55; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #17191d; --ink: #e9e7e2; --dim: #a3a8b1; --line: #363a42; --card: #1f2228; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
header { padding: 1.2rem 1.5rem 0; }
h1 { font-size: 1.3rem; margin: 0; overflow-wrap: anywhere; }
header p { margin: 0; color: var(--dim); }
form { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 0.6rem 2rem; align-items: center;
  padding: 0.8rem 1.5rem; background: var(--paper); border-bottom: 1px solid var(--line); }
form label { display: flex; gap: 0.6rem; align-items: center; }
select, input { font: inherit; accent-color: #3c6fb4; }
output, #keys { color: var(--dim); }
ul { list-style: none; margin: 0; padding: 1.5rem; display: grid; gap: 1.2rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
li { background: var(--card); border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
li[hidden] { display: none; }
figure { margin: 0; }
.look { position: relative; background: #0003; }
.look img { display: block; width: 100%; height: auto; image-rendering: auto; }
.look img + img { position: absolute; inset: 0; opacity: var(--mask); image-rendering: pixelated; }
figcaption { padding: 0.6rem 0.8rem 0.8rem; font-size: 0.85rem; }
figcaption b { font-weight: 600; overflow-wrap: anywhere; }
figcaption span { color: var(--dim); }
.classes { display: flex; flex-wrap: wrap; gap: 0.15rem 0.8rem; margin: 0.2rem 0 0; padding: 0; }
.classes i { display: inline-block; width: 0.75em; height: 0.75em; border: 1px solid var(--dim); border-radius: 2px; margin-right: 0.35em; }
:focus-visible { outline: 3px solid #3c6fb4; outline-offset: 2px; }
`;

/** Keys: 0 to 9 set the mask's strength, wherever no field has the focus. */
const script = `
const strength = document.getElementById('strength');
const only = document.getElementById('only');
const shown = document.getElementById('shown');
const cards = [...document.querySelectorAll('li[data-classes]')];
function paint() { document.documentElement.style.setProperty('--mask', strength.value / 100); }
function filter() {
  let n = 0;
  for (const card of cards) {
    card.hidden = only.value !== '' && !card.dataset.classes.split(' ').includes(only.value);
    if (!card.hidden) n++;
  }
  shown.textContent = n + ' of ' + cards.length + ' shown';
}
strength.addEventListener('input', paint);
only.addEventListener('change', filter);
document.addEventListener('keydown', (e) => {
  if (!/^[0-9]$/.test(e.key) || e.ctrlKey || e.metaKey || e.altKey || e.target === only) return;
  strength.value = e.key * 100 / 9;
  paint();
});
paint();
filter();
`;

const percent = (share: number): string => (share < 0.01 ? '<1 %' : `${Math.round(share * 100)} %`);

function card(sample: BrowseSample, { classes, palette }: ClassSet): string {
  const name = (label: number): string => escaped(classes[label] ?? `class ${label}`);
  const [id, size] = [escaped(sample.id), `${sample.width} x ${sample.height}`];
  const words = sample.classes.map(({ label, share }) => `${name(label)} ${percent(share)}`);
  const chips = sample.classes.map(({ label }, i) => {
    const color = (palette[label] ?? [255, 255, 255]).join(' ');
    return `<span><i style="background: rgb(${color})"></i>${words[i]}</span>`;
  });
  return [
    `<li data-classes="${sample.classes.map(({ label }) => label).join(' ')}"><figure>`,
    `<div class="look"><img src="${sample.picture}" alt="Picture ${id}, ${size} pixels">`,
    `<img src="${sample.mask}" alt="Mask of ${id}: ${words.join(', ') || 'void only'}"></div>`,
    `<figcaption><b>${id}</b> <span>${size}</span>`,
    `<div class="classes">${chips.join('')}</div></figcaption></figure></li>`,
  ].join('');
}

/** The page as HTML. Every text from the data set is escaped. */
export function browsePage(page: BrowsePage): string {
  const { title, samples, total, classes } = page;
  const present = new Set(samples.flatMap((s) => s.classes.map(({ label }) => label)));
  const options = [...classes.keys()]
    .filter((label) => present.has(label))
    .map((label) => `<option value="${label}">${escaped(classes[label] as string)}</option>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escaped(title)}</h1><p>${samples.length} of ${total} samples, spread evenly over the list.</p></header>
<form>
<label>Mask <input id="strength" type="range" min="0" max="100" value="55" aria-describedby="keys"></label>
<label>Class <select id="only"><option value="">all</option>${options.join('')}</select></label>
<output id="shown" aria-live="polite"></output>
<span id="keys">Keys 0 to 9 set the mask too.</span>
</form>
<main><ul>
${samples.map((sample) => card(sample, page)).join('\n')}
</ul></main>
<script>${script}</script>
</body>
</html>
`;
}
