/** @file Label compatibility matrices in the form in which they are applied to a table. */

export interface MatrixRows {
  /** The symmetric half of W, in lane order with the implied label last. */
  readonly symmetric: readonly (readonly number[])[];
  /** What each lane adds to all lanes: one column per lane. */
  readonly columns: readonly (readonly number[])[];
  /** What the sum over all labels adds. */
  readonly extra: readonly number[];
}

/**
 * A step over the pixels computes logits relative to the implied label i, and gives every lane its own message plus the sum
 * of all lanes' (Potts). For a matrix W of penalties the relative message of lane c is
 *
 *     x_c = - sum_k (W_ck - W_ik) r_k - (W_ci - W_ii) (t - sum_k r_k)
 *
 * with r the lanes' slices and t what all labels sum to. So the table's rows are replaced by y with y_c + sum y = x_c, that
 * is y = x - (sum x) / classes.
 *
 * @param order labels in lane order, the implied one last
 */
export function compatibilityRows(weight: readonly (readonly number[])[], order: readonly number[]): MatrixRows {
  const symmetric = order.map((a) => order.map((b) => (weight[a]![b]! + weight[b]![a]!) / 2));
  const lanes = order.length - 1;
  const w = (c: number, k: number) => symmetric[c]![k]!;
  const lessMean = (x: readonly number[]) => {
    const mean = x.reduce((a, b) => a + b, 0) / order.length;
    return x.map((v) => v - mean);
  };
  const each = Array.from({ length: lanes }, (_, c) => c);
  const toImplied = (c: number) => w(c, lanes) - w(lanes, lanes);
  return {
    symmetric,
    columns: each.map((k) => lessMean(each.map((c) => toImplied(c) - (w(c, k) - w(lanes, k))))),
    extra: lessMean(each.map((c) => -toImplied(c))),
  };
}
