/** @file Staged training: several recipes in a row, each starting from the weights that the one before ended with. */

import { basename, extname } from 'node:path';
import { z } from 'zod';
import { PixelwiseError } from '../../errors.js';
import { checkRecipe, overridden, type Recipe, recipeValues } from '../recipe.js';

/** One recipe of a run. */
export interface Stage {
  readonly name: string;
  readonly recipe: Recipe;
}

/** The text of a recipe that a stage names, and where it was found. */
export type FindRecipe = (name: string) => Promise<{ readonly text: string; readonly source: string }>;

/** A stage is the name of a recipe, or values that change those of a recipe or of the file around it. */
const stageSchema = z.union(
  [z.string(), z.looseObject({ name: z.string().optional(), recipe: z.string().optional() })],
  "expected the name of a recipe or an object with a recipe's keys",
);
/** Folders are named after stages. */
const nameSchema = z.string().regex(/^[\w.-]{1,64}$/, 'expected letters, digits, ., _ and -');
const stagedSchema = z.looseObject({ stages: z.array(stageSchema).min(1, 'expected at least one stage') });

type Values = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One line per fault, which names the stage. */
function refused(source: string, faults: readonly string[]): PixelwiseError {
  return new PixelwiseError('ERR_RECIPE', `Recipe '${source}' is not valid: ${faults.join('; ')}.`, {
    subject: source,
  });
}

/**
 * Reads a recipe's text: one stage, or, where it has a key `stages`, one for each of those. The other keys of the file hold
 * for every stage; a stage may name a recipe and change some of its values. `overrides` change every stage.
 *
 * @throws ERR_RECIPE for what is no recipe, with the stage at fault; what `find` throws
 */
export async function readStages(
  text: string,
  source: string,
  overrides: readonly string[],
  find: FindRecipe,
): Promise<readonly Stage[]> {
  const values = recipeValues(text, source);
  if (!isRecord(values) || !Object.hasOwn(values, 'stages')) {
    return [{ name: basename(source, extname(source)), recipe: checkRecipe(overridden(values, overrides), source) }];
  }
  const staged = stagedSchema.safeParse(values);
  if (!staged.success) {
    throw refused(
      source,
      staged.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`),
    );
  }
  const { stages, ...common } = staged.data;
  const read: Stage[] = [];
  for (const [i, stage] of stages.entries()) {
    const { name, recipe, ...own } = typeof stage === 'string' ? { name: undefined, recipe: stage } : stage;
    const found = recipe === undefined ? undefined : await find(recipe);
    const base = found && recipeValues(found.text, found.source);
    if (isRecord(base) && Object.hasOwn(base, 'stages')) {
      throw refused(source, [`stages.${i}: '${recipe}' has stages itself; name them one by one`]);
    }
    const merged = overridden({ ...(isRecord(base) && base), ...common, ...own }, overrides);
    const called = nameSchema.safeParse(name ?? (found ? basename(found.source, extname(found.source)) : undefined));
    if (!called.success) throw refused(source, [`stages.${i}.name: ${called.error.issues[0]?.message}`]);
    read.push({
      name: called.data,
      recipe: checkRecipe(merged, `${source}, stage ${i + 1} of ${stages.length}, ${called.data}`),
    });
  }
  return read;
}

/** The folder of a stage inside the run's: `2-fcn16s`. A run of one stage is its own folder. */
export const stageFolder = (stages: readonly Stage[], index: number): string =>
  stages.length === 1 ? '' : `${index + 1}-${stages[index]!.name}`;
