import { ClusterPolicySpec, type PreviewRefusal, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type Preview, validate } from '@fso/shared/protocol';
import type { DesiredPolicies, PolicyInput } from '../enforce/index.ts';

/** Steps of an answer, each of them short. A step yields its cost; undefined: 1. */
export type Steps<T> = Generator<number | undefined, T>;

/** Reason why a question is not answered. */
export class NotAnswered extends Error {
  readonly reason: PreviewRefusal;

  constructor(reason: PreviewRefusal, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Policies in force, and those that would be in force after the change. */
export interface PolicySides {
  readonly before: readonly PolicyInput[];
  readonly after: readonly PolicyInput[];
}

/** Most policies on one side of a preview: those of the hub and those applied in the cluster. */
export const MAX_SIDE_POLICIES = 5_000;
/** Most values in one spec. A spec within the bounds of the schema has up to about 7,000. */
const MAX_SPEC_VALUES = 10_000;
const MAX_PROBLEM = 300;

/** Whether a value has few enough parts to be checked against the schema. */
const isSmall = (value: unknown): boolean => {
  let left = MAX_SPEC_VALUES;
  const count = (each: unknown): boolean => {
    if (typeof each !== 'object' || each === null) return true;
    const values: readonly unknown[] = Object.values(each);
    left -= values.length;
    return left >= 0 && values.every(count);
  };
  return count(value);
};

const inputOf = (name: string, spec: PolicyInput['spec']): PolicyInput => ({
  key: name,
  namespace: SYSTEM_NAMESPACE,
  name,
  managedBy: 'hub',
  revision: undefined,
  generation: 0,
  spec,
  deleting: false,
});

const readPolicy = ({ name, spec }: Preview['put'][number]): PolicyInput => {
  if (!isSmall(spec)) throw new NotAnswered('TooLarge', `policy ${name}: its spec has more than ${MAX_SPEC_VALUES} values`);
  const validation = validate(ClusterPolicySpec, spec, MAX_PROBLEM);
  if (validation.ok) return inputOf(name, validation.data);
  throw new NotAnswered('Invalid', `policy ${name}: ${validation.problem}`);
};

/**
 * Reads the policies of a question, one per step.
 *
 * @param accepted policies of the accepted commit
 * @param local policies that were applied in the cluster; no question changes them
 * @throws NotAnswered if one is not a policy, or there are too many
 */
export function* readQuestion(
  { put, removed }: Pick<Preview, 'put' | 'removed'>,
  accepted: DesiredPolicies,
  local: readonly PolicyInput[],
): Steps<PolicySides> {
  if (accepted.size + local.length + put.length > MAX_SIDE_POLICIES)
    throw new NotAnswered('TooLarge', `more than ${MAX_SIDE_POLICIES} policies are not compared`);
  const before = new Map([...accepted].map(([key, { policy }]) => [key, inputOf(key, policy.spec)]));
  const after = new Map(before);
  for (const name of removed) after.delete(name);
  for (const policy of put) {
    after.set(policy.name, readPolicy(policy));
    yield;
  }
  // Copies, so that memos keyed by the enforced objects stay untouched.
  const others = local.map((policy) => ({ ...policy }));
  return { before: [...before.values(), ...others], after: [...after.values(), ...others] };
}
