import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { catalogFile, clusterFile, policyFile } from '../shared/decode/testing/decoded.ts';
import { TEST_CATALOG } from '../shared/regions/testing/catalogue.ts';

/**
 * A commit means what its own catalogue has: programs of which the release's data is missing, or is
 * another one, make the same of it.
 */

const FILES = [
  catalogFile(TEST_CATALOG),
  clusterFile('a', ['eu-west-1'], {}, 'aws'),
  clusterFile('b', ['eu-west-1']),
  policyFile('p', { allowedRegions: ['group:eu', 'country:US', 'us-east-1'] }),
];

const urlOf = (path: string): string => new URL(path, import.meta.url).href;

/** Compiles in a process whose module with the release's data reads like this. */
const compiledWith = async (seed: string): Promise<unknown> => {
  const script = `
    import { registerHooks } from 'node:module';
    const source = ${JSON.stringify(seed)};
    registerHooks({
      load: (url, context, next) =>
        url.endsWith('/regions/seed/index.ts') ? { format: 'module', shortCircuit: true, source } : next(url, context),
    });
    const seed = await import(${JSON.stringify(urlOf('../shared/regions/seed/index.ts'))}).then(({ SEED_CATALOG }) => SEED_CATALOG.version, () => null);
    await import(${JSON.stringify(urlOf('../agent/agent.ts'))});
    await import(${JSON.stringify(urlOf('../hub/program.ts'))});
    const { createDecoder } = await import(${JSON.stringify(urlOf('../shared/decode/index.ts'))});
    const { compileFleet } = await import(${JSON.stringify(urlOf('../shared/compile/index.ts'))});
    const decoded = createDecoder()(${JSON.stringify(FILES)});
    const digests = [...compileFleet(decoded.set)].map(([cluster, { digest }]) => [cluster, digest]);
    process.stdout.write(JSON.stringify({ seed, digests }));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  return JSON.parse(stdout);
};

it('commits compile to the same digests with any data of the release', async () => {
  const other = { version: 'other', regions: [], groups: [{ name: 'eu', members: ['country:US'] }] };
  const [none, another] = await Promise.all([
    compiledWith('throw new Error("this build has no catalogue");'),
    compiledWith(`export const SEED_CATALOG = ${JSON.stringify(other)};`),
  ]);
  expect(none).toEqual({ seed: null, digests: [expect.any(Array), expect.any(Array)] });
  expect(another).toEqual({ ...(none as object), seed: 'other' });
});
