/** @file Videos through ffmpeg, where it is installed: frames out of one file, frames into another. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { PixelwiseError } from '../errors.js';
import { fileError, removeAtEnd } from '../files.js';
import type { Picture, Size } from '../image/picture.js';
import { readPpm } from './ppm.js';

const notInstalled = (program: string): PixelwiseError =>
  new PixelwiseError(
    'ERR_FILE',
    `Videos need '${program}', which is not installed or not on the PATH. Install ffmpeg (apt-get install ffmpeg, brew install ` +
      'ffmpeg, winget install ffmpeg), or make pictures of the frames elsewhere and name their folder.',
    { subject: program },
  );

interface Running {
  readonly child: ChildProcess;
  /** The end of what it said. */
  readonly said: () => string;
  /** Its exit code; rejects where it cannot be started. */
  readonly ended: Promise<number>;
}

const running = new Set<ChildProcess>();
const killAll = (): void => {
  for (const child of running) child.kill('SIGKILL');
};

/** Starts a program in a group of its own: Ctrl-C is for this process, which then lets the encoder finish. */
function start(program: string, args: readonly string[], input: 'pipe' | 'ignore'): Running {
  const child = spawn(program, args, { stdio: [input, 'pipe', 'pipe'], detached: true });
  if (running.size === 0) process.once('exit', killAll);
  running.add(child);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  // What fails to be written is told by its exit.
  child.stdin?.on('error', () => undefined);
  const ended = new Promise<number>((resolve, reject) => {
    const forget = (): void => {
      running.delete(child);
      if (running.size === 0) process.off('exit', killAll);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      forget();
      reject(error.code === 'ENOENT' ? notInstalled(program) : error);
    });
    child.once('close', (code) => {
      forget();
      resolve(code ?? 1);
    });
  });
  ended.catch(() => undefined);
  return { child, ended, said: () => said.trim().split('\n').slice(-2).join(' ') };
}

const videoError = (file: string, verb: string, said: string): PixelwiseError =>
  new PixelwiseError('ERR_FORMAT', `ffmpeg cannot ${verb} '${file}': ${said || 'it gives no reason'}.`, {
    subject: file,
  });

export interface VideoFacts {
  /** Frames per second, as ffmpeg writes fractions: `30000/1001`. */
  readonly rate: string;
  /** Frames in all, where the file tells. */
  readonly frames?: number;
}

/**
 * What a video file says of itself.
 *
 * @throws ERR_FILE where ffprobe is not installed or the file is not there, ERR_FORMAT for a file without a video
 */
export async function videoFacts(file: string): Promise<VideoFacts> {
  await access(file, constants.R_OK).catch((cause: unknown) => {
    throw fileError('read', file, cause);
  });
  const entries = 'stream=avg_frame_rate,r_frame_rate,nb_frames,duration:format=duration';
  const args = ['-v', 'error', '-select_streams', 'v:0', '-show_entries', entries, '-of', 'json', '--', file];
  const { child, ended, said } = start('ffprobe', args, 'ignore');
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const code = await ended;
  type Told = { streams?: Record<string, string>[]; format?: { duration?: string } };
  const { streams: [stream] = [], format } = (code === 0 ? JSON.parse(text || '{}') : {}) as Told;
  const isRate = (rate: string | undefined): rate is string => rate !== undefined && /^[1-9]\d*\/[1-9]\d*$/.test(rate);
  const rate = [stream?.avg_frame_rate, stream?.r_frame_rate].find(isRate);
  if (!rate) throw videoError(file, 'find a video in', said());
  const [over = 1, under = 1] = rate.split('/').map(Number);
  const duration = Number(stream?.duration ?? format?.duration);
  const frames = Number(stream?.nb_frames ?? Math.round((duration * over) / under));
  return { rate, ...(frames > 0 && { frames }) };
}

/**
 * The frames of a video, in order, upright, at a steady rate. ffmpeg decodes only as fast as they are taken.
 *
 * @throws ERR_FORMAT where ffmpeg fails
 */
export async function* videoFrames(file: string, { rate }: VideoFacts): AsyncGenerator<Picture, void, undefined> {
  const frames = ['-map', '0:v:0', '-r', rate, '-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1'];
  const { child, ended, said } = start('ffmpeg', ['-v', 'error', '-nostdin', '-i', file, ...frames], 'ignore');
  try {
    yield* readPpm(child.stdout as AsyncIterable<Uint8Array>);
    if ((await ended) !== 0) throw videoError(file, 'decode', said());
  } finally {
    child.kill('SIGKILL');
    await ended.catch(() => undefined);
  }
}

/** Formats whose pictures are not stored as brightness and halved colors. */
const fullColor = new Set(['.gif', '.png', '.apng']);

/** A video that is being written. */
export class VideoWriter {
  readonly #file: string;
  readonly #part: string;
  readonly #run: Running;
  readonly #forget: () => void;

  /** @param sound a file whose sound is taken along */
  constructor(file: string, { width, height }: Size, { rate }: VideoFacts, sound: string) {
    this.#file = file;
    const ending = extname(file);
    this.#part = join(dirname(file), `.${basename(file, ending)}.part${ending}`);
    // Halved colors need even sides.
    const colors = fullColor.has(ending.toLowerCase())
      ? []
      : ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2', '-pix_fmt', 'yuv420p', '-map', '1:a?', '-c:a', 'copy', '-shortest'];
    const input = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`, '-r', rate, '-i', 'pipe:0'];
    const args = ['-v', 'error', '-y', ...input, '-i', sound, '-map', '0:v:0', ...colors, this.#part];
    this.#run = start('ffmpeg', args, 'pipe');
    // After the start, so that the encoder is ended first.
    this.#forget = removeAtEnd(this.#part);
  }

  /** One frame: RGB, row by row. */
  async write(data: Uint8Array): Promise<void> {
    const { child, ended, said } = this.#run;
    if (child.exitCode !== null || !child.stdin || child.stdin.destroyed) {
      await ended;
      throw videoError(this.#file, 'write', said());
    }
    if (child.stdin.write(data)) return;
    // An encoder that ends in the middle says why at its exit, which the next frame meets.
    await Promise.race([once(child.stdin, 'drain').catch(() => ended), ended]);
  }

  /** Completes the file and gives it its name; so does whoever stops early. */
  async finish(): Promise<void> {
    const { child, ended, said } = this.#run;
    child.stdin?.end();
    if ((await ended) !== 0) {
      await this.#remove();
      throw videoError(this.#file, 'write', said());
    }
    await rename(this.#part, this.#file).catch(async (cause: unknown) => {
      await this.#remove();
      throw fileError('write', this.#file, cause);
    });
    this.#forget();
  }

  async discard(): Promise<void> {
    this.#run.child.kill('SIGKILL');
    await this.#run.ended.catch(() => undefined);
    await this.#remove();
  }

  async #remove(): Promise<void> {
    await rm(this.#part, { force: true });
    this.#forget();
  }
}
