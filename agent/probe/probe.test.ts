import { KubeApiError, type KubeClient } from '@fso/shared/kube';
import { BINDING_VIOLATIONS } from '@fso/shared/residency';
import { describe, expect, it } from 'vitest';
import type { NamespaceGovernance } from '../enforce/index.ts';
import { askForBinding, judgeMustNotBind } from './bind-gate/bind-gate-probe.ts';
import { askForPod, judgeCanary, judgeMustAdmit, judgeMustDeny, judgeMustWarn, type ProbeAnswer } from './probe.ts';

const floor = { isFloorPolicy: (name: string) => name.startsWith('fso-floor-') };
const rule = { regions: ['eu-central-1', 'eu-west-1'], policies: ['default/a', 'default/b'], revisions: ['-', '-'] };
const governance: NamespaceGovernance = {
  namespace: 'finance',
  actions: { deny: rule, warn: rule },
  policies: rule.policies,
  injection: false,
};

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
    ['it reached the quota', refused('pods "x" is forbidden: exceeded quota: q'), 'unproven'],
    ['the service account does not exist yet', refused('error looking up service account finance/default'), 'inconclusive'],
    ['another policy refused it', refused("ValidatingAdmissionPolicy 'other' with binding 'other' denied request: no"), 'inconclusive'],
    ['no response arrived', { kind: 'unreachable', message: 'reset' } as ProbeAnswer, 'inconclusive'],
  ])('%s', (_name, answer, kind) => {
    expect(judgeMustDeny(answer, governance, floor).kind).toBe(kind);
  });
});

describe('judgeMustAdmit', () => {
  it.each([
    ['admitted', { kind: 'admitted', warnings: [] } as ProbeAnswer, 'proven'],
    ['the floor refuses it', byFloor(TEXT), 'unproven'],
    ['a constraint of ours is not current yet', gatekeeper('geo-deny-0123456789'), 'unproven'],
    ['a constraint of others refuses it', gatekeeper('their-rule'), 'proven'],
    ['a quota refuses it', refused('pods "x" is forbidden: exceeded quota: q'), 'proven'],
    ['the service account does not exist yet', refused('error looking up service account finance/default'), 'inconclusive'],
  ])('%s', (_name, answer, kind) => {
    expect(judgeMustAdmit(answer, floor).kind).toBe(kind);
  });
});

describe('judgeMustWarn', () => {
  it.each([
    [`Validation failed for ValidatingAdmissionPolicy 'fso-floor-pods-warn' with binding 'fso-floor-pods-warn': ${TEXT}`, 'proven'],
    [`Validation failed for ValidatingAdmissionPolicy 'theirs' with binding 'theirs': ${TEXT}`, 'unproven'],
    [`[geo-warn-0123456789] ${TEXT}`, 'unproven'],
    ['something else', 'unproven'],
  ])('requires a warning of lock 1 with the policies and regions in force: %s', (warning, kind) => {
    expect(judgeMustWarn({ kind: 'admitted', warnings: [warning] }, governance, floor).kind).toBe(kind);
  });

  it('accepts the warning of a refusal by lock 2, and judges a refusal without one inconclusive', () => {
    const warning = `Validation failed for ValidatingAdmissionPolicy 'fso-floor-pods-warn' with binding 'fso-floor-pods-warn': ${TEXT}`;
    const answer = gatekeeper('geo-scoped-0123456789');
    expect(judgeMustWarn({ ...answer, warnings: [warning] } as ProbeAnswer, governance, floor).kind).toBe('proven');
    expect(judgeMustWarn(answer, governance, floor).kind).toBe('inconclusive');
  });
});

describe('judgeCanary', () => {
  it.each([
    ['the canary refuses it', gatekeeper('geo-canary'), 'proven'],
    [
      'another constraint refuses it too',
      refused('admission webhook "validation.gatekeeper.sh" denied the request: [theirs] no\n[geo-canary] policy'),
      'proven',
    ],
    ['the pod was admitted', { kind: 'admitted', warnings: [] } as ProbeAnswer, 'unproven'],
    ['only the quota refuses it', refused('pods "x" is forbidden: exceeded quota: q'), 'unproven'],
    [
      'Gatekeeper cannot be called',
      refused('Internal error occurred: failed calling webhook "validation.gatekeeper.sh": EOF', 500),
      'unproven',
    ],
    ['another webhook was faster', refused('admission webhook "their.example.com" denied the request: no'), 'inconclusive'],
    ['lock 1 refuses it', byFloor(TEXT), 'inconclusive'],
    ['no response arrived', { kind: 'unreachable', message: 'reset' } as ProbeAnswer, 'inconclusive'],
  ])('%s', (_name, answer, kind) => {
    expect(judgeCanary(answer, floor).kind).toBe(kind);
  });
});

describe('judgeMustNotBind', () => {
  const byGate = (violation: string, text = TEXT) => byFloor(text.replace(/(in namespace [^:]+: ).*/s, `$1${violation}`));
  const kindOf = (answer: ProbeAnswer) => judgeMustNotBind(answer, governance, floor).kind;
  const byBinder = BINDING_VIOLATIONS.binder('the-agent');
  const byNode = BINDING_VIOLATIONS.region('us-1', 'us-east-1');

  it('takes a refusal for the binder and the node, with the regions in force', () => {
    expect(kindOf(byGate(`${byBinder}, ${byNode}`))).toBe('proven');
    expect(kindOf(byGate(`${BINDING_VIOLATIONS.binder('a "b" c')}, ${byNode}`))).toBe('proven');
    expect(kindOf(byGate(`${byBinder}, ${BINDING_VIOLATIONS.unknown('fso-probe')}`))).toBe('proven');
    expect(kindOf(byGate(byBinder))).toBe('unproven');
    expect(kindOf(byGate(byNode))).toBe('unproven');
    expect(kindOf(byGate(`${byBinder}, ${byNode}`, TEXT.replace(', eu-west-1', '')))).toBe('unproven');
  });

  it('takes a missing pod, and a refusal by lock 2, for a gate that let the binding pass, and another rule for no answer', () => {
    expect(kindOf(refused('pods "fso-probe" not found', 404))).toBe('unproven');
    expect(kindOf({ kind: 'admitted', warnings: [] })).toBe('unproven');
    expect(kindOf(refused('admission webhook "validation.gatekeeper.sh" denied the request: no'))).toBe('unproven');
    expect(kindOf(refused('admission webhook "their.example.com" denied the request: no'))).toBe('inconclusive');
  });
});

describe('an answer with an error', () => {
  const client = (status: number, message: string): KubeClient =>
    ({
      raw: async () => {
        throw new KubeApiError(status, { message } as never, { request: { method: 'POST', path: '' } as never });
      },
    }) as unknown as KubeClient;
  const { signal } = new AbortController();
  const kindsOf = async (status: number, message: string) => {
    const pod = await askForPod(client(status, message), { namespace: 'finance', region: 'eu-west-1' }, signal);
    return [pod.kind, (await askForBinding(client(status, message), { namespace: 'finance' }, signal)).kind];
  };

  it.each([
    [302, "ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request: a page that quotes it"],
    [408, 'Timeout: request did not complete within requested timeout'],
    [429, 'Too many requests, please try again later.'],
    [500, 'Internal error occurred: resource quota evaluation timed out'],
    [502, 'the API server answered 502'],
    [503, 'the server is currently unable to handle the request'],
    [504, 'Timeout: request did not complete within requested timeout - context deadline exceeded'],
  ])('finds no refusal of a rule in %i: %s', async (status, message) => {
    expect(await kindsOf(status, message)).toEqual(['unreachable', 'unreachable']);
  });

  it.each([
    [500, 'Internal error occurred: failed calling webhook "validation.gatekeeper.sh": failed to call webhook: EOF'],
    [500, 'Internal error occurred: failed calling webhook "their.example.com": context deadline exceeded'],
    [503, 'admission webhook "their.example.com" denied the request: come back later'],
    [429, "ValidatingAdmissionPolicy 'theirs' with binding 'theirs' denied request: not now"],
    [403, 'error looking up service account finance/default'],
    [404, 'pods "fso-probe" not found'],
  ])('finds the refusal of a rule in %i by the message or the status: %s', async (status, message) => {
    expect(await kindsOf(status, message)).toEqual(['refused', 'refused']);
  });
});
