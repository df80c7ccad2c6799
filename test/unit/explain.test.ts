/** @file A network taken apart: costs, offsets, and the alignments that SPEC 1.1 calls impossible. */

import { describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/graph/tensor.js';
import { findNetwork, networks } from '../../src/nets/catalogue.js';
import { countParameters } from '../../src/nets/count.js';
import { explain } from '../../src/nets/explain.js';
import { explanationSvg } from '../../src/nets/explain-svg.js';
import { conclusion, mapText } from '../../src/nets/explain-text.js';
import { networkGraph } from '../../src/nets/network.js';
import { unreadIn } from '../support/nets.js';

const vgg32 = findNetwork('fcn32s-vgg16');

describe('explain', () => {
  it.each(networks.filter((n) => !/resnet101/.test(n.name)).map((n) => [n.name, n] as const))(
    '%s adds up',
    (_, network) => {
      const e = explain(network);
      expect(e.refusal).toBeUndefined();
      expect(e.parameters).toBe(countParameters(network, { auxiliary: false }));
      const unread = networkGraph(network, { size: network.inputSize }).parameters.filter((p) =>
        unreadIn(network).includes(p.value.name),
      );
      const sum = [...e.layers.map((l) => l.parameters), ...unread.map((p) => sizeOf(p.value.shape))];
      expect(sum.reduce((n, v) => n + v)).toBe(e.parameters);
      expect(e.layers.at(-1)!.size).toEqual(e.input);
      for (const crop of e.crops) expect(crop.offset).toBeDefined();
    },
  );

  it('says why FCN-32s cuts 19', () => {
    const { crops, layers } = explain(vgg32);
    expect(crops).toHaveLength(1);
    expect(crops[0]).toMatchObject({ cropped: 'upscore', reference: 'image', ancestor: 'image', offset: [19, 19] });
    expect(crops[0]!.toCropped.map((s) => [s.layer, mapText(s.composed)])).toEqual([
      ['conv1_1', 'x + 99'],
      ['pool1', 'x/2 + 49.25'],
      ['pool2', 'x/4 + 24.375'],
      ['pool3', 'x/8 + 11.9375'],
      ['pool4', 'x/16 + 5.7188'],
      ['pool5', 'x/32 + 2.6094'],
      ['fc6', 'x/32 - 0.3906'],
      ['upscore', 'x + 19'],
    ]);
    expect(conclusion(crops[0]!)).toBe(
      'cell x of image lies at x + 19 of upscore: cut 19 from top and left of upscore, keep 500x500.',
    );
    expect(layers.find((l) => l.name === 'fc6')).toMatchObject({
      operators: ['Conv', 'Relu', 'Dropout'],
      window: '7x7, stride 1, pad 0',
      channels: 4096,
      size: [16, 16],
      field: { size: [404, 404], stride: [32, 32] },
      parameters: 102_764_544,
    });
  });

  it.each([
    ['fcn16s-vgg16', [5, 27]],
    ['fcn8s-vgg16', [5, 9, 31]],
    ['fcn-alexnet', [18]],
  ])('%s cuts %j', (name, offsets) => {
    expect(explain(findNetwork(name)).crops.map((c) => c.offset)).toEqual(offsets.map((o) => [o, o]));
  });

  it('refuses what cannot align, with the shift', () => {
    const plain = explain(vgg32, { changes: { conv1_1: { pad: 1 } } });
    expect(plain.refusal).toMatch(/the offset is negative\. Expected 0 or more, received -80, -80/);
    expect(plain.crops.at(-1)!.map).toEqual({ scale: [1, 1], shift: [80, 80] });
    expect(plain.crops.at(-1)!.offset).toBeUndefined();
    expect(conclusion(plain.crops.at(-1)!)).toMatch(/^cell x of image lies at x - 80 of upscore\. Cannot crop/);
    expect(plain.layers.at(-1)!.name).toBe('upscore');

    const same = { conv1_1: { pad: 1 }, fc6: { pad: 3 } };
    expect(explain(vgg32, { changes: same }).crops.map((c) => c.offset)).toEqual([[16, 16]]);
    expect(explain(findNetwork('fcn16s-vgg16'), { changes: same }).refusal).toMatch(/received -1, -1/);
    expect(
      explain(vgg32, { size: [512, 512], changes: { ...same, upscore: { pad: 16 } } }).crops.map((c) => c.offset),
    ).toEqual([[0, 0]]);
  });

  it('refuses a stride that the upsampling does not undo', () => {
    expect(explain(vgg32, { changes: { pool5: { stride: 1 } } }).refusal).toMatch(/their scales differ/);
  });

  it('knows the layers that can be changed', () => {
    expect(() => explain(vgg32, { changes: { conv9: { pad: 1 } } })).toThrow(
      /no layer 'conv9'.* Expected one of conv1_1, conv1_2/,
    );
  });

  it('shows the exact pixels behind a cell', () => {
    const e = explain(findNetwork('fcn32s-vgg16-clean'), { size: [512, 512] });
    const fc6 = e.layers.find((l) => l.name === 'fc6')!;
    const box = e.boxOf(fc6)!;
    expect(box.right - box.left + 1).toBe(404);
  });
});

describe('the drawing', () => {
  it('holds every stage, field and crop, with the photograph inside', () => {
    const svg = explanationSvg(explain(findNetwork('fcn8s-vgg16')), { photo: 'data:image/jpeg;base64,AAAA' });
    for (const text of [
      'conv1_1 … conv1_2',
      'score_pool3c',
      'lies at x + 31 of upscore8',
      'href="data:image/jpeg;base64,AAAA"',
    ]) {
      expect(svg).toContain(text);
    }
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  });

  it.each(['fcn-squeezenet', 'fcn-googlenet', 'deeplab-msc-largefov-vgg16', 'nyud-fcn32s-late', 'fcn-resnet50'])(
    '%s can be drawn',
    (name) => {
      expect(explanationSvg(explain(findNetwork(name)))).not.toMatch(/NaN|Infinity|undefined/);
    },
  );

  it('shows a refused crop, and what broke it', () => {
    const svg = explanationSvg(explain(vgg32, { changes: { conv1_1: { pad: 1 } } }));
    expect(svg).toContain('image at -80..419');
    expect(svg).toContain('the offset is negative');
  });
});
