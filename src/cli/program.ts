/** @file The commands, and what becomes of a command line: arguments in, exit code out. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { PixelwiseError } from '../errors.js';
import { type CommandSpec, toCommander } from './options.js';
import { errorText, say } from './output.js';

/** Loaded only when asked for: a photograph should not wait for the trainer's code. */
const commands: Readonly<Record<string, () => Promise<unknown>>> = {
  segment: async () => (await import('./commands/segment.js')).segment,
  heatmap: async () => (await import('./commands/heatmap.js')).heatmapCommand,
  train: async () => (await import('./commands/train.js')).trainCommand,
  eval: async () => (await import('./commands/eval.js')).evalCommand,
  crf: async () => (await import('./commands/crf.js')).crfCommand,
  models: async () => (await import('./commands/models.js')).models,
  export: async () => (await import('./commands/export.js')).exportCommand,
  quantize: async () => (await import('./commands/quantize.js')).quantizeCommand,
  explain: async () => (await import('./commands/explain.js')).explainCommand,
  bench: async () => (await import('./commands/bench.js')).benchCommand,
  data: async () => (await import('./commands/data.js')).dataCommand,
};

/** The command that is called, or all of them for help and for suggestions. */
async function loadCommands(name: string | undefined): Promise<CommandSpec[]> {
  const one = name === undefined || !Object.hasOwn(commands, name) ? undefined : commands[name];
  const loaders = one ? [one] : Object.values(commands);
  return (await Promise.all(loaders.map((load) => load()))) as CommandSpec[];
}

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Runs one command line, without the program's name; resolves to the exit code. */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('pixelwise')
    .description('Semantic segmentation: a class for every pixel of a photograph.')
    .version(version)
    .showSuggestionAfterError()
    .exitOverride();
  for (const spec of await loadCommands(words[0])) {
    const c = toCommander(spec, (result) => {
      code = result;
    });
    program.addCommand(c.exitOverride());
  }
  try {
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    // commander has printed its own message already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    say(errorText(error));
    return error instanceof PixelwiseError && error.code === 'ERR_USAGE' ? 2 : 1;
  }
}
