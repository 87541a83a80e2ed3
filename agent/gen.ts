/**
 * Writes the agent's pages of docs/reference/: part of `npm run gen`. With `--check` it writes
 * nothing and exits 1 when one is outdated.
 */
import { formatMetricsTable, formatSettingsTable, generate, referencePage } from '@fso/shared/gen';
import { Registry } from 'prom-client';
import { AGENT_SETTINGS } from './config.ts';
import { createAgentMetrics } from './metrics.ts';

const registry = new Registry();
createAgentMetrics(registry, '');

const pages = [
  referencePage(
    'agent-settings',
    'Settings of the agent',
    '`fso-agent` reads its settings from the environment; `npm run fso-agent -- --help` prints this list.',
    'An empty variable counts as absent.',
    formatSettingsTable(AGENT_SETTINGS),
  ),
  referencePage(
    'agent-metrics',
    'Metrics of the agent',
    'The agent serves them at `/metrics` of `FSO_LISTEN`, with those of its process.',
    'Each carries the label `cluster`.\nOf several replicas only the leader has those of the state of the cluster.',
    await formatMetricsTable(registry),
  ),
];
process.exitCode = await generate(pages, process.argv.includes('--check'));
