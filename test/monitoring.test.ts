import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALERT_RULES } from '@fso/shared/api';
import { describe, expect, it } from 'vitest';
import { type Dashboard, MONITORED_CHARTS, metricsIn, queriesOf, readDashboards, readRules } from './harness/monitoring-files.ts';

/** Metrics, alerts and dashboards fit each other, and the documentation. */

const DOCS = join(import.meta.dirname, '..', 'docs');
const read = (page: string): string => readFileSync(join(DOCS, page), 'utf8');

const RULES = MONITORED_CHARTS.flatMap(readRules);
const DASHBOARDS = MONITORED_CHARTS.flatMap(readDashboards);
/** Name of a histogram, without the endings of its series. */
const baseOf = (name: string): string => name.replace(/_(?:bucket|count|sum)$/, '');

const documented = ['hub', 'agent'].flatMap((program) =>
  [...read(`reference/${program}-metrics.md`).matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name),
);
const used = new Set(
  [...RULES.map(({ expr }) => expr), ...DASHBOARDS.flatMap(queriesOf).map(({ query }) => query)].flatMap(metricsIn).map(baseOf),
);

describe('metrics', () => {
  it('exist where alerts and dashboards name them', () => {
    expect(used.size).toBeGreaterThan(30);
    expect([...used].filter((name) => !documented.includes(name))).toEqual([]);
  });

  it('are used by an alert, a dashboard or a page for operators', () => {
    const pages = globSync('operate/*.md', { cwd: DOCS }).map(read).join('\n');
    expect(documented.filter((name) => !used.has(name) && !pages.includes(`\`${name}\``))).toEqual([]);
  });

  it('have the prefix of their program, and no label with a value for each policy or cluster', () => {
    expect(documented.filter((name) => !/^fso_(?:hub|agent)_/.test(name))).toEqual([]);
    const labels = ['hub', 'agent'].flatMap((program) =>
      [...read(`reference/${program}-metrics.md`).matchAll(/^\| `\w+` \| \w+ \| (.*?) \|/gm)].flatMap(
        ([, cell = '']) => cell.match(/\w+/g) ?? [],
      ),
    );
    expect(labels.filter((label) => ['cluster', 'policy', 'revision', 'namespace', 'region'].includes(label))).toEqual([]);
  });
});

describe('alerts', () => {
  const headings = [...read('operate/runbooks.md').matchAll(/^## (\w+)\n([\s\S]*?)(?=^## |$(?![\s\S]))/gm)];
  const causes = new Map(headings.map(([, cause = '']) => [`docs/operate/runbooks.md#${cause.toLowerCase()}`, cause]));
  const ofHub: ReadonlyMap<string, { readonly severity: string }> = new Map(Object.entries(ALERT_RULES));

  it.each(RULES.map((rule) => [rule.alert, rule] as const))('%s has a severity, a meaning and a runbook', (alert, rule) => {
    expect(rule.labels['severity']).toMatch(/^(?:critical|warning|info)$/);
    expect(rule.annotations['summary']).toMatch(/^[A-Z].*[^.]$/);
    expect(rule.annotations['description']).toMatch(/\.$/);
    const cause = causes.get(rule.annotations['runbook_url'] ?? '') ?? expect.fail('no runbook');
    expect([`Fso${cause}`, `FsoAgent${cause}`]).toContain(alert);
    expect(rule.labels['severity']).toBe(ofHub.get(cause)?.severity ?? rule.labels['severity']);
  });

  it('have a runbook for each cause, with meaning, check and remedy, and none is of nothing', () => {
    const caused = RULES.map(({ annotations }) => causes.get(annotations['runbook_url'] ?? ''));
    expect(new Set(causes.values())).toEqual(new Set([...ofHub.keys(), ...caused]));
    for (const [, name, text = ''] of headings)
      expect([name, [...text.matchAll(/^- \*\*(\w+)\*\*: \S/gm)].map(([, part]) => part)]).toEqual([name, ['Meaning', 'Check', 'Remedy']]);
  });

  it('are all in the table of docs/reference/alerts.md', () => {
    const page = read('reference/alerts.md');
    expect(RULES.filter(({ alert }) => !page.includes(`\`${alert}\``))).toEqual([]);
  });
});

describe.each(DASHBOARDS.map((dashboard) => [dashboard.title, dashboard] as const))('the dashboard %s', (_, dashboard: Dashboard) => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');

  it('asks the data source and the hub or cluster that are selected', () => {
    const [source, subject] = dashboard.templating.list;
    expect([source?.type, subject?.type]).toEqual(['datasource', 'query']);
    const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.filter((expr) => !expr.includes(`${subject?.name}=~"$${subject?.name}"`))).toEqual([]);
  });

  it('has a unit for each panel, thresholds for each single number, and panels beside each other', () => {
    expect(panels.filter(({ fieldConfig }) => fieldConfig?.defaults.unit === undefined)).toEqual([]);
    expect(panels.filter(({ type, fieldConfig }) => type === 'stat' && fieldConfig?.defaults.thresholds === undefined)).toEqual([]);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_cell, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });
});
