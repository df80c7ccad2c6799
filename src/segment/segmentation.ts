/** @file What comes out for a picture: labels at its own size, and ways to show them. Plain data, no engine behind it. */

import { encodeLabelMap } from '../image/index-png.js';
import { overlay } from '../image/overlay.js';
import { countLabels } from '../image/paint-kernel.js';
import type { Picture } from '../image/picture.js';
import type { ModelDescription } from '../weights/model.js';
import { type OutlineOptions, outlines, type Polygon } from './polygons.js';
import { type CocoMask, columnRunsOf, compressCounts } from './rle.js';

export interface ClassShare {
  readonly id: number;
  readonly name: string;
  readonly color: readonly [number, number, number];
  readonly pixels: number;
  /** Fraction of the picture, 0 to 1. */
  readonly share: number;
}

/** What the network makes of every class at every pixel. */
export interface ScoreMap {
  /** `logits` are the network's own numbers; `probabilities` sum to 1 over the classes. */
  readonly kind: 'logits' | 'probabilities';
  /** The picture's own size up to two megapixels, smaller above. */
  readonly width: number;
  readonly height: number;
  readonly classes: number;
  /** classes x height x width numbers, class after class, row by row. */
  readonly data: Float32Array;
}

export interface ClassMask extends Pick<ClassShare, 'id' | 'name'>, CocoMask {
  readonly area: number;
}

/** As in GeoJSON (RFC 7946), but in pixels: x to the right, y downward, whole numbers are corners of pixels. */
export interface OutlineCollection {
  readonly type: 'FeatureCollection';
  readonly features: readonly {
    readonly type: 'Feature';
    readonly properties: ClassShare;
    readonly geometry: { readonly type: 'MultiPolygon'; readonly coordinates: readonly Polygon[] };
  }[];
}

export interface SegmentationDetails {
  readonly scores?: ScoreMap;
  readonly notes?: readonly string[];
}

/** The classes that occur, largest first; `counts` are pixels by label. */
export function classShares(model: ModelDescription, counts: ArrayLike<number>): ClassShare[] {
  const total = Array.from(counts).reduce((a, b) => a + b, 0);
  return model.classes
    .map((name, id) => ({ id, name, color: model.palette[id]!, pixels: counts[id]!, share: counts[id]! / total }))
    .filter((c) => c.pixels > 0)
    .sort((a, b) => b.pixels - a.pixels);
}

export class Segmentation {
  readonly width: number;
  readonly height: number;
  /** One class index per pixel, row by row, at the picture's own size. */
  readonly labels: Uint8Array;
  /** The classes present, largest first. */
  readonly classes: readonly ClassShare[];
  /** Where they were asked for. */
  readonly scores: ScoreMap | undefined;
  /** What should be known of the result, in sentences: pages that were left out, seams that were blended. */
  readonly notes: readonly string[];
  readonly #picture: Picture;
  readonly #model: ModelDescription;

  constructor(picture: Picture, labels: Uint8Array, model: ModelDescription, details: SegmentationDetails = {}) {
    this.width = picture.width;
    this.height = picture.height;
    this.labels = labels;
    this.scores = details.scores;
    this.notes = details.notes ?? [];
    this.#picture = picture;
    this.#model = model;
    const counts = new Float64Array(256);
    countLabels(labels, counts);
    this.classes = classShares(model, counts);
  }

  /** Fraction of the picture by class name; classes that are not there are left out. */
  get shares(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.classes.map((c) => [c.name, c.share]));
  }

  /** Index PNG: pixel values are classes, the palette shows them in color. */
  toPNG(): Uint8Array {
    const { width, height, labels: data } = this;
    return encodeLabelMap({ width, height, data }, this.#model.palette);
  }

  /** PNG of the picture tinted by class, with a legend below. */
  overlay(options: { opacity?: number; legend?: boolean } = {}): Promise<Uint8Array> {
    const { width, height, labels: data } = this;
    const { palette, classes } = this.#model;
    return overlay(this.#picture, { width, height, data }, { palette, classes, ...options });
  }

  /**
   * One run-length mask per class present, as COCO has them; `compressed: false` gives the lengths as numbers.
   *
   * @example
   * JSON.stringify(result.toRLE())
   */
  toRLE(options: { compressed?: boolean } = {}): ClassMask[] {
    const { width, height, labels: data } = this;
    const runs = columnRunsOf({ width, height, data });
    return this.classes.map(({ id, name, pixels }) => {
      const counts = runs.get(id)!;
      return {
        id,
        name,
        area: pixels,
        size: [height, width],
        counts: (options.compressed ?? true) ? compressCounts(counts) : counts,
      };
    });
  }

  /**
   * The outlines of every class present, with holes, as GeoJSON draws them. Without a tolerance they run along the edges of
   * pixels: filling them gives the labels again.
   */
  toPolygons(options: OutlineOptions = {}): OutlineCollection {
    const { width, height, labels: data } = this;
    const regions = outlines({ width, height, data }, options);
    const features = this.classes.map((c) => {
      const coordinates = regions.filter((r) => r.label === c.id).map((r) => r.rings);
      const geometry = { type: 'MultiPolygon' as const, coordinates };
      return { type: 'Feature' as const, properties: c, geometry };
    });
    return { type: 'FeatureCollection', features: features.filter((f) => f.geometry.coordinates.length > 0) };
  }
}
