import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** One project per need, so that `npx vitest run --project unit` answers in seconds. */
const project = (name: string, timeout: number) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: timeout, hookTimeout: timeout },
});

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    // Not the user's own; emptied before every run, since what is kept there outlives changes of the code.
    env: { PIXELWISE_CACHE: fileURLToPath(new URL('out/test-cache', import.meta.url)) },
    globalSetup: 'test/support/empty-cache.ts',
    reporters: ['default', ['json', { outputFile: 'out/tests.json' }]],
    projects: [project('unit', 60_000), project('engine', 120_000), project('data', 300_000), project('e2e', 300_000)],
  },
});
