/** @file `pixelwise data check`: the label doctor's report, and an exit code that scripts can use. */

import { examine } from '../../data/doctor/examine.js';
import { counted, type Finding, type Report, type Severity, type SplitReport } from '../../data/doctor/report.js';
import { bar, percent, print, table } from '../output.js';
import { type DataOptions, openSplits, progress } from './data-options.js';

const indent = (text: string): string => `         ${text}`;

function findingText({ severity, code, message, count, files, fix }: Finding): string {
  const more = count > files.length && files.length > 0 ? [indent(`and ${count - files.length} more`)] : [];
  const shown = [...files.map(indent), ...more];
  return [`${severity.padEnd(7)}  ${message} [${code}]`, ...shown, indent(`Fix: ${fix}`)].join('\n');
}

/** Pixels and pictures of every class, over all splits. */
function classTable(splits: readonly SplitReport[], palette: readonly (readonly [number, number, number])[]): string {
  const total = splits.reduce((n, s) => n + s.voidPixels + s.classes.reduce((k, c) => k + c.pixels, 0), 0);
  const rows = (splits[0]?.classes ?? []).map(({ name }, label) => {
    const pixels = splits.reduce((n, s) => n + (s.classes[label]?.pixels ?? 0), 0);
    const pictures = splits.map((s) => String(s.classes[label]?.pictures ?? 0));
    const drawn = pixels > 0 ? bar(pixels / total, palette[label] ?? [0, 0, 0]) : '';
    return [name, String(label), percent(pixels / total, 2), ...pictures, drawn];
  });
  const voids = splits.reduce((n, s) => n + s.voidPixels, 0);
  const head = ['class', 'label', 'pixels', ...splits.map((s) => `in ${s.split}`), ''];
  return table([head, ...rows, ['void', '255', percent(voids / total, 2), ...splits.map(() => ''), '']]);
}

const countOf = (report: Report, severity: Severity): number =>
  report.findings.filter((f) => f.severity === severity).length;

function reportText(report: Report, palette: readonly (readonly [number, number, number])[]): string {
  const sizes = report.splits.map((s) => `${s.split}: ${s.samples} samples`).join(', ');
  const things = (['error', 'warning', 'note'] as const).map((severity) => {
    const n = countOf(report, severity);
    return `${n} ${severity}${n === 1 ? '' : 's'}`;
  });
  const bad = report.splits.reduce((n, s) => n + s.bad.length, 0);
  const unusable = bad > 0 ? ` ${counted(bad, 'sample')} cannot be trained on.` : '';
  return [
    `${report.data}  ${sizes}`,
    '',
    classTable(report.splits, palette),
    '',
    ...report.findings.flatMap((f) => [findingText(f), '']),
    `${things.join(', ')}.${unusable}`,
  ].join('\n');
}

export async function check(spec: string, o: DataOptions, signal: AbortSignal): Promise<number> {
  const splits = await openSplits(spec, o.split);
  const report = await examine(splits, { depth: o.quick ? 'quick' : 'full', signal, onProgress: progress() });
  print(o.json ? JSON.stringify(report) : reportText(report, splits[0]?.palette ?? []));
  return countOf(report, 'error') > 0 ? 1 : 0;
}
