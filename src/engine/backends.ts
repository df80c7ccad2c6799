/** @file Which backend runs here. */

import { PixelwiseError } from '../errors.js';
import type { Backend, SessionOptions } from './backend.js';
import type { BackendName, DeviceName } from './engine.js';
import { nativeByDefault } from './ort-library.js';

export interface Opening {
  readonly backend: BackendName;
  readonly device: DeviceName;
  readonly threads: number;
  /** Folder in which optimized graphs are kept; without, none are. */
  readonly keptIn?: string | undefined;
  /** Open the graph that was used last with these options, before anyone asks: the next process mostly asks for the same one. */
  readonly ahead?: SessionOptions | undefined;
}

/**
 * @throws ERR_ENGINE if the backend asked for cannot start (`auto` falls back to onnxruntime-node), ERR_DEVICE if the device
 *   asked for cannot, ERR_USAGE for a backend that does not know the device
 */
export async function openBackend({ backend: name, device, threads }: Opening): Promise<Backend> {
  if (device !== 'cpu') {
    if (name === 'native') {
      throw new PixelwiseError(
        'ERR_USAGE',
        `The backend 'native' runs on the processor only. Leave out the backend, or the device '${device}'.`,
        { subject: device },
      );
    }
    const { openDevice } = await import('./devices.js');
    return openDevice(device, threads);
  }
  if (name === 'native' || (name === 'auto' && nativeByDefault())) {
    const { nativeBackend } = await import('./native.js');
    const native = nativeBackend();
    if (name === 'native') return native;
    const started = await native.catch(() => undefined);
    if (started) return started;
  }
  const { ortBackend } = await import('./ort-node.js');
  return ortBackend('cpu');
}
