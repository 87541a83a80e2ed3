import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import type { Context } from '../context.ts';
import { EXIT } from '../errors.ts';
import { type Column, type Facts, type Format, renderTable, writeData, writeFacts } from '../render/output.ts';
import { age, list, plain } from '../render/text.ts';

type WaveView = RolloutView['waves'][number];

const WATCH_MS = 1_000;

const COLUMNS: readonly Column<WaveView>[] = [
  { title: 'WAVE', value: ({ name }) => name },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'REVISION', value: ({ revision }) => shortRevision(revision) },
  { title: 'CLUSTERS', value: ({ clusters }) => String(clusters) },
  { title: 'CHANGED', value: ({ changed }) => String(changed) },
  { title: 'MOVED', value: ({ moved }) => String(moved) },
  { title: 'PROVEN', value: ({ proven }) => String(proven) },
  { title: 'SOAKS UNTIL', value: ({ soaksUntil }) => soaksUntil ?? '-' },
  { title: 'UNREACHABLE', value: ({ unreachable }) => list(unreachable) },
];

const STATES: Readonly<Partial<Record<RolloutView['state'], string>>> = {
  Immediate: 'no RolloutStrategy is in force: every cluster gets a commit at once',
  NotRead: 'not known: the hub has not read the repository yet',
  Unreadable: 'not known: another version of the hub has stored the rollout, and every cluster keeps what it has; upgrade the hub',
};

const factsOf = ({ revision, state, base, since, halted, paused }: RolloutView, now: Date): Facts => [
  ['Revision', revision === null ? '-' : shortRevision(revision)],
  ['State', STATES[state] ?? state],
  ['Every wave has', base === null ? undefined : shortRevision(base)],
  ['Since', since === null ? undefined : age(since, now)],
  ['Paused', paused === null ? undefined : `by ${paused.by}, for ${age(paused.since, now)}`],
  ['Halted', halted === null ? undefined : `wave ${halted.wave}, gate ${halted.gate}, for ${age(halted.since, now)}: ${halted.problem}`],
  ['Clusters', halted === null || halted.clusters.length === 0 ? undefined : list(halted.clusters)],
  ['Next', halted?.next],
];

const write = async (context: Context, output: Format, view: RolloutView): Promise<void> => {
  if (output === 'json' || output === 'yaml') return writeData(context, output, view);
  writeFacts(context, factsOf(view, context.now()));
  if (view.waves.length > 0) context.out(`\n${renderTable(COLUMNS, view.waves, context.paint)}`);
};

/** A failed gate counts during a pause as well. */
const codeOf = ({ state, halted }: RolloutView): number => (halted !== null || state === 'Unreadable' ? EXIT.negative : EXIT.ok);

/** `fso rollout status`. @returns the exit code */
export const rolloutStatus = async (context: Context, { output, watch }: { output: Format; watch: boolean }): Promise<number> => {
  const hub = await context.connect();
  let shown = '';
  for (;;) {
    const view = await hub.rollout();
    const text = JSON.stringify(view);
    if (text !== shown) await write(context, output, view);
    shown = text;
    const isEnd = view.halted !== null || ['Finished', 'Immediate', 'Unreadable'].includes(view.state);
    if (!watch || isEnd) return codeOf(view);
    await delay(WATCH_MS);
  }
};

/** `fso rollout pause` */
export const pauseRollout = async (context: Context): Promise<void> => {
  const { revision } = await (await context.connect()).pauseRollout();
  context.out(`The rollout of ${shortRevision(revision)} is paused; \`fso rollout resume\` ends that.\n`);
};

const gateText = ({ wave, gate, problem, clusters }: NonNullable<RolloutView['halted']>): string =>
  `gate ${gate} of wave ${wave}: ${plain(problem)}${clusters.length === 0 ? '' : ` (${list(clusters)})`}`;

/** `fso rollout resume`: says which gate it will pass, and passes no other one. */
export const resumeRollout = async (context: Context, meant: { revision?: string; halt?: string }): Promise<void> => {
  const hub = await context.connect();
  const seen = await hub.rollout();
  const gate = seen.paused === null ? seen.halted : null;
  if (gate !== null && Date.parse(meant.halt ?? gate.since) === Date.parse(gate.since)) context.out(`Passes ${gateText(gate)}.\n`);
  const { revision, halted } = await hub.resumeRollout({
    revision: meant.revision ?? seen.revision ?? undefined,
    halt: meant.halt ?? gate?.since,
  });
  context.out(`The rollout of ${shortRevision(revision)} goes on.\n`);
  if (halted !== null) context.out(`Still halted: ${plain(halted.problem)}. Next: ${plain(halted.next)}\n`);
};
