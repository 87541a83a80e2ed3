import { readFileSync } from 'node:fs';
import {
  ClusterEvent,
  LABELS,
  NamespaceName,
  PolicyReport,
  type SovereignPolicy,
  SovereignPolicyStatus,
  SYSTEM_NAMESPACE,
} from '@fso/shared/api';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { toPolicyInput } from '../agent/cache/enforced-policies.ts';
import { planGovernance } from '../agent/enforce/index.ts';
import type { PolicyOutcome } from '../agent/enforce/types.ts';
import { NO_VIOLATIONS } from '../agent/observe/index.ts';
import type { PolicyLocks } from '../agent/status/locks.ts';
import { planStatus } from '../agent/status/plan-status.ts';
import { planPolicyEvents } from '../agent/status/policy-events.ts';
import { toReport } from '../agent/status/snapshot-cache.ts';
import { type StructuralSchema, valuesOf } from './harness/schema-values.ts';

interface Definition {
  readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: StructuralSchema } }[] };
}

const crd = parse(readFileSync(new URL('../crds/sovereignpolicies.yaml', import.meta.url), 'utf8')) as Definition;
const { spec, status } = crd.spec.versions[0]?.schema.openAPIV3Schema.properties ?? {};

const NOW = new Date('2026-06-01T00:00:00Z');
const LOCKS: readonly PolicyLocks['admission'][] = [
  { state: 'Enforced' },
  { state: 'Pending', message: 'not proven yet' },
  { state: 'Degraded', message: `refused: ${'\u{1F30D}'.repeat(20_000)}` },
];

/** Policies as an API server stores them: content that the schema admits, and any metadata. */
const policies: fc.Arbitrary<SovereignPolicy> = fc
  .record(
    {
      spec: valuesOf(spec ?? {}),
      status: valuesOf(status ?? {}),
      namespace: fc.constantFrom(SYSTEM_NAMESPACE, 'team-a'),
      labels: fc.constantFrom({}, { [LABELS.managedBy]: 'hub' }),
      revision: fc.constantFrom('', 'a'.repeat(40), 'x'.repeat(65), 'main', undefined),
    },
    { requiredKeys: ['spec', 'namespace', 'labels', 'revision'] },
  )
  .map(({ spec: written, status: seen, namespace, labels, revision }) => ({
    metadata: {
      name: 'p',
      namespace,
      generation: 1,
      labels,
      ...(revision === undefined ? {} : { annotations: { 'compliance.gov/revision': revision } }),
    },
    spec: { enforcementAction: 'deny', ...(written as object) } as SovereignPolicy['spec'],
    ...(seen === undefined ? {} : { status: seen as NonNullable<SovereignPolicy['status']> }),
  }));

it('every policy that the CRD admits gives a status, a report and events that their schemas admit', () => {
  const kinds = new Set<PolicyOutcome['kind']>();
  fc.assert(
    fc.property(policies, fc.constantFrom(...LOCKS), (live, lock) => {
      const policy = toPolicyInput(live);
      const { targetNamespace } = policy.spec;
      const names = ['finance', targetNamespace].filter((name) => NamespaceName.safeParse(name).success);
      const namespaces = names.map((name) => ({ name, terminating: false, labels: {}, annotations: {} }));
      const outcome = planGovernance([policy], namespaces, NOW).policies.get(policy.key);
      if (outcome === undefined) throw new Error('no outcome');
      kinds.add(outcome.kind);
      const locks = { admission: lock, gatekeeper: lock, binding: lock, constraintCreated: true };
      const planned = planStatus({ policy, outcome, previous: live.status, locks, observed: { violations: 0 }, now: NOW });
      const report = toReport(policy, planned, { violations: NO_VIOLATIONS, labels: [] });
      expect(SovereignPolicyStatus.safeParse(planned).error).toBeUndefined();
      expect(PolicyReport.safeParse(report).error).toBeUndefined();
      for (const event of planPolicyEvents(live.status, planned)) {
        const { revision } = policy;
        const sent = {
          time: NOW.toISOString(),
          ...event,
          message: event.message.slice(0, 4096),
          ...(revision === undefined ? {} : { revision }),
        };
        expect(ClusterEvent.safeParse(sent).error).toBeUndefined();
      }
    }),
    { numRuns: 500 },
  );
  expect(kinds).toContain('governing');
  expect(kinds).toContain('expired');
});
