/** @file The backend on onnxruntime-node, on the processor or on a graphics card. The only file that imports it. */

import { statSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { arrayType, type NamedTensors, type Tensor, type TypedArrayOf } from '../graph/tensor.js';
import { forProcessor } from '../surgery/for-processor.js';
import { type Backend, type ExternalData, type Session, spinning } from './backend.js';
import { checkFeedable, ortFailure } from './ort-errors.js';
import { processorName } from './processor.js';
import { withoutOddGroups } from './webgpu-groups.js';

type OrtType = ort.Tensor.Type;

function toOrt(name: string, t: Tensor): ort.Tensor {
  checkFeedable(name, t);
  return new ort.Tensor(t.dtype as OrtType, t.data as never, t.shape);
}

function fromOrt(t: ort.Tensor): Tensor {
  const dtype = t.type as Tensor['dtype'];
  const data = t.data as unknown as TypedArrayOf[typeof dtype];
  // float16 arrives as Uint16Array on Node 20 and may be a Float16Array later: keep the bits.
  const array = data instanceof arrayType(dtype) ? data : new Uint16Array((data as Uint16Array).buffer);
  return { dtype, shape: t.dims, data: array as TypedArrayOf[typeof dtype] };
}

/** onnxruntime-node's name of what it computes on. */
export type Provider = 'cpu' | 'webgpu' | 'cuda';

/** What each provider wants of a graph. */
const adaptation: Readonly<Record<Provider, Backend['adapt']>> = {
  cpu: forProcessor,
  webgpu: withoutOddGroups,
  cuda: (graph) => graph,
};

/** As `Backend.optimize`; ONNX Runtime writes such a file only onto a disk. */
async function optimize(model: Uint8Array, external: readonly ExternalData[]): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await mkdtemp(join(tmpdir(), 'pixelwise-'));
  try {
    const file = join(folder, 'optimized.onnx');
    const session = await ort.InferenceSession.create(model, {
      executionProviders: ['cpu'],
      intraOpNumThreads: 1,
      graphOptimizationLevel: 'all',
      optimizedModelFilePath: file,
      // It warns that the file suits this machine only.
      logSeverityLevel: 3,
      externalData: external.map(({ path, data }) => ({ path, data })),
    });
    await session.release();
    const { withShapes } = await import('../graph/onnx/complete-shapes.js');
    return withShapes(await readFile(file));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What an optimized graph depends on: ONNX Runtime's version, the processor's instructions, and the code that adapts graphs. */
function version(): string {
  const { size, mtimeMs } = statSync(fileURLToPath(import.meta.url));
  const { common, node } = ort.env.versions;
  return [common, node, processorName(), size, mtimeMs].join(' ');
}

/** What a provider has no kernel for runs on the processor, inside the same session. */
export const ortBackend = (provider: Provider): Backend => ({
  device: provider,
  adapt: adaptation[provider],
  ...(provider === 'cpu' && { optimize, version: version() }),
  async createSession(model, external, { threads, lean = false, optimized = false }): Promise<Session> {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: optimized ? 'disabled' : 'all',
      logSeverityLevel: 3,
      // Blocks planned after the first run come on top of what that run allocated: the memory twice, for no time won.
      enableMemPattern: false,
      enableCpuMemArena: !lean,
      externalData: external.map(({ path, data }) => ({ path, data })),
      extra: { session: { intra_op: spinning } },
    }).catch((cause: unknown) => {
      throw ortFailure('compile the graph', cause);
    });
    return {
      async run(feeds, outputs, targets): Promise<NamedTensors> {
        const inputs: Record<string, ort.Tensor> = {};
        for (const [name, t] of feeds) inputs[name] = toOrt(name, t);
        const fetches: Record<string, ort.Tensor | null> = {};
        for (const name of outputs) {
          const target = targets.get(name);
          fetches[name] = target ? toOrt(name, target) : null;
        }
        const results = await session.run(inputs, fetches).catch((cause: unknown) => {
          throw ortFailure('run the graph', cause);
        });
        // The binding copies even what was written into a given buffer: the buffer is what counts.
        return new Map(outputs.map((name) => [name, targets.get(name) ?? fromOrt(results[name]!)] as const));
      },
      dispose: () => session.release(),
    };
  },
});
