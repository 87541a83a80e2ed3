import type { PolicyReport, SourceView } from '@fso/shared/api';
import { encodeBitmap } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import type { Ledger } from '../../ledger/index.ts';
import { createIssueReport } from '../export/issue-report.ts';
import { FleetReader } from '../fleet/fleet-reader.ts';
import { baselineIn, desiredOf, FILES, policyReport, REVISION, reportChange } from '../testing/fleet.ts';
import { DESIRED_WITH_TEAM, FILES_WITH_TEAM, openLister } from '../testing/issue-lister.ts';
import type { IssueLister } from './issue-lister.ts';

const NO_SOURCE: SourceView = { url: '', ref: '', revision: null, rejected: null, error: null, lastFetch: null };

describe('the lister', () => {
  describe('for a policy with a missing namespace', () => {
    const condition = {
      type: 'Ready',
      status: 'False',
      reason: 'NamespaceMissing',
      message: 'none',
      lastTransitionTime: '2026-01-01T00:00:00Z',
    } as const;
    const conditions = [condition];
    /** @param missing indexes of the policies in the list of the cluster */
    const say = async (ledger: Ledger, cluster: string, missing: readonly number[], policies: readonly PolicyReport[] = []) => {
      const bitmap = encodeBitmap(8, (at) => missing.includes(at));
      const what = (await ledger.desired()) ?? DESIRED_WITH_TEAM;
      await reportChange(ledger, cluster, {
        full: true,
        baseline: baselineIn(what, cluster, { missing: bitmap }),
        policies: [...policies],
      });
    };
    const of = async (lister: IssueLister) => {
      const { clusters, policies = [] } = await lister.list(() => false);
      const all = [...policies, ...(clusters?.get('eu') ?? []), ...(clusters?.get('us') ?? [])];
      return all.flatMap(({ alert, labels: { policy, cluster = 'all' }, isCurrent }) =>
        policy === undefined ? [] : [[alert, policy, cluster, isCurrent]],
      );
    };
    const started = async (what = DESIRED_WITH_TEAM) => {
      const { clock, ledger, lister } = openLister();
      await ledger.setDesired(what);
      for (const cluster of what.clusters.keys()) await ledger.setConnected(cluster, true);
      return { clock, ledger, lister };
    };

    it('reports to callers who see the policy in all clusters alone that no cluster has it', async () => {
      const { clock, ledger, lister } = await started();
      for (const cluster of ['eu', 'us']) await say(ledger, cluster, [0]);
      const seenBy = async (seen: boolean) => {
        const fleet = new FleetReader({ ledger, clock, version: '0', readVisibility: async () => ({ seesEverywhere: () => seen }) });
        const scoped = lister.over(fleet);
        const report = createIssueReport(await fleet.read(), NO_SOURCE, fleet.now());
        const names = (items: readonly { readonly alert: string }[]) => items.map(({ alert }) => alert);
        return [
          (await of(scoped)).map(([alert]) => alert),
          (await scoped.groups()).items.map(({ name }) => name).filter((name) => name !== 'ClusterBehind'),
          names(report.policies),
        ];
      };
      expect(await seenBy(true)).toEqual([['PolicyNotProven'], ['PolicyNotProven'], ['PolicyNotProven']]);
      expect(await seenBy(false)).toEqual([[], [], []]);
    });

    it('lists no issue of one cluster, for policies of Git and local ones, with any text', async () => {
      const { ledger, lister } = await started();
      await say(ledger, 'us', []);
      await say(
        ledger,
        'eu',
        [0],
        [
          policyReport('own', { namespace: 'team-a', phase: 'Failed', managedBy: 'local', conditions }),
          policyReport('own-glob', { namespace: 'team-a', phase: 'Pending', managedBy: 'local', conditions }),
          policyReport('hr', { phase: 'Pending', conditions }),
          policyReport('leaving', { phase: 'Failed', violations: 1 }),
        ],
      );
      // No other cluster is meant to have it.
      expect(await of(lister)).toEqual([
        ['PolicyNotProven', 'hr', 'all', true],
        ['PolicyNotEnforced', 'leaving', 'eu', true],
        ['Violations', 'leaving', 'eu', true],
      ]);
    });

    it('lists one issue of the policy once each of its clusters reports the namespace missing', async () => {
      const { ledger, lister } = await started();
      await say(ledger, 'eu', [0]);
      // What us has is not known yet: it may have the namespace.
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'us', true]]);
      await say(ledger, 'us', [0]);
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      const [issue] = (await lister.list(() => false)).policies ?? [];
      expect(issue).toMatchObject({
        labels: { policy: 'finance', team: 'payments' },
        problem: 'No cluster has a namespace for it: all that are meant to have it wait for finance.',
      });
      // As they last said; without a cluster that is known it goes on and does not begin.
      await ledger.setConnected('us', false);
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      await ledger.setConnected('eu', false);
      expect(await of(lister)).toEqual([['PolicyNotProven', 'finance', 'all', false]]);
      await ledger.setConnected('eu', true);
      await say(ledger, 'eu', []);
      expect(await of(lister)).toEqual([]);
    });

    describe('of three clusters of which one alone has it', () => {
      const others = FILES_WITH_TEAM.filter(({ path }) => path !== 'policies/hr.yaml');
      const apac = { path: 'clusters/apac.yaml', text: (FILES[1]?.text ?? '').replace('{name: us}', '{name: apac}') };
      const three = desiredOf(REVISION, [...others, apac]);
      const setUp = async () => {
        const { ledger, lister } = await started(three);
        const findings = async () => (await of(lister)).filter(([, , cluster]) => cluster === 'all');
        for (const cluster of ['apac', 'us']) await say(ledger, cluster, [0]);
        await say(ledger, 'eu', []);
        expect(await findings()).toEqual([]);
        return { ledger, findings };
      };

      it('lists none while the only cluster with the namespace is away', async () => {
        const { ledger, findings } = await setUp();
        await ledger.setConnected('eu', false);
        expect(await findings()).toEqual([]);
        await ledger.setConnected('eu', true);
        await say(ledger, 'eu', [0]);
        expect(await findings()).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      });

      it('lists none while the only cluster with the namespace has diverged or its list is unknown', async () => {
        const { ledger, findings } = await setUp();
        await reportChange(ledger, 'eu', { total: { count: 1, root: '1'.repeat(64) } });
        expect((await ledger.cluster('eu'))?.divergedSince).not.toBeNull();
        expect(await findings()).toEqual([]);
        await reportChange(ledger, 'eu', { full: true, baseline: baselineOf('1'.repeat(64), { missing: '/w==' }) });
        expect(await findings()).toEqual([]);
      });

      it('lists none while the only cluster with the namespace is unknown, as after a start with a new ledger', async () => {
        const { ledger, lister } = await started(three);
        for (const cluster of ['apac', 'us']) await say(ledger, cluster, [0]);
        expect((await of(lister)).filter(([, , cluster]) => cluster === 'all')).toEqual([]);
      });

      it('lists one where the only cluster with the namespace is away and no longer registered', async () => {
        const { ledger, findings } = await setUp();
        await ledger.setConnected('eu', false);
        const two = [...others, apac].filter(({ path }) => path !== 'clusters/eu.yaml');
        await ledger.setDesired(desiredOf('c3'.repeat(20), two));
        expect(await findings()).toEqual([['PolicyNotProven', 'finance', 'all', true]]);
      });
    });
  });
});
