/** @file What the scores see of a label map: the metrics know no file formats. */

/** Height x width class indices, row by row. */
export interface Labels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
