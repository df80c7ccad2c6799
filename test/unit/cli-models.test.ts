/** @file `pixelwise models`: what can be used, for people and for scripts. */

import { describe, expect, it } from 'vitest';
import { classifiers, networks } from '../../src/nets/catalogue.js';
import { parity } from '../../src/nets/parity.js';
import { linesOf, pixelwiseHere } from '../support/cli.js';

describe('models list', () => {
  it('names every model and every network', async () => {
    const { code, stdout, stderr } = await pixelwiseHere(['models', 'list']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('voc-espnetv2 (default)');
    const names = linesOf(stdout).map((line) => line.split(/\s/)[0]);
    expect(names).toEqual(expect.arrayContaining(networks.map((n) => n.name)));
  });

  it('is what models does without an action, and JSON on demand', async () => {
    const { code, stdout } = await pixelwiseHere(['models', '--json']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({
      models: expect.arrayContaining(['camvid-espnet', 'voc-espnetv2', 'voc-fcn-squeezenet']),
      default: 'voc-espnetv2',
    });
    expect(found.networks.map((n: { name: string }) => n.name)).toEqual(networks.map((n) => n.name));
    expect(found.classifiers.map((n: { name: string }) => n.name)).toEqual(classifiers.map((n) => n.name));
  });

  it('says of every network how far from its reference it was measured, or that it has none', async () => {
    const { stdout } = await pixelwiseHere(['models', 'list']);
    const found = JSON.parse((await pixelwiseHere(['models', 'list', '--json'])).stdout);
    for (const { name } of networks) {
      const line = linesOf(stdout).find((l) => l.startsWith(`${name} `))!;
      const record = parity[name];
      const { parity: state } = found.networks.find((n: { name: string }) => n.name === name);
      if (record) {
        expect(line).toContain(`${record.largestRelativeDifference.toExponential(1)} of ${record.cases} case`);
        expect(state).toEqual({ kind: 'measured', record });
      } else {
        expect(line).toContain('no reference; ');
        expect(state.kind).toMatch(/^(shared|none)$/);
        expect(line).toContain(state.instead);
      }
    }
  });
});

describe('models info', () => {
  it('of a network', async () => {
    const { code, stdout } = await pixelwiseHere(['models', 'info', 'fcn32s-vgg16', '--json']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ name: 'fcn32s-vgg16', inputSize: expect.any(Array) });
    expect(found.parameters).toBeGreaterThan(134e6);
    expect(found.macs).toBeGreaterThan(1e9);
    expect(found).toHaveProperty('parity');
  });

  it('of a shipped model: its network, its classes and its training too', async () => {
    const { code, stdout } = await pixelwiseHere(['models', 'info', 'voc-fcn-squeezenet', '--json']);
    expect(code).toBe(0);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({ name: 'voc-fcn-squeezenet', model: { longSide: expect.any(Number) } });
    expect(found.model.classes).toHaveLength(21);
  });

  it('of an unknown name: the nearest one', async () => {
    const { code, stdout, stderr } = await pixelwiseHere(['models', 'info', 'fcn8s-vgg1']);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/no .*network 'fcn8s-vgg1'. Did you mean 'fcn8s-vgg16'\?.*\[ERR_MODEL\]/);
  });

  it('of a mistyped model: the model, not only networks', async () => {
    const { code, stderr } = await pixelwiseHere(['models', 'info', 'voc-fcn-squeezent']);
    expect(code).toBe(1);
    expect(stderr).toContain("Did you mean 'voc-fcn-squeezenet'?");
  });
});
