import type { AnsweredPreview, ClusterPreview, PreviewedOwner } from '@fso/shared/api';
import { type ClusterWorkloads, type NotAnsweredReason, WORKLOAD_CLASSES, type WorkloadClass, type Workloads } from '@fso/shared/effects';
import { byText, groupBy } from '@fso/shared/encoding';
import { answerWithin, type Clock, mapConcurrently, truncate } from '@fso/shared/runtime';
import type { NoPreview } from '../delivery/index.ts';
import type { ClusterQuestion, NotAsked } from './cluster-questions.ts';

/** Limits of concurrent questions: agents that are asked, and bytes of questions in flight. */
const AT_ONCE = { agents: 32, bytes: 32 * 1024 * 1024 };
/** Time for asking all agents, in milliseconds. The plan names those not asked by then. */
const ASKING_MS = 30_000;
/** Most owners that a plan names, in equal shares for each class of each cluster that is asked. */
const MAX_NAMED = 3_000;
/** Limits of one owner in a plan: characters of its reason and of its fix, and policies. */
const OF_OWNER = { characters: 256, policies: 5 };

const MESSAGES: Readonly<Record<NotAnsweredReason, string>> = {
  Off: 'their agents answer no plans (FSO_PREVIEW=off)',
  Busy: 'their agents are busy',
  TooMany: 'their agents have answered 30 plans within the hour',
  OtherList: 'their agents do not have the policies of the commit in force, as while a rollout in waves holds these back',
  NotObserved: 'what their agents know of them is out of date',
  Invalid: 'their agents do not take the changed policies; they may be older',
  TooLarge: 'the change is too large for one question',
  GaveUp: 'their agents needed the time to enforce',
  NotConnected: 'no agent of them is connected',
  NoAnswer: 'their agents are connected and did not answer, or not in time',
  NotAsked: 'there was no time left to ask them, or another hub has their streams and the question is too large to be passed on',
  OutOfScope: 'the change concerns more of them than you see',
};

/** Agents that answer what a change would do in their clusters. */
export interface PreviewingAgents {
  /** @param caller aborts once the caller no longer waits for the answer */
  preview(cluster: string, question: string, caller: AbortSignal): Promise<ClusterPreview | NoPreview>;
}

/** The part of an answer that is kept, or the reason why there is none. */
interface Answer {
  readonly cluster: string;
  readonly kept: ClusterWorkloads | NotAnsweredReason;
}

/** Limits of the part of an answer that is kept. */
interface Share {
  readonly names: ClusterQuestion['names'];
  /** Most owners of one class. */
  readonly owners: number;
}

/** Policies of an owner that the caller sees. If there are none, the owner is hidden, too. */
const seenPolicies = ({ policies }: PreviewedOwner, { names }: Share): readonly string[] =>
  names === null ? policies : policies.flatMap((policy) => names.get(policy) ?? []);

const keepOwners = (owners: readonly PreviewedOwner[], share: Share): PreviewedOwner[] =>
  owners
    .map((owner) => ({ ...owner, policies: seenPolicies(owner, share).slice(0, OF_OWNER.policies) }))
    .filter(({ policies }) => share.names === null || policies.length > 0)
    .slice(0, share.owners)
    .map(({ reason, fix, ...owner }) => ({
      ...owner,
      reason: truncate(reason, OF_OWNER.characters),
      fix: truncate(fix, OF_OWNER.characters),
    }));

const keepClass = ({ now, after, begins, ends, owners }: AnsweredPreview['outside'], share: Share): WorkloadClass => ({
  ...(share.names === null ? { now, after } : { now: null, after: null }),
  begins,
  ends,
  ...(owners && { owners: keepOwners(owners, share) }),
});

const coverageOf = ({ lookedAt, omitted }: AnsweredPreview): ClusterWorkloads['coverage'] => {
  if (omitted > 0) return 'Part';
  return lookedAt.namespaces === 0 ? 'None' : 'Whole';
};

const keepAnswer = (cluster: string, answer: ClusterPreview | NoPreview, share: Share): Answer => {
  if (typeof answer === 'string') return { cluster, kept: answer };
  if (answer.state === 'NotAnswered') return { cluster, kept: answer.reason };
  const { observedAt, lookedAt, omitted, pending } = answer;
  const { eased } = pending;
  const whole = share.names === null ? { lookedAt, omitted } : { lookedAt: null, omitted: null };
  return {
    cluster,
    kept: {
      cluster,
      observedAt,
      // From the uncut answer: incomplete coverage must show even where the counts are hidden.
      coverage: coverageOf(answer),
      ...whole,
      outside: keepClass(answer.outside, share),
      refused: keepClass(answer.refused, share),
      pending: { ...keepClass(pending, share), ...(eased !== undefined && { eased }) },
    },
  };
};

/** Joins answers, and groups the clusters without one by reason. Pure. */
export const joinAnswers = (answers: readonly Answer[], notAsked: NotAsked): Omit<Workloads, 'teams'> => {
  const unanswered = answers.flatMap(({ cluster, kept }) => (typeof kept === 'string' ? [{ cluster, reason: kept }] : []));
  const missing = [...[...notAsked].map(([cluster, reason]) => ({ cluster, reason })), ...unanswered];
  return {
    clusters: answers
      .flatMap(({ kept }) => (typeof kept === 'string' ? [] : [kept]))
      .sort((left, right) => byText(left.cluster, right.cluster)),
    notAnswered: [...groupBy(missing, ({ reason }) => reason)]
      .map(([reason, those]) => ({ clusters: those.map(({ cluster }) => cluster).sort(byText), reason, message: MESSAGES[reason] }))
      .sort((left, right) => byText(left.reason, right.reason)),
  };
};

/**
 * Asks agents, a limited number at a time, and cuts each answer when it arrives, so that only the
 * answers in flight take their full size.
 *
 * @throws the signal's reason
 */
export const askAgents = async (
  questions: readonly ClusterQuestion[],
  agents: PreviewingAgents,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly Answer[]> => {
  const until = clock.monotonicMs() + ASKING_MS;
  const calls = questions.flatMap(({ clusters, text, names }) => clusters.map((cluster) => ({ cluster, text, names })));
  const largest = Math.max(1, ...questions.map(({ text }) => text.length));
  const limit = Math.max(1, Math.min(AT_ONCE.agents, Math.floor(AT_ONCE.bytes / largest)));
  const owners = Math.floor(MAX_NAMED / (WORKLOAD_CLASSES.length * Math.max(1, calls.length)));
  const over = new AbortController();
  const ask = async ({ cluster, text, names }: (typeof calls)[number]): Promise<Answer> => {
    signal.throwIfAborted();
    const left = until - clock.monotonicMs();
    const answer = left <= 0 ? 'NotAsked' : await answerWithin(agents.preview(cluster, text, over.signal), left, clock, signal);
    // A plan that the caller has given up on must fail, so that it does not count as made.
    signal.throwIfAborted();
    return keepAnswer(cluster, answer ?? 'NoAnswer', { names, owners });
  };
  try {
    return await mapConcurrently(calls, limit, ask);
  } finally {
    over.abort();
  }
};
