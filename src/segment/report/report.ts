/** @file Collects what an evaluation's page needs while it runs, and writes the page. */

import { basename, join } from 'node:path';
import type { Dataset, Sample } from '../../data/dataset.js';
import type { Engine } from '../../engine/engine.js';
import { makeFolder, writeFileAtomic } from '../../files.js';
import type { Assessment } from '../assess.js';
import type { LoadedModel } from '../model.js';
import { evaluationRows, modelRows } from './card.js';
import { Extremes } from './extremes.js';
import { evaluationHtml } from './page.js';

/** Called for every picture, then asked once for the page: `report.html` in a folder. */
export class EvaluationReport {
  readonly #folder: string;
  readonly #dataset: Dataset;
  readonly #extremes: Extremes;
  readonly #sizes: string[] = [];

  private constructor(folder: string, dataset: Dataset) {
    this.#folder = folder;
    this.#dataset = dataset;
    this.#extremes = new Extremes(dataset);
  }

  /** @throws ERR_FILE if the folder cannot be made: better now than after the evaluation */
  static async open(folder: string, dataset: Dataset): Promise<EvaluationReport> {
    await makeFolder(folder);
    return new EvaluationReport(folder, dataset);
  }

  /** Takes what `onLabels` of an evaluation gives. */
  async add(sample: Sample, labels: Uint8Array): Promise<void> {
    this.#sizes.push(`${sample.picture.width} x ${sample.picture.height}`);
    await this.#extremes.add(sample, labels);
  }

  /**
   * Writes the page.
   *
   * @param settings what the evaluation was asked for, in words
   * @returns the file
   */
  async write(
    loaded: LoadedModel,
    assessment: Assessment,
    engine: Engine,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const { name, split, classes, palette } = this.#dataset;
    const html = evaluationHtml({
      title: `${basename(loaded.file, '.safetensors')} on ${name} ${split}`,
      assessment,
      classes,
      palette,
      ...this.#extremes.ends(),
      sizes: this.#sizes,
      model: await modelRows(loaded),
      evaluation: evaluationRows(this.#dataset, engine, settings),
    });
    const file = join(this.#folder, 'report.html');
    await writeFileAtomic(file, html);
    return file;
  }
}
