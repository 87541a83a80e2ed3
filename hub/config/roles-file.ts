import { RoleGrant } from '@fso/shared/api';
import { checkSelector, decodeValue, type ValueProblem } from '@fso/shared/decode';
import { type Problems, readText } from '@fso/shared/runtime';
import { z } from 'zod';
import type { GroupGrant } from '../access/index.ts';

/** Every call of a person is held against the person's grants. */
const MAX_GRANTS = 100;

const RolesFile = z.strictObject({
  grants: z
    .array(RoleGrant.extend({ groups: z.array(z.string().min(1).max(1024)).min(1).max(100) }))
    .min(1)
    .max(MAX_GRANTS),
});

const checkSelectors = ({ grants }: z.output<typeof RolesFile>): readonly ValueProblem[] =>
  grants.flatMap(({ clusters, policies }, at) => [
    ...checkSelector(clusters?.clusterSelector, ['grants', at, 'clusters', 'clusterSelector']),
    ...checkSelector(policies?.policySelector, ['grants', at, 'policies', 'policySelector']),
  ]);

/**
 * Roles for some of the clusters and policies. @returns none where there is a problem, each with
 * its place in the file
 */
export const readRolesFile = async (variable: string, path: string, problems: Problems): Promise<readonly GroupGrant[]> => {
  const text = await readText(variable, path, problems);
  if (text === undefined) return [];
  const decoded = decodeValue(RolesFile, { path, text }, checkSelectors);
  if (decoded.ok) return decoded.value.grants;
  problems.push(...decoded.problems.map(({ path: file, line, column, reason }) => `${variable}: ${file}:${line}:${column}: ${reason}`));
  return [];
};
