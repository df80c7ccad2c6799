/** @file Kernels of the fully connected CRF. They keep nothing between calls: all memory is the caller's. */

export * from './any';
export * from './energy';
export * from './filter';
export * from './lattice';
export * from './passes';
export * from './unary';
