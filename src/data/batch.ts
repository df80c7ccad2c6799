/** @file One training batch: which samples it holds, and how it is made. Depends on the step number and nothing else. */

import { type Tensor, tensor } from '../graph/tensor.js';
import type { LabelMap } from '../image/index-png.js';
import type { Preprocessing } from '../image/preprocessing.js';
import { legalSide, type Modality, type Sides } from '../nets/network.js';
import { type AugmentOptions, augment, padSample } from './augment.js';
import type { Dataset, Sample } from './dataset.js';
import { networkInput } from './network-input.js';
import { meanColor } from './normalize.js';
import { createRandom } from './random.js';

export interface Batch {
  readonly step: number;
  /** The epoch of the batch's first sample. */
  readonly epoch: number;
  readonly ids: readonly string[];
  /** [N, 3, H, W], or the channels of all modalities. */
  readonly images: Tensor<'float32'>;
  /** [N, H, W], 255 is void. */
  readonly labels: Tensor<'uint8'>;
  /** The further label maps, by name; [N, H, W] each. */
  readonly extra?: Readonly<Record<string, Tensor<'uint8'>>>;
}

export interface BatchOptions extends AugmentOptions {
  readonly preprocessing: Preprocessing;
  /** The parts of the input, where the network sees more than the color picture. */
  readonly modalities?: readonly Modality[];
  readonly batch: number;
  readonly seed: number;
  /** Sides that the network can run on. Without a crop, pictures are padded to the next ones. Default: all. */
  readonly sides?: Sides | undefined;
  /**
   * `shuffle` (default): every epoch is a permutation of the data set, and batches run on across its end. `replacement`:
   * every sample is drawn from the whole set, as the Berkeley FCN's training does.
   */
  readonly sampling?: 'shuffle' | 'replacement';
}

/** What the seed's streams are for: the order of an epoch and the augmentation of a sample must not be related. */
const purpose = { order: 1, draw: 2, augment: 3 } as const;

/** Makes batch number `step`. */
export type BatchMaker = (step: number) => Promise<Batch>;

/**
 * A function that makes any batch of a run, in any order: the sample at (seed, epoch, position in the epoch) is always
 * the same, so a resumed run goes on bit for bit.
 *
 * Where no `padColor` is given, padding gets the mean colour. Without a crop, pictures of several sizes in one batch are
 * padded to the largest height and width (torchvision's `cat_list`): a batch of one keeps its picture's own size.
 */
export function batchMaker(dataset: Dataset, options: BatchOptions): BatchMaker {
  const { batch, seed, preprocessing } = options;
  const size = dataset.ids.length;
  const shaping: AugmentOptions = {
    padColor: meanColor(preprocessing),
    inputPadColors: Object.fromEntries(
      (options.modalities ?? []).flatMap((m) => (m.name === 'depth' ? [] : [[m.name, meanColor(m.preprocessing)]])),
    ),
    ...options,
  };

  let known = -1;
  let order = new Uint32Array();
  const indexAt = (epoch: number, position: number): number => {
    if (options.sampling === 'replacement') return createRandom(seed, purpose.draw, epoch, position).integer(size);
    if (epoch !== known) {
      order = createRandom(seed, purpose.order, epoch).shuffle(Uint32Array.from({ length: size }, (_, i) => i));
      known = epoch;
    }
    return order[position] as number;
  };

  return async (step) => {
    const places = Array.from({ length: batch }, (_, n) => {
      const at = step * batch + n;
      return { epoch: Math.floor(at / size), position: at % size };
    });
    const indices = places.map(({ epoch, position }) => indexAt(epoch, position));
    const cuts: Sample[] = [];
    let coming = startLoading(dataset, indices[0] as number);
    for (const [n, { epoch, position }] of places.entries()) {
      const sample = await coming;
      const next = indices[n + 1];
      // Decoding runs on the engine's own threads: read the next picture while this one is cut.
      if (next !== undefined) coming = startLoading(dataset, next);
      const cut = augment(sample, shaping, createRandom(seed, purpose.augment, epoch, position));
      cuts.push({ ...cut, id: sample.id });
    }
    const fitting = (sides: number[]): number =>
      options.crop ? (sides[0] as number) : legalSide({ sides: options.sides }, Math.max(...sides));
    const height = fitting(cuts.map((cut) => cut.picture.height));
    const width = fitting(cuts.map((cut) => cut.picture.width));
    const alike = cuts.map((cut) => ({ ...padSample(cut, { height, width }, shaping), id: cut.id }));
    const images = networkInput(alike, preprocessing, options.modalities);
    const stack = (maps: readonly LabelMap[]): Tensor<'uint8'> => {
      const marked = new Uint8Array(batch * height * width);
      maps.forEach(({ data }, n) => {
        marked.set(data, n * height * width);
      });
      return tensor('uint8', [batch, height, width], marked);
    };
    const extra = Object.keys(dataset.extra ?? {}).map(
      (name) => [name, stack(alike.map((cut) => cut.extra?.[name] as LabelMap))] as const,
    );
    return {
      step,
      epoch: places[0]?.epoch ?? 0,
      ids: cuts.map((cut) => cut.id),
      images,
      labels: stack(alike.map((cut) => cut.labels)),
      ...(extra.length > 0 && { extra: Object.fromEntries(extra) }),
    };
  };
}

/** A load that may fail before anyone waits for it, which must not count as unhandled. */
function startLoading(dataset: Dataset, index: number): Promise<Sample> {
  const loading = dataset.load(index);
  loading.catch(() => undefined);
  return loading;
}
