/** @file One typed table of options per command: the parser, `--help` and the documentation come from it. */

import { Command, InvalidArgumentError, Option } from 'commander';

/**
 * What an option's text must be. The common ones are below; a zod schema fits too, but loading zod takes a tenth of a second,
 * which `segment` should not wait for.
 */
export interface Schema<T> {
  /** `undefined` asks for the value of an option that is not given. */
  safeParse(
    given: unknown,
  ):
    | { readonly success: true; readonly data: T }
    | { readonly success: false; readonly error: { readonly issues: readonly { readonly message: string }[] } };
}

interface OptionSpec {
  /** commander's flags: `-o, --out <dir>`. */
  readonly flags: string;
  readonly description: string;
  readonly schema: Schema<unknown>;
  /** May be given several times; the schema sees a list. */
  readonly repeated?: true;
}

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** What the options of a table parse to. */
export type Parsed<T extends OptionTable> = { [K in keyof T]: T[K]['schema'] extends Schema<infer V> ? V : never };

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

/** A schema from a function that returns undefined for text that does not fit. */
function schema<T>(fallback: T, expected: string, read: (given: string) => T | undefined): Schema<T> {
  return {
    safeParse(given) {
      if (given === undefined) return { success: true, data: fallback };
      const data = read(String(given));
      return data === undefined
        ? { success: false, error: { issues: [{ message: expected }] } }
        : { success: true, data };
    },
  };
}

export const flag = schema(false, 'Expected no value.', () => true);
export const text = schema<string | undefined>(undefined, 'Expected text.', (given) => given);
export const whole = schema<number | undefined>(undefined, 'Expected a whole number from 1 on.', (given) => {
  const n = Number(given);
  return Number.isSafeInteger(n) && n >= 1 ? n : undefined;
});
/** Options that mean the same wherever they are. */
export const commonOptions = {
  longSide: {
    flags: '--long-side <pixels>',
    description: 'reduce larger pictures to this long side before the network sees them',
    schema: whole,
  },
  maxPixels: { flags: '--max-pixels <n>', description: 'refuse pictures with more pixels', schema: whole },
  threads: { flags: '--threads <n>', description: 'processor threads (default: all)', schema: whole },
  json: { flags: '--json', description: 'print one JSON object', schema: flag },
} as const satisfies OptionTable;

/** One of some words. */
export const oneOf = <const T extends string>(words: readonly T[]): Schema<T | undefined> =>
  schema<T | undefined>(undefined, `Expected ${words.join(', ')}.`, (given) => words.find((w) => w === given));
export const share = (fallback: number): Schema<number> =>
  schema(fallback, 'Expected a number from 0 to 1.', (given) => {
    const n = given.trim() === '' ? Number.NaN : Number(given);
    return n >= 0 && n <= 1 ? n : undefined;
  });
/** `0.5,1,1.25` */
export const numbers = schema<readonly number[] | undefined>(
  undefined,
  'Expected numbers with commas between them, such as 0.5,1,1.25.',
  (given) => {
    const list = given.split(',').map((n) => (n.trim() === '' ? Number.NaN : Number(n)));
    return list.every(Number.isFinite) ? list : undefined;
  },
);
/** `320x480`, height first, or one number for both. */
export const sizeOption = schema<readonly [number, number] | undefined>(
  undefined,
  'Expected HEIGHTxWIDTH, such as 320x480.',
  (given) => {
    if (!/^\d+(x\d+)?$/.test(given)) return undefined;
    const [h = 0, w = h] = given.split('x').map(Number);
    return [h, w];
  },
);

function parser(schema: Schema<unknown>, repeated: boolean) {
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
    // An optional value that is not given is empty text.
    if (flags.includes('[')) option.preset('');
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
