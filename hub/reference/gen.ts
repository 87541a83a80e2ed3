/**
 * Writes docs/openapi.json, the hub's pages of docs/reference/ and runbooks: part of `npm run gen`.
 * With `--check` it writes nothing and exits 1 when one is outdated.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { byText } from '@fso/shared/encoding';
import { formatMetricsTable, formatSettingsTable, formatTable, type Generated, generate, referencePage } from '@fso/shared/gen';
import { systemClock } from '@fso/shared/runtime';
import type { Command } from 'commander';
import { Registry } from 'prom-client';
import { createProgram } from '../cli/program.ts';
import { HUB_SETTINGS } from '../config/config.ts';
import { createHubMetrics, registerHubReadings } from '../metrics.ts';
import { buildOpenApi, createFailureCounter, createFleetGauges, createRequestTimer, ROUTES, type RouteAccess } from '../serve/index.ts';
import { alertReference, runbookPage } from './alert-pages.ts';

const openApi: Generated = { path: 'docs/openapi.json', content: `${JSON.stringify(buildOpenApi(), null, 2)}\n` };

const settings = referencePage(
  'hub-settings',
  'Settings of the hub',
  'The hub reads its settings from the environment; `npm run fso -- serve --help` prints this list.',
  'An empty variable counts as absent.\nThe hub prints all problems together and ends with exit code 1.',
  formatSettingsTable(HUB_SETTINGS),
);

const measure = (): Registry => {
  const registry = new Registry();
  const deps = { registry, clock: systemClock };
  createHubMetrics(registry);
  registerHubReadings(registry, {
    queues: () => ({ connections: 0, agents: 0, offers: 0, ledger: 0 }),
    certificates: () => [],
    lateShare: () => 0,
  });
  createFailureCounter(deps);
  createRequestTimer(deps);
  createFleetGauges(registry, async () => undefined);
  return registry;
};

const metrics = referencePage(
  'hub-metrics',
  'Metrics of the hub',
  'The hub serves them at `/metrics` of `FSO_LISTEN`, with those of its process.',
  await formatMetricsTable(measure()),
);

const describeAccess = (access: RouteAccess): string => (access === 'signed-in' ? 'every caller that the hub knows' : access);

/** Grants that a caller needs, by scope of the route. */
const SCOPES = { scoped: 'any', global: 'everything', public: '' } as const;

const api = referencePage(
  'api',
  'API of the hub',
  'The routes at `FSO_LISTEN`, with the least role of each, and its [scope](../operate/people-and-programs.md#roles-for-a-part-of-the-fleet): any shows the part in it.\nParameters, bodies and answers: [openapi.json](../openapi.json).',
  formatTable(
    ['call', 'role', 'scope', 'meaning'],
    ROUTES.map(({ method, path, access, scope, summary }) => [
      `\`${method.toUpperCase()} ${path}\``,
      describeAccess(access),
      SCOPES[scope],
      summary,
    ]),
  ),
);

const nameOf = (command: Command): string => (command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`);

const describeCommand = (command: Command): string => {
  const args = command.registeredArguments.map((argument) => {
    const name = argument.required ? `<${argument.name()}>` : `[${argument.name()}]`;
    const choices = argument.argChoices === undefined ? '' : `: ${argument.argChoices.join(', ')}`;
    return `- \`${name}\`: ${argument.description}${choices}`;
  });
  const options = command.options.map((option) => {
    // The first choice of a format is its default.
    if (option.description === 'output format') return `- \`${option.flags}\`: ${option.argChoices?.join(', ')}`;
    const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`;
    const fallback = option.defaultValueDescription ?? (typeof option.defaultValue === 'string' ? option.defaultValue : undefined);
    return `- \`${option.flags}\`: ${option.description}${choices}${fallback === undefined ? '' : `; default: ${fallback}`}`;
  });
  const list = [...args, ...options].join('\n');
  return [`## ${nameOf(command)}`, command.description(), ...(list === '' ? [] : [list])].join('\n\n');
};

const leaves = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.filter((child) => child.name() !== 'help').flatMap(leaves);

const program = createProgram();
const cli = referencePage(
  'cli',
  'Command line',
  '`npm run -s fso -- <command>`; `fso <command> --help` has examples.\nThe first format of `--output` is the default.\nSettings of `fso serve`: [hub-settings.md](hub-settings.md).',
  describeCommand(program),
  ...leaves(program).map(describeCommand),
);

const SAMPLES = join(import.meta.dirname, '..', '..', 'clusters', 'samples');
/** Files that `fso init` writes: the samples, which it has with it where there is no checkout. */
const samples: Generated = {
  path: 'hub/cli/commands/repository/samples.json',
  content: `${JSON.stringify(
    Object.fromEntries(
      globSync('**/*.{yaml,md}', { cwd: SAMPLES })
        .map((path) => path.replaceAll('\\', '/'))
        .sort(byText)
        .map((path) => [path, readFileSync(join(SAMPLES, path), 'utf8')]),
    ),
    null,
    2,
  )}\n`,
};

process.exitCode = await generate(
  [openApi, samples, settings, metrics, api, alertReference, runbookPage, cli],
  process.argv.includes('--check'),
);
