/**
 * @file Goes into the bundles: packages with machine code, whose JavaScript was taken along. __filename is the bundle's there.
 */

const { readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');

const here = createRequire(__filename);

/** Requires as the installed package does. */
exports.requireOf = (name) => createRequire(here.resolve(name));

/** The package as it was taken along, or, where another version of it is installed by now, that one. */
exports.load = (name, version, takenAlong) => {
  const file = join(here.resolve(name), '../../package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version === version ? takenAlong() : here(name);
};
