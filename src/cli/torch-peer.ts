/**
 * @file PyTorch, if a Python with it is there: runs the same layers at the same size, eagerly and in float32, for comparison. The
 * weights are random, which does not change the time.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Graph } from '../graph/ir.js';

/** Reads the graph from the first line; then answers every line with the seconds from an input tensor to labels. */
const script = `
import json, math, sys, time
import torch
import torch.nn.functional as F

def even(p):
    return p[0] == p[2] and p[1] == p[3]

def padded(x, p, value):
    return F.pad(x, (p[1], p[3], p[0], p[2]), value=value)

def conv(a, x, w, b=None):
    p = a["pads"]
    x, p = (x, (p[0], p[1])) if even(p) else (padded(x, p, 0.0), (0, 0))
    return F.conv2d(x, w, b, tuple(a["strides"]), p, tuple(a["dilations"]), a["group"])

def deconv(a, x, w, b=None):
    y = F.conv_transpose2d(x, w, b, tuple(a["strides"]), 0, tuple(a["output_padding"]), a["group"], tuple(a["dilations"]))
    t, l, bottom, r = a["pads"]
    return y[:, :, t : y.shape[2] - bottom, l : y.shape[3] - r]

def max_pool(a, x):
    p, k = a["pads"], a["kernel_shape"]
    if even(p) and 2 * p[0] <= k[0] and 2 * p[1] <= k[1]:
        return F.max_pool2d(x, tuple(k), tuple(a["strides"]), (p[0], p[1]))
    return F.max_pool2d(padded(x, p, -math.inf), tuple(k), tuple(a["strides"]))

def average_pool(a, x):
    p, k, s = a["pads"], tuple(a["kernel_shape"]), tuple(a["strides"])
    if even(p):
        return F.avg_pool2d(x, k, s, (p[0], p[1]), count_include_pad=bool(a["count_include_pad"]))
    y = F.avg_pool2d(padded(x, p, 0.0), k, s)
    return y if a["count_include_pad"] else y / F.avg_pool2d(padded(torch.ones_like(x[:1, :1]), p, 0.0), k, s)

def sliced(a, x):
    at = [slice(None)] * x.dim()
    for start, end, axis, step in zip(a["starts"], a["ends"], a["axes"], a["steps"]):
        at[axis] = slice(start, end, step)
    return x[tuple(at)]

def resize(a, x):
    if a["mode"] == "nearest":
        return F.interpolate(x, size=a["sizes"][2:], mode="nearest")
    aligned = a["coordinate_transformation_mode"] == "align_corners"
    return F.interpolate(x, size=a["sizes"][2:], mode="bilinear", align_corners=aligned)

def pad(a, x):
    n = x.dim()
    return F.pad(x, [v for i in reversed(range(n)) for v in (a["pads"][i], a["pads"][n + i])], value=a["value"])

ops = {
    "Conv": conv, "ConvTranspose": deconv, "MaxPool": max_pool, "AveragePool": average_pool,
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "BatchNormalization": lambda a, x, w, b, m, v: F.batch_norm(x, m, v, w, b, False, 0.0, a["epsilon"]),
    "LRN": lambda a, x: F.local_response_norm(x, a["size"], a["alpha"], a["beta"], a["bias"]),
    "Relu": lambda a, x: F.relu(x), "LeakyRelu": lambda a, x: F.leaky_relu(x, a["alpha"]),
    "PRelu": lambda a, x, w: F.prelu(x, w.flatten()), "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Softmax": lambda a, x: x.softmax(a["axis"]), "Exp": lambda a, x: x.exp(), "Log": lambda a, x: x.log(),
    "Identity": lambda a, x: x, "Dropout": lambda a, x: x,
    "Add": lambda a, x, y: x + y, "Sub": lambda a, x, y: x - y, "Mul": lambda a, x, y: x * y, "Div": lambda a, x, y: x / y,
    "Max": lambda a, x, y: torch.maximum(x, y), "MatMul": lambda a, x, y: x @ y, "Sqrt": lambda a, x: x.sqrt(),
    "Concat": lambda a, *x: torch.cat(x, a["axis"]), "Slice": sliced, "Pad": pad, "Resize": resize,
    "Expand": lambda a, x: x.expand(torch.broadcast_shapes(x.shape, a["shape"])),
    "Reshape": lambda a, x: x.reshape(a["shape"]), "Transpose": lambda a, x: x.permute(a["perm"]),
    "ReduceSum": lambda a, x: x.sum(a["axes"], keepdim=bool(a["keepdims"])),
    "ReduceMean": lambda a, x: x.mean(a["axes"], keepdim=bool(a["keepdims"])),
}

def weight(shape):
    if len(shape) < 4:
        return torch.rand(shape) + 0.5
    return (torch.rand(shape) - 0.5) * math.sqrt(6 / max(1, math.prod(shape[1:])))

@torch.inference_mode()
def serve():
    setup = json.loads(sys.stdin.readline())
    missing = sorted({n["op"] for n in setup["nodes"]} - set(ops))
    if missing:
        print(json.dumps({"error": "no counterpart of " + ", ".join(missing)}), flush=True)
        return
    torch.set_num_threads(setup["threads"])
    held = {name: weight(shape) for name, shape in setup["parameters"]}
    held.update({name: torch.tensor(data).reshape(shape) for name, shape, data in setup["constants"]})
    # What follows from the weights alone is not part of what is timed.
    nodes = []
    for n in setup["nodes"]:
        if all(name is None or name in held for name in n["inputs"]):
            inputs = [None if name is None else held[name] for name in n["inputs"]]
            held[n["outputs"][0]] = ops[n["op"]](n["attributes"], *inputs)
        else:
            nodes.append(n)
    last = {name: i for i, n in enumerate(nodes) for name in n["inputs"] if name}
    image = torch.rand(setup["input"]["shape"]) - 0.5
    print(json.dumps({"version": "PyTorch " + torch.__version__}), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        values = {setup["input"]["name"]: image}
        for i, n in enumerate(nodes):
            inputs = [None if name is None else values[name] if name in values else held[name] for name in n["inputs"]]
            values[n["outputs"][0]] = ops[n["op"]](n["attributes"], *inputs)
            for name in n["inputs"]:
                if name in values and last[name] == i:
                    del values[name]
        labels = values[setup["output"]].argmax(1).to(torch.uint8)
        print(json.dumps({"seconds": time.perf_counter() - began, "classes": int(labels.max())}), flush=True)

serve()
`;

/** A Python that has PyTorch: the one that is named, or the first on the PATH; undefined where none has. */
export function pythonWithTorch(named: string | undefined): string | undefined {
  const candidates = named === undefined ? ['python3', 'python'] : [named];
  return candidates.find((python) => spawnSync(python, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0);
}

/** The graph as the script reads it. */
const asJson = (graph: Graph, threads: number): string =>
  JSON.stringify({
    threads,
    nodes: graph.nodes.map(({ op, inputs, outputs, attributes }) => ({
      op,
      inputs: inputs.map((v) => v?.name ?? null),
      outputs: outputs.map((v) => v.name),
      attributes,
    })),
    parameters: graph.parameters.map(({ value }) => [value.name, value.shape]),
    constants: graph.constants.map(({ value, tensor }) => [value.name, value.shape, Array.from(tensor.data, Number)]),
    input: graph.inputs[0],
    output: graph.outputs[0]?.value.name,
  });

export class TorchPeer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  /** `PyTorch 2.13.0`, or why it cannot take part. */
  readonly #greeting: Promise<{ readonly version?: string; readonly error?: string }>;

  /** @param graph one picture in, scores out, in float32 */
  constructor(python: string, graph: Graph, threads: number) {
    this.#process = spawn(python, ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#process.on('error', () => undefined);
    this.#process.stdin?.on('error', () => undefined);
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
    this.#greeting = this.#ask(asJson(graph, threads));
  }

  async #ask<T extends object>(line: string): Promise<T & { readonly error?: string }> {
    this.#process.stdin?.write(`${line}\n`);
    const { value, done } = await this.#lines.next();
    return done ? ({ error: 'it ended early' } as T & { error: string }) : JSON.parse(value);
  }

  greeting(): Promise<{ readonly version?: string; readonly error?: string }> {
    return this.#greeting;
  }

  /** Runs once; undefined where it failed. */
  async seconds(): Promise<number | undefined> {
    return (await this.#ask<{ readonly seconds?: number }>('')).seconds;
  }

  end(): void {
    this.#process.kill();
  }
}
