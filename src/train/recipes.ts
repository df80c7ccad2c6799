/** @file Recipes by name or file: those of the package, those that change another one, and trainings in stages. */

import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PixelwiseError } from '../errors.js';
import { readBytes } from '../files.js';
import { nearest } from '../nearest.js';
import { applyOverride, checkRecipe, isRecord, parseValues, type Recipe } from './recipe.js';

const folder = new URL('../../recipes/', import.meta.url);
const extension = '.jsonc';

/** One run of a training. */
export interface Stage {
  /** The recipe's name: what its run folder is called. */
  readonly name: string;
  readonly recipe: Recipe;
}

type Values = Record<string, unknown>;

const nameOf = (file: string): string => basename(file, extname(file));

/** A recipe of the package by its name, or a file; paths are relative to `from`. */
async function findRecipe(name: string, from = '.'): Promise<string> {
  if (/[\\/.]/.test(name)) return resolve(from, name);
  const known = (await readdir(folder)).map(nameOf);
  if (known.includes(name)) return fileURLToPath(new URL(name + extension, folder));
  const guess = nearest(name, known);
  throw new PixelwiseError(
    'ERR_RECIPE',
    `There is no recipe '${name}'.${guess ? ` Did you mean '${guess}'?` : ''} Expected one of ${known.join(', ')}, or the path of a recipe file.`,
    { subject: name },
  );
}

const refuse = (source: string, message: string): PixelwiseError =>
  new PixelwiseError('ERR_RECIPE', `Recipe '${source}' ${message}`, { subject: source });

/** `changes` laid over `base`: objects are merged, but not of two different kinds; null takes a key away. */
function changed(base: Values, changes: Values): Values {
  const merged: Values = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const old = Object.hasOwn(base, key) ? base[key] : undefined;
    const isPart = isRecord(value) && isRecord(old) && !Array.isArray(value) && !Array.isArray(old);
    if (value === null) delete merged[key];
    else merged[key] = isPart && (value.kind === undefined || value.kind === old.kind) ? changed(old, value) : value;
  }
  return merged;
}

/** The values of a file, or of a part of one, with those of the recipe that it extends below them. */
async function completed(values: unknown, source: string, from: string, seen: readonly string[]): Promise<unknown> {
  if (!isRecord(values) || !Object.hasOwn(values, 'extends')) return values;
  const { extends: base, ...changes } = values;
  if (typeof base !== 'string') throw refuse(source, "has an 'extends' that is no name or path of a recipe.");
  const below = await valuesOf(await findRecipe(base, from), seen);
  if (!isRecord(below)) return below;
  if ('stages' in below)
    throw refuse(source, `extends '${base}', which is a list of stages. Extend one of its stages.`);
  // What is said about another recipe does not hold for this one.
  const { about: _, ...kept } = below;
  return changed(kept, changes);
}

async function valuesOf(file: string, seen: readonly string[] = []): Promise<unknown> {
  if (seen.includes(file)) throw refuse(file, `extends itself: ${[...seen, file].map(nameOf).join(' -> ')}.`);
  const values = parseValues(new TextDecoder().decode(await readBytes(file)), file);
  return completed(values, file, dirname(file), [...seen, file]);
}

interface Part {
  readonly name: string;
  readonly source: string;
  readonly values: unknown;
}

/** The parts of `{ "stages": [...] }`: names, paths, or values. */
async function partsOf(values: Values, file: string): Promise<Part[]> {
  const { stages, about: _, ...others } = values;
  const [strange] = Object.keys(others);
  if (strange !== undefined) throw refuse(file, `has the key '${strange}' beside its stages. Put it into a stage.`);
  if (!Array.isArray(stages) || stages.length === 0) {
    throw refuse(file, "has 'stages' without a recipe. Expected a list of names, paths or recipes.");
  }
  return Promise.all(
    stages.map(async (stage: unknown, i): Promise<Part> => {
      const source = `${file}, stage ${i + 1}`;
      if (typeof stage === 'string') {
        const own = await findRecipe(stage, dirname(file));
        const inner = await valuesOf(own, [file]);
        if (isRecord(inner) && 'stages' in inner) throw refuse(source, `is itself a list of stages: '${stage}'.`);
        return { name: nameOf(own), source: own, values: inner };
      }
      const base = isRecord(stage) && typeof stage.extends === 'string' ? nameOf(stage.extends) : `${nameOf(file)}`;
      return { name: base, source, values: await completed(stage, source, dirname(file), [file]) };
    }),
  );
}

/**
 * The runs of a training: one for a recipe, several for a file `{ "stages": [ ... ] }`, each of which starts from the weights
 * that the one before it ended with. A recipe may change another one: `{ "extends": NAME-OR-PATH, ...changes }`.
 *
 * @param overrides `key=value` pairs for every stage, or `stages.N.key=value` for stage N, from 0
 * @throws ERR_RECIPE for what is no recipe, with the file and the stage; ERR_USAGE for an override that is none
 */
export async function readStages(name: string, overrides: readonly string[] = []): Promise<Stage[]> {
  const file = await findRecipe(name);
  const values = await valuesOf(file);
  const parts =
    isRecord(values) && 'stages' in values
      ? await partsOf(values, file)
      : [{ name: nameOf(file), source: file, values }];
  const byStage = overrides.map((o) => {
    const [, number, rest] = /^stages\.(\d+)\.(.*)$/s.exec(o) ?? [];
    return { stage: number === undefined ? undefined : Number(number), override: rest ?? o };
  });
  const beyond = byStage.find((o) => (o.stage ?? 0) >= parts.length);
  if (beyond) {
    throw new PixelwiseError(
      'ERR_USAGE',
      `'${name}' has no stage ${beyond.stage}. Expected 0 to ${parts.length - 1} in stages.N.${beyond.override}.`,
    );
  }
  return parts.map((part, i) => {
    const own = structuredClone(part.values);
    if (isRecord(own))
      for (const o of byStage) if (o.stage === undefined || o.stage === i) applyOverride(own, o.override);
    // A run is the same whatever is said about its recipe.
    const { about: _, ...recipe } = checkRecipe(own, part.source);
    return { name: part.name, recipe };
  });
}
