import { createHash } from 'node:crypto';
import type { IssueReport } from '@fso/shared/api';
import { escapeHtml } from '@fso/shared/encoding';

/**
 * Style of the page, for screen and print. No scripts, no external resources, colours of the
 * system.
 */

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.87rem; }
caption { text-align: left; padding-bottom: 0.5rem; }
th, td { border: 1px solid GrayText; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
@media print {
  @page { margin: 1.5cm; }
  :root { color-scheme: light; font-size: 10pt; }
  body { margin: 0; max-width: none; padding: 0; }
  .scroll { overflow: visible; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  h2, caption { break-after: avoid; }
}
`;

const styleHash = createHash('sha256').update(STYLE).digest('base64');

/** Content security policy: allows only the style of the page. */
export const ISSUE_HTML_POLICY: string = [
  "default-src 'none'",
  `style-src 'sha256-${styleHash}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const time = (text: string | null): string => (text === null ? '' : `<time datetime="${escapeHtml(text)}">${escapeHtml(text)}</time>`);

interface Table<T> {
  readonly id: string;
  readonly title: string;
  /** Sentence that describes the rows. */
  readonly caption: string;
  /** Columns with functions for their HTML. The first column is the row header. */
  readonly columns: readonly (readonly [string, (row: T) => string])[];
}

const head = (titles: readonly string[]): string =>
  `<thead><tr>${titles.map((title) => `<th scope="col">${title}</th>`).join('')}</tr></thead>`;

const cells = (values: readonly string[]): string =>
  values.map((value, at) => (at === 0 ? `<th scope="row">${value}</th>` : `<td>${value}</td>`)).join('');

const section = <T>({ id, title, caption, columns }: Table<T>, rows: readonly T[], omitted: number): string => {
  const heading = `<h2 id="${id}">${title} (${rows.length + omitted})</h2>${omitted === 0 ? '' : `<p>${omitted} of them are not listed.</p>`}`;
  if (rows.length === 0) return `<section aria-labelledby="${id}">${heading}<p>None.</p></section>`;
  const lines = rows.map((row) => `<tr>${cells(columns.map(([, value]) => value(row)))}</tr>\n`).join('');
  const table = `<table><caption>${caption}</caption>${head(columns.map(([name]) => name))}<tbody>\n${lines}</tbody></table>`;
  // A table wider than the screen can be scrolled, also by keyboard.
  return `<section aria-labelledby="${id}">${heading}<div class="scroll" role="region" aria-labelledby="${id}" tabindex="0">${table}</div></section>`;
};

const HUB: Table<IssueReport['hub'][number]> = {
  id: 'hub',
  title: 'Hub',
  caption: 'The repository cannot be read, or its newest commit was rejected or is not trusted.',
  columns: [
    ['Problem', ({ problem }) => escapeHtml(problem)],
    ['Severity', ({ severity }) => escapeHtml(severity)],
    ['Since', ({ since }) => time(since)],
  ],
};

const CLUSTERS: Table<IssueReport['clusters'][number]> = {
  id: 'clusters',
  title: 'Clusters',
  caption: 'Not connected, behind, refused a commit, tampered with, or a lock is not ready.',
  columns: [
    ['Cluster', ({ cluster }) => escapeHtml(cluster)],
    ['Problem', ({ problem }) => escapeHtml(problem)],
    ['Severity', ({ severity }) => escapeHtml(severity)],
    ['Since', ({ since }) => time(since)],
  ],
};

const POLICIES: Table<IssueReport['policies'][number]> = {
  id: 'policies',
  title: 'Policies',
  caption: 'Failed, pending, without a report, expired or about to expire, in conflict, or with a lock that is degraded or unavailable.',
  columns: [
    ['Policy', ({ policy }) => escapeHtml(policy)],
    ['Cluster', ({ cluster }) => escapeHtml(cluster ?? 'all')],
    ['Problem', ({ problem }) => escapeHtml(problem)],
    ['Severity', ({ severity }) => escapeHtml(severity)],
    ['Since', ({ since }) => time(since)],
  ],
};

const VIOLATIONS: Table<IssueReport['violations'][number]> = {
  id: 'violations',
  title: 'Violations',
  caption: 'Workloads outside of their allowed regions, as the agents name them.',
  columns: [
    ['Workload', ({ kind, name }) => escapeHtml(`${kind}/${name}`)],
    ['Namespace', ({ namespace }) => escapeHtml(namespace)],
    ['Cluster', ({ cluster }) => escapeHtml(cluster)],
    ['Policy', ({ policy }) => escapeHtml(policy)],
    ['Action', ({ enforcementAction }) => escapeHtml(enforcementAction)],
    ['Node', ({ node = '' }) => escapeHtml(node)],
    ['Region', ({ region = '' }) => escapeHtml(region)],
    ['Reason', ({ reason }) => escapeHtml(reason)],
    ['Since', ({ since }) => time(since)],
  ],
};

const unnamed = (count: number): string =>
  count === 0 ? '' : `<p>${count} more are counted: agents name the first 20 violations of a cluster.</p>\n`;

/** Formats the report as an HTML page. */
export const formatIssueHtml = (report: IssueReport): string => {
  const { generatedAt, revision, hub, clusters, policies, violations, unnamedViolations, omitted } = report;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Issue report ${escapeHtml(generatedAt)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Issue report</h1>
<p>Federated Sovereignty Operator: everything that was wrong with the fleet at one moment.</p>
<dl>
<dt>As of</dt><dd>${time(generatedAt)}</dd>
<dt>Commit in force</dt><dd>${escapeHtml(revision ?? 'none')}</dd>
</dl>
${section(HUB, hub, 0)}
${section(CLUSTERS, clusters, omitted.clusters)}
${section(POLICIES, policies, omitted.policies)}
${section(VIOLATIONS, violations, omitted.violations)}
${unnamed(unnamedViolations)}</main>
</body>
</html>
`;
};
