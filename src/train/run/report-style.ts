/** @file How a report looks, by day and by night: one style sheet, which also dyes the curve. */

export const reportStyle = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1f24; --dim: #5a6270; --line: #dfe3e8; --loss: #1b66a5; --score: #b3311f; --warn: #8a5300; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --ink: #e8eaed; --dim: #a3abb8; --line: #333a43; --loss: #6db3f2; --score: #ff8a75; --warn: #f0b35a; }
}
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
progress { width: 100%; height: .8rem; } .dim, figcaption, caption { color: var(--dim); font-size: .875rem; text-align: left; }
.warn { color: var(--warn); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .15rem .75rem .15rem 0; text-align: left; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tbody th { font-weight: normal; } tr { border-bottom: 1px solid var(--line); } meter { width: 8rem; } pre { overflow-x: auto; background: color-mix(in srgb, var(--line) 40%, transparent); padding: .75rem; }
.row { display: flex; gap: .75rem; flex-wrap: wrap; margin-bottom: 1rem; } figure { margin: 0; } figure img { display: block; image-rendering: pixelated; }
.swatch { display: inline-block; width: .9em; height: .9em; margin-right: .4em; border: 1px solid var(--dim); vertical-align: -.1em; }
svg { max-width: 100%; height: auto; } svg .paper { fill: var(--paper); } svg .grid { stroke: var(--line); } svg text { fill: var(--dim); }
svg .loss { stroke: var(--loss); } svg .score { stroke: var(--score); } svg circle.score { fill: var(--score); }
svg text.loss { fill: var(--loss); stroke: none; } svg text.score { fill: var(--score); stroke: none; }
`;
