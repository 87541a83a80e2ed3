import type { SovereignPolicyStatus } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import type { GatekeeperProblem, PolicyInput, PolicyOutcome } from '../enforce/index.ts';
import type { ProbeState, ProofState } from '../probe/index.ts';
import { type LockInput, planLocks } from './locks.ts';

const KEY = 'default/p';
const policy: PolicyInput = {
  key: KEY,
  namespace: 'default',
  name: 'p',
  managedBy: 'local',
  revision: undefined,
  generation: 1,
  deleting: false,
  spec: { targetNamespace: 'finance', allowedRegions: ['eu-west-1'], enforcementAction: 'deny' },
};
const outcome: PolicyOutcome = { kind: 'governing', regions: ['eu-west-1'], namespaces: ['finance'], conflicts: [] };
const PROVEN: ProbeState = { fingerprint: 'f', state: 'proven', message: undefined, first: false, held: false };
const gatekeeper: LockInput['gatekeeper'] = {
  served: true,
  problem: undefined,
  exists: () => true,
  constraintProblem: () => undefined,
  exclusion: () => undefined,
  canary: () => ({ ...PROVEN }),
  outage: undefined,
  graceMs: 1_000,
};
const waiting = (): GatekeeperProblem => ({ message: 'not enforced yet', isError: false });
const broken = (): GatekeeperProblem => ({ message: 'rego_compile_error', isError: true });
const canary = (state: ProofState['state']) => ({ gatekeeper: { ...gatekeeper, canary: (): ProofState => ({ ...PROVEN, state }) } });

const plan: LockInput['plan'] = {
  governance: {
    namespaces: new Map([
      [
        'finance',
        {
          namespace: 'finance',
          actions: { deny: { regions: ['eu-west-1'], policies: [KEY], revisions: ['-'] } },
          policies: [KEY],
          injection: false,
        },
      ],
    ]),
  },
  constraintsOf: () => ['geo-deny-1'],
  unapplied: new Set(),
  indexed: new Set(),
  unlisted: new Set(),
};

const input = (changes: Partial<LockInput> = {}): LockInput => ({
  plan,
  probe: () => PROVEN,
  floor: { supported: true, installed: true, bindGate: 'label' },
  gatekeeper,
  failures: [],
  unprovenMs: () => 0,
  ...changes,
});

const states = (changes: Partial<LockInput>, previous?: SovereignPolicyStatus): string[] => {
  const { admission, gatekeeper: second, binding } = planLocks(policy, outcome, previous, input(changes));
  return [admission.state, second.state, binding.state];
};

const failure = (key: string, failures: number) => ({ key, policies: [KEY], error: 'refused', failures });

describe('planLocks', () => {
  it.each<[string, Partial<LockInput>, string[]]>([
    ['everything proven', {}, ['Enforced', 'Enforced', 'Enforced']],
    ['labels not written yet', { plan: { ...plan, unapplied: new Set(['finance']) } }, ['Pending', 'Enforced', 'Pending']],
    ['not asked yet', { probe: () => undefined }, ['Pending', 'Enforced', 'Pending']],
    ['proof failed', { probe: () => ({ ...PROVEN, state: 'failed' }) }, ['Degraded', 'Enforced', 'Degraded']],
    [
      'lock 1 open everywhere',
      { floor: { supported: true, installed: true, bindGate: 'label', outage: 'open' } },
      ['Degraded', 'Enforced', 'Degraded'],
    ],
    [
      'nobody answers for the index',
      { floor: { supported: true, installed: true, bindGate: 'label', unanswered: 'silent' } },
      ['Pending', 'Enforced', 'Pending'],
    ],
    [
      'nobody answers for the index, and the namespace is open',
      {
        floor: { supported: true, installed: true, bindGate: 'label', unanswered: 'silent' },
        probe: () => ({ ...PROVEN, state: 'failed' }),
      },
      ['Degraded', 'Enforced', 'Degraded'],
    ],
    ['floor not whole', { floor: { supported: true, installed: false, bindGate: 'label' } }, ['Pending', 'Enforced', 'Pending']],
    ['Kubernetes < 1.30', { floor: { supported: false, installed: false, bindGate: 'label' } }, ['Unavailable', 'Enforced', 'Unavailable']],
    ['no Gatekeeper', { gatekeeper: { ...gatekeeper, served: false } }, ['Enforced', 'Unavailable', 'Enforced']],
    ['constraint not enforced yet', { gatekeeper: { ...gatekeeper, constraintProblem: waiting } }, ['Enforced', 'Pending', 'Enforced']],
    [
      'constraint not enforced for long',
      { gatekeeper: { ...gatekeeper, constraintProblem: waiting }, unprovenMs: () => 1_000 },
      ['Enforced', 'Degraded', 'Enforced'],
    ],
    [
      'constraint refused by Gatekeeper',
      { gatekeeper: { ...gatekeeper, constraintProblem: broken } },
      ['Enforced', 'Degraded', 'Enforced'],
    ],
    ['template refused by Gatekeeper', { gatekeeper: { ...gatekeeper, problem: broken() } }, ['Enforced', 'Degraded', 'Enforced']],
    [
      'the webhook leaves the namespace out, although the canary is refused',
      { gatekeeper: { ...gatekeeper, exclusion: broken } },
      ['Enforced', 'Degraded', 'Enforced'],
    ],
    [
      'the webhook leaves another namespace out',
      { gatekeeper: { ...gatekeeper, exclusion: (namespace) => (namespace === 'finance' ? undefined : broken()) } },
      ['Enforced', 'Enforced', 'Enforced'],
    ],
    [
      'the webhook leaves the namespace out while its constraint waits',
      { gatekeeper: { ...gatekeeper, constraintProblem: waiting, exclusion: broken } },
      ['Enforced', 'Degraded', 'Enforced'],
    ],
    ['Gatekeeper not asked yet', canary('pending'), ['Enforced', 'Pending', 'Enforced']],
    ['Gatekeeper does not answer here', canary('failed'), ['Enforced', 'Degraded', 'Enforced']],
    ['Gatekeeper does not answer anywhere', { gatekeeper: { ...gatekeeper, outage: 'gone' } }, ['Enforced', 'Degraded', 'Enforced']],
    ['nobody asks here', { gatekeeper: { ...gatekeeper, canary: () => undefined } }, ['Enforced', 'Enforced', 'Enforced']],
    ['constraint cannot be written', { failures: [failure('K8sGeoResidency/geo-deny-1', 1)] }, ['Enforced', 'Degraded', 'Enforced']],
    [
      'labels cannot be written, the index stands in',
      {
        plan: { ...plan, unapplied: new Set(['finance']), indexed: new Set(['finance']) },
        failures: [failure('Namespace/finance', 3)],
      },
      ['Enforced', 'Enforced', 'Enforced'],
    ],
    ['nodes cannot be listed', { failures: [failure('FloorParameters/fso-nodes', 3)] }, ['Enforced', 'Enforced', 'Enforced']],
    [
      'nodes cannot be listed, and nothing else says their region',
      { floor: { supported: true, installed: true, bindGate: 'list' }, failures: [failure('FloorParameters/fso-nodes', 3)] },
      ['Enforced', 'Enforced', 'Degraded'],
    ],
    ['the index cannot be written', { failures: [failure('FloorParameters/fso-namespaces', 3)] }, ['Enforced', 'Enforced', 'Enforced']],
    [
      'bookkeeping fails',
      { failures: [{ ...failure('Namespace/federated-sovereignty-system', 3), policies: [] }] },
      ['Enforced', 'Enforced', 'Enforced'],
    ],
    [
      'the floor cannot be written',
      { failures: [{ ...failure('ValidatingAdmissionPolicy/fso-floor-pods-deny', 3), policies: [] }] },
      ['Degraded', 'Enforced', 'Degraded'],
    ],
    [
      'the guard cannot be written',
      { failures: [{ ...failure('ValidatingAdmissionPolicy/fso-guard-nodes', 3), policies: [] }] },
      ['Enforced', 'Enforced', 'Enforced'],
    ],
    ['labels cannot be written', { failures: [failure('Namespace/finance', 1)] }, ['Pending', 'Enforced', 'Pending']],
    ['labels cannot be written for long', { failures: [failure('Namespace/finance', 3)] }, ['Degraded', 'Enforced', 'Degraded']],
    [
      'someone else’s write fails',
      { failures: [{ ...failure('Namespace/other', 3), policies: ['default/q'] }] },
      ['Enforced', 'Enforced', 'Enforced'],
    ],
  ])('%s', (_name, changes, expected) => {
    expect(states(changes)).toEqual(expected);
  });

  const since = '2026-01-01T00:00:00.000Z';
  const lock = { state: 'Enforced', since } as const;
  const previous: SovereignPolicyStatus = {
    observedGeneration: 1,
    effectiveRegions: ['eu-west-1'],
    namespaces: ['finance'],
    enforcement: { admission: lock, gatekeeper: lock, binding: lock },
  };

  it('keeps what was proven before a restart until it is probed again', () => {
    expect(states({ probe: () => ({ ...PROVEN, state: 'pending', first: true }) }, previous)[0]).toBe('Enforced');
    expect(states({ probe: () => ({ ...PROVEN, state: 'pending', first: false }) }, previous)[0]).toBe('Pending');
    expect(states({ probe: () => undefined }, { ...previous, effectiveRegions: ['us-east-1'] })[0]).toBe('Pending');
  });

  it('keeps what was proven while another policy of the namespace changes, and not of one that changed itself', () => {
    const held: Partial<LockInput> = { probe: () => ({ ...PROVEN, state: 'pending', held: true }) };
    expect(states(held, previous)[0]).toBe('Enforced');
    expect(states(held, { ...previous, observedGeneration: 0 })[0]).toBe('Pending');
  });

  it('shows the problem of the API server with the floor where lock 1 is not proven', () => {
    const floor = { supported: true, installed: true, bindGate: 'label', problem: 'undefined field' } as const;
    expect(planLocks(policy, outcome, undefined, input({ floor })).admission).toEqual({ state: 'Enforced' });
    const failed = input({ floor, probe: () => ({ ...PROVEN, state: 'failed', message: 'admitted' }) });
    expect(planLocks(policy, outcome, undefined, failed).admission.message).toBe('namespace finance: admitted; undefined field');
  });

  it('keeps lock 2 while its constraint changes for other policies', () => {
    const changing = { gatekeeper: { ...gatekeeper, constraintProblem: waiting } };
    expect(states(changing, previous)[1]).toBe('Enforced');
    expect(states(changing, { ...previous, observedGeneration: 0 })[1]).toBe('Pending');
  });

  it('keeps lock 2 at a restart, until Gatekeeper is probed again', () => {
    expect(states(canary('pending'), previous)[1]).toBe('Enforced');
    expect(states({ ...canary('pending'), unprovenMs: () => 1_000 }, previous)[1]).toBe('Degraded');
    expect(states(canary('failed'), previous)[1]).toBe('Degraded');
  });

  it('waits until the index has a glob, or a namespace that does not exist yet', () => {
    const unlisted = { plan: { ...plan, unlisted: new Set([KEY]) } };
    expect(states(unlisted)).toEqual(['Pending', 'Enforced', 'Pending']);
    expect(states({ ...unlisted, probe: () => ({ ...PROVEN, state: 'failed' }) })[0]).toBe('Degraded');
    const missing: PolicyOutcome = { kind: 'namespaceMissing', regions: ['eu-west-1'], message: '', isAbsent: true };
    const of = (changes: Partial<LockInput>) => planLocks(policy, missing, undefined, input(changes));
    expect(of(unlisted).admission).toEqual({ state: 'Pending', message: 'the index of lock 1 does not have finance yet' });
    expect([of(unlisted).binding.state, of(unlisted).gatekeeper.state, of({}).admission.state]).toEqual([
      'Pending',
      'NotApplicable',
      'NotApplicable',
    ]);
  });

  it('has nothing to lock where the policy does not govern', () => {
    const { admission, gatekeeper: second, binding } = planLocks(policy, { kind: 'invalid', message: '' }, undefined, input());
    expect([admission.state, second.state, binding.state]).toEqual(['NotApplicable', 'NotApplicable', 'NotApplicable']);
  });
});
