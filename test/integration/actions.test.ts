import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { CONDITIONS, type ENFORCEMENT_POINTS, type FloorAction, type SovereignPolicySpecInput } from '@fso/shared/api';
import { type ConstraintViolation, GEO_RESIDENCY_KIND, KubeApiError, POD_KIND, type Pod } from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { entriesOf } from '../../agent/enforce/index.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type AuditEvent, readAuditEvents } from '../harness/audit-logs.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';

type Point = (typeof ENFORCEMENT_POINTS)[number];
type ScopedAction = NonNullable<SovereignPolicySpecInput['scopedEnforcementActions']>[number];

const WEBHOOK: Point = 'validation.gatekeeper.sh';
const AUDIT: Point = 'audit.gatekeeper.sh';
const API_SERVER: Point = 'vap.k8s.io';
const scoped = (action: FloorAction, ...points: Point[]): ScopedAction => ({ action, enforcementPoints: points.map((name) => ({ name })) });

interface ActionCase {
  /** Name of the policy and of its namespace. */
  readonly name: string;
  readonly spec: Partial<SovereignPolicySpecInput>;
  /** The lock that refuses a pod outside. */
  readonly refusedBy?: 'floor' | 'gatekeeper';
  /** The locks that warn of an admitted pod. */
  readonly warnedBy?: readonly ('floor' | 'gatekeeper')[];
  /** Actions whose floor policy writes to the API server's audit log. */
  readonly recorded: readonly FloorAction[];
  /** The action under which Gatekeeper's audit finds the admitted pod; absent: it does not. */
  readonly audited?: FloorAction;
  readonly locks: { readonly admission: string; readonly binding: string; readonly gatekeeper: string };
}

const BOTH = { admission: 'Enforced', binding: 'Enforced', gatekeeper: 'Enforced' };
const UNBOUND = { ...BOTH, binding: 'NotApplicable' };
const GATEKEEPER_ONLY = { admission: 'NotApplicable', binding: 'NotApplicable', gatekeeper: 'Enforced' };
const custom = (...scopedEnforcementActions: ScopedAction[]): Partial<SovereignPolicySpecInput> => ({
  enforcementAction: 'custom',
  scopedEnforcementActions,
});

const CASES: readonly ActionCase[] = [
  { name: 'deny', spec: {}, refusedBy: 'floor', recorded: ['deny'], locks: BOTH },
  {
    name: 'warn',
    spec: { enforcementAction: 'warn' },
    warnedBy: ['floor', 'gatekeeper'],
    recorded: ['warn'],
    audited: 'warn',
    locks: UNBOUND,
  },
  { name: 'dryrun', spec: { enforcementAction: 'dryrun' }, warnedBy: [], recorded: ['dryrun'], audited: 'dryrun', locks: UNBOUND },
  { name: 'deny-everywhere', spec: custom(scoped('deny', '*')), refusedBy: 'floor', recorded: ['deny'], locks: BOTH },
  {
    name: 'warn-everywhere',
    spec: custom(scoped('warn', '*')),
    warnedBy: ['floor', 'gatekeeper'],
    recorded: ['warn'],
    audited: 'warn',
    locks: UNBOUND,
  },
  { name: 'dryrun-everywhere', spec: custom(scoped('dryrun', '*')), warnedBy: [], recorded: ['dryrun'], audited: 'dryrun', locks: UNBOUND },
  {
    name: 'deny-webhook-warn-floor',
    spec: custom(scoped('deny', WEBHOOK), scoped('warn', API_SERVER)),
    refusedBy: 'gatekeeper',
    recorded: ['warn'],
    locks: UNBOUND,
  },
  {
    name: 'deny-floor-dryrun-webhook',
    spec: custom(scoped('deny', API_SERVER), scoped('dryrun', WEBHOOK, AUDIT)),
    refusedBy: 'floor',
    recorded: ['deny'],
    locks: BOTH,
  },
  {
    name: 'warn-floor',
    spec: custom(scoped('warn', API_SERVER)),
    warnedBy: ['floor'],
    recorded: ['warn'],
    locks: { admission: 'Enforced', binding: 'NotApplicable', gatekeeper: 'NotApplicable' },
  },
  { name: 'warn-webhook', spec: custom(scoped('warn', WEBHOOK)), warnedBy: ['gatekeeper'], recorded: [], locks: GATEKEEPER_ONLY },
  { name: 'deny-audit', spec: custom(scoped('deny', AUDIT)), warnedBy: [], recorded: [], audited: 'deny', locks: GATEKEEPER_ONLY },
  {
    name: 'three-of-three',
    spec: custom(scoped('dryrun', API_SERVER), scoped('warn', WEBHOOK), scoped('deny', AUDIT)),
    warnedBy: ['gatekeeper'],
    recorded: ['dryrun'],
    audited: 'deny',
    locks: UNBOUND,
  },
];

const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules: [
    { level: 'Metadata', omitStages: ['RequestReceived'], verbs: ['create'], resources: [{ group: '', resources: ['pods'] }] },
    { level: 'None' },
  ],
};

const lockOf = (text: string): string => (text.includes('fso-floor-pods-') ? 'floor' : /\[geo-[a-z]+-/.test(text) ? 'gatekeeper' : text);

/**
 * Gatekeeper writes `scoped` if the constraint has scoped actions, and the actions of its audit
 * beside it.
 */
const actionsOf = (violation: ConstraintViolation & { readonly enforcementActions?: readonly string[] }): readonly (string | undefined)[] =>
  violation.enforcementActions ?? [violation.enforcementAction];

describe('what each action does at each point', () => {
  const stop = new AbortController();
  let cluster: LocalCluster;
  let world: AgentHarness;
  let auditLog: string;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-actions-'));
    auditLog = join(folder, 'audit.log');
    const auditPolicy = join(folder, 'audit-policy.json');
    await writeFile(auditPolicy, JSON.stringify(AUDIT_POLICY));
    cluster = await startTestCluster(
      {
        name: 'actions',
        stateDir: folder,
        regions: ['eu-west-1', 'us-east-1'],
        gatekeeper: true,
        gatekeeperAuditSeconds: 2,
        apiServerArgs: [`--audit-policy-file=${auditPolicy}`, `--audit-log-path=${auditLog}`],
      },
      stop.signal,
    );
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    await Promise.all(CASES.map(({ name }) => world.makeNamespace(name)));
    const agent = await world.startAgent('first');
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    for (const { name, spec } of CASES) await world.applyPolicy(name, { targetNamespace: name, allowedRegions: ['eu-west-1'], ...spec });
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  const outside = (namespace: string, name: string): Pod => ({
    metadata: { name, namespace },
    spec: { containers: [{ name: 'main', image: 'example.com/none' }], nodeSelector: { 'topology.kubernetes.io/region': 'us-east-1' } },
  });

  /** @returns the texts of the response, and whether the pod exists */
  const create = async (namespace: string, name: string): Promise<{ refusal: string; warnings: readonly string[] }> => {
    try {
      const { warnings } = await world.client.create(POD_KIND, outside(namespace, name), {}, stop.signal);
      return { refusal: '', warnings };
    } catch (error) {
      if (!(error instanceof KubeApiError)) throw error;
      return { refusal: error.message, warnings: [] };
    }
  };

  const eventsOf = async (namespace: string, name: string): Promise<AuditEvent[]> => {
    const found: AuditEvent[] = [];
    for await (const event of readAuditEvents(auditLog)) {
      if (event.objectRef?.namespace === namespace && event.objectRef.name === name) found.push(event);
    }
    return found;
  };

  const violationsOf = async (policy: string) => {
    const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal);
    return constraints
      .filter((constraint) => entriesOf(constraint).some(({ name }) => name === `default/${policy}`))
      .flatMap(({ status }) => status?.violations ?? [])
      .filter(({ namespace }) => namespace === policy);
  };

  describe.each(CASES)('$name', ({ name, refusedBy, warnedBy = [], recorded, audited, locks }) => {
    it('is proven, and its status names the locks that enforce it', async () => {
      // A policy is Active once lock 1 is proven; lock 2 may take longer on a busy machine.
      const statesOfLocks = async () => {
        const { admission, binding, gatekeeper } = (await world.reaches(name, 'Active')).status?.enforcement ?? {};
        return { admission: admission?.state, binding: binding?.state, gatekeeper: gatekeeper?.state };
      };
      await expect.poll(statesOfLocks).toEqual(locks);
      const { status } = await world.reaches(name, 'Active');
      expect(status?.constraintCreated).toBe(locks.gatekeeper === 'Enforced');
      expect(await world.conditionOf(name, CONDITIONS.gatekeeperReady)).toMatchObject({
        status: locks.gatekeeper === 'Enforced' ? 'True' : 'Unknown',
      });
    });

    it('refuses, warns or stays silent, according to its scope', async () => {
      const { refusal, warnings } = await create(name, 'subject');
      expect(refusal === '' ? undefined : lockOf(refusal)).toBe(refusedBy);
      expect(new Set(warnings.map(lockOf))).toEqual(new Set(warnedBy));
      expect(warnings).toHaveLength(warnedBy.length);
      const text = `policy default/${name} allows regions eu-west-1 in namespace ${name}: spec.nodeSelector allows region "us-east-1"`;
      for (const said of [refusal, ...warnings].filter(Boolean)) expect(said).toContain(text);
    });

    it('writes policy and revision to the audit log of the API server', async () => {
      const events = await eventually(async () => {
        const found = await eventsOf(name, 'subject');
        return found.length > 0 && found;
      });
      const ours = events.flatMap(({ annotations = {} }) => Object.entries(annotations).filter(([key]) => key.startsWith('fso-floor-')));
      expect(Object.fromEntries(ours)).toEqual(
        Object.fromEntries(
          recorded.flatMap((action) => [
            [`fso-floor-pods-${action}/policies`, `default/${name}`],
            [`fso-floor-pods-${action}/revisions`, '-'],
          ]),
        ),
      );
    });

    it('appears in the audit of Gatekeeper if it was admitted and Gatekeeper audits it', async () => {
      const written = Date.now();
      await eventually(async () => {
        const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, stop.signal);
        // In whole seconds: an audit of the same second may have been earlier.
        return constraints.every(({ status }) => Date.parse(status?.auditTimestamp ?? '') > written);
      });
      const found = await violationsOf(name);
      expect(found.map((violation) => [violation.name, ...actionsOf(violation)])).toEqual(
        audited === undefined || refusedBy !== undefined ? [] : [['subject', audited]],
      );
    });
  });

  it('refuses an unknown enforcement point, by name', async () => {
    const scopedEnforcementActions = [{ action: 'deny', enforcementPoints: [{ name: 'validation.gatekeper.sh' }] }];
    const spec = { targetNamespace: 'deny', allowedRegions: ['eu-west-1'], enforcementAction: 'custom', scopedEnforcementActions };
    await expect(world.applyPolicy('typo', spec as SovereignPolicySpecInput)).rejects.toThrow(
      /enforcementPoints\[0\]\.name: Unsupported value: "validation\.gatekeper\.sh": supported values: .*"vap\.k8s\.io"/,
    );
  });
});
