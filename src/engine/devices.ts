/**
 * @file Which processors can be asked for: each is started before it is promised, and where one does not start the error says
 * what to install. Nothing falls back silently.
 */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PixelwiseError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import { writeOnnx } from '../graph/onnx/write.js';
import { floats } from '../graph/tensor.js';
import type { Backend, SessionOptions } from './backend.js';
import type { DeviceName } from './engine.js';
import { ortLibraryPath } from './ort-library.js';
import { ortBackend, type Provider } from './ort-node.js';

type Accelerator = Exclude<Provider, 'cpu'>;

const advice: Readonly<Record<Accelerator, string>> = {
  webgpu:
    'Expected a graphics processor with a driver for Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows). Install the ' +
    "graphics card's own driver (on Linux its Vulkan part and libvulkan1; `vulkaninfo` lists what is there)",
  cuda:
    "Expected an NVIDIA driver, CUDA 12, cuDNN 9, and onnxruntime-node's CUDA provider on Linux x64. Fetch the provider with " +
    '`ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install.js`',
};

/** The provider's own library, which onnxruntime-node does not ship. */
function cudaInstalled(): boolean {
  const library = ortLibraryPath();
  return library !== undefined && existsSync(join(dirname(library), 'libonnxruntime_providers_cuda.so'));
}

function cannotStart(device: Accelerator, reason: string, cause?: unknown): PixelwiseError {
  return new PixelwiseError(
    'ERR_DEVICE',
    `The device '${device}' does not start here: ${reason}. ${advice[device]}, or choose --device cpu.`,
    { subject: device, ...(cause !== undefined && { cause }) },
  );
}

interface Probe {
  readonly channels: number;
  readonly side: number;
}

/** Enough to see whether a device computes: 9 million operations. */
const small: Probe = { channels: 8, side: 64 };
/** As networks have them, so that a graphics processor is worth its way: 1.9 billion operations. */
const large: Probe = { channels: 64, side: 160 };
/** A device that takes longer for the small one is no graphics processor, and would take seconds for the large one. */
const longestSmall = 20;
const runs = 3;

function probeModel({ channels, side }: Probe) {
  const b = new GraphBuilder('probe');
  const x = b.input('x', 'float32', [1, channels, side, side]);
  const y = b.conv(x, b.parameter('w', [channels, channels, 3, 3]), undefined, { pad: 1 });
  b.output('y', b.reduceSum(y, [2, 3]));
  const w = Float32Array.from({ length: channels * channels * 9 }, (_, i) => ((i * 31) % 17) / 17 - 0.4);
  const feed = Float32Array.from({ length: channels * side * side }, (_, i) => ((i * 13) % 23) / 23);
  const weights = new Map([['w', floats([channels, channels, 3, 3], w)]]);
  const { model, externalData } = writeOnnx(b.finish(), { weights, external: true });
  return { model, externalData, x: floats([1, channels, side, side], feed) };
}

interface Probed {
  readonly sums: Float32Array;
  /** Of the fastest run after the first. */
  readonly milliseconds: number;
}

async function tried(backend: Backend, probe: Probe, options: SessionOptions): Promise<Probed> {
  const { model, externalData, x } = probeModel(probe);
  const session = await backend.createSession(model, externalData, options);
  let [sums, milliseconds] = [new Float32Array(0), Number.POSITIVE_INFINITY];
  try {
    for (let i = 0; i <= runs; i++) {
      const began = performance.now();
      const results = await session.run(new Map([['x', x]]), ['y'], new Map());
      if (i > 0) milliseconds = Math.min(milliseconds, performance.now() - began);
      sums = results.get('y')!.data as Float32Array<ArrayBuffer>;
    }
  } finally {
    await session.dispose();
  }
  return { sums, milliseconds };
}

/** Far more than float32 loses in a sum of so many, far less than a wrong kernel would be off. */
const tolerance = 1e-3;

const agree = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && a.every((v, i) => Math.abs(v - b[i]!) <= tolerance * Math.max(1, Math.abs(b[i]!)));

/** @throws ERR_DEVICE where it does not start, or computes something else than the processor */
async function started(device: Accelerator, options: SessionOptions): Promise<readonly [Backend, Probed]> {
  if (device === 'cuda' && !cudaInstalled())
    throw cannotStart(device, "onnxruntime-node's CUDA provider is not installed");
  const backend = ortBackend(device);
  const found = await tried(backend, small, options).catch((cause: unknown) => {
    throw cannotStart(device, reasonOf(cause), cause);
  });
  if (agree(found.sums, (await tried(ortBackend('cpu'), small, options)).sums)) return [backend, found];
  throw cannotStart(device, 'it computes a convolution wrongly. Its driver may be too old');
}

/** The end of ONNX Runtime's message: what comes before it is the place in its source. */
function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return (message.match(/was false\.\s*(.*)$/s)?.[1] ?? message).trim().replace(/\.$/, '');
}

/**
 * Starts a device. `auto` tries all of them, and takes the one that is fastest at a convolution: an adapter in software starts
 * too, but is slower than the processor that it runs on.
 *
 * @throws ERR_DEVICE where the one asked for does not start; it says what to install
 */
export async function openDevice(device: Exclude<DeviceName, 'cpu'>, threads: number): Promise<Backend> {
  const options: SessionOptions = { threads };
  if (device !== 'auto') return (await started(device, options))[0];
  let best = ortBackend('cpu');
  let { milliseconds } = await tried(best, large, options);
  for (const name of ['cuda', 'webgpu'] as const) {
    const found = await started(name, options).catch((error: unknown) => {
      if (error instanceof PixelwiseError && error.code === 'ERR_DEVICE') return undefined;
      throw error;
    });
    if (!found || found[1].milliseconds > longestSmall) continue;
    const [backend] = found;
    const time = (await tried(backend, large, options)).milliseconds;
    if (time < milliseconds) [best, milliseconds] = [backend, time];
  }
  return best;
}
