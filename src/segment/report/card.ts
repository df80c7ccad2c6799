/** @file What was evaluated, as rows of a table: network, file, training, data, settings, versions. */

import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Dataset } from '../../data/dataset.js';
import type { Engine } from '../../engine/engine.js';
import { readBytes } from '../../files.js';
import { countParameters } from '../../nets/count.js';
import { madeWith } from '../../train/run/environment.js';
import type { LoadedModel } from '../model.js';

export type Row = readonly [what: string, value: string];

/** Facts of the model. Only the name of the file is told: pages are shown to others. */
export async function modelRows({ file, network, description }: LoadedModel): Promise<Row[]> {
  const { classes, preprocessing, longSide, training = {} } = description;
  const bytes = await readBytes(file);
  const { order, mean, std, divisor } = preprocessing;
  return [
    ['Network', `${network.title} (${network.name})`],
    ['Source', network.source],
    [
      'Learned parameters',
      countParameters(network, { classes: classes.length, auxiliary: false }).toLocaleString('en-US'),
    ],
    ['Stride of its score map', `${network.stride} pixels of what it sees`],
    ['File', `${basename(file)}, ${(bytes.length / 1e6).toFixed(2)} MB`],
    ['SHA-256 of the file', createHash('sha256').update(bytes).digest('hex')],
    ['Classes', classes.length > 40 ? String(classes.length) : `${classes.length}: ${classes.join(', ')}`],
    ['Reads', `${order}, divided by ${divisor}, less (${mean.join(', ')}), divided by (${std.join(', ')})`],
    ['Sees pictures reduced to', `a long side of ${longSide} pixels, unless evaluated otherwise`],
    ...Object.entries(training).map(([what, value]): Row => [`Training: ${what}`, String(value)]),
  ];
}

/** Facts of the evaluation. */
export function evaluationRows(dataset: Dataset, engine: Engine, settings: Readonly<Record<string, string>>): Row[] {
  const { began: _, ...made } = madeWith(engine);
  return [
    ['Data set', `${dataset.name}, split ${dataset.split}, ${dataset.ids.length} pictures`],
    ...Object.entries(settings).map(([what, value]): Row => [`Setting: ${what}`, value]),
    ...Object.entries(made).map(([what, value]): Row => [`Made with: ${what}`, String(value)]),
  ];
}
