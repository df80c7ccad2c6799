/** @file Model files of networks that know nothing: for what is about files and commands. */

import { writeFile } from 'node:fs/promises';
import type { ClassSet } from '../../src/data/classes.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { initialize } from '../../src/train/initialize.js';
import { writeModel } from '../../src/weights/model.js';

/** Writes a network of the catalogue with its first values for these classes, at a long side of 64 pixels. */
export async function writeRandomModel(file: string, name: string, { classes, palette }: ClassSet): Promise<void> {
  const network = findNetwork(name);
  const size = network.inputSize;
  const { parameters } = networkGraph(network, { classes: classes.length, size, auxiliary: false });
  const description = {
    version: 1 as const,
    network: name,
    classes,
    palette: palette.slice(0, classes.length),
    preprocessing: network.preprocessing,
    longSide: 64,
  };
  await writeFile(file, writeModel(description, initialize(parameters, 1)));
}
