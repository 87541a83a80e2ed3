import { CONDITIONS, type PolicyReport, type Risk, RiskGroupPage, RiskPage, RiskReport, StatusView } from '@fso/shared/api';
import { groupDeviations, standingOf } from '@fso/shared/status';
import { describe, expect, it } from 'vitest';
import { baselineIn, clusterReport, desiredOf, policyReport, reportChange, TIME } from '../../testing/fleet.ts';
import { readerOf, started } from '../../testing/requests.ts';

const riskOf = (name: string, more: Partial<Risk> = {}): Risk => ({
  risk: 'Refused',
  kind: 'Deployment',
  namespace: 'finance',
  name,
  reason: 'nothing in the pod confines it to a region',
  fix: 'put it under spec.template.spec',
  confirmation: 'Confirmed',
  ...more,
});
const risks = (named: Risk[], refused: number, pending: number, untried?: number) => ({
  refused,
  pending,
  ...(untried !== undefined && { untried }),
  unconfirmed: 0,
  mended: 0,
  named,
});
interface Issues {
  readonly items: readonly { readonly name: string; readonly summary: string; readonly path: string }[];
}
const WEB = riskOf('web');
const NIGHTLY = riskOf('nightly', { kind: 'CronJob', risk: 'Pending', confirmation: 'Unconfirmed' });

/**
 * A hub whose cluster eu, which judges all owners, has three at risk under finance and names two;
 * of us not all is known.
 */
const atRisk = async (inspected?: PolicyReport, counts = risks([], 2, 1)) => {
  const server = await started({ agents: { inspect: async () => inspected } });
  const deviation = standingOf(policyReport('finance', { conditions: [], risks: counts }));
  const judged = { type: CONDITIONS.risksKnown, status: 'True' as const, reason: 'Judged', message: '', lastTransitionTime: TIME };
  await reportChange(server.ledger, 'eu', {
    full: true,
    baseline: baselineIn(desiredOf(), 'eu'),
    deviations: groupDeviations([['finance', deviation]]),
    cluster: { ...clusterReport(), conditions: [judged], riskSamples: [WEB, NIGHTLY].map((risk) => ({ ...risk, policy: 'finance' })) },
  });
  return readerOf(server);
};

describe('owners at risk', () => {
  it('are listed as clusters name them, and filtered', async () => {
    await using hub = await atRisk();
    const names = async (query: string) => RiskPage.parse(await hub.read(`risks${query}`)).items.map(({ kind, name }) => `${kind} ${name}`);
    expect(await names('')).toEqual(['CronJob nightly', 'Deployment web']);
    expect(await names('?risk=Refused')).toEqual(['Deployment web']);
    expect(await names('?kind=CronJob&cluster=eu')).toEqual(['CronJob nightly']);
    expect(await names('?q=WEB&sort=-risk')).toEqual(['Deployment web']);
    expect(await names('?policy=hr')).toEqual([]);
    const [first] = RiskPage.parse(await hub.read('risks?risk=Refused')).items;
    expect(first).toEqual({ ...WEB, cluster: 'eu', policy: 'finance', fresh: true });
    await hub.server.ledger.setConnected('eu', false);
    expect(RiskPage.parse(await hub.read('risks?risk=Refused')).items[0]?.fresh).toBe(false);
  });

  it('are not fresh once their cluster does not know them', async () => {
    await using hub = await atRisk();
    const unknown = { type: CONDITIONS.risksKnown, status: 'Unknown' as const, reason: 'NotRead', message: '', lastTransitionTime: TIME };
    const riskSamples = [WEB].map((risk) => ({ ...risk, policy: 'finance' }));
    await reportChange(hub.server.ledger, 'eu', { cluster: { ...clusterReport(), conditions: [unknown], riskSamples } });
    expect(RiskPage.parse(await hub.read('risks')).items.map(({ fresh }) => fresh)).toEqual([false]);
  });

  it('asks the agent for those of one policy in one cluster that its cluster does not name', async () => {
    await using hub = await atRisk(policyReport('finance', { risks: risks([WEB, riskOf('worker'), NIGHTLY], 2, 1) }));
    const { items } = RiskPage.parse(await hub.read('risks?cluster=eu&policy=finance'));
    expect(items.map(({ name }) => name)).toEqual(['nightly', 'web', 'worker']);
  });

  it('are added up by class, all of a policy or cluster, else those that are named', async () => {
    await using hub = await atRisk();
    const groups = async (by: string) => RiskGroupPage.parse(await hub.read(`risk-groups?by=${by}`)).items;
    const counted = { refused: 2, pending: 1, named: 2, policies: 1, clusters: 1 };
    expect(await groups('policy')).toEqual([{ key: 'finance', ...counted }]);
    expect(await groups('cluster')).toEqual([{ key: 'eu', ...counted }]);
    expect(await groups('namespace')).toEqual([{ key: 'eu/finance', ...counted, refused: 1 }]);
    expect((await groups('owner')).map(({ key, refused, pending }) => [key, refused, pending])).toEqual([
      ['eu/finance/Deployment/web', 1, 0],
      ['eu/finance/CronJob/nightly', 0, 1],
    ]);
  });

  it('are exported with what is not named, and with the clusters of which not all is known', async () => {
    await using hub = await atRisk();
    const report = RiskReport.parse(await hub.read('reports/risks'));
    expect(report).toMatchObject({ unnamed: { refused: 1, pending: 0 }, omitted: 0, unknownClusters: ['us'] });
    expect(report.risks.map(({ name }) => name)).toEqual(['nightly', 'web']);
    const lines = (await hub.get('reports/risks?format=csv')).trim().split('\r\n');
    expect(lines).toEqual([
      'risk,cluster,policy,namespace,kind,name,nodes,confirmation,lastSeen,reason,fix,fresh',
      expect.stringContaining('Pending,eu,finance,finance,CronJob,nightly,'),
      expect.stringContaining('Refused,eu,finance,finance,Deployment,web,'),
      expect.stringContaining('1 more are counted'),
      expect.stringContaining('Unknown,us,'),
    ]);
    expect(StatusView.parse(await hub.read('status')).clusters.risksUnknown).toBe(1);
  });

  it('leave their policy proven and as expected, and are an issue of their own', async () => {
    await using hub = await atRisk();
    expect(await hub.read('policies/finance')).toMatchObject({
      clusters: [{ cluster: 'eu', report: { phase: 'Active', conditions: [], violations: 0 } }, {}],
    });
    const { items } = (await hub.read('issues?cluster=eu')) as Issues;
    expect(items).toMatchObject([
      {
        name: 'RisksAppeared',
        summary: 'Would be refused at the next start (2): policy finance in cluster eu',
        path: '/compliance/risks?policy=finance&cluster=eu',
      },
    ]);
  });

  it.each([
    [99, ['Would be refused at the next start (1): policy finance in cluster eu']],
    [100, []],
  ])('are an issue without the %d of 100 of which no dry run was made', async (untried, summaries) => {
    await using hub = await atRisk(undefined, risks([], 100, 0, untried));
    const { items } = (await hub.read('issues?cluster=eu')) as Issues;
    expect(items.map(({ summary }) => summary)).toEqual(summaries);
  });
});
