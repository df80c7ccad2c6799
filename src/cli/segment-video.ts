/** @file `pixelwise segment IN --video OUT`: every frame tinted by class. */

import { tintRows } from '../image/overlay.js';
import { VideoWriter, videoFacts, videoFrames } from '../segment/ffmpeg.js';
import type { FrameOptions, Segmenter } from '../segment/segmenter.js';
import { interruptedCode } from './interrupt.js';
import { formatDuration, print, say, status } from './output.js';

export interface VideoOptions extends FrameOptions {
  readonly opacity: number;
  readonly signal: AbortSignal;
}

/** Goes on until the end or Ctrl-C; in both cases what is there is a whole video. @returns the exit code */
export async function segmentVideo(segmenter: Segmenter, from: string, to: string, o: VideoOptions): Promise<number> {
  const facts = await videoFacts(from);
  const began = performance.now();
  let writer: VideoWriter | undefined;
  let count = 0;
  try {
    for await (const { picture, labels } of segmenter.segmentFrames(videoFrames(from, facts), o)) {
      const { width, height } = picture;
      writer ??= new VideoWriter(to, picture, facts, from);
      tintRows(picture.data, labels, width, height, { ...segmenter.model, opacity: o.opacity });
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
