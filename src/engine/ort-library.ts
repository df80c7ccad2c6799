/** @file Where onnxruntime-node keeps the shared library of ONNX Runtime that it ships. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const fileNames: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'libonnxruntime.so.1',
  darwin: 'libonnxruntime.1.dylib',
  win32: 'onnxruntime.dll',
};

const require = createRequire(import.meta.url);

function resolved(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}

/** The library's path, or undefined where the package ships none for this machine. */
export function ortLibraryPath(): string | undefined {
  const entry = resolved('onnxruntime-node');
  const file = fileNames[process.platform];
  if (entry === undefined || file === undefined) return undefined;
  const path = join(dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch, file);
  return existsSync(path) ? path : undefined;
}

/** Whether the `native` backend's parts are installed: the library, and koffi to call it with. */
export function nativeInstalled(): boolean {
  return resolved('koffi') !== undefined && ortLibraryPath() !== undefined;
}

/** Whether `auto` chooses the native backend: where it is tested, which so far is Linux. */
export function nativeByDefault(): boolean {
  return process.platform === 'linux' && nativeInstalled();
}

/** The version of onnxruntime-node, for records of what something was made with. */
export function ortVersion(): string {
  const entry = resolved('onnxruntime-node');
  if (entry === undefined) return 'none';
  return (JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8')) as { version: string }).version;
}
