/**
 * @file ONNX Runtime's C API through koffi: the functions that the native backend calls, and nothing else.
 *
 * The API is a table of function pointers whose order never changes (onnxruntime_c_api.h; `static_assert`s in its source
 * guard it). A wrong number or type here crashes the process: every entry is used by test/engine.
 */

import { ortFailure } from './ort-errors.js';

/** An address; what lies behind it belongs to ONNX Runtime. */
export type Pointer = bigint;

/** File names are wide characters on Windows. */
const paths = process.platform === 'win32' ? 'const char16_t **' : 'const char **';

/** Place in the table, result, arguments; `out` receives one pointer or number. */
const functions = {
  GetErrorMessage: [2, 'const char *', 'void *'],
  CreateEnv: [3, 'void *', 'int', 'const char *', 'out'],
  CreateSessionFromArray: [8, 'void *', 'void *', 'void *', 'size_t', 'void *', 'out'],
  Run: [9, 'void *', 'void *', 'void *', 'const char **', 'void **', 'size_t', 'const char **', 'size_t', 'void **'],
  CreateSessionOptions: [10, 'void *', 'out'],
  EnableMemPattern: [16, 'void *', 'void *'],
  DisableMemPattern: [17, 'void *', 'void *'],
  EnableCpuMemArena: [18, 'void *', 'void *'],
  DisableCpuMemArena: [19, 'void *', 'void *'],
  SetSessionLogSeverityLevel: [22, 'void *', 'void *', 'int'],
  SetSessionGraphOptimizationLevel: [23, 'void *', 'void *', 'int'],
  SetIntraOpNumThreads: [24, 'void *', 'void *', 'int'],
  SetInterOpNumThreads: [25, 'void *', 'void *', 'int'],
  SessionGetOutputCount: [31, 'void *', 'void *', 'out size_t'],
  SessionGetOutputTypeInfo: [34, 'void *', 'void *', 'size_t', 'out'],
  SessionGetOutputName: [37, 'void *', 'void *', 'size_t', 'void *', 'out'],
  CreateRunOptions: [39, 'void *', 'out'],
  RunOptionsSetTerminate: [46, 'void *', 'void *'],
  CreateTensorWithDataAsOrtValue: [49, 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'out'],
  CastTypeInfoToTensorInfo: [55, 'void *', 'void *', 'out'],
  GetTensorElementType: [60, 'void *', 'void *', 'out int'],
  GetDimensionsCount: [61, 'void *', 'void *', 'out size_t'],
  GetDimensions: [62, 'void *', 'void *', 'void *', 'size_t'],
  CreateCpuMemoryInfo: [69, 'void *', 'int', 'int', 'out'],
  AllocatorFree: [76, 'void *', 'void *', 'void *'],
  GetAllocatorWithDefaultOptions: [78, 'void *', 'out'],
  ReleaseStatus: [93, 'void', 'void *'],
  ReleaseMemoryInfo: [94, 'void', 'void *'],
  ReleaseSession: [95, 'void', 'void *'],
  ReleaseValue: [96, 'void', 'void *'],
  ReleaseRunOptions: [97, 'void', 'void *'],
  ReleaseTypeInfo: [98, 'void', 'void *'],
  ReleaseSessionOptions: [100, 'void', 'void *'],
  AddSessionConfigEntry: [130, 'void *', 'void *', 'const char *', 'const char *'],
  AddExternalInitializersFromFilesInMemory: [279, 'void *', 'void *', paths, 'void **', 'void *', 'size_t'],
} as const satisfies Record<string, readonly [number, string, ...string[]]>;

type Name = keyof typeof functions;
type ReleaseName = Extract<Name, `Release${string}`>;

/** The version that has every function above (ONNX Runtime 1.18). */
const apiVersion = 18;

export interface OrtApi {
  /** Calls a function that returns a status. @throws ERR_ENGINE with ONNX Runtime's own words; `what` completes them */
  call(what: string, name: Name, ...args: readonly unknown[]): void;
  /** Calls one that takes long on another thread. What its arguments point to must stay where it is until then. */
  callAside(what: string, name: Name, ...args: readonly unknown[]): Promise<void>;
  /** Like `call`, for a function whose last parameter is where it puts an address. */
  make(what: string, name: Name, ...args: readonly unknown[]): Pointer;
  /** The same for one that puts a number there. */
  count(what: string, name: Name, ...args: readonly unknown[]): number;
  release(name: ReleaseName, pointer: Pointer): void;
  /** The string at an address. */
  text(pointer: Pointer): string;
  /** The address of an array's first byte. */
  addressOf(data: ArrayBufferView): Pointer;
  /** Memory of ONNX Runtime's as it stands; writing to it changes it. */
  bytesAt(pointer: Pointer, length: number): Uint8Array;
  /** Of the library: `1.30.0`. */
  readonly version: string;
}

type Native = ((...args: readonly unknown[]) => unknown) & {
  /** Its last argument is called with the error or the result. */
  async(...args: readonly unknown[]): void;
};

/**
 * Opens the library once more, by hand, and for good: koffi closes its own handle with the thread, and ONNX Runtime does not
 * survive being unloaded.
 */
function keepLoaded(koffi: Pick<typeof import('koffi'), 'load'>, library: string): void {
  const now = 2;
  if (process.platform === 'win32') koffi.load('kernel32.dll').func('void *LoadLibraryW(const char16_t *)')(library);
  else koffi.load(null).func('void *dlopen(const char *, int)')(library, now);
}

/** Opens the library. @throws ERR_ENGINE if koffi is absent or the library too old */
export async function loadOrtApi(library: string): Promise<OrtApi> {
  const koffi = await import('koffi').catch((cause: unknown) => {
    throw ortFailure(
      "be called: the package 'koffi' is not installed (npm install koffi), or choose backend 'node'",
      cause,
    );
  });
  keepLoaded(koffi, library);
  const base = koffi.load(library).func('void *OrtGetApiBase()')() as Pointer;
  const [getApi, getVersion] = koffi.decode(base, 'void *', 2) as [Pointer, Pointer];
  const api = koffi.call(getApi, koffi.proto('void *', ['uint32_t']), apiVersion) as Pointer | null;
  if (!api) throw ortFailure('be called', `it lacks version ${apiVersion} of its API. Update onnxruntime-node`);
  const last = Math.max(...Object.values(functions).map(([index]) => index));
  const table = koffi.decode(api, 'void *', last + 1) as Pointer[];
  const typeOf = (t: string) => {
    const [, of] = /^out ?(.*)$/.exec(t) ?? [];
    return of === undefined ? t : koffi.out(koffi.pointer(of || 'void *'));
  };
  const native = Object.fromEntries(
    Object.entries(functions).map(([name, [index, result, ...args]]) => [
      name,
      koffi.decode(table[index], koffi.proto(result, args.map(typeOf))) as Native,
    ]),
  ) as Record<Name, Native>;

  const check = (what: string, status: unknown): void => {
    if (!status) return;
    const message = String(native.GetErrorMessage(status));
    native.ReleaseStatus(status);
    throw ortFailure(what, message);
  };
  const call: OrtApi['call'] = (what, name, ...args) => check(what, native[name](...args));
  const callAside: OrtApi['callAside'] = async (what, name, ...args) => {
    const status = await new Promise((resolve, reject) => {
      native[name].async(...args, (error: unknown, result: unknown) => (error ? reject(error) : resolve(result)));
    });
    check(what, status);
  };
  const put = (what: string, name: Name, ...args: readonly unknown[]): unknown => {
    const place: [unknown] = [null];
    call(what, name, ...args, place);
    return place[0];
  };
  return {
    call,
    callAside,
    make: (...args) => put(...args) as Pointer,
    count: (...args) => Number(put(...args)),
    release: (name, pointer) => void native[name](pointer),
    text: (pointer) => koffi.decode.string(pointer),
    addressOf: (data) => koffi.address(data),
    bytesAt: (pointer, length) => new Uint8Array(koffi.view(pointer, length)),
    version: String(koffi.call(getVersion, koffi.proto('const char *', []))),
  };
}
