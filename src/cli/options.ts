/** @file One typed table of options per command: the parser, `--help` and the documentation come from it. */

import { Command, InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';

interface OptionSpec {
  /** commander's flags: `-o, --out <dir>`. */
  readonly flags: string;
  readonly description: string;
  readonly schema: z.ZodType;
  /** May be given several times; the schema sees a list. */
  readonly repeated?: true;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** What the options of a table parse to. */
export type Parsed<T extends OptionTable> = { [K in keyof T]: z.output<T[K]['schema']> };

export interface CommandSpec<T extends OptionTable = OptionTable> {
  readonly name: string;
  /** commander's arguments: `<image...>`. */
  readonly arguments: string;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly options: T;
  /** Returns the exit code. */
  run(args: readonly string[], options: Parsed<T>): Promise<number>;
}

/** Keeps a command's option types without writing them twice. */
export function command<const T extends OptionTable>(spec: CommandSpec<T>): CommandSpec<T> {
  return spec;
}

export const flag = z.boolean().default(false);
export const text = z.string().optional();
const wholeError = 'Expected a whole number from 1 on.';
export const whole = z.coerce.number(wholeError).int(wholeError).positive(wholeError).optional();
/** `320x480`, height first, or one number for both. */
export const sizeOption = z
  .string()
  .regex(/^\d+(x\d+)?$/, 'Expected HEIGHTxWIDTH, such as 320x480.')
  .transform((given): readonly [number, number] => {
    const [h = 0, w = h] = given.split('x').map(Number);
    return [h, w];
  })
  .optional();

function parser(schema: z.ZodType, repeated: boolean) {
  return (value: string, previous: unknown): unknown => {
    const next = repeated ? [...((previous as string[] | undefined) ?? []), value] : value;
    const result = schema.safeParse(next);
    if (!result.success)
      throw new InvalidArgumentError([...new Set(result.error.issues.map((i) => i.message))].join('; '));
    return result.data;
  };
}

/** A commander command of a table; `done` receives the exit code. */
export function toCommander(spec: CommandSpec, done: (code: number) => void): Command {
  const c = new Command(spec.name).description(spec.summary);
  for (const argument of spec.arguments.split(' ').filter(Boolean)) c.argument(argument);
  for (const { flags, description, schema, repeated } of Object.values(spec.options)) {
    const option = new Option(flags, description);
    const takesValue = /[<[]/.test(flags);
    if (takesValue) option.argParser(parser(schema, repeated === true));
    const fallback = schema.safeParse(undefined);
    if (!fallback.success) option.makeOptionMandatory();
    else if (fallback.data !== undefined) option.default(fallback.data);
    c.addOption(option);
  }
  c.addHelpText('after', `\nExamples:\n${spec.examples.map((e) => `  $ ${e}`).join('\n')}\n`);
  c.action(async (...received: unknown[]) => {
    const options = received[received.length - 2] as Record<string, unknown>;
    const args = received
      .slice(0, -2)
      .flat()
      .filter((a) => a !== undefined) as string[];
    done(await spec.run(args, options as Parsed<OptionTable>));
  });
  return c;
}
