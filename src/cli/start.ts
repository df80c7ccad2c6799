#!/usr/bin/env node
/**
 * @file The installed command. `segment` should not wait for two hundred small files: the build puts what it needs into this one
 * (assembly/bundle.mjs). Every other command loads its own.
 */

import { stopWithReader } from './interrupt.js';
import { runCommandLine } from './program.js';

if (process.argv[2] === 'segment') {
  stopWithReader();
  runCommandLine(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
} else void import('./main.js');
