/** @file Amounts as colors: from black over violet, red and orange to pale yellow, ever lighter, so that no hue has to be told. */

import type { Color } from './palette.js';

type Triple = [number, number, number];

/** The beginning, quarters and end of matplotlib's `inferno` (Smith and van der Walt, CC0). */
const stops: readonly Color[] = [
  [0, 0, 4],
  [87, 16, 110],
  [188, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
];

const linear = (byte: number): number => {
  const c = byte / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
};
const byte = (value: number): number => {
  const c = Math.min(1, Math.max(0, value));
  return Math.round(255 * (c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055));
};

/** OKLab (Ottosson 2020): equal steps look equal, and the first number is the lightness. */
function toLab(color: Color): Triple {
  const [r, g, b] = color.map(linear) as Triple;
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function toColor([lightness, a, b]: Triple): Color {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    byte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    byte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    byte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

const labs = stops.map(toLab);

function at(share: number): Color {
  const place = Math.min(1, Math.max(0, share)) * (labs.length - 1);
  const i = Math.min(labs.length - 2, Math.floor(place));
  const [from, to] = [labs[i]!, labs[i + 1]!];
  return toColor(from.map((v, c) => v + (to[c]! - v) * (place - i)) as Triple);
}

/** 256 colors, for the amounts 0/255 to 255/255. */
export const inferno: readonly Color[] = Array.from({ length: 256 }, (_, i) => at(i / 255));
