import type { Condition, KubeObject, SovereignPolicy } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { foreignManager, TamperLog, tamperedCondition, traceOf, traceText } from './tampering.ts';

const START = Date.parse('2026-01-03T10:30:00Z');
const at = (minutes: number): Date => new Date(START + minutes * 60_000);
const LATER = { time: '2026-01-03T10:30:00Z', message: 'Namespace/finance was changed by someone else and put back' };
const EARLIER = { time: '2026-01-03T10:00:00Z', message: 'earlier' };

const policyWith = (name: string, condition: Partial<Condition>): SovereignPolicy =>
  ({ metadata: { namespace: 'team', name }, status: { conditions: [{ type: 'Tampered', ...condition }] } }) as SovereignPolicy;

describe('TamperLog', () => {
  it('shows the last tampering for an hour', () => {
    const log = new TamperLog();
    log.add(['team/a', 'team/b'], LATER);
    log.add(['team/b'], EARLIER);
    expect(log.ofPolicy('team/b', at(59))).toBe(LATER);
    expect(log.ofCluster(at(59))).toBe(LATER);
    expect(log.ofPolicy('team/c', at(1))).toBeUndefined();
    expect(log.endsInMs(at(59))).toBe(60_001);
    log.add([], { ...LATER, message: 'none in particular' });
    expect(log.ofPolicy('team/b', at(59))).toBe(LATER);
    expect(log.ofCluster(at(59))?.message).toBe('none in particular');
    expect(log.ofPolicy('team/a', at(60))).toBeUndefined();
    expect(log.ofCluster(at(60))).toBeUndefined();
    expect(log.endsInMs(at(60))).toBeUndefined();
  });

  it('forgets policies that are gone', () => {
    const log = new TamperLog();
    log.add(['team/a', 'team/b'], LATER);
    log.retain(new Set(['team/a']), at(1));
    expect(log.ofPolicy('team/a', at(1))).toBe(LATER);
    expect(log.ofPolicy('team/b', at(1))).toBeUndefined();
  });

  it('restores the tampering that the conditions show', () => {
    const log = new TamperLog();
    const told = tamperedCondition(LATER, undefined);
    log.restore([
      policyWith('a', told ?? expect.fail()),
      policyWith('over', { status: 'False', message: `${LATER.time}: x` }),
      policyWith('odd', { status: 'True', message: 'no time' }),
    ]);
    expect(log.ofPolicy('team/a', at(1))).toEqual(LATER);
    expect(log.ofCluster(at(1))).toEqual(LATER);
    for (const other of ['team/over', 'team/odd']) expect(log.ofPolicy(other, at(1))).toBeUndefined();
  });
});

describe('tamperedCondition', () => {
  it('is True, then False with what happened, and absent where nothing did', () => {
    expect(tamperedCondition(undefined, [])).toBeUndefined();
    const told = tamperedCondition(LATER, undefined);
    expect(told).toMatchObject({ status: 'True', message: `${LATER.time}: ${LATER.message}` });
    const over = tamperedCondition(undefined, [{ ...(told ?? expect.fail()), lastTransitionTime: LATER.time }]);
    expect(over).toMatchObject({ status: 'False', message: `${LATER.time}: ${LATER.message}` });
  });
});

describe('managed fields', () => {
  const objectWith = (managedFields: KubeObject['metadata']['managedFields']): KubeObject => ({
    metadata: { name: 'x', ...(managedFields === undefined ? {} : { managedFields }) },
  });
  const spec = { 'f:spec': { 'f:failurePolicy': {} } };

  it('name the last manager that wrote to the spec, except for this system and the status', () => {
    const live = objectWith([
      { manager: 'fso-agent-floor', operation: 'Apply', time: '2026-01-03T10:20:00Z', fieldsV1: { 'f:spec': { 'f:validations': {} } } },
      { manager: 'helm', operation: 'Update', time: '2026-01-03T10:30:00Z', fieldsV1: spec },
      { manager: 'kubectl-edit', operation: 'Update', time: '2026-01-03T10:40:00Z', fieldsV1: spec },
      { manager: 'gatekeeper', operation: 'Update', time: '2026-01-03T10:59:00Z', subresource: 'status', fieldsV1: spec },
      { manager: 'kubectl-label', operation: 'Update', time: '2026-01-03T10:59:00Z', fieldsV1: { 'f:metadata': {} } },
    ]);
    expect(foreignManager(live)).toBe('kubectl-edit');
    expect(traceText(traceOf(live))).toBe('was changed by someone else (field manager kubectl-edit) and put back');
  });

  it("omit managers that applied the same value, and those before this system's last write", () => {
    const matching = { 'f:matchConstraints': { '.': {}, 'f:namespaceSelector': {} } };
    const conditions = { 'f:matchConditions': { 'k:{"name":"ours"}': { '.': {}, 'f:name': {} } } };
    const ours = { 'f:spec': { 'f:failurePolicy': {}, 'f:matchConstraints': { 'f:namespaceSelector': {} }, ...conditions } };
    const added = { 'f:matchConditions': { 'k:{"name":"never"}': { '.': {}, 'f:name': {} } } };
    const by = (fields: object, time: string): string | undefined =>
      foreignManager(
        objectWith([
          { manager: 'fso-agent-floor', operation: 'Apply', time: '2026-01-03T10:30:00Z', fieldsV1: ours },
          { manager: 'argocd', operation: 'Apply', time, fieldsV1: { 'f:spec': fields } },
        ]),
      );
    const later = '2026-01-03T10:30:00Z';
    expect(by({ 'f:failurePolicy': {}, ...matching, ...conditions }, later)).toBeUndefined();
    expect(by({ ...matching, ...conditions, ...added }, later)).toBe('argocd');
    expect(by({ 'f:auditAnnotations': {} }, later)).toBe('argocd');
    expect(by({ 'f:failurePolicy': { 'f:below': {} } }, later)).toBe('argocd');
    expect(by(added, '2026-01-03T10:29:59Z')).toBeUndefined();
  });

  it('leave an explanation where no name is left', () => {
    expect(traceText(traceOf(objectWith(undefined)))).toBe('was changed by someone else and put back');
    expect(traceText(traceOf(undefined))).toBe('was deleted by someone else and put back');
  });
});
