import { describe, expect, it } from 'vitest';
import { changesSince } from './changes-since.ts';
import type { PlannedClass, PlannedEffect, PlannedEffects } from './planned-effects.ts';

const nothing: PlannedEffects = { effects: [], patterns: [], workloads: [], notLookedAt: [], notAnswered: [], partly: [] };
const none: PlannedClass = { now: 0, after: 0, begins: 0, ends: 0 };

const tightened = (namespace: string, left: readonly string[] = ['r1'], clusters = ['eu', 'us']): PlannedEffect => ({
  ...{ clusters, namespaces: [namespace], action: 'deny', verdict: 'tightened', breaks: true },
  ...{ before: { regions: ['r1', 'r2', 'r3'], injected: [] }, after: { regions: [...left], injected: [] } },
  ...{ pending: false, usable: null, elsewhere: null },
});
const refused = (cluster: string, ...owners: string[]): PlannedEffects['workloads'][number] => ({
  ...{ cluster, outside: none, pending: none },
  refused: { ...none, begins: owners.length, owners },
});

describe('changes since a plan', () => {
  it('are none between equal plans', () => {
    const plan = { ...nothing, effects: [tightened('finance')], workloads: [refused('eu', 'Deployment finance/api')] };
    expect(changesSince(plan, plan)).toEqual({ begins: [], ends: [], unknown: [] });
  });

  it('name effects that are new, and those that are gone', () => {
    const last = { ...nothing, effects: [tightened('finance')] };
    const today = { ...nothing, effects: [tightened('hr')] };
    expect(changesSince(today, last)).toEqual({
      begins: [{ clusters: ['eu', 'us'], message: 'namespace hr: deny tightened' }],
      ends: [{ clusters: ['eu', 'us'], message: 'namespace finance: deny tightened' }],
      unknown: [],
    });
  });

  it('name an effect once where it goes further, or less far', () => {
    const [far, near] = [tightened('finance', ['r1']), tightened('finance', ['r1', 'r2'])].map((effect) => ({
      ...nothing,
      effects: [effect],
    }));
    const change = { clusters: ['eu', 'us'], message: 'namespace finance: deny tightened' };
    expect(changesSince(far ?? nothing, near ?? nothing)).toMatchObject({ begins: [change], ends: [] });
    expect(changesSince(near ?? nothing, far ?? nothing)).toMatchObject({ begins: [], ends: [change] });
  });

  it('name the owners that come, and those that go', () => {
    const last = { ...nothing, workloads: [refused('eu', 'Deployment finance/api', 'Deployment finance/web')] };
    const today = { ...nothing, workloads: [refused('eu', 'Deployment finance/api', 'Job finance/report')] };
    const message = 'would be refused at the next start: 1 other owner';
    expect(changesSince(today, last)).toEqual({
      begins: [{ clusters: ['eu'], message, owners: ['Job finance/report'] }],
      ends: [{ clusters: ['eu'], message, owners: ['Deployment finance/web'] }],
      unknown: [],
    });
  });

  it.each(['notAnswered', 'partly', 'notLookedAt'] as const)(
    'take what one of the plans does not know as neither new nor gone: %s',
    (part) => {
      const known = { ...nothing, workloads: [refused('eu', 'Deployment finance/api'), refused('us', 'Deployment finance/api')] };
      const partly = { ...nothing, [part]: ['eu'], workloads: [refused('us', 'Deployment finance/api')] };
      for (const changes of [changesSince(known, partly), changesSince(partly, known)])
        expect(changes).toEqual({ begins: [], ends: [], unknown: ['eu'] });
    },
  );

  it('compare the rules of clusters that did not answer, and not of those that were not looked at', () => {
    const today = { ...nothing, effects: [tightened('finance')], notAnswered: ['eu'] };
    expect(changesSince(today, nothing).begins).toEqual([{ clusters: ['eu', 'us'], message: 'namespace finance: deny tightened' }]);
    const unlooked = { ...today, notAnswered: [], notLookedAt: ['eu'] };
    expect(changesSince(unlooked, nothing).begins).toEqual([{ clusters: ['us'], message: 'namespace finance: deny tightened' }]);
  });

  it('name an effect once where it is the same in several clusters', () => {
    const one = { ...tightened('finance', ['r1'], ['eu']), usable: ['r1'] };
    const today = { ...nothing, effects: [one, tightened('finance', ['r1'], ['us'])] };
    expect(changesSince(today, nothing).begins).toEqual([{ clusters: ['eu', 'us'], message: 'namespace finance: deny tightened' }]);
  });

  it('are the first 20 of each kind', () => {
    const effects = Array.from({ length: 30 }, (_, at) => tightened(`team-${at}`));
    const { begins, ends } = changesSince({ ...nothing, effects }, nothing);
    expect([begins.length, ends.length]).toEqual([20, 0]);
  });
});
