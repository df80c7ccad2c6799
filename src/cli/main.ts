#!/usr/bin/env node
/** @file The command line. Exit codes: 0 done, 1 failed, 2 usage, 130 interrupted. */

import { stopWithReader } from './interrupt.js';
import { runCommandLine } from './program.js';

stopWithReader();
process.exitCode = await runCommandLine(process.argv.slice(2));
