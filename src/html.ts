/** @file Pieces of the pages that the package writes: each page is one file that needs nothing else. */

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text that is safe between tags and in quoted attributes. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => entities[c] as string);

/** Bytes as an address. */
export const dataUri = (type: string, data: Uint8Array): string =>
  `data:${type};base64,${Buffer.from(data).toString('base64')}`;

/** An image within the page; `alt` is escaped here. */
export const image = (kind: string, data: Uint8Array, alt: string): string =>
  `<img src="${dataUri(`image/${kind}`, data)}" alt="${escaped(alt)}">`;

/** A titled part; nothing where there is no content. */
export const section = (title: string, content: string): string =>
  content === '' ? '' : `<section><h2>${title}</h2>\n${content}\n</section>`;

/**
 * A table that scrolls by itself where it is wider than the page, also by keyboard. Cells are HTML.
 *
 * @param numbersFrom the first column that is aligned as numbers are
 */
export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numbersFrom = 1,
): string {
  const of = (i: number): string => (i >= numbersFrom ? ' class="n"' : '');
  const row = (cells: readonly string[]): string =>
    cells.map((v, i) => (i === 0 ? `<th scope="row"${of(0)}>${v}</th>` : `<td${of(i)}>${v}</td>`)).join('');
  return [
    `<div class="scroll" tabindex="0" role="region" aria-label="${escaped(caption)}"><table><caption><span>${escaped(caption)}</span></caption>`,
    `<thead><tr>${head.map((v, i) => `<th scope="col"${of(i)}>${v}</th>`).join('')}</tr></thead><tbody>`,
    ...rows.map((cells) => `<tr>${row(cells)}</tr>`),
    '</tbody></table></div>',
  ].join('\n');
}

/**
 * A whole page of parts, of which empty ones are left out.
 *
 * @param head tags that only this page has
 */
export const page = (title: string, style: string, head: string, parts: readonly string[]): string =>
  [
    '<!DOCTYPE html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
    head,
    `<title>${escaped(title)}</title><style>${style}</style></head><body><main>`,
    `<h1>${escaped(title)}</h1>`,
    ...parts,
    '</body></html>\n',
  ]
    .filter((part) => part !== '')
    .join('\n');
