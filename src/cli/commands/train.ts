/** @file `pixelwise train`: trains by a recipe, or by several in a row, with a live line, a log and checkpoints. */

import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { z } from 'zod';
import type { Dataset } from '../../data/dataset.js';
import { type Passed, readPassed, writePassed } from '../../data/doctor/passed.js';
import { createNodeEngine } from '../../engine/node.js';
import { PixelwiseError } from '../../errors.js';
import { findNetwork } from '../../nets/catalogue.js';
import { type Network, networkGraph } from '../../nets/network.js';
import { checkpointFile } from '../../train/checkpoint.js';
import { describeRate } from '../../train/rate.js';
import type { Recipe } from '../../train/recipe.js';
import { readStages, type Stage } from '../../train/recipes.js';
import { resumable } from '../../train/resume.js';
import { interruptedCode, untilInterrupted } from '../interrupt.js';
import { command, commonOptions, flag, text } from '../options.js';
import { print, say } from '../output.js';
import { stageModel, trainStage } from '../train-stage.js';
import { type TrainingData, trainingData } from './train-data.js';

const exists = async (file: string): Promise<boolean> => (await stat(file).catch(() => undefined)) !== undefined;

/** The folder of a stage inside the run's, `2-fcn16s`; a run of one stage is its own folder. */
const stageFolder = (stages: readonly Stage[], index: number): string =>
  stages.length === 1 ? '' : `${index + 1}-${stages[index]!.name}`;

/** A new run must not write over an old one, and only an old one can go on. */
async function checkRunFolder(run: string, folders: readonly string[], resume: boolean): Promise<void> {
  const held = await Promise.all(folders.map((folder) => exists(checkpointFile(folder))));
  const old = held.some(Boolean);
  if (resume ? held[0] : !old) return;
  const message = old
    ? `'${run}' already holds a run. Go on with --resume, or choose another folder with --out.`
    : `'${run}' holds no checkpoint to go on from. Start without --resume, or name the run's folder with --out.`;
  throw new PixelwiseError('ERR_USAGE', message, { subject: run });
}

/** @throws ERR_RECIPE, ERR_DATA or ERR_WEIGHTS where a finished stage is of another run */
async function checkDone(run: string, recipe: Recipe, network: Network, dataset: Dataset): Promise<void> {
  const graph = networkGraph(network, { classes: dataset.classes.length, size: network.inputSize });
  await resumable(run, recipe, dataset, graph);
}

/**
 * The data of every stage, each split looked at once; undefined where Ctrl-C ended the look. Before the first update: what
 * is missing or broken must not end the run at its first evaluation.
 */
async function openForStages(
  spec: string,
  stages: readonly Stage[],
  skipBad: boolean,
  passed: Map<string, Passed>,
): Promise<TrainingData[] | undefined> {
  const known = new Map<string, TrainingData>();
  const data: TrainingData[] = [];
  for (const { recipe } of stages) {
    const splits = { train: recipe.split, held: recipe.evaluation?.split };
    const key = JSON.stringify(splits);
    const looked = known.get(key) ?? (await trainingData(spec, splits, skipBad, passed));
    if (!looked) return undefined;
    known.set(key, looked);
    data.push(looked);
  }
  return data;
}

/** A word as a shell reads it back. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

export const trainCommand = command({
  name: 'train',
  arguments: '<recipe>',
  summary: 'train a network by a recipe (a name or a file)',
  examples: [
    'pixelwise train voc-fcn-squeezenet --data voc:VOC2012 --init squeezenet1_0.pth --out runs/first',
    'pixelwise models pull vgg16-caffe && pixelwise train fcn8s.jsonc --data voc:VOC2012 --init vgg16-caffe',
    'pixelwise train nyud-fcn32s-late --data nyudv2:NYUD --init color=COLOR.safetensors --init hha=HHA.safetensors',
    'pixelwise train voc-fcn-squeezenet --data voc:VOC2012 --out runs/first --resume',
    'pixelwise train voc-fcn-squeezenet --set rate=1e-4 --set updates=500 --print-config',
    'pixelwise train staged.jsonc --data voc:VOC2012 --out runs/staged   # { "stages": ["RECIPE", "RECIPE", ...] }',
  ],
  options: {
    data: {
      flags: '--data <kind:path>',
      description: 'the data set, such as folder:PATH or voc:PATH (docs/data.md)',
      schema: text,
    },
    out: { flags: '-o, --out <dir>', description: 'folder of the run (default: runs/RECIPE)', schema: text },
    init: {
      flags: '--init <file|name>',
      description:
        'weights to start from: a file (.pth, .safetensors, ...), the model that ships, or published ones that were pulled; SUFFIX=FILE fills one of several streams; may be repeated',
      schema: z.array(z.string()).default([]),
      repeated: true,
    },
    resume: { flags: '--resume', description: "go on from the folder's checkpoint", schema: flag },
    set: {
      flags: '--set <key=value>',
      description: 'change a value of the recipe; may be repeated',
      schema: z.array(z.string()).default([]),
      repeated: true,
    },
    printConfig: { flags: '--print-config', description: 'print the recipe as it would run, and stop', schema: flag },
    skipBad: {
      flags: '--skip-bad',
      description: 'leave out samples that are broken, instead of refusing',
      schema: flag,
    },
    threads: commonOptions.threads,
    json: { flags: '--json', description: 'print the log as JSON lines', schema: flag },
  },
  async run([name = ''], o) {
    const stages = await readStages(name, o.set);
    const networks = stages.map(({ recipe }) => findNetwork(recipe.network));
    if (o.printConfig) {
      const recipes = stages.map((s) => s.recipe);
      print(JSON.stringify(recipes.length > 1 ? { stages: recipes } : recipes[0], null, 2));
      for (const [i, stage] of stages.entries())
        say(`${stage.name}: ${describeRate(stage.recipe, networks[i]!.stride)}`);
      return 0;
    }
    const { data, resume } = o;
    if (data === undefined) {
      throw new PixelwiseError('ERR_USAGE', 'Nothing to train on. Name a data set, such as --data voc:PATH.');
    }
    const recipeName = basename(name, extname(name));
    const run = o.out ?? join('runs', recipeName);
    const folders = stages.map((_, i) => join(run, stageFolder(stages, i)));
    await checkRunFolder(run, folders, resume);
    const noted = join(run, 'data.json');
    const passed = resume ? await readPassed(noted) : new Map<string, Passed>();
    const looked = await openForStages(data, stages, o.skipBad, passed);
    if (!looked) return interruptedCode;
    using interrupt = untilInterrupted();
    const { signal } = interrupt;
    // Gradients and updates without copies: about half the memory of the ordinary backend.
    await using engine = createNodeEngine({ backend: 'auto', ...(o.threads !== undefined && { threads: o.threads }) });
    for (const [i, stage] of stages.entries()) {
      const folder = folders[i]!;
      const prefix = stages.length === 1 ? '' : `stage ${i + 1}/${stages.length} ${stage.name}: `;
      const [begun, done] = [await exists(checkpointFile(folder)), await exists(stageModel(folder))];
      if (stages.length > 1 && done) {
        await checkDone(folder, stage.recipe, networks[i]!, looked[i]!.dataset);
        say(`${prefix}done before`);
        continue;
      }
      if (prefix !== '') {
        if (o.json) print(JSON.stringify({ kind: 'stage', stage: i + 1, stages: stages.length, name: stage.name }));
        say(`${prefix}${networks[i]!.title}, ${stage.recipe.updates} updates`);
      }
      const init = i === 0 ? o.init : [stageModel(folders[i - 1]!)];
      const called = stages.length === 1 ? recipeName : `${recipeName} ${stage.name}`;
      const how = {
        recipe: stage.recipe,
        name: called,
        prefix,
        data: looked[i]!,
        run: folder,
        resume: begun,
        init,
        json: o.json,
        // Only now: a run that is refused leaves no folder.
        onStart: () => writePassed(noted, passed),
      };
      if (!(await trainStage(how, engine, signal))) continue;
      const sets = o.set.flatMap((s) => ['--set', s]);
      const words = ['train', name, ...sets, '--data', data, '--out', run, '--resume'];
      if (o.skipBad) words.push('--skip-bad');
      say(`Stopped and saved. Go on with: pixelwise ${words.map(quoted).join(' ')}`);
      return interruptedCode;
    }
    const model = stageModel(folders.at(-1)!);
    say(`Done: ${model}. Score it with: pixelwise eval --data ${quoted(data)} --model ${quoted(model)}`);
    return 0;
  },
});
