/**
 * @file The backend that calls ONNX Runtime's C API directly. Unlike onnxruntime-node it fills outputs in place without
 * copying them, so gradients and updated weights go straight into the state's buffers.
 */

import { PixelwiseError } from '../errors.js';
import { dtypeNumber, dtypeOf } from '../graph/onnx/tensors.js';
import { type DType, type NamedTensors, type Shape, type Tensor, zeros } from '../graph/tensor.js';
import { forProcessor } from '../surgery/for-processor.js';
import { type Backend, type ExternalData, type Session, type SessionOptions, spinning } from './backend.js';
import { loadOrtApi, type OrtApi, type Pointer } from './ort-api.js';
import { checkFeedable } from './ort-errors.js';
import { ortLibraryPath } from './ort-library.js';
import { withoutBufferReuse } from './ort-reuse.js';

/** ORT_LOGGING_LEVEL_ERROR, ORT_ENABLE_ALL, OrtArenaAllocator, OrtMemTypeDefault. */
const constants = { logErrors: 3, optimizeAll: 99, arena: 1, ordinaryMemory: 0 } as const;

/** What every session shares. */
interface Runtime {
  readonly api: OrtApi;
  readonly env: Pointer;
  readonly memory: Pointer;
}

interface OutputType {
  readonly dtype: DType;
  readonly shape: Shape;
}

function outputTypes({ api }: Runtime, session: Pointer): Map<string, OutputType> {
  const what = 'describe the graph';
  const allocator = api.make(what, 'GetAllocatorWithDefaultOptions');
  const count = api.count(what, 'SessionGetOutputCount', session);
  const types = new Map<string, OutputType>();
  for (let i = 0; i < count; i++) {
    const name = api.make(what, 'SessionGetOutputName', session, i, allocator);
    const info = api.make(what, 'SessionGetOutputTypeInfo', session, i);
    try {
      const tensor = api.make(what, 'CastTypeInfoToTensorInfo', info);
      const dimensions = new BigInt64Array(api.count(what, 'GetDimensionsCount', tensor));
      if (dimensions.length > 0) api.call(what, 'GetDimensions', tensor, dimensions, dimensions.length);
      const text = api.text(name);
      const dtype = dtypeOf(api.count(what, 'GetTensorElementType', tensor), `output "${text}"`);
      types.set(text, { dtype, shape: Array.from(dimensions, Number) });
    } finally {
      api.release('ReleaseTypeInfo', info);
      api.call(what, 'AllocatorFree', allocator, name);
    }
  }
  return types;
}

class NativeSession implements Session {
  readonly #runtime: Runtime;
  readonly #types: ReadonlyMap<string, OutputType>;
  #session: Pointer | undefined;
  /** The session reads them where they lie: they must outlive it. */
  weights: readonly ExternalData[];

  constructor(
    runtime: Runtime,
    session: Pointer,
    types: ReadonlyMap<string, OutputType>,
    weights: readonly ExternalData[],
  ) {
    this.#runtime = runtime;
    this.#session = session;
    this.#types = types;
    this.weights = weights;
  }

  /** A tensor that ONNX Runtime sees where it lies. */
  #value(name: string, t: Tensor): Pointer {
    checkFeedable(name, t);
    const { api, memory } = this.#runtime;
    const shape = BigInt64Array.from(t.shape, BigInt);
    return api.make(
      `take '${name}'`,
      'CreateTensorWithDataAsOrtValue',
      memory,
      t.data,
      t.data.byteLength,
      shape,
      shape.length,
      dtypeNumber(t.dtype),
    );
  }

  #target(name: string): Tensor {
    const type = this.#types.get(name);
    if (!type) throw new PixelwiseError('ERR_ENGINE', `The graph has no output '${name}'.`);
    return zeros(type.dtype, type.shape);
  }

  async run(
    feeds: ReadonlyMap<string, Tensor>,
    outputs: readonly string[],
    targets: ReadonlyMap<string, Tensor>,
    signal?: AbortSignal,
  ): Promise<NamedTensors> {
    if (this.#session === undefined) throw new PixelwiseError('ERR_CLOSED', 'The session was disposed.');
    const { api } = this.#runtime;
    const results: NamedTensors = new Map(outputs.map((name) => [name, targets.get(name) ?? this.#target(name)]));
    const names = [...feeds.keys()];
    // The tensors stay in this list, and so where they are, until ONNX Runtime is done with them.
    const held: { tensor: Tensor; value: Pointer }[] = [];
    try {
      for (const tensors of [feeds, results]) {
        for (const [name, tensor] of tensors) held.push({ tensor, value: this.#value(name, tensor) });
      }
      const values = held.map((h) => h.value);
      const [given, wanted] = [values.slice(0, names.length), values.slice(names.length)];
      const args = [names, given, names.length, outputs, outputs.length, wanted];
      if (signal) await this.#stoppable(signal, args);
      else api.call('run the graph', 'Run', this.#session, null, ...args);
    } finally {
      for (const { value } of held) api.release('ReleaseValue', value);
    }
    return results;
  }

  /** Runs on another thread, so that this one hears of the signal; ONNX Runtime looks for it between two operators. */
  async #stoppable(signal: AbortSignal, args: readonly unknown[]): Promise<void> {
    const { api } = this.#runtime;
    const options = api.make('run the graph', 'CreateRunOptions');
    const stop = (): void => api.call('end a run', 'RunOptionsSetTerminate', options);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await api.callAside('run the graph', 'Run', this.#session, options, ...args);
    } finally {
      signal.removeEventListener('abort', stop);
      api.release('ReleaseRunOptions', options);
    }
  }

  async dispose(): Promise<void> {
    if (this.#session !== undefined) this.#runtime.api.release('ReleaseSession', this.#session);
    this.#session = undefined;
    this.weights = [];
  }
}

function configure({ api }: Runtime, options: Pointer, external: readonly ExternalData[], o: SessionOptions): void {
  const what = 'compile the graph';
  api.call(what, 'SetIntraOpNumThreads', options, o.threads);
  api.call(what, 'SetInterOpNumThreads', options, 1);
  api.call(what, 'SetSessionLogSeverityLevel', options, constants.logErrors);
  api.call(what, 'SetSessionGraphOptimizationLevel', options, constants.optimizeAll);
  for (const [key, value] of Object.entries(spinning)) {
    api.call(what, 'AddSessionConfigEntry', options, `session.intra_op.${key}`, value);
  }
  withoutBufferReuse(api, options);
  // Blocks planned after the first run come on top of what that run allocated: the memory twice, for no time won.
  api.call(what, 'DisableMemPattern', options);
  if (o.lean) api.call(what, 'DisableCpuMemArena', options);
  if (external.length > 0) {
    api.call(
      what,
      'AddExternalInitializersFromFilesInMemory',
      options,
      external.map((e) => e.path),
      external.map((e) => api.addressOf(e.data)),
      BigUint64Array.from(external, (e) => BigInt(e.data.byteLength)),
      external.length,
    );
  }
}

/** @throws ERR_ENGINE where koffi or the library is missing */
export async function nativeBackend(): Promise<Backend> {
  const library = ortLibraryPath();
  if (library === undefined) {
    throw new PixelwiseError(
      'ERR_ENGINE',
      `onnxruntime-node ships no library for ${process.platform} ${process.arch}. Choose backend 'node'.`,
    );
  }
  const api = await loadOrtApi(library);
  const env = api.make('start', 'CreateEnv', constants.logErrors, 'pixelwise');
  const memory = api.make('start', 'CreateCpuMemoryInfo', constants.arena, constants.ordinaryMemory);
  const runtime: Runtime = { api, env, memory };
  return {
    device: 'native',
    adapt: forProcessor,
    async createSession(model, external, o): Promise<Session> {
      const what = 'compile the graph';
      const options = api.make(what, 'CreateSessionOptions');
      let session: Pointer | undefined;
      try {
        configure(runtime, options, external, o);
        session = api.make(what, 'CreateSessionFromArray', env, model, model.length, options);
        const types = outputTypes(runtime, session);
        return new NativeSession(runtime, session, types, external);
      } catch (error) {
        if (session !== undefined) api.release('ReleaseSession', session);
        throw error;
      } finally {
        api.release('ReleaseSessionOptions', options);
      }
    },
    // The environment stays: the process has only one, and another engine may be using it.
    close: async () => api.release('ReleaseMemoryInfo', memory),
  };
}
