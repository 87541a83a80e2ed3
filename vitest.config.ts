import { defineConfig } from 'vitest/config';
import { HANG_MS } from './test/harness/waiting.ts';

/**
 * Guards against hanging, in ms: about ten times what the slowest takes on an idle machine. No test
 * asserts a time. Hooks build the programs of a control plane where they are not there yet.
 */
const LIMITS = { testTimeout: 3 * HANG_MS, hookTimeout: 24 * HANG_MS };
const UNIT_LIMITS = { testTimeout: HANG_MS + 60_000, hookTimeout: 2 * HANG_MS };
/** Builds the dashboard. */
const DASHBOARD = 'test/browser/harness/setup.ts';
const PROPERTIES = 'test/harness/properties.ts';
const EXPECT = { poll: { timeout: HANG_MS, interval: 100 } };

/**
 * The control planes take half of the processor time of all tests. With this their programs collect
 * garbage less often: an API server takes up to 1 GiB instead of 650 MiB, and an eighth less time.
 * The workers inherit it.
 */
process.env['GOGC'] ??= '400';

/**
 * unit: beside the code it tests, no cluster, seconds. integration: test/integration, real API
 * servers and Gatekeeper. attacks: test/attacks, attempts to get pods past the locks of a real
 * control plane. trust: test/trust, whom hub and agents believe: people with real identity
 * providers, agents over real TLS, signatures
 *   beside git, ssh-keygen and gpg; hubs, agents and repositories that lie.
 * blind: test/blind, agents from which the sight of one kind is taken. e2e: test/e2e, fleet, Git,
 * hub and agents as processes, the command line and the dashboard beside them. deploy: test/deploy,
 * images and charts on real nodes; needs root, and one file of it is a part of npm test. browser:
 * test/browser, the dashboard in a real Chromium. rights: test/rights, after integration: what the
 * rights of the agent are, and what agents used of them in this run. release: test/release,
 * signatures of what is published; builds cosign, and is not a part of npm test. gitea: test/gitea,
 * the plan of a pull request on a Gitea with its runner; builds both, not a part of npm test.
 */
export default defineConfig({
  test: {
    // The default leaves a core to a developer who works meanwhile: of two, that is half.
    maxWorkers: '100%',
    globalSetup: ['test/harness/audit-logs.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{shared,hub,agent,clusters,test}/**/*.test.ts'],
          exclude: ['**/node_modules/**', 'test/{integration,attacks,trust,blind,e2e,rights,deploy,browser,release,gitea}/**'],
          setupFiles: [PROPERTIES],
          ...UNIT_LIMITS,
          expect: EXPECT,
          // No test file changes what others see: sharing the modules saves a third of the time.
          isolate: false,
        },
      },
      ...['integration', 'attacks', 'trust', 'blind', 'e2e'].map((name) => ({
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          globalSetup: name === 'e2e' ? [DASHBOARD] : [],
          setupFiles: [PROPERTIES],
          ...LIMITS,
          expect: EXPECT,
          fileParallelism: false,
          pool: 'forks' as const,
          maxConcurrency: 10,
        },
      })),
      {
        test: {
          name: 'rights',
          include: ['test/rights/**/*.test.ts'],
          ...LIMITS,
          expect: EXPECT,
        },
      },
      {
        test: {
          name: 'deploy',
          include: ['test/deploy/**/*.test.ts'],
          ...LIMITS,
          testTimeout: LIMITS.hookTimeout,
          expect: EXPECT,
          fileParallelism: false,
          pool: 'forks',
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: [DASHBOARD],
          ...LIMITS,
          expect: EXPECT,
          fileParallelism: false,
          // All files share one browser, and those of simulated-fleet/ their fleet.
          isolate: false,
          pool: 'forks',
        },
      },
      {
        test: {
          name: 'gitea',
          include: ['test/gitea/**/*.test.ts'],
          setupFiles: [PROPERTIES],
          ...LIMITS,
          expect: EXPECT,
        },
      },
      {
        test: {
          name: 'release',
          include: ['test/release/**/*.test.ts'],
          ...LIMITS,
          expect: EXPECT,
        },
      },
    ],
  },
});
