/** @file The sets of classes that published networks know, in the order of their score maps. */

import { type ClassSet, camvid, voc } from '../data/classes.js';
import { vocPalette } from '../image/palette.js';

const named = (text: string): ClassSet => ({ classes: text.trim().split(/,\s*/), palette: vocPalette(256) });

/** `data/*\/classes.txt` of shelhamer/fcn.berkeleyvision.org; their palettes are VOC's rule, since they publish none. */
export const labelSets: Readonly<Record<string, ClassSet>> = {
  voc,
  camvid,
  nyud40: named(`
    wall, floor, cabinet, bed, chair, sofa, table, door, window, bookshelf, picture, counter, blinds, desk, shelves,
    curtain, dresser, pillow, mirror, floor mat, clothes, ceiling, books, refridgerator, television, paper, towel,
    shower curtain, box, whiteboard, person, night stand, toilet, sink, lamp, bathtub, bag, otherstructure,
    otherfurniture, otherprop`),
  siftflow: named(`
    awning, balcony, bird, boat, bridge, building, bus, car, cow, crosswalk, desert, door, fence, field, grass, moon,
    mountain, person, plant, pole, river, road, rock, sand, sea, sidewalk, sign, sky, staircase, streetlight, sun, tree,
    window`),
  'pascal-context': {
    classes: [
      ...voc.classes,
      ...named(`
        bag, bed, bench, book, building, cabinet, ceiling, clothes, computer, cup, door, fence, floor, flower, food, grass,
        ground, keyboard, light, mountain, mouse, curtain, platform, sign, plate, road, rock, shelves, sidewalk, sky, snow,
        bedcloth, track, tree, truck, wall, water, window, wood`).classes,
    ],
    palette: vocPalette(256),
  },
};
