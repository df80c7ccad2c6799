#!/usr/bin/env node
/**
 * @file The installed command. `segment` should not wait for two hundred small files: the build puts what it needs into one
 * (assembly/bundle.mjs), which is kept compiled. Every other command loads its own.
 */

import { fileURLToPath } from 'node:url';
import { startThread } from '../engine/thread.js';
import { loadCompiled } from './compiled.js';

const [, , command, ...words] = process.argv;

if (command === 'segment') {
  // The engine's thread starts while this one loads; whoever asks for help needs none.
  const thread = words.length === 0 || words.includes('--help') || words.includes('-h') ? undefined : startThread();
  const { exports, keep } = loadCompiled(fileURLToPath(new URL('./segment.cjs', import.meta.url)));
  void (exports as typeof import('./segment.js')).runSegment(thread).then((code) => {
    process.exitCode = code;
    if (code === 0) keep();
  });
} else void import('./main.js');
