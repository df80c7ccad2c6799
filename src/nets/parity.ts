/**
 * @file How far each network is from its reference: the largest difference of a score map over the largest value of the reference,
 * over all reference pictures. Written by test/data/nets-record.test.ts, not by hand.
 */

export interface ParityRecord {
  readonly reference: string;
  readonly cases: number;
  readonly largestRelativeDifference: number;
}

export const parity: Readonly<Record<string, ParityRecord>> = {
  'deeplab-base-vgg16': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 7.5e-7,
  },
  'deeplab-largefov-resnet101': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 7.9e-7,
  },
  'deeplab-largefov-resnet50': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 9.6e-7,
  },
  'deeplab-largefov-vgg16': {
    reference: 'PyTorch, float64, filled weights',
    cases: 3,
    largestRelativeDifference: 4.0e-7,
  },
  'deeplab-msc-largefov-vgg16': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 7.0e-7,
  },
  'deeplab-resnet50': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 6.3e-7,
  },
  'espnet-camvid': {
    reference: 'PyTorch, float64, published weights on photographs',
    cases: 2,
    largestRelativeDifference: 7.2e-7,
  },
  espnetv2: {
    reference: 'PyTorch, float64, published weights on photographs',
    cases: 8,
    largestRelativeDifference: 8.9e-7,
  },
  'espnetv2-0.5': {
    reference: 'PyTorch, float64, published weights on photographs',
    cases: 8,
    largestRelativeDifference: 1.1e-6,
  },
  'fcn-alexnet': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 1.1e-6,
  },
  'fcn-googlenet': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 7.3e-7,
  },
  'fcn-resnet101': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 7.7e-7,
  },
  'fcn-resnet50': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 7.4e-7,
  },
  'fcn16s-vgg16': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 6.2e-7,
  },
  'fcn16s-vgg16-clean': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 5.8e-7,
  },
  'fcn32s-vgg16': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 7.2e-7,
  },
  'fcn32s-vgg16-clean': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 7.4e-7,
  },
  'fcn8s-atonce-vgg16': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 5.7e-7,
  },
  'fcn8s-atonce-vgg16-clean': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 7.4e-7,
  },
  'fcn8s-vgg16': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 8.4e-7,
  },
  'fcn8s-vgg16-clean': {
    reference: 'PyTorch, float64, filled weights',
    cases: 2,
    largestRelativeDifference: 7.1e-7,
  },
  'nyud-fcn32s-early': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 7.6e-7,
  },
  'nyud-fcn32s-late': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 7.7e-7,
  },
  'siftflow-fcn8s': {
    reference: 'PyTorch, float64, filled weights',
    cases: 1,
    largestRelativeDifference: 5.4e-7,
  },
};
