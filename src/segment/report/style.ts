/** @file How an evaluation's page looks beyond a training report's style, and what its controls do. */

export const evaluationStyle = `
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; } h1 { overflow-wrap: anywhere; } h1 + p { margin: .25rem 0 1rem; }
.scroll { position: relative; } .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
caption { padding: 0 0 .25rem; } caption span { display: inline-block; position: sticky; left: 0; max-width: calc(min(60rem, 100vw) - 2.5rem); }
th, td.n { white-space: nowrap; } td { overflow-wrap: break-word; } .facts td { overflow-wrap: anywhere; } tbody th { position: sticky; left: 0; background: var(--paper); z-index: 1; }
:focus-visible { outline: 3px solid var(--loss); outline-offset: 2px; }
.totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0; }
.totals div { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .75rem; } .totals dt { color: var(--dim); font-size: .875rem; }
.totals dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; } .totals dd + dd { font-size: .8rem; color: var(--dim); }
.controls { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; position: sticky; top: 0; z-index: 2; padding: .6rem 0; background: var(--paper); border-bottom: 1px solid var(--line); }
.controls label { display: flex; gap: .4rem; align-items: center; } select, input { font: inherit; accent-color: var(--loss); }
select { min-height: 2rem; color: var(--ink); background: var(--paper); border: 1px solid var(--dim); border-radius: 4px; } input[type=range] { min-height: 2rem; }
.shots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem; align-items: start; }
.shot { border: 1px solid var(--line); border-radius: 6px; overflow: hidden; } .shot figcaption { padding: .25rem .75rem .75rem; }
.shot figcaption b { color: var(--ink); overflow-wrap: anywhere; } .shot p { margin: .2rem 0 0; } .chip { white-space: nowrap; margin-right: .4rem; }
.look { position: relative; --cut: 50%; background: #0003; } .look img { width: 100%; height: auto; image-rendering: auto; }
.look .layer { display: none; position: absolute; inset: 0; height: 100%; opacity: var(--mask, .65); image-rendering: pixelated; }
.look::after { content: ""; position: absolute; top: 0; bottom: 0; left: calc(var(--cut) - 1px); width: 2px; background: #fff; box-shadow: 0 0 0 1px #000; }
.tag { position: absolute; top: .3rem; padding: 0 .4rem; border-radius: 3px; background: #000b; color: #fff; font-size: .75rem; z-index: 1; } .tag.l { left: .3rem; } .tag.r { right: .3rem; }
.divider { display: flex; gap: .5rem; align-items: center; padding: 0 .75rem; } .divider input { flex: 1; min-width: 0; }
${['truth', 'prediction', 'difference']
  .map(
    (k) => `
[data-left=${k}] .layer.${k} { display: block; clip-path: inset(0 calc(100% - var(--cut)) 0 0); }
[data-right=${k}] .layer.${k} { display: block; clip-path: inset(0 0 0 var(--cut)); }
[data-left=${k}][data-right=${k}] .layer.${k} { clip-path: none; }`,
  )
  .join('')}
.matrix { font-size: .8rem; } .matrix td { text-align: right; min-width: 1.9rem; padding: .15rem .3rem; background: color-mix(in srgb, var(--loss) calc(var(--s, 0) * 45%), transparent); }
.matrix td.same { font-weight: 700; } .matrix thead th { vertical-align: bottom; padding: .15rem .3rem; } .matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); }
@media print { .controls, .divider { display: none; } .scroll { overflow: visible; } }
`;

/** Both selects, the strength, and every picture's divider. Without it the page shows truth left and prediction right. */
export const evaluationScript = `
const pictures = document.getElementById('pictures');
for (const side of ['left', 'right']) {
  const select = document.getElementById(side);
  const show = () => {
    pictures.dataset[side] = select.value;
    for (const tag of document.querySelectorAll('.tag.' + side[0])) tag.textContent = select.value;
  };
  select.addEventListener('change', show);
  show();
}
const strength = document.getElementById('strength');
const paint = () => pictures.style.setProperty('--mask', strength.value / 100);
strength.addEventListener('input', paint);
paint();
for (const cut of document.querySelectorAll('.divider input')) {
  const move = () => cut.closest('figure').querySelector('.look').style.setProperty('--cut', cut.value + '%');
  cut.addEventListener('input', move);
  move();
}
`;
