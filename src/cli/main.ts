#!/usr/bin/env node
/** @file The command line. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted. */

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { PixelwiseError } from '../errors.js';
import { evalCommand } from './commands/eval.js';
import { models } from './commands/models.js';
import { segment } from './commands/segment.js';
import { trainCommand } from './commands/train.js';
import { type CommandSpec, toCommander } from './options.js';
import { errorText, say } from './output.js';

const commands = [segment, trainCommand, evalCommand, models] as unknown as readonly CommandSpec[];

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('pixelwise')
    .description('Semantic segmentation: a class for every pixel of a photograph.')
    .version(version)
    .showSuggestionAfterError()
    .exitOverride();
  for (const spec of commands) {
    const c = toCommander(spec, (result) => {
      code = result;
    });
    program.addCommand(c.exitOverride());
  }
  try {
    await program.parseAsync(argv);
    return code;
  } catch (error) {
    // commander has printed its own message already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    say(errorText(error));
    return error instanceof PixelwiseError && error.code === 'ERR_USAGE' ? 2 : 1;
  }
}

process.exitCode = await main(process.argv);
