/** @file Devices beside the processor: equal labels where one starts, and words that help where none does. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createNodeEngine } from '../../src/engine/node.js';
import { Segmenter } from '../../src/segment/segmenter.js';

/** Chromium's Vulkan driver in software: the adapter that a machine without a graphics processor can have. */
const folder = '/usr/lib/chromium';
const driver = `${folder}/vk_swiftshader_icd.json`;
const hasSoftware = existsSync(driver);
if (!hasSoftware)
  console.warn(`SKIPPED: WebGPU on a software adapter, because there is no ${driver} (apt install chromium)`);

const dist = new URL('../../dist/', import.meta.url).href;

/** The labels of a small photograph on a device, in a process of its own: what drivers see is set before it starts. */
function labelsOn(device: string, env: Readonly<Record<string, string>>, model = 'voc-fcn-squeezenet') {
  const program = `
    import { createNodeEngine } from '${dist}engine/index.js';
    import { toTensor } from '${dist}data/normalize.js';
    import { readPicture } from '${dist}image/decode.js';
    import { predictionGraph } from '${dist}segment/prediction.js';
    import { loadModel } from '${dist}segment/model.js';
    const engine = createNodeEngine({ device: '${device}', threads: 2 });
    try {
      console.error('device', await engine.start());
      const { network, tensors, description } = await loadModel('${model}');
      const graph = predictionGraph(network, 21, { views: [[96, 144]], size: [96, 144], answers: ['labels'] });
      const program = await engine.compile(graph, { weights: tensors });
      const picture = await readPicture(new URL('../examples/chelsea.jpg', '${dist}'), { resize: { width: 144, height: 96 } });
      const { labels } = await program.run({ image: toTensor([picture], description.preprocessing) });
      console.log([...labels.data].join(''));
    } catch (error) {
      console.log(JSON.stringify({ code: error.code, message: error.message }));
    }
    await engine.close();`;
  const { VK_ICD_FILENAMES: _, LD_LIBRARY_PATH: __, ...inherited } = process.env;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...inherited, ...env },
  });
  return { answer: stdout.trim().split('\n').at(-1) ?? '', stderr };
}

describe('webgpu', () => {
  // Of the default model's: its groups of six channels were summed wrongly.
  it.skipIf(!hasSoftware).each(['voc-fcn-squeezenet', 'voc-espnetv2'])(
    'gives the labels of the processor: %s',
    (model) => {
      const { answer, stderr } = labelsOn('webgpu', { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: driver }, model);
      expect(stderr).toContain('device webgpu');
      const expected = labelsOn('cpu', {}, model).answer;
      expect(new Set(expected).size).toBeGreaterThan(1);
      expect(answer.length).toBe(expected.length);
      // Where two classes are about equal, rounding decides.
      const differing = [...expected].filter((label, i) => answer[i] !== label).length;
      expect(differing / expected.length).toBeLessThan(1e-3);
    },
  );

  it.skipIf(process.platform !== 'linux')('says what to install where no driver is', () => {
    const { answer } = labelsOn('webgpu', {
      VK_ICD_FILENAMES: '/nonexistent.json',
      VK_DRIVER_FILES: '/nonexistent.json',
    });
    expect(JSON.parse(answer)).toEqual({
      code: 'ERR_DEVICE',
      message: expect.stringMatching(/^The device 'webgpu' does not start here: .*Vulkan.*--device cpu\.$/),
    });
  });

  it.skipIf(!hasSoftware)('in software is slower than the processor, so auto leaves it alone', () => {
    const { stderr } = labelsOn('auto', { LD_LIBRARY_PATH: folder, VK_ICD_FILENAMES: driver });
    expect(stderr).toContain('device cpu');
  });
});

const library = '../../node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so';
describe.skipIf(existsSync(fileURLToPath(new URL(library, import.meta.url))))('cuda without its library', () => {
  const failure = { code: 'ERR_DEVICE', subject: 'cuda', message: expect.stringContaining('ONNXRUNTIME_NODE_INSTALL') };

  it('is refused by the engine, at the start and at every program', async () => {
    await using engine = createNodeEngine({ device: 'cuda', threads: 1 });
    await expect(engine.start()).rejects.toMatchObject(failure);
    await expect(engine.createState(new Map())).resolves.toBeDefined();
  });

  it('is refused by the segmenter before the first picture', async () => {
    await expect(Segmenter.load({ device: 'cuda' })).rejects.toMatchObject(failure);
  });
});

it('the native backend runs on the processor only', async () => {
  await using engine = createNodeEngine({ backend: 'native', device: 'webgpu', threads: 1 });
  await expect(engine.start()).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

it('a segmenter says what it runs on', async () => {
  await using segmenter = await Segmenter.load({ device: 'cpu', threads: 1 });
  expect(segmenter.device).toBe('cpu');
});
