/** @file The class lists and colours of the data sets, in label order. */

import { type Color, type Palette, vocPalette } from '../image/palette.js';
import { geometricClasses } from '../nets/siftflow.js';

/** What the labels of a data set mean: `classes[i]` and `palette[i]` belong to label i. */
export interface ClassSet {
  readonly classes: readonly string[];
  /** 256 colours, so that void (255) has one too. */
  readonly palette: Palette;
}

const withVocColors = (classes: readonly string[]): ClassSet => ({ classes, palette: vocPalette(256) });

const withColors = (colors: readonly (readonly [name: string, color: Color])[]): ClassSet => ({
  classes: colors.map(([name]) => name),
  palette: vocPalette(256).map((color, label) => colors[label]?.[1] ?? color),
});

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
export const camvid: ClassSet = withColors(camvidColors);

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

export const siftflowGeometric: ClassSet = withVocColors(geometricClasses);

/** Cityscapes' 19 scored classes in the order of the train ids, with its own colors (cityscapesScripts, `labels.py`). */
const cityscapesColors: readonly (readonly [name: string, color: Color])[] = [
  ['road', [128, 64, 128]],
  ['sidewalk', [244, 35, 232]],
  ['building', [70, 70, 70]],
  ['wall', [102, 102, 156]],
  ['fence', [190, 153, 153]],
  ['pole', [153, 153, 153]],
  ['traffic light', [250, 170, 30]],
  ['traffic sign', [220, 220, 0]],
  ['vegetation', [107, 142, 35]],
  ['terrain', [152, 251, 152]],
  ['sky', [70, 130, 180]],
  ['person', [220, 20, 60]],
  ['rider', [255, 0, 0]],
  ['car', [0, 0, 142]],
  ['truck', [0, 0, 70]],
  ['bus', [0, 60, 100]],
  ['train', [0, 80, 100]],
  ['motorcycle', [0, 0, 230]],
  ['bicycle', [119, 11, 32]],
];

export const cityscapes: ClassSet = withColors(cityscapesColors);

/** ADE20K's 150 classes of the scene parsing challenge, each by the first of its names. */
export const ade20k: ClassSet = withVocColors([
  ...['wall', 'building', 'sky', 'floor', 'tree', 'ceiling', 'road', 'bed', 'windowpane', 'grass', 'cabinet'],
  ...['sidewalk', 'person', 'earth', 'door', 'table', 'mountain', 'plant', 'curtain', 'chair', 'car', 'water'],
  ...['painting', 'sofa', 'shelf', 'house', 'sea', 'mirror', 'rug', 'field', 'armchair', 'seat', 'fence', 'desk'],
  ...['rock', 'wardrobe', 'lamp', 'bathtub', 'railing', 'cushion', 'base', 'box', 'column', 'signboard'],
  ...['chest of drawers', 'counter', 'sand', 'sink', 'skyscraper', 'fireplace', 'refrigerator', 'grandstand', 'path'],
  ...['stairs', 'runway', 'case', 'pool table', 'pillow', 'screen door', 'stairway', 'river', 'bridge', 'bookcase'],
  ...['blind', 'coffee table', 'toilet', 'flower', 'book', 'hill', 'bench', 'countertop', 'stove', 'palm'],
  ...['kitchen island', 'computer', 'swivel chair', 'boat', 'bar', 'arcade machine', 'hovel', 'bus', 'towel', 'light'],
  ...['truck', 'tower', 'chandelier', 'awning', 'streetlight', 'booth', 'television receiver', 'airplane'],
  ...['dirt track', 'apparel', 'pole', 'land', 'bannister', 'escalator', 'ottoman', 'bottle', 'buffet', 'poster'],
  ...['stage', 'van', 'ship', 'fountain', 'conveyer belt', 'canopy', 'washer', 'plaything', 'swimming pool', 'stool'],
  ...['barrel', 'basket', 'waterfall', 'tent', 'bag', 'minibike', 'cradle', 'oven', 'ball', 'food', 'step', 'tank'],
  ...['trade name', 'microwave', 'pot', 'animal', 'bicycle', 'lake', 'dishwasher', 'screen', 'blanket', 'sculpture'],
  ...['hood', 'sconce', 'vase', 'traffic light', 'tray', 'ashcan', 'fan', 'pier', 'crt screen', 'plate', 'monitor'],
  ...['bulletin board', 'shower', 'radiator', 'glass', 'clock', 'flag'],
]);
