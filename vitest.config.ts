import { defineConfig } from 'vitest/config';

/** One project per need, so that `npx vitest run --project unit` answers in seconds. */
const project = (name: string, timeout: number) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout: timeout, hookTimeout: timeout },
});

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', ['json', { outputFile: 'out/tests.json' }]],
    projects: [project('unit', 60_000), project('engine', 120_000), project('data', 300_000), project('e2e', 300_000)],
  },
});
