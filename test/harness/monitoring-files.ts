import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { CHARTS } from './helm.ts';

/** Files of the charts for Prometheus and Grafana. */

export const MONITORED_CHARTS = ['fso-hub', 'fso-agent'] as const;
export type MonitoredChart = (typeof MONITORED_CHARTS)[number];

export const monitoringFolder = (chart: MonitoredChart): string => join(CHARTS, chart, 'files', 'monitoring');

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Groups of a PrometheusRule, in the format of a Prometheus rule file. */
export interface RuleGroups {
  readonly groups: readonly { readonly name: string; readonly rules: readonly AlertRule[] }[];
}

export const readRuleGroups = (chart: MonitoredChart): RuleGroups =>
  (parse(readFileSync(join(monitoringFolder(chart), 'prometheus-rule.yaml'), 'utf8')) as { spec: RuleGroups }).spec;

export const readRules = (chart: MonitoredChart): readonly AlertRule[] => readRuleGroups(chart).groups.flatMap(({ rules }) => rules);

export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly thresholds?: unknown } };
  readonly targets?: readonly { readonly expr: string }[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; readonly query: unknown }[] };
  readonly panels: readonly Panel[];
}

export const readDashboards = (chart: MonitoredChart): readonly Dashboard[] =>
  readdirSync(monitoringFolder(chart))
    .filter((file) => file.endsWith('.json'))
    .map((file) => JSON.parse(readFileSync(join(monitoringFolder(chart), file), 'utf8')) as Dashboard);

/**
 * Returns the queries of a dashboard, as Grafana sends them with all values of the variables
 * selected.
 */
export const queriesOf = ({ panels }: Dashboard): readonly { readonly title: string; readonly query: string }[] =>
  panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ title, query: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(?:job|cluster)/g, '.+') })),
  );

/** Returns the names of this project's metrics in a query. */
export const metricsIn = (query: string): readonly string[] => query.match(/\bfso_\w+/g) ?? [];
