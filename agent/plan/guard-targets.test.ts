import type { KubeObject } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { guardProbes } from '../enforce/index.ts';
import { guardTargets } from './guard-targets.ts';

const TRUST = { agent: 'agent', binders: [], nodeLabelers: [], gatekeeperNamespace: 'gatekeeper-system' };
const LOCKS = 'fso-guard-locks';

const informer = (objects: readonly KubeObject[]) => ({ get: (name: string) => objects.find(({ metadata }) => metadata.name === name) });
const targetsOf = (policies: readonly KubeObject[], bindings: readonly KubeObject[]) =>
  guardTargets({ admissionPolicies: informer(policies), admissionBindings: informer(bindings) } as never, TRUST);
const object = (name: string, generation = 1): KubeObject => ({ metadata: { name, uid: name, generation } });

describe('guardTargets', () => {
  it('are the provable guards that have both objects', () => {
    const names = [...guardProbes(TRUST).keys(), 'fso-guard-nodes', 'fso-floor-pods-deny'];
    const all = names.map((name) => object(name));
    expect([...targetsOf(all, all).keys()]).toEqual([...guardProbes(TRUST).keys()]);
    expect([...targetsOf(all, [object(LOCKS)]).keys()]).toEqual([LOCKS]);
    expect(targetsOf([object(LOCKS)], []).size).toBe(0);
  });

  it('have another fingerprint once the policy or the binding was written', () => {
    const fingerprints = [
      targetsOf([object(LOCKS)], [object(LOCKS)]),
      targetsOf([object(LOCKS, 2)], [object(LOCKS)]),
      targetsOf([object(LOCKS)], [object(LOCKS, 2)]),
    ].map((targets) => targets.get(LOCKS)?.fingerprint);
    expect(new Set(fingerprints).size).toBe(3);
  });
});
