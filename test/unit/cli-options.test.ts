/** @file A table of options becomes a parser, its help and its defaults. */

import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { command, flag, type OptionTable, type Parsed, text, toCommander, whole } from '../../src/cli/options.js';

const options = {
  data: { flags: '--data <path>', description: 'the data', schema: z.string() },
  out: { flags: '-o, --out <dir>', description: 'the folder', schema: text },
  longSide: { flags: '--long-side <pixels>', description: 'a size', schema: whole },
  opacity: { flags: '--opacity <0..1>', description: 'a share', schema: z.coerce.number().min(0).max(1).default(0.5) },
  rule: { flags: '--rule <name>', description: 'a rule', schema: z.enum(['skip', 'plain']).default('skip') },
  set: { flags: '--set <key=value>', description: 'values', schema: z.array(z.string()).default([]), repeated: true },
  json: { flags: '--json', description: 'as JSON', schema: flag },
} as const satisfies OptionTable;

interface Received {
  args: readonly string[];
  options: Parsed<typeof options>;
  code: number;
}

/** Parses words with the table above; what commander prints is returned in its error's place. */
async function parse(...words: string[]): Promise<Received> {
  let received: Partial<Received> = {};
  const spec = command({
    name: 'try',
    arguments: '<first> [more...]',
    summary: 'a command',
    examples: ['pixelwise try this'],
    options,
    async run(args, o) {
      received = { args, options: o };
      return 7;
    },
  });
  const c = toCommander(spec as unknown as Parameters<typeof toCommander>[0], (code) => {
    received.code = code;
  });
  let printed = '';
  c.exitOverride().configureOutput({
    writeErr: (line) => {
      printed += line;
    },
    writeOut: (line) => {
      printed += line;
    },
  });
  try {
    await c.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) throw new Error(printed);
    throw error;
  }
  return received as Received;
}

describe('a table of options', () => {
  it('fills in the defaults, and hands over arguments and the exit code', async () => {
    expect(await parse('a', '--data', 'd')).toEqual({
      args: ['a'],
      options: { data: 'd', opacity: 0.5, rule: 'skip', set: [], json: false },
      code: 7,
    });
  });

  it('converts values, with = and short forms', async () => {
    const { args, options: o } = await parse(
      ...['a', '-o', 'x', 'b', '--data=d', '--long-side', '320', '--opacity=1', '--rule', 'plain', '--json', 'c'],
    );
    expect(args).toEqual(['a', 'b', 'c']);
    expect(o).toEqual({ data: 'd', out: 'x', longSide: 320, opacity: 1, rule: 'plain', set: [], json: true });
  });

  it('collects what may be repeated', async () => {
    const { options: o } = await parse('a', '--data', 'd', '--set', 'x=1', '--set', 'y=2');
    expect(o.set).toEqual(['x=1', 'y=2']);
    // The list of one call is not that of the next.
    expect((await parse('a', '--data', 'd')).options.set).toEqual([]);
  });

  it('asks for what has no default', async () => {
    await expect(parse('a')).rejects.toThrow(/required option '--data <path>' not specified/);
  });

  it.each([
    ['--long-side', '0', /'0' is invalid. Expected a whole number from 1 on/],
    ['--long-side', '2.5', /'2.5' is invalid. Expected a whole number from 1 on/],
    ['--long-side', 'wide', /'wide' is invalid. Expected a whole number from 1 on/],
    ['--long-side', '', /'' is invalid. Expected a whole number from 1 on/],
    ['--opacity', '1.5', /'1.5' is invalid.*1/],
    ['--rule', 'none', /'none' is invalid.*"skip"\|"plain"/],
  ])('refuses %s %s', async (name, value, message) => {
    await expect(parse('a', '--data', 'd', name, value)).rejects.toThrow(message);
  });

  it('helps with descriptions, defaults and examples', async () => {
    const help = await parse('--help').catch((error: Error) => error.message);
    expect(help).toMatch(/Usage: try \[options\] <first> \[more\.\.\.\]/);
    expect(help).toMatch(/--opacity <0\.\.1> +a share \(default: 0\.5\)/);
    expect(help).toMatch(/Examples:\n {2}\$ pixelwise try this/);
  });
});
