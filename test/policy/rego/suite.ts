import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { desiredTemplate } from '../../../agent/enforce/gatekeeper/template.ts';
import type { ReviewCase, ReviewTest } from './cases.ts';

/** RE2 */
const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);

const ASSERT = {
  admitted: () => [{ violations: 'no' }],
  // One violation, with exactly this text.
  refused: (text: string) => [{ violations: 1 }, { violations: 1, message: `^${escaped(text)}$` }],
};

const assertionsOf = ({ refused }: ReviewCase): object[] => (refused === undefined ? ASSERT.admitted() : ASSERT.refused(refused));

/** JSON is YAML. */
const write = (folder: string, name: string, value: unknown): Promise<void> => writeFile(join(folder, name), JSON.stringify(value));

/**
 * Writes a suite for `gator verify`, with the template as the agent installs it: it cannot go
 * stale.
 *
 * @see
 * https://open-policy-agent.github.io/gatekeeper/website/docs/gator/#the-gator-verify-subcommand
 */
export const writeSuite = async (folder: string, tests: readonly ReviewTest[]): Promise<void> => {
  await mkdir(folder, { recursive: true });
  await write(folder, 'template.yaml', desiredTemplate());
  const suite = tests.map(async ({ name, constraint, cases }, test) => {
    await write(folder, `constraint-${test}.yaml`, constraint);
    const written = cases.map(async (reviewCase, index) => {
      const object = `review-${test}-${index}.yaml`;
      await write(folder, object, reviewCase.review);
      return { name: reviewCase.name, object, assertions: assertionsOf(reviewCase) };
    });
    return { name, template: 'template.yaml', constraint: `constraint-${test}.yaml`, cases: await Promise.all(written) };
  });
  await write(folder, 'suite.yaml', { apiVersion: 'test.gatekeeper.sh/v1alpha1', kind: 'Suite', tests: await Promise.all(suite) });
};
