/** @file Finds the network in a training checkpoint: `model.module.conv1.weight` becomes `conv1.weight`. */

import type { NamedTensors } from '../graph/tensor.js';

/** Where checkpoints keep the network, the first found first. Averaged copies (EMA) only where there is no other. */
const wrappers = [
  'state_dict',
  'model_state_dict',
  'model_state',
  'model',
  'net_state_dict',
  'net',
  'network',
  'module',
  '_orig_mod',
  'state_dict_ema',
  'model_ema',
  'ema_state_dict',
  'ema',
];

/** What else stands at the top of a checkpoint: the state of the training run, beside which a wrapper is a wrapper. */
const bookkeeping =
  /^(optim|lr_|sched|scaler|amp|rng|cuda_rng|torch_rng|criterion|loss|best|epoch|iter|step|args|config|meta|callbacks|loops)/;

/**
 * Picks the network's own tensors out of a checkpoint.
 *
 * A first name part such as `state_dict`, `model`, `net` (a checkpoint's dict) or `module` (`DataParallel`) is removed as
 * long as everything else in the file belongs to the training run (`optimizer`, `lr_scheduler`, ...) or is another such
 * wrapper, so a network with a real part named `net` beside its `head` is left alone. Tensors are not copied.
 */
export function stateDictOf(tensors: NamedTensors): NamedTensors {
  const heads = new Set([...tensors.keys()].map(headOf));
  const wrapper = wrappers.find((head) => heads.has(head));
  const others = [...heads].filter((head) => !wrappers.includes(head) && !bookkeeping.test(head));
  if (wrapper === undefined || others.length > 0) return tensors;

  const inner: NamedTensors = new Map();
  for (const [name, t] of tensors) {
    if (name.startsWith(`${wrapper}.`)) inner.set(name.slice(wrapper.length + 1), t);
  }
  return inner.size === 0 ? tensors : stateDictOf(inner);
}

function headOf(name: string): string {
  const dot = name.indexOf('.');
  return dot < 0 ? name : name.slice(0, dot);
}
