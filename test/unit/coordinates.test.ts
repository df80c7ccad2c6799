import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PixelwiseError } from '../../src/errors.js';
import { type CoordinateMap, compose, coordinateMap, cropOffset, invert } from '../../src/graph/coordinates.js';
import type { Node, NodeOf, OpAttributes, OpType, Pads, Pair, Value } from '../../src/graph/ir.js';

/** Layers as Caffe names them: a kernel, a stride, a pad; pooling rounds up. */
class Net {
  readonly producers = new Map<Value, Node>();
  readonly of = (value: Value): Node | undefined => this.producers.get(value);
  private count = 0;

  value(height: number, width = height, name = `value${++this.count}`): Value {
    return { name, dtype: 'float32', shape: [1, 3, height, width] };
  }

  add<O extends OpType>(op: O, inputs: Value[], attributes: OpAttributes[O], size: Pair, name?: string): Value {
    const output = this.value(size[0], size[1], name);
    const node: NodeOf<O> = { op, name: output.name, inputs, outputs: [output], attributes };
    this.producers.set(output, node as Node);
    return output;
  }

  private kernel(k: Pair): Value {
    return { name: `kernel${++this.count}`, dtype: 'float32', shape: [3, 3, ...k] };
  }

  conv(x: Value, k: number | Pair, s: number | Pair = 1, p: number | Pair = 0, d = 1, name?: string): Value {
    const [[kh, kw], [sh, sw], [ph, pw]] = [pair(k), pair(s), pair(p)];
    const out = (n: number, kk: number, ss: number, pp: number) =>
      Math.floor((n + 2 * pp - (d * (kk - 1) + 1)) / ss) + 1;
    const size: Pair = [out(side(x, 2), kh, sh, ph), out(side(x, 3), kw, sw, pw)];
    const attributes = { strides: pair(s), pads: pads(p), dilations: [d, d] as Pair, group: 1 };
    return this.add('Conv', [x, this.kernel(pair(k))], attributes, size, name);
  }

  pool(x: Value, k: number | Pair, s: number | Pair = k, p = 0, name?: string): Value {
    const out = (n: number, kk: number, ss: number) => {
      const cells = Math.ceil((n + 2 * p - kk) / ss) + 1;
      return p > 0 && (cells - 1) * ss >= n + p ? cells - 1 : cells;
    };
    const size: Pair = [out(side(x, 2), pair(k)[0], pair(s)[0]), out(side(x, 3), pair(k)[1], pair(s)[1])];
    return this.add('MaxPool', [x], { kernel_shape: pair(k), strides: pair(s), pads: pads(p) }, size, name);
  }

  deconv(x: Value, k: number | Pair, s: number | Pair, p: number | Pair = 0, name?: string, d = 1): Value {
    const [[kh, kw], [sh, sw], [ph, pw]] = [pair(k), pair(s), pair(p)];
    const out = (n: number, kk: number, ss: number, pp: number) => ss * (n - 1) + d * (kk - 1) + 1 - 2 * pp;
    const attributes = {
      strides: pair(s),
      pads: pads(p),
      dilations: [d, d] as Pair,
      group: 1,
      output_padding: [0, 0] as Pair,
    };
    const size: Pair = [out(side(x, 2), kh, sh, ph), out(side(x, 3), kw, sw, pw)];
    return this.add('ConvTranspose', [x, this.kernel(pair(k))], attributes, size, name);
  }

  crop(x: Value, reference: Value, offset: Pair = cropOffset(this.of, x, reference)): Value {
    const size: Pair = [side(reference, 2), side(reference, 3)];
    const ends = [offset[0] + size[0], offset[1] + size[1]];
    return this.add('Slice', [x], { starts: [...offset], ends, axes: [2, 3], steps: [1, 1] }, size);
  }

  relu = (x: Value): Value => this.add('Relu', [x], {}, [side(x, 2), side(x, 3)]);
  sum = (a: Value, b: Value): Value => this.add('Add', [a, b], {}, [side(a, 2), side(a, 3)]);
}

const pair = (x: number | Pair): Pair => (typeof x === 'number' ? [x, x] : x);
const pads = (x: number | Pair): Pads => [...pair(x), ...pair(x)];
const side = (x: Value, axis: 2 | 3): number => x.shape[axis] ?? 0;

/** Convolution, pooling and a deconvolution that undoes the pooling, as Caffe's own test builds it. */
function sample(
  o: { ks?: number | Pair; s?: number; pad?: number; pool?: number | Pair; dstride?: number; dpad?: number } = {},
) {
  const net = new Net();
  const data = net.value(100);
  const { ks = 3, s = 1, pad = 0, pool = 2, dstride = 2, dpad = 0 } = o;
  const pooled = net.pool(net.conv(data, ks, s, pad), pool);
  const deconv = net.deconv(pooled, 2 * dstride, dstride, dpad);
  return { net, data, deconv };
}

const mapOf = ({ net, data, deconv }: ReturnType<typeof sample>): CoordinateMap => coordinateMap(net.of, deconv, data);

function refusal(f: () => unknown): PixelwiseError {
  try {
    f();
  } catch (error) {
    expect(error).toMatchObject({ name: 'PixelwiseError', code: 'ERR_GRAPH' });
    return error as PixelwiseError;
  }
  throw new Error('nothing was refused');
}

describe("the cases of Caffe's own test", () => {
  it('pooling by 2 and deconvolving by 2 is the identity, by 4 a shift of one', () => {
    expect(mapOf(sample())).toEqual({ scale: [1, 1], shift: [0, 0] });
    expect(mapOf(sample({ pool: 4, dstride: 4 }))).toEqual({ scale: [1, 1], shift: [-1, -1] });
  });

  it('elementwise operators and 1x1 convolutions pass the map through', () => {
    const s = sample({ pool: 4, dstride: 4 });
    const relu = s.net.relu(s.deconv);
    for (const top of [relu, s.net.conv(relu, 1), s.net.conv(relu, 3, 1, 1)]) {
      expect(coordinateMap(s.net.of, top, s.data)).toEqual(mapOf(s));
    }
  });

  it('padding a convolution and padding a deconvolution shift against each other', () => {
    for (let pad = 0; pad <= 10; pad++) {
      expect(mapOf(sample({ pad })).shift).toEqual([-pad || 0, -pad || 0]);
      expect(mapOf(sample({ dpad: pad })).shift).toEqual([pad, pad]);
      expect(mapOf(sample({ pad, dpad: pad })).shift).toEqual([0, 0]);
    }
  });

  it('a chain of convolutions composes', () => {
    const { net, data, deconv } = sample();
    const further = net.conv(deconv, 5, 1, 2);
    expect(coordinateMap(net.of, further, data)).toEqual(coordinateMap(net.of, deconv, data));
    const halved = net.conv(deconv, 3, 2, 0);
    expect(coordinateMap(net.of, halved, data)).toEqual({ scale: [2, 2], shift: [1, 1] });
  });

  it('rectangular kernels, strides and pads map rows and columns apart', () => {
    const net = new Net();
    const data = net.value(100, 80);
    const top = net.conv(data, [3, 5], [2, 1], [1, 0]);
    expect(coordinateMap(net.of, top, data)).toEqual({ scale: [2, 1], shift: [0, 2] });
    const square = sample();
    expect(mapOf(sample({ ks: [3, 3], pool: [2, 2] }))).toEqual(mapOf(square));
  });

  it('a crop of a crop adds its offset', () => {
    const { net, data, deconv } = sample({ pool: 4, dstride: 4, pad: 20 });
    const base = coordinateMap(net.of, deconv, data).shift[0];
    for (const offset of [0, 3, 10]) {
      const crop = net.crop(deconv, data, [offset, offset]);
      expect(coordinateMap(net.of, crop, data)).toEqual({ scale: [1, 1], shift: [base + offset, base + offset] });
    }
    expect(cropOffset(net.of, net.crop(deconv, data), data)).toEqual([0, 0]);
  });

  it('refuses unconnected values', () => {
    const [a, b] = [sample(), sample()];
    const of = (v: Value) => a.net.of(v) ?? b.net.of(v);
    expect(refusal(() => coordinateMap(of, a.deconv, b.data)).message).toContain('unconnected');
  });

  it('refuses a scale mismatch', () => {
    const s = sample({ pool: 3, dstride: 2 });
    expect(refusal(() => cropOffset(s.net.of, s.deconv, s.data)).message).toContain('scales differ');
  });

  it('refuses a negative crop', () => {
    const s = sample({ dpad: 10 });
    const error = refusal(() => cropOffset(s.net.of, s.deconv, s.data));
    expect(error.message).toContain('Expected 0 or more, received -10, -10');
    expect(error.subject).toBe(s.deconv.name);
  });
});

describe('cropOffset', () => {
  it('refuses offsets that are no whole pixels', () => {
    const net = new Net();
    const data = net.value(32);
    const half = net.deconv(net.conv(data, 3, 2, 1), 4, 2, 0);
    expect(refusal(() => cropOffset(net.of, half, data)).message).toContain('received 1.5, 1.5');
  });

  it('refuses a map that ends before its reference', () => {
    const net = new Net();
    const data = net.value(40, 32);
    const small = net.conv(data, 3, 1, 0);
    const shifted = net.deconv(small, 3, 1, 0); // the full size again, offset 0
    expect(cropOffset(net.of, shifted, data)).toEqual([0, 0]);
    const short = net.add('Slice', [data], { starts: [0], ends: [30], axes: [-2], steps: [1] }, [30, 32]);
    expect(refusal(() => cropOffset(net.of, short, data)).message).toContain('at least 0 + 40 rows, received 30');
  });

  it('names the operators that stand in the way', () => {
    const net = new Net();
    const data = net.value(8);
    const flat = net.add('Reshape', [data], { shape: [1, 3, 8, 8] }, [8, 8], 'flat');
    expect(refusal(() => cropOffset(net.of, flat, data)).message).toContain('Reshape "flat"');
  });
});

/** The trunk of the VGG networks: 13 convolutions, five pools that round up, fc6 as a convolution. */
function vgg(net: Net, height: number, width: number, conv1Pad: number, fc6Pad: number) {
  const data = net.value(height, width, 'data');
  let x = data;
  const pools: Value[] = [];
  [2, 2, 3, 3, 3].forEach((convs, block) => {
    for (let i = 0; i < convs; i++) x = net.relu(net.conv(x, 3, 1, block === 0 && i === 0 ? conv1Pad : 1));
    x = net.pool(x, 2);
    pools.push(x);
  });
  const [, , pool3, pool4] = pools as [Value, Value, Value, Value];
  const score = net.conv(net.conv(net.conv(x, 7, 1, fc6Pad), 1), 1);
  return { data, pool3, pool4, score };
}

type Heads = { fcn32s: Pair[]; fcn16s: Pair[]; fcn8s: Pair[] };

/** Offsets of every crop, larger map onto smaller; with `p` = s/2 the upsampled map is cropped to the skip. */
function offsets(height: number, width: number, conv1Pad = 100, fc6Pad = 0, half = false): Heads {
  const net = new Net();
  const { data, pool3, pool4, score } = vgg(net, height, width, conv1Pad, fc6Pad);
  const p = (stride: number) => (half ? stride / 2 : 0);
  const skip = (up: Value, pool: Value): [Pair, Value] => {
    const scored = net.conv(pool, 1);
    const [large, small] = half ? [up, scored] : [scored, up];
    const offset = cropOffset(net.of, large, small);
    return [offset, net.sum(small, net.crop(large, small, offset))];
  };
  const fcn32s = [cropOffset(net.of, net.deconv(score, 64, 32, p(32)), data)];
  const [five, fused4] = skip(net.deconv(score, 4, 2, p(2)), pool4);
  const fcn16s = [five, cropOffset(net.of, net.deconv(fused4, 32, 16, p(16)), data)];
  const [nine, fused3] = skip(net.deconv(fused4, 4, 2, p(2)), pool3);
  const fcn8s = [five, nine, cropOffset(net.of, net.deconv(fused3, 16, 8, p(8)), data)];
  return { fcn32s, fcn16s, fcn8s };
}

const square = (...xs: number[]): Pair[] => xs.map((x) => [x, x]);

describe('the offsets of the published networks', () => {
  it('FCN-VGG16 with pad 100: 19, then 5 27, then 5 9 31', () => {
    expect(offsets(500, 375)).toEqual({ fcn32s: square(19), fcn16s: square(5, 27), fcn8s: square(5, 9, 31) });
  });

  it('FCN-AlexNet with pad 100: 18', () => {
    const net = new Net();
    const data = net.value(500, 333);
    let x = net.pool(net.conv(data, 11, 4, 100), 3, 2);
    x = net.pool(net.conv(x, 5, 1, 2), 3, 2);
    x = net.pool(net.conv(net.conv(net.conv(x, 3, 1, 1), 3, 1, 1), 3, 1, 1), 3, 2);
    const upscore = net.deconv(net.conv(x, 6), 63, 32);
    expect(upscore.shape[2]).toBe(543);
    expect(cropOffset(net.of, upscore, data)).toEqual([18, 18]);
  });

  it('every side from 1 to 1200 is legal with pad 100', { timeout: 60_000 }, () => {
    const expected = { fcn32s: square(19), fcn16s: square(5, 27), fcn8s: square(5, 9, 31) };
    for (let n = 1; n <= 1200; n += 2) expect(offsets(n, n + 1)).toEqual(expected);
  });
});

describe('pad 100 against pad 3', () => {
  it('pad 1 and fc6 without padding cannot be aligned', () => {
    const net = new Net();
    const { data, score } = vgg(net, 512, 512, 1, 0);
    const upscore = net.deconv(score, 64, 32);
    expect(coordinateMap(net.of, upscore, data).shift).toEqual([80, 80]);
    expect(refusal(() => cropOffset(net.of, upscore, data)).message).toContain('negative');
  });

  it('pad 1 and fc6 pad 3 without deconvolution padding: 16, but a negative crop of pool4', () => {
    const net = new Net();
    const { data, pool4, score } = vgg(net, 512, 512, 1, 3);
    expect(cropOffset(net.of, net.deconv(score, 64, 32), data)).toEqual([16, 16]);
    const upscore2 = net.deconv(score, 4, 2);
    expect(coordinateMap(net.of, net.conv(pool4, 1), upscore2).shift).toEqual([1, 1]);
    expect(refusal(() => cropOffset(net.of, net.conv(pool4, 1), upscore2)).message).toContain('received -1, -1');
  });

  it('pad 1, fc6 pad 3 and deconvolution pad s/2: every offset is 0, on any side', () => {
    const zeros = { fcn32s: square(0), fcn16s: square(0, 0), fcn8s: square(0, 0, 0) };
    for (const [h, w] of [
      [32, 64],
      [512, 512],
      [500, 375],
      [33, 47],
    ] as const) {
      expect(offsets(h, w, 1, 3, true)).toEqual(zeros);
    }
  });
});

describe('operators beside convolution and pooling', () => {
  const net = new Net();
  const data = net.value(41, 33);

  it('resizes by corners and by half pixels', () => {
    const resize = (mode: OpAttributes['Resize']['coordinate_transformation_mode'], h: number, w: number) =>
      net.add('Resize', [data], { sizes: [1, 3, h, w], mode: 'linear', coordinate_transformation_mode: mode }, [h, w]);
    expect(coordinateMap(net.of, data, resize('align_corners', 321, 257))).toEqual({ scale: [8, 8], shift: [0, 0] });
    expect(coordinateMap(net.of, data, resize('half_pixel', 82, 66))).toEqual({ scale: [2, 2], shift: [0.5, 0.5] });
    expect(coordinateMap(net.of, data, resize('asymmetric', 82, 66))).toEqual({ scale: [2, 2], shift: [0, 0] });
    expect(() => coordinateMap(net.of, data, resize('align_corners', 1, 1))).toThrow('Resize');
  });

  it('counts the begin pads only, and dilation as a larger kernel', () => {
    const attributes = { strides: [1, 1] as Pair, pads: [1, 2, 30, 40] as Pads, dilations: [12, 12] as Pair, group: 1 };
    const weight: Value = { name: 'w', dtype: 'float32', shape: [3, 3, 3, 3] };
    const top = net.add('Conv', [data, weight], attributes, [48, 51]);
    expect(coordinateMap(net.of, data, top)).toEqual({ scale: [1, 1], shift: [-11, -10] });
    const back = net.deconv(net.conv(data, 3, 1, 12, 12), 3, 1, 12, undefined, 12);
    expect(cropOffset(net.of, back, data)).toEqual([0, 0]);
    const padded = net.add('Pad', [data], { pads: [0, 0, 4, 5, 0, 0, 6, 7], value: 0 }, [51, 45]);
    expect(cropOffset(net.of, padded, data)).toEqual([4, 5]);
  });

  it('slices from either end and by steps', () => {
    const slice = (starts: number[], steps: number[], size: Pair) =>
      net.add('Slice', [data], { starts, ends: [1000, 1000], axes: [2, 3], steps }, size);
    expect(coordinateMap(net.of, slice([-5, 1], [1, 2], [5, 16]), data)).toEqual({ scale: [1, 2], shift: [36, 1] });
  });

  it('concatenates along channels only, and ignores what broadcasts', () => {
    const factor: Value = { name: 'factor', dtype: 'float32', shape: [1, 3, 1, 1] };
    const scaled = net.add('Mul', [factor, data], {}, [41, 33]);
    expect(cropOffset(net.of, scaled, data)).toEqual([0, 0]);
    expect(() => coordinateMap(net.of, scaled, factor)).toThrow('unconnected');
    expect(cropOffset(net.of, net.add('Concat', [scaled, data], { axis: 1 }, [41, 33]), data)).toEqual([0, 0]);
    const stacked = net.add('Concat', [data, data], { axis: 2 }, [82, 33], 'stacked');
    expect(() => coordinateMap(net.of, stacked, data)).toThrow('Concat "stacked"');
  });
});

describe('the algebra', () => {
  const part = (min: number, max: number, denominator: number) =>
    fc.integer({ min: min * denominator, max: max * denominator }).map((x) => x / denominator);
  const factor = fc.constantFrom(1 / 32, 1 / 6, 1 / 3, 0.5, 1, 2, 3, 8, 32);
  const shift = part(-50, 50, 12);
  const map: fc.Arbitrary<CoordinateMap> = fc.record({
    scale: fc.tuple(factor, factor),
    shift: fc.tuple(shift, shift),
  });
  const close = (a: CoordinateMap, b: CoordinateMap) => {
    for (const i of [0, 1] as const) {
      expect(a.scale[i]).toBeCloseTo(b.scale[i], 9);
      expect(a.shift[i]).toBeCloseTo(b.shift[i], 7);
    }
  };

  it('inverts and composes as functions do', () => {
    const id: CoordinateMap = { scale: [1, 1], shift: [0, 0] };
    fc.assert(
      fc.property(map, map, map, (a, b, c) => {
        close(compose(a, invert(a)), id);
        close(compose(invert(a), a), id);
        close(compose(a, id), a);
        close(compose(a, compose(b, c)), compose(compose(a, b), c));
        close(invert(compose(a, b)), compose(invert(b), invert(a)));
      }),
    );
  });

  it('the map back is the inverse of the map there', () => {
    const layer = fc.record({
      k: fc.integer({ min: 1, max: 7 }),
      s: fc.integer({ min: 1, max: 3 }),
      p: fc.nat(3),
      up: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(layer, { maxLength: 6 }), (layers) => {
        const net = new Net();
        const data = net.value(400);
        const top = layers.reduce((x, l) => (l.up ? net.deconv(x, l.k, l.s, l.p) : net.conv(x, l.k, l.s, l.p)), data);
        close(coordinateMap(net.of, top, data), invert(coordinateMap(net.of, data, top)));
      }),
    );
  });
});
