/** @file Which backend runs here. */

import type { Backend } from './backend.js';
import type { BackendName } from './engine.js';
import { nativeByDefault } from './ort-library.js';

/** @throws ERR_ENGINE if the backend asked for cannot start; `auto` falls back to onnxruntime-node */
export async function openBackend(name: BackendName): Promise<Backend> {
  if (name === 'native' || (name === 'auto' && nativeByDefault())) {
    const { nativeBackend } = await import('./native.js');
    const native = nativeBackend();
    if (name === 'native') return native;
    const started = await native.catch(() => undefined);
    if (started) return started;
  }
  const { ortNode } = await import('./ort-node.js');
  return ortNode;
}
