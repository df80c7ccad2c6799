/** @file The class lists and colours of the data sets, in label order. */

import { type Color, type Palette, vocPalette } from '../image/palette.js';

/** What the labels of a data set mean: `classes[i]` and `palette[i]` belong to label i. */
export interface ClassSet {
  readonly classes: readonly string[];
  /** 256 colours, so that void (255) has one too. */
  readonly palette: Palette;
}

/** SegNet's colours for its 11 classes, in label order. */
const camvidColors: readonly (readonly [name: string, color: Color])[] = [
  ['sky', [128, 128, 128]],
  ['building', [128, 0, 0]],
  ['pole', [192, 192, 128]],
  ['road', [128, 64, 128]],
  ['pavement', [60, 40, 222]],
  ['tree', [128, 128, 0]],
  ['signsymbol', [192, 128, 128]],
  ['fence', [64, 64, 128]],
  ['car', [64, 0, 128]],
  ['pedestrian', [64, 64, 0]],
  ['bicyclist', [0, 128, 192]],
];

/** PASCAL VOC: background and 20 objects. */
export const voc: ClassSet = {
  classes: [
    ...['background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow'],
    ...['diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor'],
  ],
  palette: vocPalette(256),
};

/** CamVid in the 11 classes of SegNet. */
export const camvid: ClassSet = {
  classes: camvidColors.map(([name]) => name),
  palette: vocPalette(256).map((color, label) => camvidColors[label]?.[1] ?? color),
};

const withVocColors = (classes: readonly string[]): ClassSet => ({ classes, palette: vocPalette(256) });

/** PASCAL-Context: background and 59 classes, VOC's 20 first (the order of the FCN release). */
export const pascalContext: ClassSet = withVocColors([
  ...voc.classes,
  ...['bag', 'bed', 'bench', 'book', 'building', 'cabinet', 'ceiling', 'clothes', 'computer', 'cup', 'door', 'fence'],
  ...['floor', 'flower', 'food', 'grass', 'ground', 'keyboard', 'light', 'mountain', 'mouse', 'curtain', 'platform'],
  ...['sign', 'plate', 'road', 'rock', 'shelves', 'sidewalk', 'sky', 'snow', 'bedcloth', 'track', 'tree', 'truck'],
  ...['wall', 'water', 'window', 'wood'],
]);

/** NYUDv2 in the 40 classes of Gupta et al. 2013, spelled as there. */
export const nyud40: ClassSet = withVocColors([
  ...['wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf', 'picture', 'counter'],
  ...['blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror', 'floormat', 'clothes', 'ceiling', 'books'],
  ...['refridgerator', 'television', 'paper', 'towel', 'showercurtain', 'box', 'whiteboard', 'person', 'nightstand'],
  ...['toilet', 'sink', 'lamp', 'bathtub', 'bag', 'otherstructure', 'otherfurniture', 'otherprop'],
]);

/** SIFT Flow's semantic classes. Cow, desert and moon do not occur in its test pictures. */
export const siftflow: ClassSet = withVocColors([
  ...['awning', 'balcony', 'bird', 'boat', 'bridge', 'building', 'bus', 'car', 'cow', 'crosswalk', 'desert', 'door'],
  ...['fence', 'field', 'grass', 'moon', 'mountain', 'person', 'plant', 'pole', 'river', 'road', 'rock', 'sand', 'sea'],
  ...['sidewalk', 'sign', 'sky', 'staircase', 'streetlight', 'sun', 'tree', 'window'],
]);

export const siftflowGeometric: ClassSet = withVocColors(['sky', 'horizontal', 'vertical']);
