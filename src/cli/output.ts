/** @file What the command line prints: results on stdout, talk on stderr, a live line where a terminal watches. */

import { PixelwiseError } from '../errors.js';

/** Results: pipes and scripts read them. */
export function print(text: string): void {
  clearLine();
  process.stdout.write(`${text}\n`);
}

/** Everything else: progress, advice, errors. */
export function say(text: string): void {
  clearLine();
  process.stderr.write(`${text}\n`);
}

const live = (): boolean => process.stderr.isTTY === true && process.env.TERM !== 'dumb';
let shown = false;

function clearLine(): void {
  if (shown) process.stderr.write('\r\u001b[K');
  shown = false;
}

/** Replaces the live line; nothing where no terminal watches. */
export function status(text: string): void {
  if (!live()) return;
  clearLine();
  process.stderr.write(text.slice(0, (process.stderr.columns || 80) - 1));
  shown = true;
}

/** `1:02:03` or `2:03`. */
export function formatDuration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

export const percent = (fraction: number, digits = 1): string =>
  Number.isNaN(fraction) ? '-' : `${(100 * fraction).toFixed(digits)} %`;

/** Rows as aligned columns; numbers to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0))) ?? [];
  // A range or a unit may follow; words make it a text.
  const isNumber = (t: string) => /^[-\d]\S*( (%|to|ms|s|MB|[-\d]\S*))*$/.test(t);
  const cell = (t: string, i: number) => (isNumber(t) ? t.padStart(widths[i]!) : t.padEnd(widths[i]!));
  return rows.map((r) => r.map(cell).join('  ').trimEnd()).join('\n');
}

/** Width of the bar that shows a share of the picture. */
const barWidth = 24;

/** https://no-color.org, then FORCE_COLOR, then whether a terminal that knows colors watches. */
function useColor(): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  return FORCE_COLOR ? FORCE_COLOR !== '0' : process.stdout.isTTY === true && TERM !== 'dumb';
}

/** A bar for a share, in the class's color where the terminal shows colors. */
export function bar(share: number, [r, g, b]: readonly [number, number, number]): string {
  const full = '█'.repeat(Math.max(1, Math.round(share * barWidth)));
  // Black is VOC's background, and often the terminal's.
  const visible = r + g + b > 0;
  return visible && useColor() ? `\u001b[38;2;${r};${g};${b}m${full}\u001b[0m` : full;
}

/** The message of an error as a user should see it, with its stable code. */
export function errorText(error: unknown): string {
  if (error instanceof PixelwiseError) return `${error.message} [${error.code}]`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

export function errorJson(error: unknown): { code: string; message: string } {
  const message = error instanceof Error ? error.message : String(error);
  return { code: error instanceof PixelwiseError ? error.code : 'ERR_INTERNAL', message };
}
