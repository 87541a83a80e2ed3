import { setTimeout as delay } from 'node:timers/promises';
import type { RolloutView } from '@fso/shared/api';
import { approvalTag, immediateTag } from '@fso/shared/rollout';
import { shortRevision } from '@fso/shared/text';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { type Column, type Facts, type Format, renderTable, writeData, writeFacts } from '../render/output.ts';
import { age, list, withoutControls } from '../render/text.ts';

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

/** Text about a commit that asks to skip waves. */
const immediateText = (immediate: NonNullable<RolloutView['immediate']>, now: Date): string => {
  const { tag, signer, taggedBy, since, missing, approvers, problems } = immediate;
  if (since !== null)
    return `every cluster was given the commit at once, ${age(since, now)} ago: signed by ${signer}, tagged by ${taggedBy.join(' and ')}`;
  if (missing === 0 && problems.length === 0)
    return `the commit goes to every cluster once the rollout is resumed: signed by ${signer}, tagged by ${taggedBy.join(' and ')}`;
  const asked = missing === 1 ? 'is a signed tag' : `are ${missing} signed tags`;
  const by = approvers.length === 0 ? '' : ` by ${approvers.join(', ')}`;
  const awaited = `the commit goes by waves until there ${asked} ${tag}${by}`;
  return [missing === 0 ? 'the commit goes by waves' : awaited, ...problems].join('; ');
};

const factsOf = ({ revision, state, base, since, halted, paused, immediate }: RolloutView, now: Date): Facts => [
  ['Revision', revision === null ? '-' : shortRevision(revision)],
  ['State', STATES[state] ?? state],
  ['Every wave has', base === null ? undefined : shortRevision(base)],
  ['Since', since === null ? undefined : age(since, now)],
  ['Immediate', immediate === null ? undefined : immediateText(immediate, now)],
  ['Paused', paused === null ? undefined : `by ${paused.by}, for ${age(paused.since, now)}`],
  ['Halted', halted === null ? undefined : `wave ${halted.wave}, gate ${halted.gate}, for ${age(halted.since, now)}: ${halted.problem}`],
  ['Clusters', halted === null || halted.clusters.length === 0 ? undefined : list(halted.clusters)],
  ['Next', halted?.next],
];

type AwaitedTags = Pick<NonNullable<WaveView['approval']>, 'tag' | 'missing' | 'approvers' | 'problems'>;

const approvalText = (wave: string, waiting: string, { tag, missing, approvers, problems }: AwaitedTags): string => {
  const asked = `wave ${wave} waits (${waiting}) for ${missing} signed tag${missing === 1 ? '' : 's'} ${tag} by ${approvers.join(', ')}`;
  return [missing === 0 ? `wave ${wave} (${waiting})` : asked, ...problems].join('; ');
};

/** @returns a fact for each wave that waits for an approval, by its agents or the hub */
const approvalsOf = ({ waves, halted }: RolloutView): Facts => [
  ...(halted === null || halted.approval === null ? [] : [['Approval', approvalText(halted.wave, 'the hub', halted.approval)] as const]),
  ...waves.flatMap(
    ({ name, approval }): Facts => (approval === null ? [] : [['Approval', approvalText(name, `${approval.clusters} clusters`, approval)]]),
  ),
];

const write = async (context: Context, output: Format, view: RolloutView): Promise<void> => {
  if (output === 'json' || output === 'yaml') return writeData(context, output, view);
  writeFacts(context, [...factsOf(view, context.now()), ...approvalsOf(view)]);
  if (view.waves.length > 0) context.out(`\n${renderTable(COLUMNS, view.waves, context.paint)}`);
};

/** Exit code of a status. A failed gate also counts during a pause. */
const codeOf = ({ state, halted }: RolloutView): number => (halted !== null || state === 'Unreadable' ? EXIT.negative : EXIT.ok);

/** Runs `fso rollout status`. @returns the exit code */
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

/** Runs `fso rollout pause`. */
export const pauseRollout = async (context: Context): Promise<void> => {
  const { revision } = await (await context.connect()).pauseRollout();
  context.out(`The rollout of ${shortRevision(revision)} is paused; \`fso rollout resume\` ends that.\n`);
};

const gateText = ({ wave, gate, problem, clusters }: NonNullable<RolloutView['halted']>): string =>
  withoutControls(`gate ${gate} of wave ${wave}: ${problem}${clusters.length === 0 ? '' : ` (${list(clusters)})`}`);

/** Runs `fso rollout resume`: names the gate that it passes, and passes no other. */
export const resumeRollout = async (context: Context, meant: { revision?: string; halt?: string }): Promise<void> => {
  const hub = await context.connect();
  const seen = await hub.rollout();
  const gate = seen.paused === null ? seen.halted : null;
  if (gate !== null && gate.approval === null && Date.parse(meant.halt ?? gate.since) === Date.parse(gate.since))
    context.out(`Passes ${gateText(gate)}.\n`);
  const { revision, halted } = await hub.resumeRollout({
    revision: meant.revision ?? seen.revision ?? undefined,
    halt: meant.halt ?? gate?.since,
  });
  context.out(`The rollout of ${shortRevision(revision)} goes on.\n`);
  if (halted !== null) context.out(`Still halted: ${withoutControls(halted.problem)}. Next: ${withoutControls(halted.next)}\n`);
};

/** Patterns of ids and tags that are safe in a shell. A compromised hub may send others. */
const COMMIT = /^[0-9a-f]{40}$/;
const TAG = /^fso\/(approve\/[0-9a-f]{40}\/[a-z0-9][-a-z0-9]{0,62}|immediate\/[0-9a-f]{40})(\+[a-z0-9][-a-z0-9]{0,62})?$/;

interface PrintedTag {
  readonly tag: string;
  readonly message: string;
  /** Current commit, with which the new one is compared. */
  readonly from: string;
  readonly revision: string;
}

const printTag = (context: Context, { tag, message, from, revision }: PrintedTag): void => {
  if (!COMMIT.test(revision) || !COMMIT.test(from)) throw new CliError('The hub answered with an id that is not a commit id.');
  if (!TAG.test(tag)) throw new CliError('No tag can have this name: it takes lower case letters, digits and -.');
  const isSame = from === revision;
  if (isSame)
    context.progress(
      'Every wave counts as having this commit: compare it with the commit that the waiting clusters enforce, as `fso get clusters` shows.\n',
    );
  const compare = isSame ? '' : `git diff ${from} ${revision}\n`;
  context.out(`git fetch origin\n${compare}git tag -s -m '${message}' ${tag} ${revision}\ngit push origin ${tag}\n`);
};

const suffixed = (tag: string, suffix: string | undefined): string => tag + (suffix === undefined ? '' : `+${suffix}`);

/** Prints the commands that let the newest commit skip its waves. */
const printImmediate = (context: Context, { revision, base, immediate }: RolloutView, suffix: string | undefined): void => {
  if (revision === null || base === null || immediate === null)
    throw new CliError('The newest commit has no trailer `Rollout: immediate`, or no waves apply to it.', EXIT.negative);
  const message = `Give ${shortRevision(revision)} to every cluster at once`;
  printTag(context, { tag: suffixed(immediateTag(revision), suffix), message, from: base, revision });
};

interface ApproveOptions {
  readonly suffix?: string;
  readonly immediate: boolean;
}

/**
 * Runs `fso rollout approve`: prints the Git commands that approve the newest commit for a wave, or
 * for all at once. It neither signs nor pushes, because the hub has no key and no right to push.
 */
export const approveRollout = async (context: Context, name: string | undefined, { suffix, immediate }: ApproveOptions): Promise<void> => {
  if (immediate === (name !== undefined)) throw new CliError('Name a wave, or say --immediate.');
  const rollout = await (await context.connect()).rollout();
  if (name === undefined) return printImmediate(context, rollout, suffix);
  const { revision, waves } = rollout;
  const wave = waves.find((each) => each.name === name);
  if (wave === undefined || revision === null)
    throw new CliError(`No rollout has a wave ${withoutControls(name)}; \`fso rollout status\` shows the waves.`, EXIT.negative);
  const named = approvalTag(revision, name);
  const message = `Approve ${shortRevision(revision)} for wave ${name}`;
  printTag(context, { tag: suffixed(named, suffix), message, from: wave.revision, revision });
  const { tag: asked = named } = wave.approval ?? {};
  // Agents may report any tag. An approver must sign for the wave and commit that they named.
  if (asked !== named)
    context.progress(`Agents of this wave report that they wait for another tag, ${withoutControls(asked)}: find out why.\n`);
};
