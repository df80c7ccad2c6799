/** @file Patterns of file names, for shells that do not expand them. */

/** Whether a text asks for a pattern. */
export const isPattern = (text: string): boolean => /[*?[{]/.test(text);

/** The folder before the first part that is a pattern, and the pattern below it. */
export function splitPattern(text: string): { readonly base: string; readonly pattern: string } {
  const parts = text.split('/');
  const first = parts.findIndex(isPattern);
  const base = parts.slice(0, first).join('/');
  return { base: base === '' ? (text.startsWith('/') ? '/' : '.') : base, pattern: parts.slice(first).join('/') };
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** What a pattern's pieces mean, the longest first. */
const pieces: readonly (readonly [piece: RegExp, means: (text: string) => string])[] = [
  [/^\*\*\//, () => '(?:[^/]+/)*'],
  [/^\*\*/, () => '.*'],
  [/^\*/, () => '[^/]*'],
  [/^\?/, () => '[^/]'],
  [/^\[!?[^\]/]+\]/, (t) => `[${t[1] === '!' ? `^${escaped(t.slice(2, -1))}` : escaped(t.slice(1, -1))}]`],
  [/^\{[^{}/]*\}/, (t) => `(?:${t.slice(1, -1).split(',').map(escaped).join('|')})`],
  [/^[\s\S]/, escaped],
];

/**
 * A pattern as a test for paths with forward slashes: `*` and `?` within a name, `**` over folders, `[a-z]`, `[!a]`, `{a,b}`.
 */
export function patternTest(pattern: string): (path: string) => boolean {
  let source = '';
  for (let rest = pattern; rest !== ''; ) {
    const [piece, means] = pieces.find(([p]) => p.test(rest))!;
    const [text] = piece.exec(rest)!;
    source += means(text);
    rest = rest.slice(text.length);
  }
  const test = new RegExp(`^${source}$`, 's');
  return (path) => test.test(path);
}
