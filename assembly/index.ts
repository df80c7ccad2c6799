/** @file Kernels of the fully connected CRF. They keep nothing between calls: all memory is the caller's. */

export * from './any';
export * from './energy';
export * from './filter';
export * from './lattice';
export { unstripe } from './order';
export * from './passes';
export * from './preview';
export * from './unary';
