/** @file The name of the model that is used when none is named. Apart, so that help texts load nothing else. */

export const defaultModel = 'voc-espnetv2';
