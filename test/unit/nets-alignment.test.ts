/** @file Maps of one network lie over each other exactly: the crops of the papers' nets, the grids of our own. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { coordinateMap } from '../../src/graph/coordinates.js';
import { findNetwork } from '../../src/nets/catalogue.js';
import { networkGraph } from '../../src/nets/network.js';
import { squeezenetTrunk } from '../../src/nets/squeezenet.js';
import type { Upsampling } from '../../src/nets/upsample.js';

type Size = readonly [number, number];

/** Offsets of all crops, in order. */
function crops(name: string, size: Size, upsampling?: Upsampling): (readonly number[])[] {
  const graph = networkGraph(findNetwork(name), { size, ...(upsampling && { upsampling }) });
  return graph.nodes.flatMap((n) => (n.op === 'Slice' ? [n.attributes.starts] : []));
}

/** A picture of the field's usual sizes down to one pixel. */
const anySize = fc.tuple(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 1, max: 700 }));

describe('the crop offsets of the Berkeley networks', () => {
  it.each([
    ['fcn32s-vgg16', [19]],
    ['fcn16s-vgg16', [5, 27]],
    ['fcn8s-vgg16', [5, 9, 31]],
    ['fcn8s-atonce-vgg16', [5, 9, 31]],
    ['siftflow-fcn8s', [5, 9, 31, 5, 9, 31]],
    ['fcn-alexnet', [18]],
  ])('%s: %j at every size', (name, offsets) => {
    const expected = offsets.map((o) => [o, o]);
    fc.assert(
      fc.property(anySize, (size) => {
        expect(crops(name, size)).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('give the sizes of the paper: 500 becomes 544, 560 and 568', () => {
    const widths = (name: string, size: Size) => {
      const { nodes } = networkGraph(findNetwork(name), { size });
      return nodes.flatMap((n) => (n.op === 'ConvTranspose' ? [n.outputs[0]!.shape[3]] : []));
    };
    expect(widths('fcn32s-vgg16', [375, 500])).toEqual([544]);
    expect(widths('fcn16s-vgg16', [375, 500])).toEqual([34, 560]);
    expect(widths('fcn8s-vgg16', [375, 500])).toEqual([34, 70, 568]);
  });

  it('stay whole with bilinear interpolation, whose cells lie between pixels too', () => {
    expect(crops('fcn32s-vgg16', [64, 96], 'half-pixel')).toEqual([[3, 3]]);
    expect(crops('fcn8s-vgg16', [375, 500], 'half-pixel')).toEqual([
      [6, 6],
      [12, 12],
      [3, 3],
    ]);
    fc.assert(
      fc.property(anySize, (size) => {
        crops('fcn8s-vgg16', size, 'half-pixel');
      }),
      { numRuns: 20 },
    );
  });

  it('do not exist for aligned corners, and the refusal says what does', () => {
    expect(() => crops('fcn8s-vgg16', [64, 96], 'align-corners')).toThrow(
      /Use 'half-pixel', a deconvolution, or the clean/,
    );
  });
});

describe('the clean convention', () => {
  it.each(['fcn32s-vgg16-clean', 'fcn16s-vgg16-clean', 'fcn8s-vgg16-clean'])('%s crops at 0 at every size', (name) => {
    fc.assert(
      fc.property(anySize, fc.constantFrom<Upsampling>('fixed', 'half-pixel', 'align-corners'), (size, upsampling) => {
        expect(
          crops(name, size, upsampling)
            .flat()
            .every((o) => o === 0),
        ).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('crops nothing where the sides are multiples of 32', () => {
    const { nodes } = networkGraph(findNetwork('fcn8s-vgg16-clean'), { size: [64, 96] });
    const cut = nodes.filter((n) => n.op === 'Slice' && n.inputs[0]!.shape.join() !== n.outputs[0]!.shape.join());
    expect(cut).toEqual([]);
  });
});

describe('the grids of fcn-squeezenet', () => {
  it.each([16, 8] as const)('lie exactly on every s-th pixel, with a last fire of stride %i', (stride) => {
    fc.assert(
      fc.property(anySize, ([h, w]) => {
        const b = new GraphBuilder('trunk');
        const image = b.input('image', 'float32', [1, 3, h, w]);
        const maps = squeezenetTrunk(b, image, { aligned: true, stride });
        for (const [map, s] of [
          [maps.fire4, 4],
          [maps.fire8, 8],
          [maps.fire9, stride],
        ] as const) {
          expect(coordinateMap(b.producerOf, image, map)).toEqual({ scale: [1 / s, 1 / s], shift: [0, 0] });
          expect(map.shape.slice(2)).toEqual([Math.ceil(h / s), Math.ceil(w / s)]);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('meet without any shift where deconvolutions enlarge them', () => {
    const network = findNetwork('fcn-squeezenet');
    fc.assert(
      fc.property(anySize, ([h, w]) => {
        const b = new GraphBuilder('fcn');
        const image = b.input('image', 'float32', [1, 3, h, w]);
        const { scores, low, taps } = network.build(b, image, { upsampling: 'fixed' });
        expect(coordinateMap(b.producerOf, image, scores)).toEqual({ scale: [1, 1], shift: [0, 0] });
        for (const map of [low, taps!.fuse_fire8!]) {
          expect(coordinateMap(b.producerOf, image, map).shift.every((v) => Math.abs(v) < 1e-9)).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('refuse half pixels, which they do not have', () => {
    expect(() => crops('fcn-squeezenet', [64, 64], 'half-pixel')).toThrow(/shift every score by half a cell/);
  });
});
