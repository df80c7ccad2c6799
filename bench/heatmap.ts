/**
 * @file The map of SqueezeNet 1.0 over a 500 x 500 picture, made fully convolutional, against the classifier itself on each of
 * the 18 x 18 windows of 224 x 224 that lie 16 pixels apart: the same engine, the same weights, and the windows of a row as one
 * batch, which is the faster way to slide.
 */

import { createNodeEngine } from 'pixelwise/engine';
import { floats, type NamedTensors } from 'pixelwise/graph';
import { classifierGraph, findClassifier } from 'pixelwise/nets';
import { convolutionalize } from 'pixelwise/surgery';
import { fill } from './fill.js';
import type { Bench } from './main.js';
import { median } from './side.js';

const [side, window, stride, threads, warmup] = [500, 224, 16, 2, 1];
const classifier = findClassifier('squeezenet1_0');

function weightsOf(): NamedTensors {
  return new Map(
    classifierGraph(classifier).parameters.map(({ value: { name, shape } }, seed) => {
      const fan = shape.slice(1).reduce((n, d) => n * d, 1);
      const count = shape.reduce((n, d) => n * d, 1);
      return [name, floats(shape, fill(count, shape.length > 1 ? Math.sqrt(6 / fan) : 0.1, seed))] as const;
    }),
  );
}

/** The windows of one row of cells, one below the other: [cells, 3, window, window]. */
function windowsOf(picture: Float32Array, row: number, cells: number): Float32Array {
  const out = new Float32Array(cells * 3 * window * window);
  for (let i = 0, to = 0; i < cells; i++) {
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < window; y++, to += window) {
        const from = (c * side + row * stride + y) * side + i * stride;
        out.set(picture.subarray(from, from + window), to);
      }
    }
  }
  return out;
}

export const heatmap: Bench = {
  steps: 5,
  async run({ steps, say }) {
    await using engine = createNodeEngine({ threads });
    const weights = weightsOf();
    const size = [side, side] as const;
    const dense = convolutionalize(classifierGraph(classifier), { size, drawn: classifierGraph(classifier, { size }) });
    const [, classes, rows, columns] = dense.outputs[0]!.value.shape as [number, number, number, number];
    const whole = await engine.compile(dense, { weights });
    const one = await engine.compile(classifierGraph(classifier, { batch: columns }), { weights });
    const picture = fill(3 * side * side, 100, 1000);
    const seconds = { ours: [] as number[], peer: [] as number[] };
    const last: Record<'ours' | 'peer', Float32Array> = {
      ours: new Float32Array(),
      peer: new Float32Array(classes * rows * columns),
    };
    for (let i = 0; i < warmup + steps; i++) {
      let began = performance.now();
      last.ours = (await whole.run({ image: floats([1, 3, ...size], picture) })).scores!.data as Float32Array;
      const ours = (performance.now() - began) / 1000;
      began = performance.now();
      for (let row = 0; row < rows; row++) {
        const image = floats([columns, 3, window, window], windowsOf(picture, row, columns));
        const logits = (await one.run({ image }, { transferFeeds: true })).logits!.data as Float32Array;
        for (let x = 0; x < columns; x++) {
          for (let k = 0; k < classes; k++) {
            last.peer[(k * rows + row) * columns + x] = logits[x * classes + k]!;
          }
        }
      }
      const peer = (performance.now() - began) / 1000;
      if (i >= warmup) {
        seconds.ours.push(ours);
        seconds.peer.push(peer);
      }
      say(
        `${i < warmup ? 'warm-up ' : ''}${i + 1}/${warmup + steps}: ${ours.toFixed(3)} s, windows ${peer.toFixed(2)} s`,
      );
    }
    // Not zero: at the edge of a window the classifier sees padding where the map sees the picture.
    let [difference, largest] = [0, 0];
    last.ours.forEach((v, i) => {
      difference = Math.max(difference, Math.abs(v - last.peer[i]!));
      largest = Math.max(largest, Math.abs(last.peer[i]!));
    });
    return {
      ours: median(seconds.ours),
      peer: median(seconds.peer),
      ratio: median(seconds.peer.map((s, i) => s / seconds.ours[i]!)),
      unit: 's/map',
      peerIs: `the classifier on ${rows * columns} windows in batches of ${columns}, same engine`,
      differenceByPadding: difference / largest,
      seconds,
      setup: { side, window, stride, threads, steps, warmup },
    };
  },
};
