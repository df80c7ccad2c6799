/** @file `pixelwise segment IN --video OUT`: every frame tinted by class. */

import { realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { PixelwiseError } from '../errors.js';
import { makeFolder } from '../files.js';
import { Tinter } from '../image/overlay.js';
import { VideoWriter, videoFacts, videoFrames } from '../segment/ffmpeg.js';
import type { FrameOptions, Segmenter } from '../segment/segmenter.js';
import { interruptedCode } from './interrupt.js';
import { formatDuration, print, say, status } from './output.js';

export interface VideoOptions extends FrameOptions {
  readonly opacity: number;
  readonly signal: AbortSignal;
}

/** The place of a file, whatever links lead there; of one that is not there its path. */
const placeOf = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/** @throws ERR_USAGE where the video would be replaced by what is made of it */
async function refuseItself(from: string, to: string): Promise<void> {
  if ((await placeOf(from)) !== (await placeOf(to))) return;
  throw new PixelwiseError('ERR_USAGE', `'${to}' is the video that is read. Name another file with --video.`, {
    subject: to,
  });
}

/** Goes on until the end or Ctrl-C; in both cases what is there is a whole video. @returns the exit code */
export async function segmentVideo(segmenter: Segmenter, from: string, to: string, o: VideoOptions): Promise<number> {
  await refuseItself(from, to);
  const facts = await videoFacts(from);
  await makeFolder(dirname(to));
  const began = performance.now();
  const tinter = new Tinter({ ...segmenter.model, opacity: o.opacity });
  let writer: VideoWriter | undefined;
  let count = 0;
  try {
    for await (const { picture, labels } of segmenter.segmentFrames(videoFrames(from, facts), o)) {
      writer ??= new VideoWriter(to, picture, facts, from);
      tinter.tint(picture.data, labels, picture.width);
      await writer.write(picture.data);
      count++;
      const speed = count / ((performance.now() - began) / 1000);
      const left = facts.frames ? `  ${formatDuration(Math.max(0, facts.frames - count) / speed)} left` : '';
      status(`${count}${facts.frames ? `/${facts.frames}` : ''} frames  ${speed.toFixed(1)} frames/s${left}`);
    }
  } catch (error) {
    if (!o.signal.aborted) {
      await writer?.discard();
      throw error;
    }
  }
  await writer?.finish();
  if (o.signal.aborted) {
    say(`Interrupted: ${count} frames are ${writer ? `in ${to}, which can be played` : 'done'}.`);
    return interruptedCode;
  }
  print(`${to}  ${count} frames in ${formatDuration((performance.now() - began) / 1000)}`);
  return 0;
}
