import { type KubeObject, REGION_LABEL } from '@fso/shared/api';
import type { Governance } from '../../enforce/index.ts';
import type { TemplateAnswer } from '../../probe/index.ts';
import type { Targets } from '../judge-namespace.ts';
import type { Owner, OwnerKind } from '../owners/owner-kinds.ts';
import { reduceOwner } from '../owners/reduce-owner.ts';
import type { DryRuns } from '../risk-finder.ts';

/** Builds a node without taints. */
export const node = (name: string, region: string) => ({ name, region, labels: { [REGION_LABEL]: region }, taints: [] });
/** Nodes of a cluster in three regions. */
export const NODES = [node('w', 'eu-west-1'), node('c', 'eu-central-1'), node('u', 'us-east-1')];

/** Dry runs whose answers a test sets. */
export class ScriptedDryRuns implements DryRuns {
  /** Templates of which pods are asked for, by namespace and key. */
  readonly asked = new Map<string, Targets>();
  readonly #answers = new Map<string, TemplateAnswer>();
  #version: object = {};

  set(target: string, answer: TemplateAnswer): void {
    this.#version = {};
    this.#answers.set(target, answer);
  }

  expect(namespace: string, targets: Targets): void {
    this.asked.set(namespace, targets);
  }

  answer(target: string): TemplateAnswer | undefined {
    return this.#answers.get(target);
  }

  answersIn(): object {
    return this.#version;
  }
}

/** An owner in namespace `a` whose template names a region, or none. */
export const ownerIn = (
  kind: OwnerKind,
  { name, region, generation }: { readonly name: string; readonly region: string | undefined; readonly generation: number },
): Owner => {
  const spec = { template: { spec: { ...(region !== undefined && { nodeSelector: { [REGION_LABEL]: region } }) } } };
  return reduceOwner(kind)({ metadata: { name, namespace: 'a', uid: name, generation }, spec } as unknown as KubeObject);
};

/** Policies that deny in namespace `a`, by name, with their regions. */
export const governed = (policies: Readonly<Record<string, readonly string[]>>, action: 'deny' | 'warn' = 'deny', injection = false) => {
  const names = Object.keys(policies);
  const [first = [], ...others] = Object.values(policies);
  const regions = first.filter((region) => others.every((each) => each.includes(region)));
  const governance = {
    namespace: 'a',
    actions: { [action]: { regions, policies: names, revisions: names.map(() => '-') } },
    policies: names,
    injection,
  };
  const outcomes = names.map((name) => [name, { kind: 'governing', regions: policies[name], namespaces: ['a'], conflicts: [] }]);
  return { namespaces: new Map([['a', governance]]), policies: new Map(outcomes as never) } as unknown as Governance;
};
