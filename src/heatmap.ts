/** @file `pixelwise/heatmap`: where a picture looks like a class, by a model or by a classifier made fully convolutional. */

export { type ClassifierOptions, type LoadedClassifier, loadClassifier } from './segment/classifier.js';
export { classifierSource, type HeatSource, modelSource } from './segment/heat-source.js';
export { HeatMap, type HeatmapOptions, type HeatPictureOptions, heatmap, heatmapCosts } from './segment/heatmap.js';
