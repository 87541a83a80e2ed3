import { type PolicyView, ResourceName } from '@fso/shared/api';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';

/** What no object of Kubernetes can be called is not asked for: in a URL it could mean another path. */
export const checkName = (name: string): void => {
  if (!ResourceName.safeParse(name).success) throw new CliError(`${JSON.stringify(name)} is not a name that a policy or cluster can have`);
};

/** Finds a policy by `name` or `namespace/name`; a name alone must be unique. */
export const findPolicy = async (context: Context, given: string): Promise<PolicyView> => {
  const [first = '', second, ...more] = given.split('/');
  for (const part of [first, ...(second === undefined ? [] : [second])]) checkName(part);
  if (more.length > 0) throw new CliError(`a policy is given as name or namespace/name, not as ${given}`);
  const hub = await context.connect();
  if (second !== undefined) return hub.policy(first, second);
  const found = (await hub.policies({ q: first })).filter(({ name }) => name === first);
  const [policy, other] = found;
  if (policy === undefined) throw new CliError(`there is no policy ${first}`, EXIT.no);
  if (other !== undefined) {
    throw new CliError(`several policies are called ${first}: ${found.map(({ namespace, name }) => `${namespace}/${name}`).join(', ')}`);
  }
  return policy;
};
