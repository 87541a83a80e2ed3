import { describe, expect, it } from 'vitest';
import type { NamespaceGovernance } from '../enforce/types.ts';
import { judgeMustAdmit, judgeMustDeny, judgeMustNotBind, judgeMustWarn, type ProbeAnswer } from './probe.ts';

const floor = { isFloorPolicy: (name: string) => name.startsWith('fso-floor-') };
const rule = { regions: ['eu-central-1', 'eu-west-1'], policies: ['default/a', 'default/b'] };
const governance: NamespaceGovernance = { namespace: 'finance', actions: { deny: rule, warn: rule }, policies: rule.policies };

const refused = (message: string, status = 403): ProbeAnswer => ({ kind: 'refused', status, message });
const byFloor = (text: string): ProbeAnswer =>
  refused(
    `pods "x" is forbidden: ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request: ${text}`,
  );
const TEXT = 'policy default/a, default/b allows regions eu-central-1, eu-west-1 in namespace finance: nothing confines it; fix: set it';
const gatekeeper = (constraint: string): ProbeAnswer =>
  refused(`admission webhook "validation.gatekeeper.sh" denied the request: [${constraint}] policy default/a allows`);

describe('judgeMustDeny', () => {
  it.each([
    ['the floor names the policies and regions in force', byFloor(TEXT), 'proven'],
    ['the floor still enforces other regions', byFloor(TEXT.replace(', eu-west-1', '')), 'unproven'],
    ['the pod was admitted', { kind: 'admitted', warnings: [] } as ProbeAnswer, 'unproven'],
    ['only Gatekeeper refused it', gatekeeper('geo-deny-0123456789'), 'unproven'],
    ['it passed on to the quota', refused('pods "x" is forbidden: exceeded quota: q'), 'unproven'],
    ['the service account is not there yet', refused('error looking up service account finance/default'), 'inconclusive'],
    ['another policy refused it', refused("ValidatingAdmissionPolicy 'other' with binding 'other' denied request: no"), 'inconclusive'],
    ['there was no answer', { kind: 'unreachable', message: 'reset' } as ProbeAnswer, 'inconclusive'],
  ])('%s', (_name, answer, kind) => {
    expect(judgeMustDeny(answer, governance, floor).kind).toBe(kind);
  });
});

describe('judgeMustAdmit', () => {
  it.each([
    ['admitted', { kind: 'admitted', warnings: [] } as ProbeAnswer, 'proven'],
    ['the floor refuses it', byFloor(TEXT), 'unproven'],
    ['a constraint of ours has not caught up', gatekeeper('geo-deny-0123456789'), 'unproven'],
    ['a constraint of someone else refuses it', gatekeeper('their-rule'), 'proven'],
    ['a quota refuses it', refused('pods "x" is forbidden: exceeded quota: q'), 'proven'],
    ['the service account is not there yet', refused('error looking up service account finance/default'), 'inconclusive'],
  ])('%s', (_name, answer, kind) => {
    expect(judgeMustAdmit(answer, floor).kind).toBe(kind);
  });
});

describe('judgeMustWarn', () => {
  it('wants a warning with the policies and regions in force', () => {
    expect(judgeMustWarn({ kind: 'admitted', warnings: [`Validation failed for 'fso-floor-pods-warn': ${TEXT}`] }, governance).kind).toBe(
      'proven',
    );
    expect(judgeMustWarn({ kind: 'admitted', warnings: ['something else'] }, governance).kind).toBe('unproven');
  });
});

describe('judgeMustNotBind', () => {
  it('tells the gate from the pod that is not there', () => {
    expect(judgeMustNotBind(byFloor('no region'), floor).kind).toBe('proven');
    expect(judgeMustNotBind(refused('pods "fso-probe" not found', 404), floor).kind).toBe('unproven');
  });
});
