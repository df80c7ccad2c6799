/** @file The CPU backend on onnxruntime-node. The only file that imports it. */

import * as ort from 'onnxruntime-node';
import { PixelwiseError } from '../errors.js';
import { arrayType, type NamedTensors, type Tensor, type TypedArrayOf } from '../graph/tensor.js';
import type { Backend, Session } from './backend.js';

type OrtType = ort.Tensor.Type;

/** Element types that a session can be fed; the others exist only in weight files. */
const feedable = new Set(['float32', 'float64', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool', 'float16']);

function toOrt(name: string, t: Tensor): ort.Tensor {
  if (!feedable.has(t.dtype)) {
    throw new PixelwiseError(
      'ERR_ENGINE',
      `'${name}' is ${t.dtype}, which ONNX Runtime cannot be fed. Convert it with toFloat32().`,
    );
  }
  return new ort.Tensor(t.dtype as OrtType, t.data as never, t.shape);
}

function fromOrt(t: ort.Tensor): Tensor {
  const dtype = t.type as Tensor['dtype'];
  const data = t.data as unknown as TypedArrayOf[typeof dtype];
  // float16 arrives as Uint16Array on Node 20 and may be a Float16Array later: keep the bits.
  const array = data instanceof arrayType(dtype) ? data : new Uint16Array((data as Uint16Array).buffer);
  return { dtype, shape: t.dims, data: array as TypedArrayOf[typeof dtype] };
}

function failure(what: string, cause: unknown): PixelwiseError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PixelwiseError('ERR_ENGINE', `ONNX Runtime could not ${what}: ${reason}`, { cause });
}

export const ortNode: Backend = {
  device: 'cpu',
  async createSession(model, external, { threads, spin }): Promise<Session> {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      externalData: external.map(({ path, data }) => ({ path, data })),
      extra: { session: { intra_op: { allow_spinning: spin ? '1' : '0' } } },
    }).catch((cause: unknown) => {
      throw failure('compile the graph', cause);
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
          throw failure('run the graph', cause);
        });
        // The binding copies even what was written into a given buffer: the buffer is what counts.
        return new Map(outputs.map((name) => [name, targets.get(name) ?? fromOrt(results[name]!)] as const));
      },
      dispose: () => session.release(),
    };
  },
};
