/** @file Prints `N passed, N failed, N skipped` from the test runner's JSON report; fails if there is none. */

import { readFileSync } from 'node:fs';

const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const skipped = report.numPendingTests + report.numTodoTests;
console.log(`${report.numPassedTests} passed, ${report.numFailedTests} failed${skipped ? `, ${skipped} skipped` : ''}`);
process.exitCode = report.success && report.numPassedTests > 0 ? 0 : 1;
