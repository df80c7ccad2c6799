/** @file Downloads a large file into a place of its own: goes on where it was cut off, and says what to do when it cannot. */

import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { PixelwiseError } from '../errors.js';
import { fileError } from '../files.js';
import { type Environment, get } from './proxy.js';

/** Where the bytes go. */
interface Sink {
  write(chunk: Uint8Array): Promise<unknown>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface DownloadOptions {
  readonly env?: Environment;
  readonly signal?: AbortSignal;
  /** Bytes so far, and of the whole file where the server tells. */
  readonly onProgress?: (received: number, total: number | undefined) => void;
  /** Attempts in a row that bring nothing before it gives up. */
  readonly attempts?: number;
  /** Before the second attempt, in milliseconds; doubled before each further one. */
  readonly wait?: number;
  /** Silence after which a connection counts as dead, in milliseconds. */
  readonly idle?: number;
  /** A file beyond this is refused, in bytes. */
  readonly limit?: number;
  /** Opens the file for writing, `w` from the start or `a` at its end. */
  readonly openSink?: (path: string, flags: 'w' | 'a') => Promise<Sink>;
}

/** What was known of a file when its download was cut off. */
interface Progress {
  readonly address: string;
  /** The server's mark of this version (ETag or Last-Modified). */
  readonly version?: string;
  readonly total?: number;
}

const maxRedirects = 5;
const redirects = new Set([301, 302, 303, 307, 308]);
const worthAnother = new Set([408, 425, 429, 500, 502, 503, 504]);

/** What a failed connection means, and what to do. */
const networkReasons: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the host is not known here. Without a connection',
  EAI_AGAIN: 'the host cannot be looked up. Without a connection',
  ENETUNREACH: 'there is no way to the network. Without a connection',
  EHOSTUNREACH: 'there is no way to the host. Without a connection',
  ECONNREFUSED: 'the connection is refused. If this machine is behind a proxy, or without a connection',
  ETIMEDOUT: 'there is no answer. If this machine is behind a proxy, or without a connection',
};

/** Marks a failure that another attempt may overcome. */
class Interrupted extends Error {}

const failure = (address: string, why: string, advice: string, cause?: unknown): PixelwiseError =>
  new PixelwiseError('ERR_NETWORK', `Cannot download ${address}: ${why}. ${advice}`, { subject: address, cause });

const byHand = 'Fetch it by other means and name the file with --from.';

function networkError(address: string, cause: unknown): PixelwiseError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  const message = cause instanceof Error ? cause.message : String(cause);
  const known = networkReasons[code];
  const advice = `set HTTPS_PROXY and HTTP_PROXY where there is a proxy, or fetch the file elsewhere and name it with --from.`;
  if (known === undefined)
    return failure(address, message || code, `Try again: what has arrived is kept. ${byHand}`, cause);
  const [why = '', condition = ''] = known.split('. ');
  return failure(address, why, `${condition}: ${advice} What has arrived is kept.`, cause);
}

function statusError(address: string, status: number): PixelwiseError {
  const why = status === 404 || status === 410 ? 'the file is not there (any more)' : 'the server refuses';
  return failure(
    address,
    `${why} (status ${status})`,
    `Name another place of the same file with --from ADDRESS. ${byHand}`,
  );
}

/** Follows redirects to the answer that counts. */
async function follow(address: string, headers: Record<string, string>, o: DownloadOptions): Promise<IncomingMessage> {
  let url = new URL(address);
  const seen = new Set<string>();
  for (let hop = 0; hop <= maxRedirects; hop++) {
    if (seen.has(url.href)) throw failure(address, `the server redirects in a circle, to ${url.href}`, byHand);
    seen.add(url.href);
    const { env = process.env, idle = 60_000, signal } = o;
    const response = await get(url, { headers, env, idle, ...(signal && { signal }) });
    const { statusCode = 0, headers: answer } = response;
    if (!redirects.has(statusCode)) return response;
    response.resume();
    const target = answer.location;
    const next = target !== undefined && URL.canParse(target, url.href) ? new URL(target, url) : undefined;
    if (!next || !/^https?:$/.test(next.protocol)) {
      throw failure(address, `the server redirects to '${target ?? ''}', which is no http address`, byHand);
    }
    // The file's content is checked, but not everything has a published check sum.
    if (url.protocol === 'https:' && next.protocol === 'http:') {
      throw failure(address, `the server redirects from https to ${next.href}`, byHand);
    }
    url = next;
  }
  throw failure(address, `more than ${maxRedirects} redirects`, byHand);
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.size ?? 0;

const besideOf = (part: string): string => `${part}.json`;

async function readProgress(part: string, address: string): Promise<Progress | undefined> {
  try {
    const known = JSON.parse(await readFile(besideOf(part), 'utf8')) as Progress;
    return known.address === address ? known : undefined;
  } catch {
    // None, or a damaged one: the download begins anew.
    return undefined;
  }
}

async function discard(part: string): Promise<void> {
  await Promise.all([part, besideOf(part)].map((file) => rm(file, { force: true })));
}

/** Start and total of `bytes 5-9/10`. */
function contentRange(response: IncomingMessage): { start: number; total: number | undefined } {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '') ?? [];
  return {
    start: Number(start ?? Number.NaN),
    total: total === undefined || total === '*' ? undefined : Number(total),
  };
}

const openFile: NonNullable<DownloadOptions['openSink']> = async (path, flags) => {
  const handle = await open(path, flags);
  return { write: (chunk) => handle.writeFile(chunk), sync: () => handle.sync(), close: () => handle.close() };
};

/** One request, from where the part ends. Throws `Interrupted` where another may go on. */
async function attempt(address: string, part: string, o: DownloadOptions): Promise<number> {
  const { onProgress, limit = 4 * 2 ** 30, openSink = openFile } = o;
  const known = await readProgress(part, address);
  const have = known ? await sizeOf(part) : 0;
  const resume = have > 0;
  if (known?.total !== undefined && have === known.total && resume) return have;
  const headers: Record<string, string> = {
    'user-agent': 'pixelwise',
    'accept-encoding': 'identity',
    ...(resume && { range: `bytes=${have}-` }),
    ...(resume && known?.version !== undefined && { 'if-range': known.version }),
  };
  const response = await follow(address, headers, o).catch((error: unknown) => {
    if (error instanceof PixelwiseError || o.signal?.aborted) throw error;
    throw new Interrupted('', { cause: error });
  });
  const { statusCode = 0 } = response;
  const range = contentRange(response);
  const goesOn = statusCode === 206 && range.start === have && (known?.total ?? range.total) === range.total;
  if (statusCode === 416 || (statusCode === 206 && !goesOn)) {
    // Another version, or nonsense: what is here is of no use.
    response.destroy();
    await discard(part);
    throw new Interrupted('', { cause: new Error('the server does not go on where the download was cut off') });
  }
  if (statusCode !== 200 && statusCode !== 206) {
    response.destroy();
    if (worthAnother.has(statusCode)) throw new Interrupted('', { cause: statusError(address, statusCode) });
    throw statusError(address, statusCode);
  }
  const length = response.headers['content-length'];
  const total = goesOn ? range.total : length === undefined ? undefined : Number(length);
  if ((total ?? 0) > limit) {
    response.destroy();
    throw failure(address, `it has ${total} bytes, more than the ${limit} that are taken`, 'Check the address.');
  }
  const etag = response.headers.etag;
  const version = etag !== undefined && !etag.startsWith('W/') ? etag : response.headers['last-modified'];
  const progress: Progress = { address, ...(version && { version }), ...(total !== undefined && { total }) };
  let received = goesOn ? have : 0;
  let sink: Sink | undefined;
  const written = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      response.destroy();
      // A full disk is not helped by keeping what filled it.
      await sink?.close().catch(() => undefined);
      sink = undefined;
      await discard(part);
      throw cause instanceof PixelwiseError ? cause : fileError('write', part, cause);
    }
  };
  try {
    sink = await written(() => openSink(part, goesOn ? 'a' : 'w'));
    // After the old content is gone, so that it is never taken for a beginning of the new.
    await written(() => writeFile(besideOf(part), JSON.stringify(progress)));
    onProgress?.(received, total);
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      if (received > Math.min(limit, total ?? limit)) {
        response.destroy();
        throw failure(
          address,
          `the server sends more than ${Math.min(limit, total ?? limit)} bytes`,
          'Check the address.',
        );
      }
      await written(() => (sink as Sink).write(chunk));
      onProgress?.(received, total);
    }
    await written(() => (sink as Sink).sync());
  } catch (cause) {
    if (cause instanceof PixelwiseError || o.signal?.aborted) throw cause;
    throw new Interrupted('', { cause });
  } finally {
    await sink?.close().catch(() => undefined);
  }
  if (!response.complete || (total !== undefined && received < total)) {
    throw new Interrupted('', {
      cause: new Error(`the connection was cut after ${received} of ${total ?? '?'} bytes`),
    });
  }
  return received;
}

/**
 * Downloads `address` to the file `part`, whose folder must exist. A part from an earlier call is gone on with if the server can
 * and still has the same version. Beside it, `part.json` says what it is part of; both stay where a connection fails.
 *
 * @returns the number of bytes of the whole file
 * @throws ERR_NETWORK with the reason and what to do; ERR_FILE where `part` cannot be written; the signal's reason
 */
export async function download(address: string, part: string, options: DownloadOptions = {}): Promise<number> {
  const { attempts = 4, wait = 1000, signal } = options;
  let idle = 0;
  for (;;) {
    signal?.throwIfAborted();
    const before = await sizeOf(part);
    try {
      const bytes = await attempt(address, part, options);
      await rm(besideOf(part), { force: true });
      return bytes;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (!(error instanceof Interrupted)) throw error;
      idle = (await sizeOf(part)) > before ? 1 : idle + 1;
      if (idle >= attempts) {
        if (error.cause instanceof PixelwiseError) throw error.cause;
        throw networkError(address, error.cause);
      }
      await pause(wait * 2 ** (idle - 1), undefined, signal ? { signal } : {}).catch(() => undefined);
    }
  }
}
