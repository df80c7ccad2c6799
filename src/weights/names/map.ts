/** @file What a name map is: how others name the layers of the networks that are here too. */

/**
 * A plain table of names. A name is a layer and a kind, parted by the last dot: `features.0.weight`, `conv1_1.0`.
 *
 * Layers and kinds that the tables do not list keep their name; `prefix` then stands before the layer.
 */
export interface NameMap {
  readonly name: string;
  /** Whose names these are, and where they can be read. */
  readonly source: string;
  /** How the pictures were prepared that such weights were trained on; undefined where the names do not tell. */
  readonly input: 'caffe' | 'torchvision' | undefined;
  /** Layers, theirs to ours. */
  readonly layers: Readonly<Record<string, string>>;
  /** Kinds of parameter, theirs to ours. */
  readonly kinds?: Readonly<Record<string, string>>;
  /** Before every layer of ours that is not in `layers`. */
  readonly prefix?: string;
  /** Where the networks themselves differ, so that some tensors can never fit: said when they do not. */
  readonly differs?: string;
}

function split(name: string): [layer: string, kind: string] {
  const dot = name.lastIndexOf('.');
  return dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot)];
}

const own = (table: Readonly<Record<string, string>> | undefined, key: string): string | undefined =>
  table && Object.hasOwn(table, key) ? table[key] : undefined;

/** The key of a value in a table; tables are one to one where they are read backwards. */
const keyOf = (table: Readonly<Record<string, string>> | undefined, value: string): string | undefined =>
  Object.entries(table ?? {}).find(([, v]) => v === value)?.[0];

/** Their name of a tensor as ours. `suffix` is added to the layer: one of several streams. */
export function toOurs(map: NameMap, theirs: string, suffix = ''): string {
  const [layer, kind] = split(theirs);
  const ours = own(map.layers, layer) ?? `${map.prefix ?? ''}${layer}`;
  const known = own(map.kinds, kind.slice(1));
  return `${ours}${suffix}${known === undefined ? kind : `.${known}`}`;
}

/** Our name of a tensor as theirs: what `toOurs` undoes. */
export function toTheirs(map: NameMap, ours: string): string {
  const [layer, kind] = split(ours);
  const prefix = map.prefix ?? '';
  const theirs = keyOf(map.layers, layer) ?? (layer.startsWith(prefix) ? layer.slice(prefix.length) : layer);
  const known = keyOf(map.kinds, kind.slice(1));
  return `${theirs}${known === undefined ? kind : `.${known}`}`;
}
