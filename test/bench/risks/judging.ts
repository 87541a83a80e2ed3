import { createLogger, systemClock } from '@fso/shared/runtime';
import { RiskWatch } from '../../../agent/risk/risk-watch.ts';
import { readCount, readOptions } from '../options.ts';
import { governanceOf, nodesOf, ownersOf, TEMPLATE_NAMES, type Template } from './scene.ts';

interface Settings {
  readonly namespaces: number;
  readonly owners: number;
  readonly nodes: number;
}

/** Returns the CPU time of this thread in ms, which other load does not affect. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

const NO_ANSWERS = {};

/** Calls `run`, and returns its CPU time in ms. */
const timed = (run: () => void): number => {
  const before = cpuMs();
  run();
  return cpuMs() - before;
};

const measure = async (template: Template, { namespaces, owners, nodes }: Settings, signal: AbortSignal): Promise<string> => {
  const names = Array.from({ length: namespaces }, (_, n) => `bench-${n}`);
  const sets = new Map(names.map((name) => [name, ownersOf(template, name, owners)]));
  const view = { places: { facts: nodesOf(nodes) } };
  const judged = Promise.withResolvers<void>();
  const watch = new RiskWatch({
    owners: { ownersIn: (name) => sets.get(name) ?? new Map(), problem: undefined, leftOut: new Map(), subscribe: () => () => undefined },
    webhooks: { fingerprint: '', subscribe: () => () => undefined },
    shapes: { in: () => ({ apartFrom: () => [] }), versionIn: () => NO_ANSWERS, forgotten: undefined, subscribe: () => () => undefined },
    view,
    dryRuns: { expect: () => undefined, answer: () => undefined, answersIn: () => NO_ANSWERS },
    injects: () => true,
    clock: systemClock,
    logger: createLogger({ name: 'bench', level: 'silent' }),
    shownMs: 120_000,
    wake: () => judged.resolve(),
  });
  const stop = new AbortController();
  const running = watch.run(AbortSignal.any([signal, stop.signal]));
  const governance = governanceOf(names);
  const roundMs = timed(() => watch.look(governance));
  const before = cpuMs();
  const begun = performance.now();
  await judged.promise;
  const total = roundMs + cpuMs() - before;
  const settledMs = timed(() => watch.look(governance));
  const after = performance.now() - begun;
  stop.abort();
  await running;
  return [
    `${template}: judging takes ${total.toFixed(0)} ms of CPU time, which a round would wait for in one go`,
    `a round waits ${roundMs.toFixed(1)} ms while it is due, and ${settledMs.toFixed(1)} ms once all is judged, ${(after / 1000).toFixed(1)} s later`,
  ].join('; ');
};

/** Measures how long judging the next pods of many owners blocks a reconcile. */
export const riskJudging = async (args: string[], signal: AbortSignal): Promise<void> => {
  const values = readOptions(args, {
    namespaces: { type: 'string', default: '1' },
    owners: { type: 'string', default: '1000' },
    nodes: { type: 'string', default: '1000' },
  });
  const count = (name: keyof typeof values): number => readCount(name, values[name]);
  const settings = { namespaces: count('namespaces'), owners: count('owners'), nodes: count('nodes') };
  console.log(`risk-judging: ${settings.namespaces} namespaces with ${settings.owners} owners each, no two alike, ${settings.nodes} nodes`);
  for (const template of TEMPLATE_NAMES) console.log(`  ${await measure(template, settings, signal)}`);
};
