import { describe, it } from 'vitest';
import { expect } from '../browser/harness/dashboard.ts';
import type { RealWorld } from '../browser/harness/real-world.ts';
import { MONITORED_CHARTS, queriesOf, readDashboards, readRules } from '../harness/monitoring-files.ts';
import { type Prometheus, Promtool } from '../harness/prometheus.ts';
import { never, waitFor } from '../harness/waiting.ts';

const signal = never;

/** Tests of the metrics that a real Prometheus scraped from hub and agents. */
export const describePrometheus = (world: () => RealWorld, prometheus: () => Prometheus): void => {
  describe('a Prometheus that watched all of this', () => {
    const numberOf = async (query: string): Promise<number> => Number((await prometheus().query(query))[0]?.value[1]);

    it('has recorded the events of the run', async () => {
      await waitFor(async () => expect(await numberOf('fso_hub_clusters{state="proven"}')).toBe(3));
      expect(await numberOf('sum(fso_hub_violations)')).toBeGreaterThan(0);
      expect(await numberOf('sum(fso_agent_violations)')).toBe(await numberOf('sum(fso_hub_violations)'));
      expect(await numberOf('fso_hub_tampered_clusters')).toBe(2);
      expect(await numberOf('fso_hub_commit_enforcement_seconds_count')).toBeGreaterThan(1);
      expect(await numberOf('fso_hub_cluster_enforcement_seconds_count')).toBeGreaterThan(3);
      expect(await numberOf('fso_hub_step_duration_seconds_count{step="check", result="error"}')).toBeGreaterThan(0);
      expect(await numberOf('min(fso_agent_certificate_expiry_timestamp_seconds)')).toBe(
        await numberOf('fso_hub_agent_certificate_expiry_timestamp_seconds'),
      );
    });

    const queries = MONITORED_CHARTS.flatMap(readDashboards).flatMap((dashboard) =>
      queriesOf(dashboard).map(({ title, query }) => [dashboard.title, title, query] as const),
    );

    it.each(queries)('the dashboard %s has data: %s, %s', async (_dashboard, _title, query) => {
      await waitFor(async () => {
        const values = (await prometheus().query(query)).map(({ value }) => Number(value[1]));
        expect(values.filter(Number.isFinite)).not.toEqual([]);
      });
    });

    it('can evaluate every alert', async () => {
      const rules = await prometheus().rules();
      expect(new Set(rules.map(({ name }) => name))).toEqual(new Set(MONITORED_CHARTS.flatMap(readRules).map(({ alert }) => alert)));
      expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
      expect(rules.find(({ name }) => name === 'FsoTampered')?.alerts).toMatchObject([
        { state: 'firing', annotations: { description: 'In 2 clusters within the last hour. The agents restored them.' } },
      ]);
    });

    it('finds metrics without a complaint of promtool', async () => {
      const promtool = await Promtool.open(signal);
      const headers = { authorization: `Bearer ${world().apiToken}` };
      for (const url of [world().hubUrl, ...world().agentUrls()]) {
        const said = await promtool.checkMetrics(await (await fetch(`${url}/metrics`, { headers })).text());
        // Of those of Node.js, which have names of their own.
        expect(said.filter((line) => line.startsWith('fso_'))).toEqual([]);
      }
    });
  });
};
